/* SPDX-License-Identifier: MIT */
/*
 * What is added to procd for test_clocks.py: the clock on its wall goes wrong by as much as the test wants,
 * which finds `adrift` by its name and writes it through /proc. The libraries ask here, too. That clock is in
 * no namespace, and to set the machine's own would concern everybody on it.
 */
#include "config.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct adrift {
    int64_t seconds;
    int64_t asked; /* how often */
};

extern struct adrift adrift;
struct adrift adrift __attribute__((used));

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    int r = (int) syscall(SYS_clock_gettime, clock, ret_time);

    if (r < 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return r;
    ret_time->tv_sec += __atomic_load_n(&adrift.seconds, __ATOMIC_RELAXED);
    __atomic_add_fetch(&adrift.asked, 1, __ATOMIC_RELAXED);
    return r;
}

int gettimeofday(struct timeval *ret_time, void *zone)
{
    struct timespec now;
    int r = clock_gettime(CLOCK_REALTIME, &now);

    (void) zone;
    ret_time->tv_sec = now.tv_sec;
    ret_time->tv_usec = now.tv_nsec / 1000;
    return r;
}

time_t time(time_t *ret_time)
{
    struct timespec now = {.tv_sec = -1};

    (void) clock_gettime(CLOCK_REALTIME, &now);
    if (ret_time)
        *ret_time = now.tv_sec;
    return now.tv_sec;
}
