/* SPDX-License-Identifier: MIT */
/*
 * The core's state as bytes: for snapshots, and for the hash that shows two states to be the same. Structs go
 * as they are; they have no padding.
 *
 * Every build of the same format reads what another one wrote, and no other does: the bytes begin with the
 * number of their format.
 */
#ifndef PROCD_CORE_SAVE_H
#define PROCD_CORE_SAVE_H

#include "daemon/core/core.h"

/* To be raised with every change of what save.c and load.c put and take, of the structs that go as they are,
 * and of the numbers in them: an error, event or kind of object that is declared in the middle moves others.
 * A build of another number refuses the state, and goes on to serve without it being touched. */
#ifndef STATE_FORMAT
#define STATE_FORMAT 8
#endif

typedef void core_sink(void *context, const void *data, size_t size);

/* Writes the whole state, piece by piece. Only between core_delivered and the next step. */
void core_save(const struct core *core, core_sink *sink, void *context);

/* Bytes that core_save writes. */
size_t core_save_size(const struct core *core);

/* A core with the saved state: 0. -EBADMSG: it is cut off, or makes no sense; -EPROTONOSUPPORT: it is of
 * another format; -ENOMEM. */
int core_load(const char *data, size_t size, struct core **ret_core);
/* The same; where it fails, *ret_part names what was being read. */
int core_load_part(const char *data, size_t size, struct core **ret_core, const char **ret_part);

/* FNV-1a over what core_save writes. */
uint64_t core_hash(const struct core *core);

#endif
