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

/* Closes a stream socket, after which nobody can say or read any more by it: what was said before is still
 * there for the peer. What is left in it is taken out before; where that is a lot the socket itself is
 * dropped. drop NULL: the closer has them. Descriptors below 0 are passed over. */
void hang_up(int socket, hang_up_drop *drop, void *context);

#endif
