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
static int processors, policy, ways_given;
static int64_t way; /* ns that others take who are given way to */

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *ret_set);
int __wrap_sched_getscheduler(pid_t pid);
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

int __wrap_sched_getscheduler(pid_t pid)
{
    (void) pid;
    return policy;
}

int __wrap_sched_yield(void)
{
    ways_given++;
    now += way;
    return 0;
}

static void begin(void)
{
    one_word_begin();
    processors = 2;
    policy = SCHED_OTHER;
    way = ways_given = 0;
    others = NULL;
}

/* They act once, when the clock is looked at for that time. */
static void act_at(unsigned look, void (*act)(void))
{
    looks = 0;
    looks_before = look;
    others = act;
}

static int acquire_soon(double timeout)
{
    return shared_acquire_soon(&handle, false, &timeout);
}

static int64_t look_for(double timeout)
{
    int64_t begun = now;

    ck_assert_int_eq(acquire_soon(timeout), 0);
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
        ck_assert_int_eq(acquire_soon(PROCD_FOREVER), 1);
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
        ck_assert_int_eq(acquire_soon(PROCD_FOREVER), 0);
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
    ck_assert_int_eq(acquire_soon(PROCD_FOREVER), 0);
    ck_assert_uint_eq(word(3), ORDER);
}
END_TEST

START_TEST(who_looks_in_vain_looks_less)
{
    int64_t longest, first;

    have(OTHERS);
    longest = first = look_for(PROCD_FOREVER);
    ck_assert_int_ge(first, NSEC_PER_MSEC);
    ck_assert_int_le(first, NSEC_PER_MSEC + 2 * A_LOOK);
    for (int i = 0; i < 10; i++) {
        int64_t span = look_for(PROCD_FOREVER);

        ck_assert_int_le(span, longest);
        longest = span;
    }
    ck_assert_int_lt(longest, NSEC_PER_MSEC / 20);
    longest = 0;
    for (int i = 0; i < 100; i++) { /* they may have become shorter */
        int64_t span = look_for(PROCD_FOREVER);

        longest = span > longest ? span : longest;
    }
    ck_assert_int_eq(longest, first);
    ck_assert_uint_eq(word(3), OTHERS);
}
END_TEST

/* Others may have its processor meanwhile; what is let go then is found all the same. */
START_TEST(who_looks_gives_way)
{
    have(OTHERS);
    policy = _i ? SCHED_OTHER | SCHED_RESET_ON_FORK : SCHED_OTHER;
    ways_given = 0;
    (void) look_for(PROCD_FOREVER);
    ck_assert_int_ge(ways_given, 100);
    have(OTHERS);
    act_at(50, let_go);
    ck_assert_int_eq(acquire_soon(PROCD_FOREVER), 1);
}
END_TEST

/* In real time, or where nobody says: a tenth as long, and not at all on one processor, once it was in vain,
 * as its owner may have to run there to let go. */
START_TEST(in_real_time_it_keeps_its_processor)
{
    static const int policies[] = {SCHED_FIFO, SCHED_RR | SCHED_RESET_ON_FORK, -1};

    policy = policies[_i];
    way = 3 * NSEC_PER_MSEC;
    for (processors = 1; processors <= 2; processors++) {
        int64_t span;

        have(OTHERS);
        ways_given = 0;
        span = look_for(PROCD_FOREVER);
        ck_assert_int_ge(span, NSEC_PER_MSEC / 10);
        ck_assert_int_le(span, NSEC_PER_MSEC / 10 + 2 * A_LOOK);
        span = look_for(PROCD_FOREVER);
        ck_assert(processors == 1 ? span == 0 : span >= NSEC_PER_MSEC / 20);
        have(OTHERS);
        atomic_store(&handle.vain, 1);
        act_at(20, let_go);
        ck_assert_int_eq(acquire_soon(PROCD_FOREVER), processors == 1 ? 0 : 1);
        others = NULL;
        for (int i = 0; i < 100 && atomic_load(&handle.vain) > 0; i++)
            (void) acquire_soon(PROCD_FOREVER);
        ck_assert_uint_eq(atomic_load(&handle.vain), 0); /* again in full, once in a while */
        ck_assert_int_eq(ways_given, 0);
    }
}
END_TEST

