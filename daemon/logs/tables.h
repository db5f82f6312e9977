/* SPDX-License-Identifier: MIT */
/*
 * The tables of the index: which entries are in use, and the lists that they are in. For store.c and
 * rebuild.c.
 */
#ifndef PROCD_LOGS_TABLES_H
#define PROCD_LOGS_TABLES_H

#include "daemon/logs/store.h"

/* An entry, zeroed and in no list; 0: all are in use. */
uint32_t log_new(struct logs_index *index, uint64_t process);
uint32_t chunk_new(struct logs_index *index);

/* Out of all lists. */
void log_free(struct logs_index *index, uint32_t log);
/* Gives its memory back, but for that of a few. */
void chunk_free(struct logs *logs, uint32_t chunk);

/* The account of a uid, which has one log more; 0: all are in use. */
uint32_t account_take(struct logs_index *index, uint32_t uid);
/* It has one log less. */
void account_release(struct logs_index *index, uint32_t account);

/* In the list of its account: behind all others. */
void chunk_put(struct logs_index *index, uint32_t account, uint32_t chunk);
void chunk_take(struct logs_index *index, uint32_t account, uint32_t chunk);

/* What a chunk of so many bytes costs. */
static inline uint64_t logs_pages(uint32_t used)
{
    return ((uint64_t) used + 4095) & ~UINT64_C(4095);
}

static inline struct logs_start *log_start(struct logs_log *log)
{
    return &log->start[log->turn & 1];
}

/* Readers see the old start or the new one. */
void log_publish(struct logs_log *log, const struct logs_start *start);

/* Behind the other chunks of its log. */
void log_append(struct logs_index *index, uint32_t log, uint32_t chunk);

#endif
