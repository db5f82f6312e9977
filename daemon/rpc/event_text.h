/* SPDX-License-Identifier: MIT */
/* Events as JSON: serialised once, for all subscribers. */
#ifndef PROCD_RPC_EVENT_TEXT_H
#define PROCD_RPC_EVENT_TEXT_H

#include "daemon/rpc/server.h"

/* The end of a notification, from `,"seq":` to the LF; valid until the next call. NULL without memory. */
const char *event_text(struct server *server, const struct event_entry *entry, size_t *ret_size);

void event_texts_free(struct server *server);

#endif
