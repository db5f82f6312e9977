/*
 * The floor of a spawn: what any parent must do to start a program and to learn of its end.
 */
#ifndef PROCD_TESTS_BENCH_RAW_H
#define PROCD_TESTS_BENCH_RAW_H

#include <sys/types.h>

/* Starts path with argv {path} and no environment, as vfork does: its pid and a pidfd. Ends the program on
 * failure. */
pid_t raw_start(const char *path, int *ret_pidfd);

/* Takes the status of one that has ended, which must be 0, and closes the pidfd. */
void raw_reap(int pidfd);

#endif
