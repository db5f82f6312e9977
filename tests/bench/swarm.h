/* SPDX-License-Identifier: MIT */
/*
 * Many client processes, each with a connection, driven by one: they connect, hand their sockets over, and
 * sleep. To the daemon each is a client of its own.
 */
#ifndef PROCD_TESTS_BENCH_SWARM_H
#define PROCD_TESTS_BENCH_SWARM_H

#include "tests/bench/subject.h"

#include <stddef.h>

/* `count` more of them; their sockets in fds. They end with the caller. */
void swarm_connect(const struct subject *subject, int *fds, size_t count);

/* The same of one client: this process. */
void swarm_connect_alone(const struct subject *subject, int *fds, size_t count);

/* How a socket is handed from one process to another. */
void swarm_send_fd(int to, int fd);
int swarm_receive_fd(int from);

#endif
