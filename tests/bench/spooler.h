/* SPDX-License-Identifier: MIT */
/*
 * task-spooler, where it is installed: a server of our own.
 */
#ifndef PROCD_TESTS_BENCH_SPOOLER_H
#define PROCD_TESTS_BENCH_SPOOLER_H

/* A command, for raw_start, that has it run `child`, and ends when that has ended; and its environment. */
struct spooler {
    const char *argv[5], *envp[3];
};

/* With so many children at once at most. NULL: there is no tsp. Its server ends with the program. */
const struct spooler *spooler_start(const char *child, unsigned slots);

#endif
