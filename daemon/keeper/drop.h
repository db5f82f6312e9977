/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of clients, of which nobody knows how long their close takes.
 */
#ifndef PROCD_KEEPER_DROP_H
#define PROCD_KEEPER_DROP_H

#include "daemon/keeper/state.h"

#include <stddef.h>

/*
 * Takes them over. What a client sent may block in close, so the closer does it. A close takes the number out
 * of our table before it blocks: that is waited for, since a child cloned before would get a copy, and be the
 * one to block. It takes as long as a thread takes to begin; where all closers are stuck there is nothing to
 * wait for.
 */
void drop_descriptors(int *fds, size_t count);

/* The same for what we have had for some time: children that were cloned meanwhile may have copies, so that
 * they have closed theirs is waited for, too. Not where it is closed at once anyway. */
void drop_held(struct keeper *keeper, int *fds, size_t count);

/* Hangs up, as hangup.h has it, on a client whose connection the broker does not have. */
void drop_connection(struct keeper *keeper, int fd);

#endif
