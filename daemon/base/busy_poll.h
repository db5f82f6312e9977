/* SPDX-License-Identifier: MIT */
/*
 * To look again before sleeping. A spawn is a chain of wakes: client, broker, keeper, child, and back. A
 * processor with nothing to do goes to sleep between two links, and takes longer to wake (on a virtual
 * machine tens of microseconds) than the link has work to do. So whoever has reason to expect the next link
 * soon looks for it for a moment, and sleeps only then.
 *
 * Between two looks the processor is offered to whoever else wants it. Who sleeps gets it when he wakes, but
 * who has given it away waits for his turn: where others are at work that costs more than it gains. What was
 * lost so is measured, and when it is too much there is no looking for a while; nor is there after looking in
 * vain a few times in a row. Where there is one processor only, it sleeps for nobody.
 */
#ifndef PROCD_BASE_BUSY_POLL_H
#define PROCD_BASE_BUSY_POLL_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing is expected. Times are ns, points in time of CLOCK_MONOTONIC. */
struct busy_poll {
    int64_t until;      /* 0: nothing is expected */
    int64_t rest_until; /* not before this is anything expected again */
    int64_t rest;       /* how long the last rest was, 0: all is well */
    int64_t lost;       /* to others, per time of looking: a mean in which the last hundred count most */
    int64_t lost_now;   /* this time */
    unsigned missed;    /* how often in a row nothing came */
    bool is_confined;   /* to one processor */
    int64_t count_at;   /* when to look how many there are */
};

/* Something was done that is answered soon, or something came after which more comes. */
void busy_poll_expect(struct busy_poll *poll, int64_t now);

/* It has come, and nothing more is expected. For whoever has one answer to wait for. */
void busy_poll_found(struct busy_poll *poll);

/* Is it looking, rather than asleep, until something comes? */
bool busy_poll_is_on(const struct busy_poll *poll);

/* Before each wait. True: only look whether there is something, do not sleep. */
bool busy_poll_again(struct busy_poll *poll);

#endif
