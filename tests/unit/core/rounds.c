/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/rounds.h"
#include "tests/unit/core/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct rounds *played;
static uint64_t seed;

static int count_of(const struct rounds *rounds)
{
    return getenv("SEED") ? 1 : getenv("TEST_LONG") ? rounds->count_long : rounds->count;
}

static uint64_t first_seed(void)
{
    const char *given = getenv("SEED");
    struct timespec now;

    if (given)
        return strtoull(given, NULL, 10);
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

START_TEST(whatever_comes)
{
    played->play(seed + (uint64_t) _i);
}
END_TEST

int rounds_run(const struct rounds *rounds)
{
    Suite *suite = suite_create(rounds->name);
    TCase *tcase = tcase_create(rounds->name);

    played = rounds;
    seed = first_seed();
    printf("round N, as in whatever_comes:N, is SEED=%llu + N\n", (unsigned long long) seed);
    fflush(stdout);
    tcase_set_timeout(tcase, 0); /* make's own counts */
    tcase_add_loop_test(tcase, whatever_comes, 0, count_of(rounds));
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
