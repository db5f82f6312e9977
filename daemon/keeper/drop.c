/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/drop.h"

#include "daemon/base/clock.h"
#include "daemon/base/closer.h"
#include "daemon/keeper/share.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define CLOSER_PATIENCE (100 * NSEC_PER_MSEC)
#define CHILD_PATIENCE  (100 * NSEC_PER_MSEC)

void drop_descriptors(int *fds, size_t count)
{
    bool stuck = closer_pending() >= CLOSER_THREADS_MAX;
    int64_t until = 0;

    for (size_t i = 0; i < count; i++) {
        if (closer_close_now(fds[i]))
            fds[i] = -1;
        else
            closer_close(&fds[i], 1);
    }
    for (size_t i = 0; i < count; i++) {
        while (!stuck && fds[i] >= 0 && fcntl(fds[i], F_GETFD) >= 0) {
            if (until == 0)
                until = clock_monotonic() + CLOSER_PATIENCE;
            stuck = clock_monotonic() >= until;
            sched_yield();
        }
    }
}

void drop_held(struct keeper *keeper, int *fds, size_t count)
{
    size_t left = 0;

    for (size_t i = 0; i < count; i++)
        if (!closer_close_now(fds[i]))
            fds[left++] = fds[i];
    if (left == 0)
        return;
    share_await_closed(keeper, CHILD_PATIENCE);
    drop_descriptors(fds, left);
}
