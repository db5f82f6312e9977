/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/plan.h"

#include "daemon/keeper/clients.h"
#include "daemon/keeper/limits.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VARIABLE_MAX 256 /* bytes of the one that is added */

/* The bytes a plan needs beside the spec itself. */
static size_t plan_room(const struct link_spec *spec, const struct connection *connection)
{
    size_t groups = spec->flags & LINK_SPEC_AS ? 0 : connection->group_count;

    return groups * sizeof(uint32_t) + plan_arguments_room(spec);
}

size_t plan_arguments_room(const struct link_spec *spec)
{
    return ((size_t) spec->argc + spec->envc + 4) * sizeof(char *) + VARIABLE_MAX + 64;
}

static char **plan_strings(struct job *job, uint32_t offset, uint32_t count)
{
    char **list = job_room(job, (count + (size_t) 2) * sizeof *list); /* one may come */
    char *at = (char *) job->plan.strings + offset;

    if (!list)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        list[i] = at;
        at += strlen(at) + 1;
    }
    list[count] = NULL;
    return list;
}

/* What a child has anyway need not be set. */
static bool is_own(const struct identity *own, const struct spawn_plan *plan)
{
    return plan->uid == own->uid && plan->gid == own->gid && own->group_count >= 0 &&
           plan->group_count == (uint32_t) own->group_count &&
           memcmp(plan->groups, own->groups, plan->group_count * sizeof *own->groups) == 0;
}

static int plan_identity(const struct keeper *keeper, const struct connection *connection, struct job *job)
{
    struct spawn_plan *plan = &job->plan;
    const struct link_spec *spec = plan->spec;
    uint32_t *groups;

    if (spec->flags & LINK_SPEC_AS) {
        if (connection->uid != 0)
            return -EPERM;
        plan->uid = spec->as_uid;
        plan->gid = spec->as_gid;
        plan->group_count = spec->group_count;
        plan->groups = (const void *) (plan->strings + spec->groups);
    } else {
        groups = job_room(job, connection->group_count * sizeof *groups);
        if (!groups)
            return -ENOMEM;
        if (connection->group_count > 0)
            memcpy(groups, connection->groups, connection->group_count * sizeof *groups);
        plan->uid = connection->uid;
        plan->gid = connection->gid;
        plan->group_count = (uint32_t) connection->group_count;
        plan->groups = groups;
    }
    plan->change_identity = keeper->privileged && !is_own(&keeper->own, plan);
    if (!keeper->privileged) {
        /* a user's own daemon: whoever may ask, root included, acts as that user */
        if (spec->flags & LINK_SPEC_AS && plan->uid != geteuid())
            return -EPERM;
        plan->uid = geteuid();
        plan->gid = getegid();
    }
    plan->no_new_privs = keeper->config->system && connection->uid != 0;
    return 0;
}

void plan_descriptors(struct spawn_plan *plan, const int *fds, size_t count, int status)
{
    const struct link_placed_fd *placed = (const void *) (plan->strings + plan->spec->placed);
    uint32_t highest = 2;

    plan->status = status;
    plan->keep_count = 0;
    for (size_t i = 0; i <= count; i++) {
        int fd = i < count ? fds[i] : status;
        uint32_t at = plan->keep_count++;

        for (; at > 0 && plan->keep[at - 1] > fd; at--)
            plan->keep[at] = plan->keep[at - 1];
        plan->keep[at] = fd;
        if (i < count)
            plan->fds[i] = fd;
    }
    for (uint32_t i = 0; i < plan->spec->placed_count; i++)
        if (placed[i].target > highest)
            highest = placed[i].target;
    plan->first_free = (int) highest + 1;
}

int plan_arguments(struct job *job)
{
    struct spawn_plan *plan = &job->plan;

    plan->argv = plan_strings(job, plan->spec->argv, plan->spec->argc);
    plan->envp = plan_strings(job, plan->spec->envp, plan->spec->envc);
    return plan->argv && plan->envp ? 0 : -ENOMEM;
}

int plan_variable(struct job *job, const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 2;
    char *text = size <= VARIABLE_MAX ? job_room(job, size) : NULL;
    char **envp = job->plan.envp;

    if (!text)
        return -ENOMEM;
    stpcpy(stpcpy(stpcpy(text, name), "="), value);
    memmove(envp + 1, envp, (job->plan.spec->envc + (size_t) 1) * sizeof *envp);
    envp[0] = text;
    return 0;
}

int plan_fill(struct keeper *keeper, const struct connection *connection, struct job *job,
              uint32_t *ret_stage)
{
    struct spawn_plan *plan = &job->plan;
    int r;

    *ret_stage = LINK_STAGE_CREDENTIALS;
    r = plan_identity(keeper, connection, job);
    if (r < 0)
        return r;
    *ret_stage = LINK_STAGE_SPEC;
    r = plan_arguments(job);
    if (r < 0)
        return r;
    *ret_stage = LINK_STAGE_CREDENTIALS;
    r = limits_plan(keeper, connection, plan);
    if (r < 0)
        return r;
    /* after everything that was read by number: it was the client's */
    return client_alive(connection->client) ? 0 : -ESRCH;
}

/* ---- the spec ---- */

/* A copy, which nobody can change under us; a memfd, since any other descriptor might block. */
static int read_memfd(int fd, void *spec, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, (char *) spec + done, size - done, (off_t) done);

        if (got <= 0)
            return -EINVAL;
        done += (size_t) got;
    }
    return 0;
}

static int memfd_size(int fd, size_t *ret_size)
{
    const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    if (seals < 0 || (seals & wanted) != wanted || fstat(fd, &st) < 0)
        return -EINVAL;
    if (st.st_size < (off_t) sizeof(struct link_spec) || st.st_size > SPEC_SIZE_MAX)
        return -EINVAL;
    *ret_size = (size_t) st.st_size;
    return 0;
}

int plan_begin(struct keeper *keeper, const struct connection *connection, const void *inline_spec,
               size_t size, int memfd, size_t fd_count, struct job **ret_job)
{
    struct link_spec head;
    struct job *job;
    void *spec;
    int r = 0;

    if (memfd >= 0) {
        if ((r = memfd_size(memfd, &size)) < 0 || (r = read_memfd(memfd, &head, sizeof head)) < 0)
            return r;
    } else if (size < sizeof head) {
        return -EINVAL;
    } else {
        memcpy(&head, inline_spec, sizeof head);
    }
    /* a string takes a byte at least: spec_check will say so, too, but memory is asked for first */
    if (head.argc > size || head.envc > size)
        return -EINVAL;
    job = job_new(keeper, size + plan_room(&head, connection));
    if (!job)
        return -EAGAIN;
    spec = job_room(job, size);
    if (memfd >= 0)
        r = read_memfd(memfd, spec, size);
    else
        memcpy(spec, inline_spec, size);
    if (r == 0)
        r = spec_check(spec, size, fd_count);
    if (r < 0) {
        job_free(keeper, job);
        return r;
    }
    job->plan.spec = spec;
    job->plan.strings = spec;
    *ret_job = job;
    return 0;
}
