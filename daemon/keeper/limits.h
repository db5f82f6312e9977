/* SPDX-License-Identifier: MIT */
/*
 * Resource limits: what a child of a given caller gets.
 */
#ifndef PROCD_KEEPER_LIMITS_H
#define PROCD_KEEPER_LIMITS_H

#include "daemon/keeper/spawn_child.h"
#include "daemon/keeper/state.h"

/* Reads the limits that procd was started with, and raises its own soft RLIMIT_NOFILE to the hard one, and
 * RLIMIT_FSIZE as far as it may. -EFBIG, which is said, where that is less than procd's memory needs. */
int limits_open(struct keeper *keeper);

/* The steps for a child of this connection, put into the plan: procd's own limits, for other callers than
 * root capped by the hard limits of their process, then those that the spec asks for. 0 or -errno. */
int limits_plan(const struct keeper *keeper, const struct connection *connection, struct spawn_plan *plan);

#endif
