/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/drop.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/base/closer.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define CLOSER_PATIENCE (100 * NSEC_PER_MSEC)

/* Pipes and memfds, which are the bulk: their close never blocks. */
static bool closes_at_once(int fd)
{
    struct stat st;

    return (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)) || fcntl(fd, F_GET_SEALS) >= 0;
}

void drop_descriptors(int *fds, size_t count)
{
    bool stuck = closer_pending() >= CLOSER_THREADS_MAX;
    int64_t until = 0;

    for (size_t i = 0; i < count; i++) {
        if (closes_at_once(fds[i]))
            fds[i] = close_fd(fds[i]);
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
