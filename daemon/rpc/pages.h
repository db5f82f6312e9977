/* SPDX-License-Identifier: MIT */
/*
 * The memory that clients share with the core (proto/page.h): made here, kept by the keeper, closed before
 * the core decides and opened as it says. The one place that touches it.
 */
#ifndef PROCD_RPC_PAGES_H
#define PROCD_RPC_PAGES_H

#include "daemon/rpc/call.h"

/* A page that outlives the broker before us; fd is taken over. Where the core has begun anew it is closed for
 * good: what its words say nobody knows any more. */
void page_returned(struct server *server, uint32_t uid, int fd);

/* Is there a page of this uid that the next broker will find, too, and does it say that its keeper lives? */
bool page_is_kept(const struct server *server, uint32_t uid);
/* Makes it, and asks the keeper to keep it, in the call's place. The call is parked, and dispatched again. */
struct outcome page_ask(struct call *call);
void page_kept(struct server *server, const struct link_page *message);
/* A descriptor of it, the caller's, or -1. */
int page_copy(const struct server *server, uint32_t uid);

/* Closes the words that the input, whose time is set, may be decided by, and tells the core what they
 * said. */
void pages_look(struct server *server, const struct core_input *input);
/* The same for somebody who looks at an object and does nothing: they are opened again. */
void pages_look_at(struct server *server, const struct object *object);
/* Somebody of this uid who waits can be told in memory. */
bool page_is_mapped(const struct server *server, uint32_t uid);
/* The words that the step has opened. */
void pages_store(struct server *server);

/* Who sleeps on this slot's bell is to look. */
void page_ring(const struct server *server, uint32_t uid, uint32_t slot);
/* All are to look: who sleeps on a bell does not see that a broker has died. */
void pages_ring_all(const struct server *server);

/* The end. The daemon's own: all words are closed for good, so that nobody takes a lock that no daemon
 * knows. */
void pages_done(struct server *server, bool for_good);

#endif
