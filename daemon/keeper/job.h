/* SPDX-License-Identifier: MIT */
/*
 * The memory of one outstanding spawn: its stack, its plan, its copy of the spec. Taken from a pool that
 * grows by mmap and never shrinks; a large spec gets memory of its own.
 */
#ifndef PROCD_KEEPER_JOB_H
#define PROCD_KEEPER_JOB_H

#include "daemon/keeper/spawn_child.h"
#include "daemon/keeper/state.h"

#define JOB_STACK (64 << 10)
#define JOB_ARENA (160 << 10)

/* What is asked of a zygote: see copy.h. */
struct copy {
    bool is_asked;
    struct cgroup *cgroup; /* that it is to be in, or NULL */
    int fds[FDPASS_MAX];   /* those that the spec speaks of; from own_from on they are no client's */
    size_t count, own_from;
};

struct job {
    TAILQ_ENTRY(job) order;
    struct watch status; /* the read end of the child's pipe */
    int status_fd;
    struct slot *slot;
    struct client *client; /* whose count it is in, or NULL */
    int64_t deadline;
    bool expired;
    bool failed;
    struct spawn_failure failure;
    char *arena; /* the job's own, or `large` */
    size_t arena_used, arena_size;
    void *large;
    size_t large_size;
    uint64_t zygote; /* the process that it is to be a copy of; 0: none */
    struct copy copy;
    bool is_sharing;
    bool is_slow; /* share_await_closed has waited for it, in vain */
    TAILQ_ENTRY(job) sharing; /* of those whose child is not apart, see share.h */
    struct spawn_plan plan;
    _Alignas(16) char own_arena[JOB_ARENA];
    _Alignas(16) char stack[JOB_STACK];
};

/* A job whose arena holds `room` bytes, or NULL. */
struct job *job_new(struct keeper *keeper, size_t room);
void job_free(struct keeper *keeper, struct job *job);
/* Memory of its arena, 8-byte aligned; NULL where job_new was told too little. */
void *job_room(struct job *job, size_t size);

#endif