/* Beside others who never sleep each way is as long as the scheduler lets them: after some of them it keeps
 * its processor for a thousand looks, and then tries again. */
START_TEST(who_never_sleeps_is_not_given_way_to)
{
    int looks_given = 0, looks_kept = 0;

    have(OTHERS);
    way = 3 * NSEC_PER_MSEC;
    do {
        ways_given = 0;
        (void) look_for(PROCD_FOREVER);
    } while (ways_given > 0 && ++looks_given < 100);
    ck_assert_int_ge(looks_given, 4);
    ck_assert_int_lt(looks_given, 16);
    do {
        (void) look_for(PROCD_FOREVER);
    } while (ways_given == 0 && ++looks_kept < 2000);
    ck_assert_int_eq(looks_kept, 1000 - 1);
}
END_TEST

/* A machine may stop once, for as long as it likes. */
START_TEST(one_long_way_is_none)
{
    have(OTHERS);
    way = 1000 * NSEC_PER_MSEC;
    (void) look_for(PROCD_FOREVER);
    way = 0;
    ways_given = 0;
    (void) look_for(PROCD_FOREVER);
    ck_assert_int_gt(ways_given, 0);
}
END_TEST

/* Half of it, and it is taken off. Who has little keeps its processor. */
START_TEST(nobody_looks_for_longer_than_wanted)
{
    static const struct {
        double timeout, most;
    } cases[] = {{5e-6, 2.5e-6}, {1e-3, 1e-4}, {0.04, 1e-4}, {0.5, 1e-3}};
    double left = cases[_i].timeout, most = cases[_i].most;
    int64_t begun = now, span;

    have(OTHERS);
    way = _i < 3 ? 3 * NSEC_PER_MSEC : 0;
    ck_assert_int_eq(shared_acquire_soon(&handle, false, &left), 0);
    span = now - begun;
    ck_assert_int_ge(span, (int64_t) (most * 1e9));
    ck_assert_int_le(span, (int64_t) (most * 1e9) + 2 * A_LOOK);
    ck_assert(left <= cases[_i].timeout - most + 1e-9);
    ck_assert(left >= cases[_i].timeout - (double) span / 1e9 - 1e-9);
}
END_TEST

/* On one processor its owner may not run anywhere else, and others may take all of the time to whom the
 * processor is left: its place in line is worth more. */
START_TEST(who_has_little_and_one_processor_does_not_look)
{
    double left = 0.04;

    have(OTHERS);
    way = 3 * NSEC_PER_MSEC;
    processors = 1;
    atomic_store(&handle.vain, 1);
    ck_assert_int_eq(shared_acquire_soon(&handle, false, &left), 0);
    ck_assert(left == 0.04);
    ck_assert_int_eq(ways_given, 0);
    ck_assert_int_eq(atomic_load(&handle.vain), 2);
}
END_TEST

/* It may be late, where others have its processor; no time is left then, not less. */
START_TEST(no_less_than_nothing_is_left)
{
    double left = 0.06;

    have(OTHERS);
    way = 100 * NSEC_PER_MSEC;
    ck_assert_int_eq(shared_acquire_soon(&handle, false, &left), 0);
    ck_assert(left == 0);
}
END_TEST

/* ---- permits ---- */

#define PERMITS   3
#define NO_PERMIT (ORDER | WORD_CLOSED | WORD_KNOWN | WORD_OWNER_MAX)

static void have_permits(const uint64_t values[PERMITS])
{
    have(values[0]);
    handle.words = PERMITS;
    handle.mask = 1;
    for (unsigned i = 0; i < PERMITS; i++)
        atomic_store(&page->words[3 + i].value, values[i]);
}

static void give_back_the_last(void)
{
    atomic_store(&page->words[5].value, ORDER);
}

static bool take_soon(double timeout)
{
    return shared_take_soon(&handle, &timeout);
}

