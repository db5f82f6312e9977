/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/job.h"

#include "daemon/keeper/spawn.h"

struct job *job_new(struct keeper *keeper, size_t room)
{
    struct job *job = TAILQ_FIRST(&keeper->free_jobs);

    if (keeper->job_count >= SPAWN_JOBS_MAX)
        return NULL;
    if (job)
        TAILQ_REMOVE(&keeper->free_jobs, job, order);
    else if (!(job = memory_reserve(sizeof *job)))
        return NULL;
    job->arena = job->own_arena;
    job->arena_size = sizeof job->own_arena;
    job->arena_used = 0;
    job->large = NULL;
    if (room > job->arena_size) {
        job->large = memory_reserve(room);
        if (!job->large) {
            TAILQ_INSERT_HEAD(&keeper->free_jobs, job, order);
            return NULL;
        }
        job->arena = job->large;
        job->arena_size = job->large_size = room;
    }
    job->status = (struct watch){.fd = -1};
    job->status_fd = -1;
    job->slot = NULL;
    job->client = NULL;
    job->zygote = 0;
    job->copy.is_asked = false;
    job->expired = job->failed = job->is_sharing = job->is_slow = false;
    job->plan.shares = false;
    job->plan.has_closed = false;
    keeper->job_count++;
    return job;
}

void job_free(struct keeper *keeper, struct job *job)
{
    if (job->large)
        munmap(job->large, job->large_size);
    TAILQ_INSERT_HEAD(&keeper->free_jobs, job, order);
    keeper->job_count--;
}

void *job_room(struct job *job, size_t size)
{
    char *room = job->arena + job->arena_used;

    size = (size + 7) & ~(size_t) 7;
    if (size > job->arena_size - job->arena_used)
        return NULL;
    job->arena_used += size;
    return room;
}
