/* SPDX-License-Identifier: MIT */
/* daemon/keeper/loop.c: what the kernel refuses to watch now is watched later. */
#include "daemon/keeper/loop.h"

#include "daemon/base/cleanup.h"
#include "daemon/keeper/state.h"
#include "tests/unit/base/descriptors.h"

#include <check.h>
#include <errno.h>
#include <unistd.h>

static struct keeper keeper;
static struct watch watch;
static int pair[2], control_error, calls;

int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    errno = control_error;
    return control_error && what == EPOLL_CTL_MOD ? -1 : __real_epoll_ctl(epoll, what, fd, event);
}

static void count_call(struct keeper *unused, struct watch *called, uint32_t events)
{
    (void) unused;
    ck_assert_ptr_eq(called, &watch);
    ck_assert_uint_eq(events, EPOLLIN);
    calls++;
}

static void set_up(void)
{
    control_error = calls = 0;
    ck_assert_int_eq(pipe(pair), 0);
    ck_assert_int_eq(write(pair[1], "x", 1), 1);
    ck_assert_int_eq(loop_open(&keeper.loop), 0);
    ck_assert_int_eq(loop_add(&keeper.loop, &watch, pair[0], 0, count_call), 0);
}

static void tear_down(void)
{
    loop_remove(&keeper.loop, &watch);
    loop_close(&keeper.loop);
    close(pair[0]);
    close(pair[1]);
}

static void turn(int64_t until)
{
    ck_assert_int_ge(loop_turn(&keeper, &keeper.loop, clock_monotonic(), until), 0);
}

START_TEST(what_was_refused_is_tried_again)
{
    control_error = ENOMEM;
    loop_arm(&keeper.loop, &watch, EPOLLIN);
    turn(INT64_MAX); /* which waits not for ever */
    ck_assert_int_eq(calls, 0);
    control_error = 0;
    turn(INT64_MAX);
    ck_assert_int_eq(calls, 1);
    control_error = ENOMEM;
    loop_arm(&keeper.loop, &watch, 0);
    turn(INT64_MAX);
    ck_assert_int_eq(calls, 2);
    control_error = 0;
    turn(0);
    ck_assert_int_eq(calls, 2);
}
END_TEST

/* Whatever was wanted last counts, and of what is gone nothing is wanted. */
START_TEST(what_was_refused_is_not_wanted_any_more)
{
    control_error = ENOMEM;
    loop_arm(&keeper.loop, &watch, EPOLLIN);
    loop_arm(&keeper.loop, &watch, 0);
    control_error = 0;
    turn(0);
    control_error = ENOMEM;
    loop_arm(&keeper.loop, &watch, EPOLLIN);
    loop_remove(&keeper.loop, &watch);
    control_error = 0;
    turn(0);
    ck_assert_int_eq(calls, 0);
    ck_assert(LIST_EMPTY(&keeper.loop.late));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop");
    TCase *tcase = tcase_create("loop");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, what_was_refused_is_tried_again);
    tcase_add_test(tcase, what_was_refused_is_not_wanted_any_more);
    return RUN_SUITE(suite);
}
