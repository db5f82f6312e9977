/* SPDX-License-Identifier: MIT */
#include "daemon/base/busy_poll.h"

#include "daemon/base/clock.h"

#include <sched.h>

#define LOOK_FOR   (NSEC_PER_MSEC / 4)   /* some links of the chain */
#define LINK_MOST  (NSEC_PER_MSEC / 4)   /* a yield that takes longer was not to a link of the chain */
#define LOST_MOST  (NSEC_PER_MSEC / 250) /* less than what sleeping and waking costs */
#define LOST_ONCE  (100 * LOST_MOST)     /* what one time counts at most: a machine hiccups by itself */
#define LOST_MEAN  128
#define MISSED_MOST 8
#define REST_FIRST (100 * NSEC_PER_MSEC) /* at most 2 % of the time is spent in vain */
#define REST_MOST  NSEC_PER_SEC
#define COUNT_EVERY (100 * NSEC_PER_MSEC)

static void rest(struct busy_poll *poll, int64_t now)
{
    poll->rest = poll->rest == 0 ? REST_FIRST : 2 * poll->rest;
    poll->rest = poll->rest < REST_MOST ? poll->rest : REST_MOST;
    poll->rest_until = now + poll->rest;
    poll->until = 0;
    poll->missed = 0;
    poll->lost = LOST_MOST / 2;
}

static void count_lost(struct busy_poll *poll)
{
    int64_t lost = poll->lost_now < LOST_ONCE ? poll->lost_now : LOST_ONCE;

    poll->lost += (lost - poll->lost) / LOST_MEAN;
    poll->lost_now = 0;
}

/* Whoever runs us may change it at any time (cpusets, taskset). */
static bool is_confined(struct busy_poll *poll, int64_t now)
{
    cpu_set_t set;

    if (now >= poll->count_at) {
        poll->is_confined = sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1;
        poll->count_at = now + COUNT_EVERY;
    }
    return poll->is_confined;
}

void busy_poll_expect(struct busy_poll *poll, int64_t now)
{
    if (now < poll->rest_until || is_confined(poll, now))
        return;
    if (now < poll->until)
        poll->missed = 0;
    count_lost(poll);
    poll->until = now + LOOK_FOR;
    if (poll->lost > LOST_MOST)
        rest(poll, now);
    else if (poll->lost < LOST_MOST / 8)
        poll->rest = 0;
}

void busy_poll_found(struct busy_poll *poll)
{
    poll->until = 0;
    poll->missed = 0;
}

bool busy_poll_is_on(const struct busy_poll *poll)
{
    return poll->until != 0;
}

bool busy_poll_again(struct busy_poll *poll)
{
    int64_t before, span;

    if (poll->until == 0)
        return false;
    before = clock_monotonic();
    if (before >= poll->until) {
        poll->until = 0;
        if (++poll->missed >= MISSED_MOST)
            rest(poll, before);
        return false;
    }
    sched_yield();
    span = clock_monotonic() - before;
    poll->lost_now += span > LINK_MOST ? span - LINK_MOST : 0;
    return true;
}
