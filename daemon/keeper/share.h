/* SPDX-License-Identifier: MIT */
/*
 * A child that begins with our descriptors rather than with a copy of all of them.
 *
 * A clone copies the table, and the child closes what it does not need: with thousands of children, each of
 * which has a pidfd here, that is nearly all of what a spawn costs. So the child shares the table
 * (CLONE_FILES) until its first step, which is to leave it: close_range(2) with CLOSE_RANGE_UNSHARE copies
 * only what is below a number. Until then a number that the child needs may not be closed here, or come to
 * stand for something else. So its job holds them, and closes them once the child is apart: it sets a flag in
 * its plan, which is looked at each turn, and where the loop may sleep it writes that to its pipe as well.
 *
 * Numbers of what lasts are high, so that what children need is below them.
 */
#ifndef PROCD_KEEPER_SHARE_H
#define PROCD_KEEPER_SHARE_H

#include "daemon/keeper/job.h"
#include "daemon/keeper/state.h"

/* May a child share the table, and is that worth anything? Not where it is to have a client's descriptor
 * whose close may block: that is not to wait for anybody. */
bool share_may(struct keeper *keeper, const int *fds, size_t count);

/* The child of a job is about to share it. What its plan names is the job's from now on, with the child's end
 * of its pipe. To be called before the clone; share_undo where that fails. */
void share_begin(struct keeper *keeper, struct job *job);
/* They are the caller's again. */
void share_undo(struct keeper *keeper, struct job *job);
/* The child is apart, or has ended. No-op without. */
void share_end(struct keeper *keeper, struct job *job);

/* Ends it if its child is apart. No-op without. */
void share_settle(struct keeper *keeper, struct job *job);
/* Ends those whose child is apart, and reports those that have begun: also before anything is told that such
 * a child has done. Returns when to look again, INT64_MAX without any. */
int64_t share_tick(struct keeper *keeper);

/* Until no child has a descriptor of ours any more that it was only cloned with. That takes some system
 * calls of each; one that does not come to it within so many nanoseconds is never waited for again. */
void share_await_closed(struct keeper *keeper, int64_t patience);

/* What is opened between these two lasts: low numbers are left free. */
void share_reserve(void);
void share_release(void);

/* The descriptor, which lasts, at a high number, or as it was. The second costs nothing where there are few
 * children. */
int share_park(int fd);
int share_park_many(const struct keeper *keeper, int fd);

#endif
