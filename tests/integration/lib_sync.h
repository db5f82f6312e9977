/* SPDX-License-Identifier: MIT */
/*
 * What the tests of libprocd's synchronisation objects share: a daemon that has no object at the end,
 * children and threads.
 */
#ifndef PROCD_TESTS_INTEGRATION_LIB_SYNC_H
#define PROCD_TESTS_INTEGRATION_LIB_SYNC_H

#include "client/lib/procd.h"
#include "tests/integration/daemon_fixture.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>

/* In targets, whose status says whether all went well. */
#define NEED(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition,                              \
                    procd_last_error()->message);                                                            \
            return 1;                                                                                        \
        }                                                                                                    \
    } while (0)

extern struct daemon_fixture lib_sync_daemon;

/* By a sanitizer that has a thread of its own: that one makes system calls, and goes on after SYS_exit. */
static inline bool lib_sync_is_watched(void)
{
#ifdef HAVE_THREAD_SANITIZER
    return true;
#else
    return false;
#endif
}

void lib_sync_begin(void);

/* Nothing may be left: no object, and what daemon_fixture_end counts. */
void lib_sync_end(void);

/* How many objects there are. */
size_t lib_sync_count(void);

/* Returns once so many wait for the object. */
void lib_sync_wait_for(const char *name, size_t waiters);

/* How long a list of object.info ("holders", "waiters") is. */
size_t lib_sync_info(const char *name, const char *list);

/* args is stolen. */
procd_process *lib_sync_start(const char *target, json_t *args);

/* Joins, frees, and returns the exit status. */
int lib_sync_finish(procd_process *process);

/* Kills it, and returns once it has ended. */
void lib_sync_kill(procd_process *process);

/* What part(data) returns in a thread of its own. */
int lib_sync_in_thread(int (*part)(void *), void *data);

/* Runs all tests, in processes that procd_init has prepared. */
int lib_sync_main(int argc, char **argv, SRunner *(*make_runner)(void));

#endif
