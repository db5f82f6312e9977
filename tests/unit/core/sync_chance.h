/* SPDX-License-Identifier: MIT */
/*
 * Inputs about objects by chance: few clients, few threads, few names, so that they meet. Most requests make
 * sense where the core stands; some name what is not there, or are of the wrong kind, or another's. One seed
 * is one sequence.
 */
#ifndef PROCD_TESTS_UNIT_CORE_SYNC_CHANCE_H
#define PROCD_TESTS_UNIT_CORE_SYNC_CHANCE_H

#include "tests/unit/core/chance.h"

/* A grant whose answer will not be written. */
struct lost_answer {
    uint64_t hold, levels, client;
    uint32_t uid;
    char name[24], key[24];
};

struct sync_chance {
    struct chance chance; /* time, numbers */
    unsigned weights[INPUT_KIND_COUNT];
    unsigned clients, waiters, holders, patience;
    struct lost_answer lost[8];
    size_t lost_count;
    char name[24], holder[8], key[24], objects[48]; /* what the last input points to */
    struct input_threads threads[16];
    bool waits;              /* the last input asks for a wait without an end */
    struct core_wait wait;   /* this one */
};

void sync_chance_begin(struct sync_chance *chance, uint64_t seed);
/* The next input; it stays valid until the next one is asked for. */
void sync_chance_input(struct sync_chance *chance, struct core *core, struct core_input *ret_input);
/* The core has been stepped and not delivered: some of its grants will be found to be undelivered. */
void sync_chance_lose(struct sync_chance *chance, const struct core *core);

#endif
