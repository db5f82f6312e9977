/* SPDX-License-Identifier: MIT */
/*
 * The lists and sums of an index, made again from what its chunks and logs say of themselves: the program
 * that wrote it may have ended anywhere.
 */
#ifndef PROCD_LOGS_REBUILD_H
#define PROCD_LOGS_REBUILD_H

#include "daemon/logs/store.h"

/* 0; -ENOMEM. */
int logs_rebuild(struct logs *logs);

/* Of store.c: the record that was being taken is complete, with what the kernel had moved. */
void logs_fill_end(struct logs *logs);
/* Puts a record's header in front of the size bytes that are behind it already. */
bool logs_record_put(struct logs *logs, uint32_t chunk, const struct logs_record *record, size_t size,
                     int64_t mono);

#endif
