/* SPDX-License-Identifier: MIT */
/*
 * The floor of a spawn: what any parent must do to start a program and to learn of its end.
 */
#ifndef PROCD_TESTS_BENCH_RAW_H
#define PROCD_TESTS_BENCH_RAW_H

#include <stdbool.h>
#include <sys/types.h>

/* Starts argv[0] with no environment but envp (NULL: none), as vfork does: its pid and a pidfd. Ends the
 * program on failure. */
pid_t raw_start(const char *const *argv, const char *const *envp, int *ret_pidfd);

/* The same by a parent with thousands of descriptors, of which the child is to have the first three: it
 * shares their table until it has one of its own. */
pid_t raw_start_beside_many(const char *const *argv, int *ret_pidfd);

/* Takes the status of one that has ended, which must be 0, and closes the pidfd. */
void raw_reap(int pidfd);
/* The same of one that was killed. */
void raw_reap_killed(int pidfd);

/* As many descriptors as this machine allows. False: fewer than `wanted`. */
bool raw_descriptors(unsigned long wanted);

#endif
