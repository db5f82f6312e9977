/* SPDX-License-Identifier: MIT */
/*
 * redis, where it is installed: a server of our own on a socket of its own, without a disk.
 */
#ifndef PROCD_TESTS_BENCH_REDIS_H
#define PROCD_TESTS_BENCH_REDIS_H

struct redis;

/* Once; then the same one. NULL: there is no redis-server, or it does not start. It ends with the program,
 * and runs where that is pinned to. */
struct redis *redis_start(void);

/* One more connection; -1: none. */
int redis_connect(const struct redis *redis);

/* Sends a command and reads the reply, which must be this one; on the first connection. */
void redis_call(const struct redis *redis, const char *command, const char *reply);

#endif
