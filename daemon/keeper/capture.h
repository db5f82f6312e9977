/* SPDX-License-Identifier: MIT */
/*
 * What children write: the pipes behind stdout and stderr where these are "log", and who empties them.
 *
 * The keeper does it itself, with one system call that moves bytes from a pipe into memory that the broker
 * can read (daemon/logs/): it parses nothing, and waits for nobody. So no death of a broker is noticed in a
 * log, a child never waits for a broker or a disk, and what a child wrote is there before its end is
 * reported. So that children that write without end do not keep it from its work, it gives them a share of
 * its time only; they wait in their write meanwhile, for milliseconds.
 *
 * A pipe lives until all its writers have closed it, however long after the end of the process that is; once
 * the process is forgotten, what comes is thrown away, as a writer would die by SIGPIPE otherwise.
 */
#ifndef PROCD_KEEPER_CAPTURE_H
#define PROCD_KEEPER_CAPTURE_H

#include "daemon/keeper/state.h"

struct spawn_plan;
struct handover_pipe;

#define LOGS_SIZE_DEFAULT (1 << 20)         /* bytes of a process */
#define LOGS_QUOTA_DEFAULT (64 << 20)       /* bytes of a uid */
#define LOGS_AGE_DEFAULT (7 * 24 * 60 * 60) /* seconds */

/* 0 or -errno. Nothing is kept before capture_fill. */
int capture_open(struct keeper *keeper);
/* The same for a keeper that is none, without anything of the kernel's: see handover_rehearse. */
int capture_begin_rooms(struct capture *capture);
/* Makes the memory, or takes over that of an earlier program of this process, or of an earlier keeper, whose
 * pipes have been restored (index_fd -1: there is none). Where that fails, so does a spawn with "log". */
void capture_fill(struct keeper *keeper, int index_fd, int data_fd);
void capture_close(struct keeper *keeper);

/* Gives the slot a log if it has none. 0, -ENOMEM or -ENOSPC. */
int capture_log(struct keeper *keeper, struct slot *slot, const struct spawn_plan *plan);
/* Where "log" is the system's journal and there is one, the plan is told so. Otherwise:
 * the pipes that a plan asks for, made and watched; their ends for the child are put behind the *count
 * descriptors in fds, which the plan then names in place of "log". 0, or -errno: nothing was made. */
int capture_begin(struct keeper *keeper, struct slot *slot, struct spawn_plan *plan, int *fds, size_t *count);
/* It has not come to a process: as if there had been nothing, but for what an earlier run has written. */
void capture_abandon(struct keeper *keeper, struct slot *slot);
/* The process has ended, and its end is about to be reported: takes what it has written. */
void capture_ended(struct keeper *keeper, struct slot *slot);
/* The process is to be forgotten, and its log with it. */
void capture_forget(struct keeper *keeper, struct slot *slot);

/* Of this broker there is somebody who follows the log: it is rung when there is something new. */
void capture_follow(struct keeper *keeper, const struct link_log_follow *order);
/* Descriptors for a broker: index and data, to read, and the bell. 0, or -errno; the first two are the
 * caller's. */
int capture_share(const struct keeper *keeper, int ret_fds[3]);

/* Returns when it is to be called again. */
int64_t capture_tick(struct keeper *keeper);

/* A pipe that an earlier program of this process had, or an earlier keeper. slot NULL: of a process that is
 * forgotten. 0 or -ENOMEM. */
int capture_restore(struct keeper *keeper, struct slot *slot, const struct handover_pipe *from);

/* Has its pipes kept for another keeper. 0, or -errno: to be tried again. */
int capture_keep(struct keeper *keeper, struct slot *slot);
#endif
