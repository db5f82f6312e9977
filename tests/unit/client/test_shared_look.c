/* SPDX-License-Identifier: MIT */
/* client/lib/shared.h: how long a thread looks at a word before it asks the daemon. */
#include "daemon/base/clock.h"
#include "tests/unit/client/one_word.h"

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* ---- who looks for a moment ---- */

/* There is one processor for all of us, and nobody looks. */
static bool is_alone(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1;
}

static timer_t timer;
static volatile sig_atomic_t is_looked_at;
static const struct itimerspec never = {.it_value.tv_nsec = 0};

static bool arm(void)
{
    const struct itimerspec soon = {.it_value.tv_nsec = 10000}; /* several looks at the word */

    return timer_settime(timer, 0, &soon, NULL) == 0;
}

/* Nothing here is done by another thread, which would have to have a processor at that moment. */
static void begin_signals(void (*handler)(int))
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};

    ck_assert(signal(SIGALRM, handler) != SIG_ERR);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
}

/* While somebody looks: it was seen to, and is given back at the next signal. */
static void let_go(int unused)
{
    (void) unused;
    if (is_looked_at)
        atomic_store(&page->words[3].value, ORDER);
    else if (atomic_load(&handle.vain) > 0)
        (void) arm();
    is_looked_at = true;
}

/* By its owner, or by the daemon. */
START_TEST(who_looks_takes_what_is_let_go)
{
    static const uint64_t values[] = {OTHERS, OTHERS | WORD_CLOSED};
    int taken = 0;

    begin_signals(let_go);
    for (int i = 0; i < 1000 && taken < 5; i++) { /* others may have the processor for the time of a look */
        have(values[_i]);
        is_looked_at = false;
        ck_assert(arm());
        if (shared_acquire_soon(&handle, false, PROCD_FOREVER) == 1) {
            taken++;
            ck_assert_uint_eq(word(3), TAKEN(9));
            ck_assert_uint_eq(atomic_load(&handle.vain), 0);
        }
        ck_assert_int_eq(timer_settime(timer, 0, &never, NULL), 0);
    }
    timer_delete(timer);
    ck_assert_int_eq(taken, 5);
}
END_TEST

/* Free, but the daemon's; or handed to us, to whom it was not granted yet. */
START_TEST(who_looks_takes_nothing_that_is_closed)
{
    static const uint64_t values[] = {ORDER | WORD_CLOSED, ORDER | 9 | WORD_CLOSED};

    have(values[_i]);
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(shared_acquire_soon(&handle, false, PROCD_FOREVER), 0);
    ck_assert_uint_eq(word(3), values[_i]);
}
END_TEST

/* Others wait, or the daemon looks, and it was in vain before; it is gone, or our own: nothing that passes in
 * a moment. */
START_TEST(there_is_nothing_to_look_for)
{
    static const struct {
        uint64_t word;
        uint8_t vain;
    } cases[] = {{OTHERS | WORD_CLOSED, 1}, {ORDER | WORD_CLOSED, 1}, {WORD_GONE, 0}, {TAKEN(9), 0}};
    int64_t shortest = INT64_MAX;

    for (int i = 0; i < 20; i++) {
        int64_t begun = clock_monotonic(), span;

        have(cases[_i].word);
        atomic_store(&handle.vain, cases[_i].vain);
        ck_assert_int_eq(shared_acquire_soon(&handle, false, PROCD_FOREVER), 0);
        ck_assert_uint_eq(word(3), cases[_i].word);
        span = clock_monotonic() - begun;
        shortest = span < shortest ? span : shortest;
    }
    ck_assert_int_lt(shortest, 25000);
    have(ORDER);
    shared_self.page = 2; /* its slot is of other words */
    ck_assert_int_eq(shared_acquire_soon(&handle, false, PROCD_FOREVER), 0);
    ck_assert_uint_eq(word(3), ORDER);
}
END_TEST

/* The shortest of some, in ns: another program may have had the processor meanwhile. */
static int64_t look_in_vain(int times)
{
    int64_t shortest = INT64_MAX;

    for (int i = 0; i < times; i++) {
        int64_t begun = clock_monotonic(), span;

        ck_assert_int_eq(shared_acquire_soon(&handle, false, PROCD_FOREVER), 0);
        span = clock_monotonic() - begun;
        shortest = span < shortest ? span : shortest;
    }
    return shortest;
}

START_TEST(who_looks_in_vain_looks_less)
{
    bool is_long_again = false;
    int64_t later;

    have(OTHERS);
    if (is_alone())
        return;
    ck_assert_int_ge(look_in_vain(1), 30000);
    (void) look_in_vain(10);
    later = look_in_vain(10);
    ck_assert_int_lt(later, 8000);
    for (int i = 0; i < 100; i++) /* they may have become shorter */
        is_long_again |= look_in_vain(1) > 30000;
    ck_assert(is_long_again);
    ck_assert_uint_eq(word(3), OTHERS);
}
END_TEST

