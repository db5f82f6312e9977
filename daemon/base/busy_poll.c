#include "daemon/base/busy_poll.h"

#include "daemon/base/clock.h"

#include <sched.h>

#define LOOK_FOR   (NSEC_PER_MSEC / 4) /* some links of the chain */
#define LINK_MOST  (NSEC_PER_MSEC / 12) /* a yield that takes longer was not to a link of the chain alone */
#define LOST_MOST  (NSEC_PER_MSEC / 80) /* less than what sleeping and waking costs */
#define MISSED_MOST 8
#define REST_FIRST (100 * NSEC_PER_MSEC) /* at most 2 % of the time is spent in vain */
#define REST_MOST  NSEC_PER_SEC

static void rest(struct busy_poll *poll, int64_t now)
{
    poll->rest = poll->rest == 0 ? REST_FIRST : 2 * poll->rest;
    poll->rest = poll->rest < REST_MOST ? poll->rest : REST_MOST;
    poll->rest_until = now + poll->rest;
    poll->until = 0;
    poll->missed = 0;
    poll->lost = LOST_MOST / 2;
}

void busy_poll_expect(struct busy_poll *poll, int64_t now)
{
    if (now < poll->rest_until)
        return;
    if (now < poll->until)
        poll->missed = 0;
    poll->lost += (poll->lost_now - poll->lost) / 16;
    poll->lost_now = 0;
    poll->until = now + LOOK_FOR;
    if (poll->lost > LOST_MOST)
        rest(poll, now);
    else if (poll->lost < LOST_MOST / 8)
        poll->rest = 0;
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
