/* SPDX-License-Identifier: MIT */
/*
 * A daemon that is measured: started in a folder of its own, stopped at the end of the program.
 */
#ifndef PROCD_TESTS_BENCH_SUBJECT_H
#define PROCD_TESTS_BENCH_SUBJECT_H

#include "tests/bench/wire.h"

#include <sys/types.h>

struct subject {
    pid_t keeper, broker;
    int pidfd; /* of the keeper */
    char folder[84], socket[108];
};

/* Starts $PROCD and waits until it answers. Ends the program where it does not. */
const struct subject *subject_start(void);
/* The same with another program. */
const struct subject *subject_start_program(const char *program);

/* One more connection to it. */
void subject_connect(const struct subject *subject, struct wire *wire);

/* Keeper and broker (and the children to come) on one processor, or -1: on all again. */
void subject_pin(const struct subject *subject, int processor);

/* Bytes that keeper and broker have of their own, but for the pages of their files: with the journal's, or
 * without it, which is bounded. */
long subject_memory(const struct subject *subject);
long subject_heap(const struct subject *subject);

/* What keeper and broker did until now, all of their threads: ns on a processor, and how often they were put
 * on one. */
struct subject_work {
    long long cpu, wakes;
};
struct subject_work subject_work(const struct subject *subject);

#endif
