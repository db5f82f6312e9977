/* SPDX-License-Identifier: MIT */
/*
 * A hold begins when its answer is written. Of each grant note is taken until the bytes of its answer have
 * left; what is left when the connection ends is taken back, and goes to the next waiter.
 */
#ifndef PROCD_RPC_UNDELIVERED_H
#define PROCD_RPC_UNDELIVERED_H

#include "daemon/rpc/call.h"

struct undelivered;

/* A note about the grant that a call is about to be answered with. NULL without memory (then the hold
 * stands), and for a notification, which is never answered. */
struct undelivered *undelivered_new(const struct call *call, const struct reply_data *reply);
/* The answer is queued: the note, taken over, stays until everything that is queued now has left. */
void undelivered_watch(struct session *session, struct undelivered *undelivered);
/* So many bytes more have left. */
void undelivered_sent(struct session *session, size_t bytes);
/* The connection has ended: takes back what was not delivered. */
void undelivered_return(struct session *session);
/* The time is over in which a process that died would have been heard of: server->unread is taken back. At
 * the broker's end they are only forgotten. */
void undelivered_unread(struct server *server);

#endif
