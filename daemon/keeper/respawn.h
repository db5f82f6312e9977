/* SPDX-License-Identifier: MIT */
/*
 * A process that has ended begins again, under its number and in its slot, from what its ticket holds. Before
 * that everything that its last run has left behind is killed, and has gone: two runs of one process never
 * meet.
 */
#ifndef PROCD_KEEPER_RESPAWN_H
#define PROCD_KEEPER_RESPAWN_H

#include "daemon/keeper/state.h"

/* LINK_RESPAWN. Without a ticket, and while it has not ended, nothing happens; where the ticket was lost with
 * an earlier keeper that is reported. */
void respawn_asked(struct keeper *keeper, struct slot *slot);
/* LINK_DROP, and the end of the slot: its ticket goes. */
void respawn_drop(struct keeper *keeper, struct slot *slot);
/* The same for all of them, of which nobody knows any more. */
void respawn_drop_all(struct keeper *keeper);
/* As an earlier program of this process had it: one that was asked for and has not begun. */
void respawn_restore(struct keeper *keeper, struct slot *slot);

/* After tickets were looked for: one that was asked for and has none cannot begin. */
void respawn_adopted(struct keeper *keeper, struct slot *slot);

/* Begins those whose trees have gone. */
void respawn_tick(struct keeper *keeper);

#endif
