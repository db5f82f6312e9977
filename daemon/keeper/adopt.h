/* SPDX-License-Identifier: MIT */
/*
 * Taking over from a keeper that has died: its ledger becomes the table of this one, under the same epoch,
 * and the next broker goes on from the state memory as if only the last broker had died.
 *
 * What was alive is found by its pidfd from the store, or by its number. What is not found has ended, and its
 * status is unknown, unless the ledger has it: the wait was over, or the end on record.
 *
 * A spawn that was under way: where no child had been made it was never begun, and the client asks again, as
 * when its descriptors go down with a broker. A child is left to go on to its exec, in the memory of the dead
 * keeper, which lasts as long as it is used; it is told as spawned once it is another program, and as failed
 * where it ends before. What it has written into the ledger says why. It has the same 10 s for it as any
 * other, from here on.
 *
 * The old broker is killed, if it has not ended with its link yet, before anybody reads the state memory.
 */
#ifndef PROCD_KEEPER_ADOPT_H
#define PROCD_KEEPER_ADOPT_H

#include "daemon/keeper/state.h"

/* The keeper's rooms are open, its ledger is written. Takes what it needs out of the shelf. 0; 1: nothing can
 * be taken over, now or later, and the table is empty; or -errno: another attempt may do better, in another
 * process. */
int adopt(struct keeper *keeper, struct shelf *shelf);
/* Says that it cannot be done, where that is for good. 1, or r. */
int adopt_give_up(int r);

#endif
