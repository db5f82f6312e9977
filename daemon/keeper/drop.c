/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/drop.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/base/closer.h"
#include "daemon/base/hangup.h"
#include "daemon/keeper/share.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>

#define CLOSER_PATIENCE (100 * NSEC_PER_MSEC)
#define CHILD_PATIENCE  (100 * NSEC_PER_MSEC)

/* Another descriptor takes the first free number from there. What the number stands for is not looked at: any
 * call that names it holds its file meanwhile, and the last close would be ours, not its closer's. */
static bool is_open(int fd, int probe)
{
    int free = fcntl(probe, F_DUPFD_CLOEXEC, fd);

    if (free >= 0)
        close_fd(free);
    return free != fd;
}

static void await_closers(const int *fds, size_t count, int probe)
{
    int64_t until = clock_monotonic() + CLOSER_PATIENCE;

    for (size_t i = 0; i < count; i++) {
        while (is_open(fds[i], probe)) {
            if (clock_monotonic() >= until)
                return;
            sched_yield();
        }
    }
}

/* All that may not be closed at once comes first. */
static size_t close_harmless(int *fds, size_t count)
{
    size_t left = 0;

    for (size_t i = 0; i < count; i++)
        if (!closer_close_now(fds[i]))
            fds[left++] = fds[i];
    return left;
}

/* The probe is there before any number is free, or it would have one of those. */
void drop_descriptors(int *fds, size_t count)
{
    bool stuck = closer_pending() >= CLOSER_THREADS_MAX;
    size_t left = close_harmless(fds, count);
    int probe = left > 0 && !stuck ? eventfd(0, EFD_CLOEXEC) : -1;

    for (size_t i = 0; i < left; i++)
        closer_close(&fds[i], 1);
    if (probe >= 0) /* else there is nothing to tell by */
        await_closers(fds, left, probe);
    close_fd(probe);
}

void drop_held(struct keeper *keeper, int *fds, size_t count)
{
    size_t left = close_harmless(fds, count);

    if (left == 0)
        return;
    share_await_closed(keeper, CHILD_PATIENCE);
    drop_descriptors(fds, left);
}

static void drop(void *keeper, int *fds, size_t count)
{
    drop_held(keeper, fds, count);
}

void drop_connection(struct keeper *keeper, int fd)
{
    hang_up(fd, drop, keeper);
}
