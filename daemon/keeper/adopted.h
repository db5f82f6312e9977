/* SPDX-License-Identifier: MIT */
/*
 * Children of an earlier keeper, until they have ended. Others wait for them. Where the front has inherited
 * them it tells how they end, as the kernel told it (daemon/orphans.h). Where that front is gone it was the
 * service manager, or the first process of the machine: then their pidfd tells that they have ended, and how
 * only once they were waited for, on kernels that tell it at all (Linux 6.15), without an rusage; elsewhere
 * nobody here knows, and the status is unknown.
 */
#ifndef PROCD_KEEPER_ADOPTED_H
#define PROCD_KEEPER_ADOPTED_H

#include "daemon/keeper/state.h"

#include <signal.h>

#define ADOPTED_PATIENCE (5 * NSEC_PER_SEC) /* with a stranger that does not wait for its dead */

/* After the table was restored: looks at what has become of it. wait: the last one of the earlier keeper,
 * which may have told nobody of it. */
struct ledger_wait;
void adopted_begin(struct keeper *keeper, struct slot *slot, const struct ledger_wait *wait);

/* Its pidfd is readable: it has ended. */
void adopted_ready(struct keeper *keeper, struct slot *slot);

/* The front has this to say of one of its children, which may be no process of ours. */
void adopted_told(struct keeper *keeper, pid_t pid, const siginfo_t *info, const struct rusage *usage);
void adopted_stopped(struct keeper *keeper, pid_t pid, int code);

/* Looks again at those that have not come to their exec, and at those that nobody has waited for. Returns
 * when to call again. */
int64_t adopted_tick(struct keeper *keeper);

#endif
