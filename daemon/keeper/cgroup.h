/* SPDX-License-Identifier: MIT */
/*
 * Control groups (version 2), one per child, where the machine lets us: from a pool of empty ones that is
 * filled while the keeper has nothing else to do, and used again once empty.
 */
#ifndef PROCD_KEEPER_CGROUP_H
#define PROCD_KEEPER_CGROUP_H

#include "daemon/keeper/state.h"

/* Memory, and nothing in it. 0 or -ENOMEM. */
int cgroups_begin(struct cgroups *cgroups);
/* Finds out whether there are any: base stays -1 if not. May wait for a test process for a moment. */
void cgroups_open(struct keeper *keeper);
/* Removes every directory that is empty. */
void cgroups_close(struct keeper *keeper);

/* Is there something to be made ahead, or removed? Then does it with one of them. */
bool cgroup_wanted(const struct keeper *keeper);
void cgroup_tidy(struct keeper *keeper);
/* When there may be, INT64_MAX: not before something else has happened. */
int64_t cgroup_tick(const struct keeper *keeper);

/* An empty one with its directory open, or NULL. */
struct cgroup *cgroup_take(struct keeper *keeper);
/* Nothing was put into it. */
void cgroup_give_back(struct keeper *keeper, struct cgroup *cgroup);
/* Somebody has removed empty ones, perhaps all of them: begins anew with those that are in use. */
void cgroups_renew(struct keeper *keeper);
/* A child is in it. */
void cgroup_begun(struct keeper *keeper, struct cgroup *cgroup);
/* Its owner is gone. It is used again now if it is empty, else when cgroup_sweep finds it so; one that is
 * spoilt is removed. */
void cgroup_leave(struct keeper *keeper, struct cgroup *cgroup, bool empty);
void cgroup_sweep(struct keeper *keeper);

/* Has somebody made cgroups of their own in it? 1 or 0, or -errno. */
int cgroup_has_others(const struct keeper *keeper, const struct cgroup *cgroup);
bool cgroup_empty(struct keeper *keeper, struct cgroup *cgroup);
int cgroup_kill(const struct keeper *keeper, struct cgroup *cgroup);
void cgroup_kill_orphans(struct keeper *keeper);
/* Calls back for each process in it. 0, or -errno: not for all of them. */
int cgroup_each(const struct keeper *keeper, const struct cgroup *cgroup,
                void (*each)(pid_t pid, void *data), void *data);
/* Is the process in it? 1 or 0, or -errno. By /proc: to be asked while a pidfd of it is held. */
int cgroup_holds(const struct keeper *keeper, const struct cgroup *cgroup, pid_t pid);
enum link_unknown_bool cgroup_oom(const struct keeper *keeper, const struct cgroup *cgroup);

#endif
