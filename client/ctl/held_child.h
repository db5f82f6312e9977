/* SPDX-License-Identifier: MIT */
/*
 * The process of a command that is held back until it may run: it exists, and so can own a lock, before
 * the command begins. Where its parent ends first it never begins.
 */
#ifndef PROCD_CTL_HELD_CHILD_H
#define PROCD_CTL_HELD_CHILD_H

#include "client/ctl/ctl.h"
#include "client/ctl/waiting.h"

#include <stdint.h>
#include <sys/types.h>

struct held_child {
    pid_t pid;
    int channel; /* to it */
};

/* Forks: the command line is that behind the object's name. waiting: opened; the child gets the signals
 * back as they were. 0 or -errno. */
int held_child_start(struct held_child *child, const struct waiting *waiting);

/* Lets it run, with PROCD_TOKEN. 0: the command was executed; or -errno: why not, and it has ended, or is
 * about to. */
int held_child_let_go(struct held_child *child, int64_t token);

/* Ends one that was not let go, and reaps it. */
void held_child_end(struct held_child *child);

/* Its end as waitpid(2) tells it: true; false: it lives. */
bool held_child_ended(const struct held_child *child, int *ret_status);

/* Executes the command line here. Returns -errno only. */
int command_execute(const struct waiting *waiting, int64_t token);

/* What to say, and the status, where a command could not be executed. */
int report_execute(const struct ctl *ctl, int error);

#endif
