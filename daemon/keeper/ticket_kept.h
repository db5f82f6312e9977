/* SPDX-License-Identifier: MIT */
/*
 * Tickets that outlive the keeper. A ticket's descriptors are the client's, and there may be many, two of
 * them the same: a store that takes one descriptor each, drops doubles and promises no order is no place for
 * them. So a ticket is kept as one descriptor, a socket that has the ticket in its queue: its memory, and
 * what the spec speaks of. What the keeper has stays its own; the socket is a copy for whoever comes after,
 * who looks at it and leaves it there for the next one.
 *
 * Descriptors in a queue count against their user (RLIMIT_NOFILE; with too many of them none of that user's
 * programs could pass one on), so there is a limit for all of them together. A ticket that is not kept ends
 * with the keeper, and the restart policy with it: the core is told so when it asks for another run.
 */
#ifndef PROCD_KEEPER_TICKET_KEPT_H
#define PROCD_KEEPER_TICKET_KEPT_H

#include "daemon/keeper/state.h"

#define TICKETS_KEPT_FDS_MAX 512 /* in the queues of all that are kept */

/* Has the slot's ticket kept, if it has one and that is not; says so where it cannot be. */
void ticket_keep(struct keeper *keeper, struct slot *slot);
/* The slot's ticket goes, wherever it is; so does the promise of one. No-op without. */
void ticket_drop(struct keeper *keeper, struct slot *slot);
/* As an earlier program of this process had it: what is kept counts. */
void ticket_restored(struct keeper *keeper, struct slot *slot);

/* After the table was restored from a dead keeper's ledger: what it has had kept for the slot. Without that
 * the slot has no ticket, and this is said. */
void ticket_adopt(struct keeper *keeper, struct shelf *shelf, struct slot *slot);

/* A socket with a copy of the ticket, for ticket_unpack; or -errno. */
int ticket_pack(const struct slot *slot);
/* The slot has its ticket again: 0, or -errno. The socket stays the caller's, and as it was. */
int ticket_unpack(struct keeper *keeper, struct slot *slot, int box);

#endif
