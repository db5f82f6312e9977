/* SPDX-License-Identifier: MIT */
/*
 * Rounds of chance. The seed is printed; SEED=n in the environment plays that round alone, TEST_LONG plays
 * more of them.
 */
#pragma once

#include <stdint.h>

struct rounds {
    const char *name;                     /* of the suite */
    int count, count_long;                /* how many rounds, and with TEST_LONG */
    void (*play)(uint64_t seed_of_round); /* one of them; fails as a test of check does */
};

/* The whole of main: 0 when every round held. */
int rounds_run(const struct rounds *rounds);
