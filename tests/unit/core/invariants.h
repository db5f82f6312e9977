/* SPDX-License-Identifier: MIT */
/* What must be true of a core at rest, after each step and its core_delivered. A violation ends the test. */
#ifndef PROCD_TESTS_UNIT_CORE_INVARIANTS_H
#define PROCD_TESTS_UNIT_CORE_INVARIANTS_H

#include "daemon/core/core.h"

/* Quotas equal a recount, all pointers agree with all ids, nothing refers to what is gone, lists are in
 * order. */
void check_core(struct core *core);

/* Also what costs a walk over all events: their numbers, and who holds the titles. */
void check_core_deeply(struct core *core);

/* The part of check_core about objects, and what they are charged: see invariants_sync.c. */
void check_sync(struct core *core);
/* ... and about words and slots: see invariants_words.c. */
void check_words(struct core *core);
void count_sync(struct core *core, int by);

#endif
