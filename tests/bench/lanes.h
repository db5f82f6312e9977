/* SPDX-License-Identifier: MIT */
/*
 * Several connections with several requests under way on each, and one loop that serves them: a client that
 * keeps the daemon busy.
 */
#ifndef PROCD_TESTS_BENCH_LANES_H
#define PROCD_TESTS_BENCH_LANES_H

#include "tests/bench/subject.h"

#define LANES 8
#define LANE_DEEP 8

struct lane {
    struct wire wire;
    char *out; /* requests that were not sent yet */
    size_t size, room;
};

struct lanes {
    int epoll;
    struct lane lane[LANES];
};

/* Memory of the caller's; the program's end closes them. */
struct lanes *lanes_open(const struct subject *subject);

/* Appends a line, which is formatted; it leaves when the lines that have come are all taken. */
void lane_ask(struct lane *lane, const char *format, ...) __attribute__((format(printf, 2, 3)));
void lane_flush(struct lane *lane);

/* Hands the lines that come to `take`, which may ask for more, until *left is 0. */
void lanes_run(struct lanes *lanes, void (*take)(struct lane *lane, char *line), const int *left);

#endif
