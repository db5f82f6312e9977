/* SPDX-License-Identifier: MIT */
/* daemon/base/busy_poll.c: looking is for a moment only, and rests when it costs more than it gains. */
#include "daemon/base/busy_poll.h"
#include "daemon/base/clock.h"
#include "tests/unit/core/must.h"

#include <check.h>
#include <sched.h>
#include <stdlib.h>

#define ENOUGH 100 /* more than ever leads to a rest */

static struct busy_poll poll;

static void set_up(void)
{
    poll = (struct busy_poll){0};
}

START_TEST(nothing_expected_is_a_sleep)
{
    ck_assert(!busy_poll_again(&poll));
    ck_assert(!busy_poll_again(&poll));
}
END_TEST

/* However long it takes: it ends by itself. */
START_TEST(what_is_expected_is_looked_for_a_moment)
{
    int64_t begun = clock_monotonic();

    busy_poll_expect(&poll, begun);
    while (busy_poll_again(&poll))
        ;
    ck_assert_int_gt(clock_monotonic() - begun, 0);
    ck_assert_int_eq(poll.until, 0);
    ck_assert(!busy_poll_again(&poll));
}
END_TEST

START_TEST(in_vain_a_few_times_is_a_rest)
{
    int64_t now = clock_monotonic();
    int times = 0;

    for (; times < ENOUGH && poll.rest_until <= now; times++) {
        now = clock_monotonic();
        busy_poll_expect(&poll, now);
        while (busy_poll_again(&poll))
            ;
    }
    ck_assert_int_gt(times, 1);
    ck_assert_int_lt(times, ENOUGH);
    busy_poll_expect(&poll, now);
    ck_assert(!busy_poll_again(&poll));
    /* and after it, it is tried again, whatever this machine has lost to others */
    poll.lost = poll.lost_now = 0;
    busy_poll_expect(&poll, poll.rest_until);
    ck_assert_int_gt(poll.until, poll.rest_until);
}
END_TEST

START_TEST(what_comes_in_time_is_no_miss)
{
    int64_t now = clock_monotonic() + NSEC_PER_SEC; /* far enough away for the real clock not to matter */

    for (int i = 0; i < ENOUGH; i++) {
        busy_poll_expect(&poll, now);
        poll.missed++; /* one window was missed before this one came */
        now++;
    }
    ck_assert_int_eq(poll.rest_until, 0);
    ck_assert_int_le(poll.missed, 1);
}
END_TEST

/* One answer, and nothing after it: there is nothing to look for, however long ago the next question is. The
 * moment does not end in this test, whatever keeps it from running. */
START_TEST(what_was_found_is_no_longer_expected)
{
    int64_t now = clock_monotonic() + 1000 * NSEC_PER_SEC;

    busy_poll_expect(&poll, now);
    poll.missed = 5;
    ck_assert(busy_poll_again(&poll));
    busy_poll_found(&poll);
    ck_assert(!busy_poll_again(&poll));
    ck_assert_int_eq(poll.missed, 0);
    busy_poll_expect(&poll, now + NSEC_PER_SEC);
    ck_assert(busy_poll_again(&poll));
}
END_TEST

/* A machine stands still for a moment now and then, a virtual one above all. */
START_TEST(one_hiccup_is_no_rest)
{
    int64_t now = NSEC_PER_SEC;

    poll.lost_now = 10 * NSEC_PER_MSEC;
    for (int i = 0; i < ENOUGH; i++)
        busy_poll_expect(&poll, now++);
    ck_assert_int_eq(poll.rest_until, 0);
}
END_TEST

START_TEST(one_processor_alone_is_never_looked_for)
{
    cpu_set_t all, one;
    int64_t now = clock_monotonic();

    CPU_ZERO(&one);
    must(sched_getaffinity(0, sizeof all, &all) == 0);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    must(sched_setaffinity(0, sizeof one, &one) == 0);
    busy_poll_expect(&poll, now);
    ck_assert(!busy_poll_again(&poll));
    /* It is looked at anew, but not each time. */
    must(sched_setaffinity(0, sizeof all, &all) == 0);
    busy_poll_expect(&poll, now + 1);
    ck_assert_int_eq(poll.until, 0);
    busy_poll_expect(&poll, now + NSEC_PER_SEC);
    if (CPU_COUNT(&all) > 1)
        ck_assert_int_gt(poll.until, 0);
}
END_TEST

/* Twice as long each time, while others go on taking the processor; as at first when they have stopped. */
START_TEST(what_others_take_is_a_rest)
{
    int64_t now = NSEC_PER_SEC, first;

    while (poll.rest_until <= now) {
        busy_poll_expect(&poll, now++);
        poll.lost_now = NSEC_PER_MSEC;
    }
    first = poll.rest;
    now = poll.rest_until;
    while (poll.rest_until <= now) {
        busy_poll_expect(&poll, now++);
        poll.lost_now = NSEC_PER_MSEC;
    }
    ck_assert_int_eq(poll.rest, 2 * first);
    now = poll.rest_until;
    for (int i = 0; i < 10 * ENOUGH; i++) {
        poll.lost_now = 0;
        busy_poll_expect(&poll, now++);
    }
    ck_assert_int_eq(poll.rest, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("busy_poll");
    TCase *tcase = tcase_create("busy_poll");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, nothing_expected_is_a_sleep);
    tcase_add_test(tcase, what_is_expected_is_looked_for_a_moment);
    tcase_add_test(tcase, in_vain_a_few_times_is_a_rest);
    tcase_add_test(tcase, what_comes_in_time_is_no_miss);
    tcase_add_test(tcase, what_was_found_is_no_longer_expected);
    tcase_add_test(tcase, one_hiccup_is_no_rest);
    tcase_add_test(tcase, one_processor_alone_is_never_looked_for);
    tcase_add_test(tcase, what_others_take_is_a_rest);
    return RUN_SUITE(suite);
}
