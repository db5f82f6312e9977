/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/loop.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/keeper/state.h"

#include <limits.h>

#define LATE_PAUSE (10 * NSEC_PER_MSEC)

int loop_open(struct loop *loop)
{
    LIST_INIT(&loop->late);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll < 0 ? -errno : 0;
}

void loop_close(struct loop *loop)
{
    loop->epoll = close_fd(loop->epoll);
}

int loop_add(struct loop *loop, struct watch *watch, int fd, uint32_t events, watch_fn *ready)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        return -errno;
    *watch = (struct watch){.fd = fd, .events = events, .ready = ready};
    return 0;
}

static void set_late(struct loop *loop, struct watch *watch, bool is_late)
{
    if (watch->is_late)
        LIST_REMOVE(watch, late);
    watch->is_late = is_late;
    if (is_late)
        LIST_INSERT_HEAD(&loop->late, watch, late);
}

void loop_arm(struct loop *loop, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (!watch->ready)
        return;
    set_late(loop, watch, false);
    if (watch->events == events)
        return;
    watch->wanted = events;
    if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event) == 0)
        watch->events = events;
    else
        set_late(loop, watch, true);
}

static void arm_late(struct loop *loop)
{
    struct watch *watch, *next;

    for (watch = LIST_FIRST(&loop->late); watch; watch = next) {
        next = LIST_NEXT(watch, late);
        loop_arm(loop, watch, watch->wanted);
    }
}

void loop_remove(struct loop *loop, struct watch *watch)
{
    if (!watch->ready)
        return;
    set_late(loop, watch, false);
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->ready = NULL;
    for (int i = loop->at + 1; i < loop->count; i++)
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].data.ptr = NULL;
}

static int wait_span(int64_t now, int64_t until)
{
    int64_t span;

    if (until == INT64_MAX)
        return -1;
    if (until <= now)
        return 0;
    span = (until - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
    return span > INT_MAX ? INT_MAX : (int) span;
}

int loop_turn(struct keeper *keeper, struct loop *loop, int64_t now, int64_t until)
{
    int span, ready;

    arm_late(loop);
    if (!LIST_EMPTY(&loop->late) && until > now + LATE_PAUSE)
        until = now + LATE_PAUSE;
    span = busy_poll_again(&keeper->busy) ? 0 : wait_span(now, until);
    ready = epoll_wait(loop->epoll, loop->batch, LOOP_BATCH, span);
    /* what is begun now gets all of its time, however long the wait was */
    keeper->now = clock_monotonic();
    if (ready < 0)
        return errno == EINTR ? 0 : -errno;
    loop->count = ready;
    for (loop->at = 0; loop->at < loop->count; loop->at++) {
        struct watch *watch = loop->batch[loop->at].data.ptr;
        if (watch && watch->ready)
            watch->ready(keeper, watch, loop->batch[loop->at].events);
    }
    loop->at = loop->count = 0;
    return ready;
}
