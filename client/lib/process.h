/* SPDX-License-Identifier: MIT */
/*
 * A process's handle. Private to libprocd.
 */
#ifndef PROCD_CLIENT_LIB_PROCESS_H
#define PROCD_CLIENT_LIB_PROCESS_H

#include "client/lib/library.h"
#include "proto/ids.h"

#include <stdatomic.h>

enum process_state { PROCESS_NEW, PROCESS_STARTING, PROCESS_STARTED, PROCESS_CLOSED };
enum process_end { END_NOT_YET, END_KNOWN, END_UNKNOWN };

struct procd_process {
    _Atomic unsigned references; /* the user's, and one of the list of children until its end is known */
    uint64_t generation;
    bool is_current; /* the process that asks; has no options and is never freed */
    bool is_foreign; /* procd_process_open */
    bool is_zygote;  /* zygote.c: this program, to be copied */

    /* set by procd_process_new, used by the start */
    char *target, *cwd, **argv, **env;
    json_t *args, *kwargs, *extra;
    int stdio[3];

    pthread_mutex_t lock; /* over all below; never held while waiting */
    enum process_state state;
    enum procd_daemon_flag daemon;
    char *name; /* NULL: none yet */
    char *epoch; /* of the daemon that keeps it */
    long id;
    pid_t pid;
    int pidfd; /* -1: none */
    bool restarts; /* by its policy: the end of a pid is not its end */
    enum process_end end;
    int exitcode;
    bool has_asked; /* current: the daemon was asked who we are */
    pid_t creator;  /* current: as the daemon says; 0: it does not */

    struct procd_process *next, *previous; /* in library.children; under its lock */
};

/* An empty one with one reference, or NULL. */
struct procd_process *process_make(void);

/* One reference less, without any question asked. */
void process_release(struct procd_process *process);

/* 0, or -EINVAL (noted): no handle, or one of a process that this one was forked from. */
int process_check(const struct procd_process *process);

/* The same, and it must have been started, and not be closed. */
int process_check_started(struct procd_process *process);

/* Takes id, pid, name and the daemon flag from an info record. Under its lock. 0, -EPROTO, -ENOMEM. */
int process_keep_info(struct procd_process *process, const json_t *info);

/* process.join. 1 (the end is kept, and it is no child any more), 0, or the error. */
int process_ask_join(struct procd_process *process, double timeout);

/* 1: ended, 0: not; or the error. Asks the daemon only if its pidfd does not tell that it runs. */
int process_look(struct procd_process *process);

/* handle.c: process.spawn, and what its answer tells. 0, or the error. */
int process_spawn(struct procd_process *process);

/* ---- children.c: what procd_process_start started and whose end is not known yet ---- */

void children_add(struct procd_process *process);
void children_remove(struct procd_process *process);

/* All of them, oldest first, each with a reference of its own; the array is the caller's. NULL: no memory. */
struct procd_process **children_copy(size_t *ret_count);

/* ---- spawn.c ---- */

struct spawn {
    json_t *params;
    int fds[FRAME_FDS_MAX];
    size_t fd_count;
    int program, memory, environment; /* ours, to be closed; < 0: none */
};

/* All that process.spawn wants to know. 0, or -errno (noted). ret_spawn is always set; spawn_done frees
 * it. */
int spawn_prepare(const struct procd_process *process, struct spawn *ret_spawn);
void spawn_done(struct spawn *spawn);

/* ---- target.c ---- */

/* 1: this program has it; 0: not; -EINVAL: procd_init was not called. */
int target_known(const char *name);

/* argv[0] of the program. */
const char *target_program_name(void);

/* ---- current.c ---- */

/* procd_init, in a process that runs a target: what its creator told. NULL: no memory. */
struct procd_process *current_make_target(const char *name, pid_t parent);

/* ---- exit.c ---- */

/* The end of this process, and of none that it forks, waits for its children. */
void exit_prepare(void);

#endif
