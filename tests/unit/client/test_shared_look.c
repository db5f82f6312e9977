/* SPDX-License-Identifier: MIT */
/* client/lib/shared.h: how long a thread looks at a word before it asks the daemon. */
#include "daemon/base/clock.h"
#include "tests/unit/client/one_word.h"

#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

/* Time passes, and others act, only when it is looked at: no other program that has the processor meanwhile
 * makes a difference. */
#define A_LOOK 1000 /* ns */

static int64_t now;
static unsigned looks, looks_before; /* since a test last said; when others act */
static void (*others)(void);
static int processors, ways_given;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *ret_set);
int __wrap_sched_yield(void);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    (void) clock;
    now += A_LOOK;
    if (++looks == looks_before && others)
        others();
    ret_time->tv_sec = now / NSEC_PER_SEC;
    ret_time->tv_nsec = now % NSEC_PER_SEC;
    return 0;
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *ret_set)
{
    (void) pid;
    CPU_ZERO_S(size, ret_set);
    for (int i = 0; i < processors; i++)
        CPU_SET_S((size_t) i, size, ret_set);
    return 0;
}

int __wrap_sched_yield(void)
{
    ways_given++;
    return 0;
}

static void begin(void)
{
    one_word_begin();
    processors = 2;
    others = NULL;
}

/* They act once, when the clock is looked at for that time. */
static void act_at(unsigned look, void (*act)(void))
{
    looks = 0;
    looks_before = look;
    others = act;
}

static int64_t look_for(double timeout)
{
    int64_t begun = now;

    ck_assert_int_eq(shared_acquire_soon(&handle, false, timeout), 0);
    return now - begun;
}

/* ---- who looks for a moment ---- */

static void let_go(void)
{
    atomic_store(&page->words[3].value, ORDER);
}

/* By its owner, or by the daemon. */
START_TEST(who_looks_takes_what_is_let_go)
{
    static const uint64_t values[] = {OTHERS, OTHERS | WORD_CLOSED};

    for (unsigned look = 2; look < 100; look++) {
        have(values[_i]);
        act_at(look, let_go);
        ck_assert_int_eq(shared_acquire_soon(&handle, false, PROCD_FOREVER), 1);
        ck_assert_uint_eq(looks, look);
        ck_assert_uint_eq(word(3), TAKEN(9));
        ck_assert_uint_eq(atomic_load(&handle.vain), 0);
    }
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

    have(cases[_i].word);
    atomic_store(&handle.vain, cases[_i].vain);
    ck_assert_int_le(look_for(PROCD_FOREVER), 2 * A_LOOK);
    ck_assert_uint_eq(word(3), cases[_i].word);
    have(ORDER);
    shared_self.page = 2; /* its slot is of other words */
    ck_assert_int_eq(shared_acquire_soon(&handle, false, PROCD_FOREVER), 0);
    ck_assert_uint_eq(word(3), ORDER);
}
END_TEST

START_TEST(who_looks_in_vain_looks_less)
{
    int64_t longest, first;

    have(OTHERS);
    longest = first = look_for(PROCD_FOREVER);
    ck_assert_int_ge(first, 30000);
    for (int i = 0; i < 10; i++) {
        int64_t span = look_for(PROCD_FOREVER);

        ck_assert_int_le(span, longest);
        longest = span;
    }
    ck_assert_int_lt(longest, 8000);
    longest = 0;
    for (int i = 0; i < 100; i++) { /* they may have become shorter */
        int64_t span = look_for(PROCD_FOREVER);

        longest = span > longest ? span : longest;
    }
    ck_assert_int_eq(longest, first);
    ck_assert_uint_eq(word(3), OTHERS);
}
END_TEST

/* On one processor, once it was in vain: its owner may have to run there to let go. Elsewhere that would only
 * take time. */
START_TEST(alone_it_gives_way)
{
    for (processors = 1; processors <= 2; processors++) {
        have(OTHERS);
        (void) look_for(PROCD_FOREVER);
        ways_given = 0;
        (void) look_for(PROCD_FOREVER);
        ck_assert(processors == 1 ? ways_given >= 10 : ways_given == 0);
        have(OTHERS);
        atomic_store(&handle.vain, 1);
        act_at(20, let_go);
        ck_assert_int_eq(shared_acquire_soon(&handle, false, PROCD_FOREVER), 1);
    }
}
END_TEST

START_TEST(nobody_looks_for_longer_than_wanted)
{
    int64_t span;

    have(OTHERS);
    span = look_for(5e-6);
    ck_assert_int_ge(span, 5000);
    ck_assert_int_le(span, 5000 + 2 * A_LOOK);
}
END_TEST

/* ---- who lets go ---- */

#define LOOKED_AT (TAKEN(9) | WORD_KNOWN | WORD_CLOSED | WORD_LOOKED)

static bool is_offered;

/* The daemon has found somebody who waits; or nobody. */
static void end_look(void)
{
    atomic_store(&page->words[3].value, NEXT(TAKEN(9) | WORD_KNOWN | (is_offered ? OFFERED(4) : 0)));
}

START_TEST(who_lets_go_waits_for_a_look)
{
    for (unsigned look = 1; look < 20; look++) {
        have(LOOKED_AT);
        is_offered = look % 2;
        act_at(look, end_look);
        ck_assert(shared_release_seen(&handle, false, LOOKED_AT));
        ck_assert_uint_eq(word(3), NEXT(ORDER) | (is_offered ? 4 | WORD_CLOSED : 0));
        ck_assert_uint_eq(shared_self.hurries, 0);
    }
}
END_TEST

static int64_t let_go_in_vain(void)
{
    int64_t begun = now;

    ck_assert(!shared_release_seen(&handle, false, word(3)));
    return now - begun;
}

/* Not where the word stays so, for five times; nor where there is no other processor, or nobody to look. */
START_TEST(who_lets_go_does_not_wait_in_vain)
{
    have(LOOKED_AT);
    for (int i = 0; i < 3; i++) {
        int64_t span = let_go_in_vain();

        ck_assert_int_ge(span, 20000);
        ck_assert_int_le(span, 20000 + 2 * A_LOOK);
        for (int j = 0; j < 5; j++)
            ck_assert_int_eq(let_go_in_vain(), 0);
    }
    ck_assert_uint_eq(word(3), LOOKED_AT);
    have(WORD_GONE);
    ck_assert_int_eq(let_go_in_vain(), 0);
    ck_assert_uint_eq(shared_self.hurries, 0);
    have(TAKEN(9) | WORD_KNOWN | WORD_CLOSED);
    ck_assert_int_eq(let_go_in_vain(), 0);
    ck_assert_uint_eq(shared_self.hurries, 0);
    processors = 1;
    have(LOOKED_AT);
    ck_assert_int_eq(let_go_in_vain(), 0);
    ck_assert_uint_eq(shared_self.hurries, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shared_look");
    TCase *tcase = tcase_create("shared_look");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, begin, one_word_end);
    tcase_add_loop_test(tcase, who_looks_takes_what_is_let_go, 0, 2);
    tcase_add_loop_test(tcase, who_looks_takes_nothing_that_is_closed, 0, 2);
    tcase_add_loop_test(tcase, there_is_nothing_to_look_for, 0, 4);
    tcase_add_test(tcase, who_looks_in_vain_looks_less);
    tcase_add_test(tcase, alone_it_gives_way);
    tcase_add_test(tcase, nobody_looks_for_longer_than_wanted);
    tcase_add_test(tcase, who_lets_go_waits_for_a_look);
    tcase_add_test(tcase, who_lets_go_does_not_wait_in_vain);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
