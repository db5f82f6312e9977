/*
 * The daemon that is measured: started in a folder of its own, stopped at the end of the program.
 */
#ifndef PROCD_TESTS_BENCH_SUBJECT_H
#define PROCD_TESTS_BENCH_SUBJECT_H

#include "tests/bench/wire.h"

#include <sys/types.h>

struct subject {
    pid_t keeper, broker;
    char socket[108];
};

/* Starts $PROCD and waits until it answers. Ends the program where it does not. */
const struct subject *subject_start(void);

/* One more connection to it. */
void subject_connect(struct wire *wire);

/* Keeper and broker (and the children to come) on one processor, or -1: on all again. */
void subject_pin(int processor);

#endif
