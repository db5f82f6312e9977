/* The core's data as the JSON of the protocol. Each returns a new reference, or NULL without memory. */
#ifndef PROCD_RPC_RENDER_H
#define PROCD_RPC_RENDER_H

#include "daemon/core/core.h"

#include <jansson.h>

/* The info record. */
json_t *render_info(const struct process_data *data, const struct record *record);
/* exited: true and how. */
json_t *render_join(const struct process_data *data);
/* The ids of a wait that are done. */
json_t *render_done(const struct waiter *waiter);
/* seq, time, kind and the members of the kind. */
json_t *render_event(const struct event_entry *entry);
/* Bytes, or null. */
json_t *render_text(const struct text *text);
/* The name of a link_stage. */
const char *render_stage(uint32_t stage);
/* Unix seconds of a point in time, ns. */
json_t *render_time(int64_t wall);

#endif
