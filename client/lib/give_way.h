/* SPDX-License-Identifier: MIT */
/*
 * To let others have the processor for a moment, between two looks at a word or behind a hand-over. What that
 * takes is mostly what others do with the lock meanwhile. Where it is as much as beside somebody who never
 * sleeps, by the mean of some hand-overs and of the longest of some looks, the next ones do without. Of the
 * calling thread; what it knows is in shared_self.
 */
#ifndef PROCD_CLIENT_LIB_GIVE_WAY_H
#define PROCD_CLIENT_LIB_GIVE_WAY_H

#include <stdbool.h>
#include <stdint.h>

/* Whether others may have its processor, once. A thread that is to run in real time gives way to nobody: its
 * equals might not let it go on. */
bool way_may_be_given(void);

/* now: CLOCK_MONOTONIC, ns. Returns what it is then, and what others have taken. */
int64_t way_give(int64_t now, int64_t *ret_span);

/* That counts, up to some ms: one may be a hiccup of the machine. */
void way_note(int64_t span);

/* It may run on one processor only: an owner that is to run there cannot let go while somebody looks. */
bool way_is_confined(void);

/* Less than a microsecond, in which its processor is its sibling's. */
void way_pause(void);

#endif
