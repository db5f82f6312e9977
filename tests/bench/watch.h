/* SPDX-License-Identifier: MIT */
/*
 * One side of one figure by itself, for somebody who looks at who does the work: it is told
 *
 *     watch begin COUNT      COUNT iterations come next
 *     watch end MEDIAN       these were all; of their rounds' values
 *
 * on stdout, and answers each with a line on stdin, for which they wait.
 */
#ifndef PROCD_TESTS_BENCH_WATCH_H
#define PROCD_TESTS_BENCH_WATCH_H

#include "tests/bench/bench.h"

/* "floor:FIGURE" or "subject:FIGURE". False: there is none of that name. */
bool watch_choose(const char *side_and_figure);
bool watch_is_on(void);

/* Runs them where it is that figure's turn. */
void watch_rounds(enum bench_figure figure, const struct bench_case *of, unsigned rounds);

#endif
