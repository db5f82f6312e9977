/* SPDX-License-Identifier: MIT */
/*
 * A spawn as a copy of a zygote (proto/zygote.h), in the place of a clone and an exec of our own. It saves
 * time and changes nothing: what does not come to its end with the zygote is executed, as if there were none.
 *
 * One thing an exec survives and a copy does not: where the keeper is killed in the microseconds between its
 * note that a copy begins and its word to it, the copy has not begun, and counts as one that SIGKILL ended.
 */
#ifndef PROCD_KEEPER_COPY_H
#define PROCD_KEEPER_COPY_H

#include "daemon/keeper/job.h"
#include "daemon/keeper/state.h"

#define COPY_PATIENCE NSEC_PER_SEC /* then the zygote hangs, and is killed */

/* Asks the zygote that the job names. The first fd_count of fds are a client's, the rest are ours. True: it
 * is under way, and they are the job's; false: nothing has happened, it is to be executed. */
bool copy_begin(struct keeper *keeper, struct slot *slot, struct job *job, const int *fds, size_t fd_count,
                size_t count);

/* Executes those that have waited too long. Returns when the next one has, INT64_MAX without. */
int64_t copy_expire(struct keeper *keeper);

/* The client is forgotten: its spawns under way count for nobody. */
void copy_disown(struct keeper *keeper, const struct client *client);

#endif
