/* SPDX-License-Identifier: MIT */
/*
 * What was measured, as a line of the table and as a line of JSON. The texts are those of figures.def.
 */
#ifndef PROCD_TESTS_BENCH_REPORT_H
#define PROCD_TESTS_BENCH_REPORT_H

#include "tests/bench/bench.h"
#include "tests/bench/statistics.h"

struct report_side {
    const char *name; /* of a peer, else NULL */
    struct spread spread;
};

struct report_figure {
    unsigned rounds;
    const struct spread *floor;   /* NULL: there is none */
    struct spread subject, pairs; /* pairs: subject / floor of neighbours */
    const struct report_side *peers;
    size_t peer_count;
};

/* Lines of JSON are appended to this file. NULL or "": none are written. */
void report_open(const char *json_path);
/* The head of the table. */
void report_begin(const char *what, unsigned processors, unsigned rounds);

/* By its identifier. False: there is none. */
bool report_find(const char *identifier, enum bench_figure *ret_figure);

void report_figure(enum bench_figure figure, const struct report_figure *of);
void report_skip(enum bench_figure figure, const char *why);

void report_curve_begin(enum bench_curve curve);
void report_point(enum bench_curve curve, unsigned count, const struct report_figure *of);
void report_curve_end(void);
/* How far a curve goes. */
unsigned report_curve_most(enum bench_curve curve);

#endif
