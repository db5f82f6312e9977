/* SPDX-License-Identifier: MIT */
/*
 * Spawning, the keeper's side: from an order to LINK_SPAWNED or LINK_SPAWN_FAILED.
 */
#ifndef PROCD_KEEPER_SPAWN_H
#define PROCD_KEEPER_SPAWN_H

#include "daemon/keeper/spawn_child.h"
#include "daemon/keeper/state.h"

#define SPAWN_DEADLINE        (10 * NSEC_PER_SEC)
#define SPAWN_LATE            NSEC_PER_SEC /* noticed so late, the deadline is put off */
#define SPAWN_JOBS_MAX        4096 /* at once; more fail with EAGAIN */
#define SPAWN_JOBS_CLIENT_MAX 512  /* of one client */

/* Executes LINK_SPAWN. Descriptors that are left in fds stay the caller's. What can fail is reported, not
 * returned. */
void spawn_begin(struct keeper *keeper, const struct link_spawn *order, const void *spec, struct fdpass *fds);

/* Begins the process of a slot again from its ticket: it has ended and was waited for, its tree has gone, and
 * its reports are forgotten. What can fail is reported. */
void spawn_again(struct keeper *keeper, struct slot *slot);
/* It will not: that is reported as a failure. */
void spawn_cancelled(struct keeper *keeper, struct slot *slot, int error, uint32_t stage);

/* Reads what the child wrote and, if it has ended or become another program, reports. Before its end is
 * reported. dead: it is known to have ended. May free the slot of one that was late. */
void spawn_settle(struct keeper *keeper, struct slot *slot, bool dead);

/* Its process has connected to us, and so become another program: its pipe may not say so yet, as who was
 * cloned after it has the other end, too, until its own exec. */
void spawn_talks(struct keeper *keeper, struct slot *slot);
/* Of all that are under way: before somebody is let in who may be one of them. */
void spawn_settle_all(struct keeper *keeper);

/* Clones the child of a job that has a plan. share: the descriptors become the job's. 0, or -errno: there is
 * none, and job and descriptors are the caller's. */
int spawn_run(struct keeper *keeper, struct job *job, struct slot *slot, const int *fds, size_t count,
              bool share);
/* It has failed, and there is no child to wait for. */
void spawn_undone(struct keeper *keeper, struct slot *slot, int error, uint32_t stage);

/* The two ways in which it ends, as reports. */
void spawn_failed(struct keeper *keeper, struct slot *slot, int error, uint32_t stage);
void spawn_succeeded(struct keeper *keeper, struct slot *slot);

/* Kills those that are past their deadline. Returns when the next one is, INT64_MAX without. */
int64_t spawn_expire(struct keeper *keeper);

/* The client is forgotten: its spawns under way count for nobody. */
void spawn_disown(struct keeper *keeper, const struct client *client);

#endif
