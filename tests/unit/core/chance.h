/* SPDX-License-Identifier: MIT */
/*
 * Inputs by chance, such as a broker and a keeper can bring about, one at a time: most of them make sense
 * where the core stands, some come too late, twice, or name what is not there. One seed is one sequence.
 */
#ifndef PROCD_TESTS_UNIT_CORE_CHANCE_H
#define PROCD_TESTS_UNIT_CORE_CHANCE_H

#include "daemon/core/core.h"

struct chance {
    uint64_t random;
    const unsigned char *bytes; /* a fuzzer's choices, which come before those by chance; or NULL */
    size_t bytes_left;
    int64_t mono, wall;
    uint64_t ticket, connection, client, report;
    uint64_t executed; /* the last order that the keeper has executed */
    unsigned clients, processes, waiters; /* about as many are there at once */
    unsigned weights[INPUT_KIND_COUNT];
    char key[PROTO_KEY_MAX], name[16], argv[512], labels[64]; /* what the last input points to */
    uint64_t ids[8];
};

void chance_begin(struct chance *chance, uint64_t seed);

/* 0..below-1. */
uint64_t chance_below(struct chance *chance, uint64_t below);
/* True once in `times`. */
bool chance_once_in(struct chance *chance, uint64_t times);

/* The next input; it stays valid until the next one is asked for. */
void chance_input(struct chance *chance, const struct core *core, struct core_input *ret_input);

/* A request that is answered or waits. */
bool is_request(uint32_t kind);
/* One that must never need memory: it has happened, and nobody can be told to try again. */
bool is_fact(uint32_t kind);

#endif
