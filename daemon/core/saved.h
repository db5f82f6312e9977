/* SPDX-License-Identifier: MIT */
/*
 * How an event stands in a snapshot. There are thousands, most of a few words and much like the one before:
 * so a head comes first, with a bit for each word of struct event_data that is not 0, from the lowest on, and
 * two for each of title and texts; then those words, and what the head says is here.
 */
#ifndef PROCD_CORE_SAVED_H
#define PROCD_CORE_SAVED_H

#include "daemon/core/objects.h"

#define SAVED_WORDS (sizeof(struct event_data) / sizeof(uint64_t))
#define SAVED_PARTS 3 /* title, text[0], text[1] */
#define SAVED_BITS  (SAVED_WORDS + 2 * SAVED_PARTS)

_Static_assert(sizeof(struct event_data) % sizeof(uint64_t) == 0, "words");

enum saved { SAVED_NONE, SAVED_HERE, SAVED_BEFORE }; /* BEFORE: as that of the event before, which has one */

static inline uint64_t saved_bits(enum saved saved, unsigned part)
{
    return (uint64_t) saved << (SAVED_WORDS + 2 * part);
}

static inline enum saved saved_part(uint64_t head, unsigned part)
{
    return (enum saved)(head >> (SAVED_WORDS + 2 * part) & 3);
}

#endif
