/* SPDX-License-Identifier: MIT */
/*
 * A second core with the same state, made by a save and a load: whatever the first is told, the second must
 * do the same.
 */
#ifndef PROCD_TESTS_UNIT_CORE_TWIN_H
#define PROCD_TESTS_UNIT_CORE_TWIN_H

#include "daemon/core/core.h"

/* A core's state as bytes. Zeroed at first; state_free at the end. */
struct state {
    char *bytes;
    size_t size, room;
};

void state_take(struct state *state, const struct core *core);
bool state_equals(const struct state *one, const struct state *other);
void state_free(struct state *state);

/* Saved and loaded. The twin keeps the invariants, and saved again it is the same bytes. */
struct core *twin_of(const struct core *core);

/* Their states are the same bytes, and queries find the same. */
void must_be_twins(const struct core *core, const struct core *twin);

/* Both have just been stepped and not delivered: they have put out the same answers, orders and events above
 * seq, in the same order. */
void must_put_out_the_same(const struct core *core, const struct core *twin, uint64_t seq);

/* It was loaded, and may be of no state that there ever was: whatever comes, it takes and is freed. Returns
 * NULL. */
struct core *bear(struct core *core);

#endif
