/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL for a whole tree that is a cgroup: to the process first, to whoever is left of its tree when it has
 * ended. Most trees are one process: then the cgroup is not written to, which takes longer than the signal,
 * and can be used again, which one that was killed cannot (recycle in cgroup.c). A process that does not end,
 * as it hangs in the kernel, keeps nobody alive: then the others are killed without waiting for it.
 */
#ifndef PROCD_KEEPER_KILLING_H
#define PROCD_KEEPER_KILLING_H

#include "daemon/keeper/state.h"

/* The process has had its SIGKILL, and has not ended. */
void killing_begin(struct keeper *keeper, struct slot *slot);
/* An earlier keeper has begun that, or an earlier program of this one; since then it may have ended. */
void killing_restore(struct keeper *keeper, struct slot *slot);
/* It has ended. True: the rest of its tree is to be killed. */
bool killing_end(struct keeper *keeper, struct slot *slot);
/* Kills the rest of those that do not end. Returns when to look again, INT64_MAX without any. */
int64_t killing_tick(struct keeper *keeper);

#endif
