/* SPDX-License-Identifier: MIT */
#include "client/lib/give_way.h"

#include "client/lib/shared.h"
#include "daemon/base/clock.h"

#include <sched.h>
#include <stdatomic.h>

/* Less than the scheduler gives to others at a time; of so many, which count most; hand-overs and looks. */
#define WAY_MOST     NSEC_PER_MSEC
#define WAY_MEAN     16
#define WAY_COUNTED  (4 * WAY_MOST) /* the most that one counts */
#define KEEPS_ON_FOR 1000

bool way_is_confined(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1;
}

void way_pause(void)
{
    for (int i = 0; i < 16; i++)
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#else
        atomic_signal_fence(memory_order_seq_cst);
#endif
}

bool way_may_be_given(void)
{
    if (shared_self.keeps_on > 0) {
        shared_self.keeps_on--;
        return false;
    }
    return (sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) == SCHED_OTHER;
}

int64_t way_give(int64_t now, int64_t *ret_span)
{
    int64_t after;

    sched_yield();
    after = clock_monotonic();
    *ret_span = after - now;
    return after;
}

void way_note(int64_t span)
{
    if (span > WAY_COUNTED)
        span = WAY_COUNTED;
    shared_self.way += (span - shared_self.way) / WAY_MEAN;
    if (shared_self.way > WAY_MOST) {
        shared_self.keeps_on = KEEPS_ON_FOR;
        shared_self.way = WAY_MOST / 2;
    }
}
