/* SPDX-License-Identifier: MIT */
/*
 * A daemon of a test's own, in a folder of its own: $PROCD --user --socket FOLDER/s. The library finds it
 * through $PROCD_SOCKET. At its end nothing may be left over: no child, and no more descriptors than there
 * are clients.
 */
#ifndef PROCD_TESTS_INTEGRATION_DAEMON_FIXTURE_H
#define PROCD_TESTS_INTEGRATION_DAEMON_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

struct daemon_fixture {
    char folder[40], socket[48];
    pid_t pid; /* the keeper; 0: it has been ended */
    int keeper_fds, broker_fds; /* at the beginning */
};

/* Starts it, and returns when it answers. Fails the test where it does not. */
void daemon_fixture_begin(struct daemon_fixture *daemon);

/* Counts, ends it by SIGTERM, and removes the folder, which must be empty of the test's own files. */
void daemon_fixture_end(struct daemon_fixture *daemon);

/* In a target: has this process never executed a program? See proc_pid_stat(5): PF_FORKNOEXEC. */
bool daemon_fixture_is_copy(void);

/* Ends what procd_zygote has begun, which would end with its creator: to be called before the end. */
void daemon_fixture_end_zygotes(void);

/* Ends keeper and broker by SIGKILL, at once and without a word: neither does anything more. */
void daemon_fixture_kill(struct daemon_fixture *daemon);
/* Starts another in its place, which knows nothing of it. */
void daemon_fixture_again(struct daemon_fixture *daemon);

/* A member of daemon.info. */
long daemon_fixture_info(const char *member);

/* Stops it, and returns once it stands still; SIGCONT lets it go on. */
void daemon_fixture_halt(pid_t pid);

/* Polls until it is true; fails the test after 20 s. */
void daemon_fixture_wait(bool (*is_true)(void *), void *data);

#endif
