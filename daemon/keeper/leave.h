/* SPDX-License-Identifier: MIT */
/*
 * How the daemon ends.
 */
#ifndef PROCD_KEEPER_LEAVE_H
#define PROCD_KEEPER_LEAVE_H

#include "daemon/keeper/link.h"
#include "daemon/keeper/state.h"

/* LINK_LEAVE. */
void leave_asked(struct keeper *keeper, const struct link_leave *order);
/* SIGTERM or SIGINT: the broker stops the children and asks to leave; the second time, or after 30 s, or
 * when they were to live on by LINK_LEAVE, they are killed. */
void leave_signalled(struct keeper *keeper);
/* Goes on with it. Returns when to call again. */
int64_t leave_tick(struct keeper *keeper);

#endif