/* Of 200 looks, on one processor: in full, or not at all. */
START_TEST(alone_it_looks_seldom)
{
    int long_ones = 0;
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    have(OTHERS);
    for (int i = 0; i < 200; i++)
        long_ones += look_in_vain(1) > 30000;
    ck_assert_int_ge(long_ones, 3);
    atomic_store(&handle.vain, 1);
    ck_assert_int_lt(look_in_vain(3), 10000); /* elsewhere 50, 25 and 12.5 us */
}
END_TEST

START_TEST(nobody_looks_for_longer_than_wanted)
{
    int64_t shortest = INT64_MAX;

    for (int i = 0; i < 20; i++) {
        int64_t begun = clock_monotonic(), span;

        have(OTHERS);
        ck_assert_int_eq(shared_acquire_soon(&handle, false, 5e-6), 0);
        span = clock_monotonic() - begun;
        shortest = span < shortest ? span : shortest;
    }
    ck_assert_int_ge(shortest, 5000);
    ck_assert_int_lt(shortest, 15000);
}
END_TEST

/* ---- who lets go ---- */

#define LOOKED_AT (TAKEN(9) | WORD_KNOWN | WORD_CLOSED | WORD_LOOKED)

/* The daemon has found somebody who waits; or nobody. */
static void end_look(int unused)
{
    (void) unused;
    atomic_store(&page->words[3].value, NEXT(TAKEN(9) | WORD_KNOWN | (is_looked_at ? OFFERED(4) : 0)));
}

/* In turn; others may have the processor for the time of a wait. */
START_TEST(who_lets_go_waits_for_a_look)
{
    int waited = 0;

    if (is_alone())
        return;
    begin_signals(end_look);
    for (int i = 0; i < 1000 && waited < 6; i++) {
        have(LOOKED_AT);
        shared_self.hurries = 0;
        is_looked_at = waited % 2;
        ck_assert(arm());
        if (shared_release_seen(&handle, false, LOOKED_AT)) {
            ck_assert_uint_eq(word(3), NEXT(ORDER) | (is_looked_at ? 4 | WORD_CLOSED : 0));
            waited++;
        }
        ck_assert_int_eq(timer_settime(timer, 0, &never, NULL), 0);
    }
    timer_delete(timer);
    ck_assert_int_eq(waited, 6);
}
END_TEST

/* The shortest of some, in ns. */
static int64_t let_go_in_vain(int times)
{
    int64_t shortest = INT64_MAX;

    for (int i = 0; i < times; i++) {
        int64_t begun = clock_monotonic(), span;

        ck_assert(!shared_release_seen(&handle, false, word(3)));
        span = clock_monotonic() - begun;
        shortest = span < shortest ? span : shortest;
    }
    return shortest;
}

/* Not where the word stays so; nor where there is no other processor, or nobody to look. */
START_TEST(who_lets_go_does_not_wait_in_vain)
{
    cpu_set_t one;

    if (is_alone())
        return;
    have(LOOKED_AT);
    ck_assert_int_ge(let_go_in_vain(1), 20000);
    ck_assert_int_lt(let_go_in_vain(5), 10000);
    ck_assert_int_ge(let_go_in_vain(1), 20000);
    ck_assert_uint_eq(word(3), LOOKED_AT);
    have(WORD_GONE);
    ck_assert_int_lt(let_go_in_vain(10), 10000);
    ck_assert_uint_eq(shared_self.hurries, 0);
    have(TAKEN(9) | WORD_KNOWN | WORD_CLOSED);
    ck_assert_int_lt(let_go_in_vain(10), 10000);
    ck_assert_uint_eq(shared_self.hurries, 0);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    have(LOOKED_AT);
    ck_assert_int_lt(let_go_in_vain(10), 10000);
    ck_assert_uint_eq(shared_self.hurries, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shared_look");
    TCase *tcase = tcase_create("shared_look");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, one_word_begin, one_word_end);
    tcase_add_loop_test(tcase, who_looks_takes_what_is_let_go, 0, 2);
    tcase_add_loop_test(tcase, who_looks_takes_nothing_that_is_closed, 0, 2);
    tcase_add_loop_test(tcase, there_is_nothing_to_look_for, 0, 4);
    tcase_add_test(tcase, who_looks_in_vain_looks_less);
    tcase_add_test(tcase, alone_it_looks_seldom);
    tcase_add_test(tcase, nobody_looks_for_longer_than_wanted);
    tcase_add_test(tcase, who_lets_go_waits_for_a_look);
    tcase_add_test(tcase, who_lets_go_does_not_wait_in_vain);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
