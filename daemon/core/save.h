/*
 * The core's state as bytes: for snapshots, and for the hash that shows two states to be the same. Only the
 * build that wrote a snapshot reads it, so structs go as they are; they have no padding.
 */
#ifndef PROCD_CORE_SAVE_H
#define PROCD_CORE_SAVE_H

#include "daemon/core/core.h"

typedef void core_sink(void *context, const void *data, size_t size);

/* Writes the whole state, piece by piece. Only between core_delivered and the next step. */
void core_save(const struct core *core, core_sink *sink, void *context);

/* Bytes that core_save writes. */
size_t core_save_size(const struct core *core);

/* A core with the saved state. 0, -EBADMSG, or -ENOMEM. */
int core_load(const char *data, size_t size, struct core **ret_core);

/* FNV-1a over what core_save writes. */
uint64_t core_hash(const struct core *core);

#endif
