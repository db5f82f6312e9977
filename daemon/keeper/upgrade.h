/* SPDX-License-Identifier: MIT */
/*
 * Another program in this one's place, as `daemon.restart` puts it there: the file that now has the program's
 * name is first run in the role "check", where it reads a copy of the state. One that cannot, that crashes,
 * hangs, or is no program at all changes nothing. The very file that was checked is what takes over, whatever
 * has its name by then, once the broker has taken its last snapshot and ended: this process becomes it, by
 * exec, and goes on as its keeper. Where that fails, this program goes on, and so does the broker's.
 */
#ifndef PROCD_KEEPER_UPGRADE_H
#define PROCD_KEEPER_UPGRADE_H

#include "daemon/keeper/state.h"

/* LINK_CHECK: a broker asks, with a copy of its state (stays the caller's; -1: it forgot that). */
void upgrade_check(struct keeper *keeper, int state_fd);
/* LINK_REPLACE: it has taken its last snapshot, and ends. */
void upgrade_replace(struct keeper *keeper);
/* The broker has ended. True: it was to be replaced, and no other is to be started: upgrade_tick sees to
 * it. */
bool upgrade_broker_ended(struct keeper *keeper);
/* Ends what takes too long. Returns when to call again. */
int64_t upgrade_tick(struct keeper *keeper);
void upgrade_open(struct keeper *keeper);
void upgrade_close(struct keeper *keeper);

#endif
