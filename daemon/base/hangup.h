/* SPDX-License-Identifier: MIT */
/*
 * The end of a connection of somebody who may mean no good. What was sent and not read the kernel closes
 * with the socket: descriptors, too, in the thread of whoever closes it last, and that may block for as long
 * as the sender likes.
 */
#ifndef PROCD_BASE_HANGUP_H
#define PROCD_BASE_HANGUP_H

#include <stddef.h>

/* Takes descriptors over, of which nobody knows how long their close takes. */
typedef void hang_up_drop(void *context, int *fds, size_t count);

/* Before the first read of a stream socket: what is sent out of band comes in turn, with its descriptors.
 * Else a read passes it over, which closes them. */
void hang_up_prepare(int socket);

/* Closes a Unix stream socket, after which nobody can say any more by it: what we have said is still there
 * for the peer. Where descriptors are left in it, it is dropped with them: to take them out would need as
 * many numbers as the sender likes. drop NULL: the closer has it. Descriptors below 0 are passed over. */
void hang_up(int socket, hang_up_drop *drop, void *context);

#endif
