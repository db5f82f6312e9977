/* SPDX-License-Identifier: MIT */
/*
 * The clocks. Spans and deadlines are nanoseconds of CLOCK_MONOTONIC; points in time that a person reads
 * are nanoseconds of CLOCK_REALTIME since the epoch. Both fit int64_t for the next 200 years.
 */
#ifndef PROCD_BASE_CLOCK_H
#define PROCD_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC  INT64_C(1000000000)
#define NSEC_PER_MSEC INT64_C(1000000)

static inline int64_t clock_read(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t) now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static inline int64_t clock_monotonic(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

static inline int64_t clock_realtime(void)
{
    return clock_read(CLOCK_REALTIME);
}

/* What this thread has used: it stands still while somebody else runs, or we are stopped. */
static inline int64_t clock_used(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

/* Of the age of processes, as /proc shows it: goes on while the machine sleeps. */
static inline int64_t clock_boot(void)
{
    return clock_read(CLOCK_BOOTTIME);
}

#endif