/* Whichever it is; others are ours, or nobody's. */
START_TEST(who_looks_takes_a_permit_that_is_given_back)
{
    static const uint64_t values[][PERMITS] = {{OTHERS, OTHERS, OTHERS},
                                               {TAKEN(9), TAKEN(9), OTHERS},
                                               {NO_PERMIT, TAKEN(9), OTHERS},
                                               {NO_PERMIT, NO_PERMIT, NO_PERMIT}};

    for (unsigned look = 2; look < 100; look++) {
        have_permits(values[_i]);
        act_at(look, give_back_the_last);
        ck_assert(take_soon(PROCD_FOREVER));
        ck_assert_uint_eq(looks, look);
        ck_assert_uint_eq(word(5), TAKEN(9));
        ck_assert_uint_eq(word(3), values[_i][0]);
        ck_assert_uint_eq(word(4), values[_i][1]);
        ck_assert_uint_eq(atomic_load(&handle.vain), 0);
    }
}
END_TEST

/* All are ours; one is to be had by asking, in whichever word that is said; it is gone; others wait, and it
 * was in vain before. */
START_TEST(there_is_no_permit_to_look_for)
{
    static const struct {
        uint64_t words[PERMITS];
        uint8_t vain;
    } cases[] = {{{TAKEN(9), TAKEN(9), TAKEN(9)}, 0},
                 {{OTHERS, OTHERS, OTHERS | WORD_MORE}, 0},
                 {{OTHERS | WORD_MORE, OTHERS, OTHERS}, 0},
                 {{NO_PERMIT | WORD_MORE, NO_PERMIT | WORD_MORE, NO_PERMIT | WORD_MORE}, 0},
                 {{WORD_GONE, WORD_GONE, WORD_GONE}, 0},
                 {{NO_PERMIT, NO_PERMIT, NO_PERMIT}, 1},
                 {{TAKEN(9), NO_PERMIT, NO_PERMIT}, 1}};
    int64_t begun = now;

    have_permits(cases[_i].words);
    atomic_store(&handle.vain, cases[_i].vain);
    ck_assert(!take_soon(PROCD_FOREVER));
    ck_assert_int_le(now - begun, 2 * A_LOOK);
    for (unsigned i = 0; i < PERMITS; i++)
        ck_assert_uint_eq(word(3 + i), cases[_i].words[i]);
}
END_TEST

/* As for a lock. */
START_TEST(who_looks_for_a_permit_in_vain_looks_less)
{
    static const uint64_t values[PERMITS] = {OTHERS, OTHERS, OTHERS};
    double left = 0.5;
    int64_t begun = now;

    have_permits(values);
    ck_assert(!shared_take_soon(&handle, &left));
    ck_assert_int_ge(now - begun, NSEC_PER_MSEC);
    ck_assert_int_le(now - begun, NSEC_PER_MSEC + 2 * A_LOOK);
    ck_assert(left > 0.498 && left <= 0.499);
    begun = now;
    ck_assert(!take_soon(PROCD_FOREVER));
    ck_assert_int_le(now - begun, NSEC_PER_MSEC / 2 + 2 * A_LOOK);
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
    tcase_add_loop_test(tcase, who_looks_gives_way, 0, 2);
    tcase_add_loop_test(tcase, in_real_time_it_keeps_its_processor, 0, 3);
    tcase_add_test(tcase, who_never_sleeps_is_not_given_way_to);
    tcase_add_test(tcase, one_long_way_is_none);
    tcase_add_loop_test(tcase, nobody_looks_for_longer_than_wanted, 0, 4);
    tcase_add_test(tcase, who_has_little_and_one_processor_does_not_look);
    tcase_add_test(tcase, no_less_than_nothing_is_left);
    tcase_add_loop_test(tcase, who_looks_takes_a_permit_that_is_given_back, 0, 4);
    tcase_add_loop_test(tcase, there_is_no_permit_to_look_for, 0, 7);
    tcase_add_test(tcase, who_looks_for_a_permit_in_vain_looks_less);
    tcase_add_test(tcase, who_lets_go_waits_for_a_look);
    tcase_add_test(tcase, who_lets_go_does_not_wait_in_vain);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
