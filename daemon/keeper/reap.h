/* SPDX-License-Identifier: MIT */
/*
 * Ends, stops and goes of children.
 */
#ifndef PROCD_KEEPER_REAP_H
#define PROCD_KEEPER_REAP_H

#include "daemon/keeper/state.h"

#include <signal.h>
#include <sys/resource.h>

/* A child's pidfd is readable: a watch_fn. */
void reap_ready(struct keeper *keeper, struct watch *watch, uint32_t events);

/* It has ended. info NULL: nobody knows how. reaped: its number is free already. */
void reap_ended(struct keeper *keeper, struct slot *slot, const siginfo_t *info, const struct rusage *usage,
                bool reaped);

/* It has stopped, or gone on: si_code. */
void reap_stopped(struct keeper *keeper, struct slot *slot, int code);

/* SIGCHLD about this process: acts on it, and has the rest looked for, since such signals merge. */
void reap_signalled(struct keeper *keeper, pid_t pid);
/* Look at everything soon. */
void reap_request_sweep(struct keeper *keeper);
/* Looks for what merged signals hid and for what is left of trees, when it is time. Returns when to call
 * again. */
int64_t reap_sweep(struct keeper *keeper);

#endif
