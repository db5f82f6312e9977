/* SPDX-License-Identifier: MIT */
/*
 * A function of the program as a process: start and join by libprocd. Of programs that call procd_init first.
 */
#ifndef PROCD_TESTS_BENCH_TARGETS_H
#define PROCD_TESTS_BENCH_TARGETS_H

#include <stdbool.h>

/* What bench_target does when it is told so: it ends as soon as it is there. The floor's child. */
#define TARGETS_NOTHING "--nothing"

/* Starts and joins `count` targets that do nothing, of the daemon that PROCD_SOCKET names. How many
 * microseconds one takes. */
double targets_one_at_a_time(int count);

/* A process that does so, for a second daemon, as a process has but one: it ends with the caller. It stays on
 * the processors that are the caller's when it is made. With a zygote the targets are its copies. */
struct targets_worker {
    int fd;
};
void targets_worker_begin(struct targets_worker *worker, const char *socket, bool with_zygote);
double targets_worker_round(const struct targets_worker *worker, int count);

#endif
