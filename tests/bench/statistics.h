/* SPDX-License-Identifier: MIT */
/*
 * What many values of one thing come to. Medians: a round that was disturbed does not count.
 */
#ifndef PROCD_TESTS_BENCH_STATISTICS_H
#define PROCD_TESTS_BENCH_STATISTICS_H

#include <stddef.h>

struct spread {
    double median, min, max;
};

/* Sorts the values. count > 0. */
struct spread spread_of(double *values, size_t count);

#endif
