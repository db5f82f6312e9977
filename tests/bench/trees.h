/* SPDX-License-Identifier: MIT */
/* Cgroups for children of our own: what it takes that a process tree is known, whoever does it. */
#ifndef PROCD_TESTS_BENCH_TREES_H
#define PROCD_TESTS_BENCH_TREES_H

#include <stdbool.h>
#include <sys/types.h>

#define TREES_MOST 10000

/* Makes so many (TREES_MOST at most), below our own. False: there are none here, or not for us. */
bool trees_open(unsigned count);

/* Starts a program as raw_start does, in the number-th of them and in a session of its own. */
pid_t trees_start(unsigned number, const char *const *argv, int *ret_pidfd);

/* From one to the other it is asked by a descriptor that is open already. */
void trees_keep(unsigned number);
void trees_drop(unsigned number);

/* Asks whether nobody is in it any more; waits until that is so. */
void trees_await(unsigned number);

/* Removes all, but for the one that they are in. */
void trees_clear(void);

/* One more, behind those that there are. */
void trees_make(void);

/* Removes all. */
void trees_close(void);

/* The kernel frees later what was removed, on any processor: waits until it has, whoever removed it. */
void trees_rest(void);

#endif
