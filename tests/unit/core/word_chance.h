/* SPDX-License-Identifier: MIT */
/* What clients do with locks, semaphores and events in shared memory, by chance and by the rules. */
#ifndef PROCD_TESTS_UNIT_CORE_WORD_CHANCE_H
#define PROCD_TESTS_UNIT_CORE_WORD_CHANCE_H

#include "tests/unit/core/chance.h"
#include "tests/unit/core/model.h"

/* A thread takes a lock or a permit, gives it back, or sets or clears an event, without asking anybody; or
 * finds that it must ask. */
void word_chance_move(struct chance *chance, const struct core *core, struct pages *pages,
                      struct model *model);

#endif
