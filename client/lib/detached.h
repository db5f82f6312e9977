/* SPDX-License-Identifier: MIT */
/*
 * A program that is nobody's child: the caller, which may be anybody's program, gets no child, no SIGCHLD and
 * no zombie.
 */
#ifndef PROCD_CLIENT_LIB_DETACHED_H
#define PROCD_CLIENT_LIB_DETACHED_H

#include <stdbool.h>
#include <stddef.h>

/* All that the new process needs, made before the fork: behind it only async-signal-safe calls are
 * allowed. */
struct detached {
    const char *program;     /* a path */
    const char *const *argv; /* ended by NULL */
    char **environment;
    bool in_session;         /* one of its own */
    int input;               /* its standard input and output, for prepare */
    int (*prepare)(const struct detached *plan); /* in the new process, before its exec. 0 or an errno */
    int report;              /* inside */
};

/* A program by $PATH, as execvp would find it, but before the fork. 0; -ENOENT; -ENAMETOOLONG. */
int detached_find(const char *name, char *ret_path, size_t size);

/* Runs it with all signals as at the start of a program, and no descriptor but 0, 1 and 2. A pidfd, readable
 * once it has ended, or -errno. */
int detached_start(struct detached *plan);

#endif
