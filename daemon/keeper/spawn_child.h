/* SPDX-License-Identifier: MIT */
/*
 * The child's side of a spawn: from clone3 to exec, in memory that it shares with the keeper.
 */
#ifndef PROCD_KEEPER_SPAWN_CHILD_H
#define PROCD_KEEPER_SPAWN_CHILD_H

#include "daemon/base/fdpass.h"
#include "daemon/keeper/link.h"
#include "daemon/keeper/spec.h"

#include <stdbool.h>
#include <sys/resource.h>

/* journald's stream socket, see sd_journal_stream_fd(3). Each connection begins with a header and is that of
 * the process that connected. */
#define JOURNAL_SOCKET "/run/systemd/journal/stdout"
#define JOURNAL_NAME_MAX 63

#define PLAN_LIMITS_MAX (RLIM_NLIMITS + SPEC_LIMITS_MAX)

struct plan_limit {
    int resource;
    struct rlimit64 value;
};

/* Written by the child, and read also by a keeper that comes after ours. */
struct spawn_progress {
    uint32_t stage;   /* enum link_stage: where it is */
    uint32_t in_exec; /* 1 from just before the exec, 0 again when that failed */
    int32_t error;    /* > 0: it has failed at that stage */
    uint32_t is_copy; /* 1: it has begun without an exec (copy.h): written by the keeper */
};

/* Written by the keeper before the clone, read by the child. */
struct spawn_plan {
    volatile struct spawn_progress *progress;
    const struct link_spec *spec;
    const char *strings; /* the start of the spec */
    char **argv, **envp;
    int change_identity; /* groups, gid and uid are to be set */
    int no_new_privs;
    uint32_t uid, gid;
    uint32_t group_count;
    const uint32_t *groups;
    uint32_t limit_count;
    struct plan_limit limits[PLAN_LIMITS_MAX]; /* in this order */
    int fds[FDPASS_MAX]; /* the descriptors that the spec speaks of */
    uint32_t terminal; /* which of them, and 1, becomes its controlling terminal; 0: none */
    char journal_name[JOURNAL_NAME_MAX + 1]; /* not "": "log" is the system's journal, under this name */
    int status; /* CLOEXEC: an errno and a stage are written here, or nothing */
    int keep[FDPASS_MAX + 1]; /* fds and status, ascending: nothing else gets past the first steps */
    uint32_t keep_count;
    bool shares; /* it begins with the keeper's table of descriptors, see share.h */
    bool tells;  /* and says on its pipe that it is apart: a struct spawn_failure of error 0 */
    _Atomic bool is_apart; /* written by the child: it has a table of its own */
    _Atomic bool has_closed; /* by the child: nothing is left in it that it was not to have */
    int first_free; /* above all targets: what is still needed is moved there first */
    int source[3 + SPEC_PLACED_MAX];
};

/* What the child writes on failure. */
struct spawn_failure {
    int32_t error;
    uint32_t stage;
};

/* Entered on the child's own stack with a struct spawn_plan; ends in exec or exit. */
void spawn_child(void *plan) __attribute__((noreturn));

#endif
