/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/share.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/base/closer.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>

#define LOOK_AGAIN  NSEC_PER_MSEC
#define LOW_NUMBERS 64  /* a table of so many is copied without memory being asked for */
#define PARKED_FROM 512 /* a burst needs more */
#define HELD_MOST   256
#define HELD_SHARE  8
#define PARK_MANY   8  /* children: then the table is long */

/* So many may wait for their children: a burst is not to leave none for the next request. */
static size_t held_most(const struct keeper *keeper)
{
    rlim64_t share = keeper->base_limits[RLIMIT_NOFILE].rlim_max / HELD_SHARE;

    return share < HELD_MOST ? (size_t) share : HELD_MOST;
}

bool share_may(struct keeper *keeper, const int *fds, size_t count)
{
    size_t most = held_most(keeper), own = 8; /* its pipe's end, and what of its descriptors is made here */

    if (keeper->held_count + count + own > most)
        (void) share_tick(keeper);
    if (keeper->held_count + count + own > most)
        return false;
    /* a short table is copied sooner than the child can say that it is apart */
    if (!busy_poll_is_on(&keeper->busy) && keeper->table.live < PARK_MANY)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!closer_may_close_now(fds[i]))
            return false;
    return true;
}

void share_begin(struct keeper *keeper, struct job *job)
{
    struct spawn_plan *plan = &job->plan;

    plan->shares = true;
    plan->tells = !busy_poll_is_on(&keeper->busy);
    atomic_store_explicit(&plan->is_apart, false, memory_order_relaxed);
    TAILQ_INSERT_TAIL(&keeper->sharing, job, sharing);
    job->is_sharing = true;
    keeper->held_count += plan->keep_count;
}

void share_undo(struct keeper *keeper, struct job *job)
{
    if (!job->is_sharing)
        return;
    TAILQ_REMOVE(&keeper->sharing, job, sharing);
    job->is_sharing = false;
    keeper->held_count -= job->plan.keep_count;
}

void share_end(struct keeper *keeper, struct job *job)
{
    if (!job->is_sharing)
        return;
    share_undo(keeper, job);
    for (uint32_t i = 0; i < job->plan.keep_count; i++)
        close_fd(job->plan.keep[i]);
}

void share_settle(struct keeper *keeper, struct job *job)
{
    if (job->is_sharing && atomic_load_explicit(&job->plan.is_apart, memory_order_acquire))
        share_end(keeper, job);
}

int64_t share_tick(struct keeper *keeper)
{
    struct job *job, *next;

    for (job = TAILQ_FIRST(&keeper->sharing); job; job = next) {
        next = TAILQ_NEXT(job, sharing);
        if (atomic_load_explicit(&job->plan.is_apart, memory_order_acquire))
            spawn_settle(keeper, job->slot, false);
    }
    return TAILQ_EMPTY(&keeper->sharing) ? INT64_MAX : keeper->now + LOOK_AGAIN;
}

static bool may_have_copies(struct job *job)
{
    return !job->is_slow && !atomic_load_explicit(&job->plan.has_closed, memory_order_acquire) &&
           pidfd_alive(job->slot->pidfd);
}

void share_await_closed(struct keeper *keeper, int64_t patience)
{
    int64_t until = clock_monotonic() + patience;
    struct job *job;

    TAILQ_FOREACH(job, &keeper->jobs, order) {
        while (may_have_copies(job)) {
            if (clock_monotonic() >= until) {
                job->is_slow = true;
                return;
            }
            sched_yield();
        }
    }
}

static uint64_t reserved; /* a bit for each number */

void share_reserve(void)
{
    CLEANUP_FD int place = open("/", O_PATH | O_CLOEXEC);
    struct rlimit limit = {.rlim_cur = 0};
    int fd;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < PARKED_FROM) /* few are had at all */
        return;
    while (place >= 0 && (fd = fcntl(place, F_DUPFD_CLOEXEC, 3)) >= 0 && fd < LOW_NUMBERS)
        reserved |= UINT64_C(1) << fd;
    if (place >= 0)
        close_fd(fd);
}

void share_release(void)
{
    for (int fd = 0; fd < LOW_NUMBERS; fd++)
        if (reserved >> fd & 1)
            close_fd(fd);
    reserved = 0;
}

int share_park(int fd)
{
    int parked = fd < 0 || fd >= PARKED_FROM ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, PARKED_FROM);

    if (parked < 0)
        return fd;
    close_fd(fd);
    return parked;
}

int share_park_many(const struct keeper *keeper, int fd)
{
    return keeper->table.live < PARK_MANY ? fd : share_park(fd);
}
