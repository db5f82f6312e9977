/* SPDX-License-Identifier: MIT */
/* The core's data as the JSON of the protocol: written, where it is told often. */
#ifndef PROCD_RPC_RENDER_H
#define PROCD_RPC_RENDER_H

#include "daemon/core/core.h"
#include "proto/writer.h"

#include <jansson.h>

/* The info record, as the value of key (NULL: none); with_pidfd: the descriptor with index 0 goes with it. */
void render_info(struct writer *writer, const char *key, const struct process_data *data,
                 const struct record *record, bool with_pidfd);
/* exited: true and how. */
void render_join(struct writer *writer, const struct process_data *data);
/* The ids of a wait that are done. */
void render_done(struct writer *writer, const struct waiter *waiter);
/* The members of an event: seq, time, kind and those of the kind. */
void render_event(struct writer *writer, const struct event_entry *entry);

/* Bytes, or null: a new reference, or NULL without memory. */
json_t *render_text(const struct text *text);
/* The name of a link_stage. */
const char *render_stage(uint32_t stage);
/* Unix seconds of a point in time, ns: a new reference, or NULL without memory. */
json_t *render_time(int64_t wall);

#endif
