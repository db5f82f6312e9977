/* SPDX-License-Identifier: MIT */
/* Objects as the JSON of the protocol. Each returns a new reference, or NULL without memory. */
#ifndef PROCD_RPC_RENDER_OBJECT_H
#define PROCD_RPC_RENDER_OBJECT_H

#include "daemon/core/graph.h"
#include "daemon/rpc/call.h"

#include <jansson.h>

/* As object.info has it. */
json_t *render_object(const struct object *object);
/* The answers that are given most often, as text; false: not one of them. */
bool render_short(const struct waiter *waiter, char text[CALL_TEXT_MAX]);
/* The other answers of a request about an object. */
json_t *render_sync(const struct core *core, const struct waiter *waiter);
/* [{pid, holder, waits_for}]. */
json_t *render_cycle(const struct text *cycle);
/* The waits-for graph of a uid. */
json_t *render_graph(struct core *core, uint32_t uid);

#endif
