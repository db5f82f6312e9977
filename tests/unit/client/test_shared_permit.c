/* SPDX-License-Identifier: MIT */
/* client/lib/permit.c: permits that go to those who wait; no daemon is asked. */
#include "tests/unit/client/one_word.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>

#define FIRST  3 /* the index of the first of three words */
#define MINE   (TAKEN(9) | WORD_CLOSED | WORD_KNOWN)
#define THEIRS (TAKEN(5) | WORD_CLOSED | WORD_KNOWN)
#define GIVEN(slot)     permit_given(TAKEN(slot) | WORD_CLOSED)
#define HANDED(slot)    permit_handed(ORDER, slot)
#define HEAD(slot)      head_make(ORDER, slot)
#define AT(slot, index) head_at(HEAD(slot), index)

static _Atomic uint64_t *head(void)
{
    return &page->words[FIRST].head;
}

static void link_to(uint64_t slot, uint64_t behind)
{
    atomic_store(&page->bells[slot].link, word_link(ORDER, FIRST, behind));
}

/* 7, 8 and 6 wait, one behind the other. */
static void wait_three(void)
{
    link_to(7, 8);
    link_to(8, 6);
    link_to(6, 0);
    for (int slot = 6; slot < 9; slot++)
        atomic_store(&page->bells[slot].is_set, 1);
}

static void have_three(uint64_t a, uint64_t b, uint64_t c, uint64_t at)
{
    have(a);
    atomic_store(&handle.words, 3);
    atomic_store(&handle.mask, 1);
    atomic_store(&page->words[FIRST + 1].value, b);
    atomic_store(&page->words[FIRST + 2].value, c);
    atomic_store(head(), at);
    wait_three();
}

static void must_be(uint64_t a, uint64_t b, uint64_t c, uint64_t at)
{
    ck_assert_uint_eq(word(FIRST), a);
    ck_assert_uint_eq(word(FIRST + 1), b);
    ck_assert_uint_eq(word(FIRST + 2), c);
    ck_assert_uint_eq(atomic_load(head()), at);
}

static bool is_rung(uint64_t slot)
{
    return atomic_load(&page->bells[slot].is_set) == 0;
}

START_TEST(it_goes_to_the_first)
{
    const struct {
        uint64_t link, behind; /* of 7 */
    } cases[] = {
        {word_link(ORDER, FIRST, 8), 8},
        {word_link(ORDER, FIRST, 0), 0},
        {word_link(NEXT(ORDER), FIRST, 8), 0}, /* of another order, or of another semaphore */
        {word_link(ORDER, FIRST + 1, 8), 0},
    };

    have_three(THEIRS, THEIRS, MINE, HEAD(7));
    atomic_store(&page->bells[7].link, cases[_i].link);
    ck_assert_int_eq(shared_give_seen(&handle), SHARED_GIVEN);
    must_be(THEIRS, THEIRS, HANDED(7), HEAD(cases[_i].behind));
    ck_assert(is_rung(7) && !is_rung(8));
}
END_TEST

/* What somebody else has begun, and did not come to do, or not all of it, comes first. */
START_TEST(what_was_begun_is_done_before)
{
    const struct {
        uint64_t before, after;
        bool rings;
    } cases[] = {
        {GIVEN(5), HANDED(7), true},
        {HANDED(7), HANDED(7), false},
        {TAKEN(7) | WORD_CLOSED, TAKEN(7) | WORD_CLOSED, false},
        {GIVEN(7), GIVEN(7), false}, /* it has had it */
    };

    have_three(MINE, cases[_i].before, THEIRS, AT(7, 1));
    ck_assert_int_eq(shared_give_seen(&handle), SHARED_GIVEN);
    must_be(HANDED(8), cases[_i].after, THEIRS, HEAD(6));
    ck_assert(is_rung(7) == cases[_i].rings && is_rung(8) && !is_rung(6));
}
END_TEST

/* Nobody is left behind the one that is helped. */
START_TEST(it_is_asked_for_the_rest)
{
    have_three(MINE, GIVEN(5), THEIRS, AT(7, 1));
    link_to(7, 0);
    ck_assert_int_eq(shared_give_seen(&handle), SHARED_NOT_GIVEN);
    must_be(MINE, HANDED(7), THEIRS, HEAD(0));
}
END_TEST

START_TEST(who_may_not_give)
{
    const struct {
        uint64_t mine, head;
    } cases[] = {
        {MINE, HEAD(0)},
        {MINE, head_make(NEXT(ORDER), 7)}, /* of another order */
        {MINE, AT(7, 30)},                 /* nonsense */
        {MINE | WORD_LOOKED, HEAD(7)},     /* the daemon has it, */
        {WORD_GONE, HEAD(7)},
        {HANDED(9), HEAD(7)},              /* it may not know that it has it, */
        {GIVEN(9), HEAD(7)},               /* or has given it, */
        {THEIRS, HEAD(7)},                 /* or has none */
        {ORDER | WORD_CLOSED | WORD_KNOWN | WORD_OWNER_MAX, HEAD(7)},
    };

    have_three(cases[_i].mine, THEIRS, THEIRS, cases[_i].head);
    ck_assert_int_eq(shared_give_seen(&handle), SHARED_NOT_GIVEN);
    must_be(cases[_i].mine, THEIRS, THEIRS, cases[_i].head);
    have_three(MINE, THEIRS, THEIRS, HEAD(7));
    shared_self.is_in_doubt = true;
    ck_assert_int_eq(shared_give_seen(&handle), SHARED_NOT_GIVEN);
    shared_self.is_in_doubt = false;
    atomic_store(&page->life.keeper, PAGE_DIED);
    ck_assert_int_eq(shared_give_seen(&handle), SHARED_NOT_GIVEN);
    must_be(MINE, THEIRS, THEIRS, HEAD(7));
}
END_TEST

/* The daemon has taken the word that the head is at: it is for the daemon to go on. */
START_TEST(the_daemon_comes_between)
{
    have_three(MINE, GIVEN(5) | WORD_LOOKED, THEIRS, AT(7, 1));
    ck_assert_int_eq(shared_give_seen(&handle), SHARED_NOT_GIVEN);
    must_be(MINE, GIVEN(5) | WORD_LOOKED, THEIRS, AT(7, 1));
    have_three(MINE, NEXT(GIVEN(5)), THEIRS, AT(7, 1));
    ck_assert_int_eq(shared_give_seen(&handle), SHARED_NOT_GIVEN);
    must_be(MINE, NEXT(GIVEN(5)), THEIRS, AT(7, 1));
}
END_TEST

START_TEST(who_waits_takes_it_from_any_word)
{
    const uint64_t all[] = {THEIRS, THEIRS, THEIRS};
    uint64_t after[3];
    struct bell bell;

    have_three(THEIRS, THEIRS, THEIRS, HEAD(9));
    ck_assert(shared_permit_bell(&handle, &bell));
    ck_assert_ptr_eq(bell.is_set, &page->bells[9].is_set);
    ck_assert(!bell.take_grant(bell.context));
    for (int i = 0; i < 3; i++)
        after[i] = i == _i ? TAKEN(9) | WORD_CLOSED : all[i];
    atomic_store(&page->words[FIRST + _i].value, HANDED(9));
    ck_assert(bell.take_grant(bell.context));
    must_be(after[0], after[1], after[2], HEAD(9));
    ck_assert(!bell.take_grant(bell.context)); /* it has it */
    ck_assert(!shared_permit_bell(&handle, &bell));
    atomic_store(&page->words[FIRST + _i].value, THEIRS);
    ck_assert(shared_permit_bell(&handle, &bell));
    shared_self.is_in_doubt = true;
    ck_assert(!shared_permit_bell(&handle, &bell));
    shared_self.is_in_doubt = false;
    atomic_store(&page->life.keeper, PAGE_DIED);
    ck_assert(!shared_permit_bell(&handle, &bell));
}
END_TEST

/* ---- at one time ---- */

#define GIVERS 2
#define ROUNDS 3000

static pthread_barrier_t at_one_time;
static _Atomic int ready;
static enum shared_given results[GIVERS];
static struct shared handles[GIVERS];

static void *give_again_and_again(void *index)
{
    size_t i = *(const size_t *) index;

    shared_self = (struct shared_self){.page = 1, .slot = i == 0 ? 9 : 5};
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&at_one_time);
        atomic_fetch_add(&ready, 1);
        /* they begin closer to each other than a wake-up would let them */
        for (int spins = 1; atomic_load(&ready) < GIVERS * (round + 1); spins++)
            if (spins % 4096 == 0)
                sched_yield();
        for (volatile int delay = i == 0 ? round % 200 : 100; delay > 0; delay--)
            ;
        results[i] = shared_give_seen(&handles[i]);
        pthread_barrier_wait(&at_one_time);
    }
    return NULL;
}

static void must_be_given(uint64_t value, uint64_t before, uint64_t slot, enum shared_given result)
{
    if (result == SHARED_NOT_GIVEN)
        ck_assert_uint_eq(value, before);
    else if (result == SHARED_GIVEN_UNSEEN)
        ck_assert_uint_eq(value, GIVEN(slot));
    else
        ck_assert(value == HANDED(7) || value == HANDED(8));
}

/* Two give, and one or two wait: each of these gets one; what nobody gets is kept, or unseen. */
START_TEST(several_give)
{
    const size_t indices[GIVERS] = {0, 1};
    pthread_t threads[GIVERS];

    atomic_store(&ready, 0);
    pthread_barrier_init(&at_one_time, NULL, GIVERS + 1);
    have_three(MINE, THEIRS, TAKEN(4) | WORD_CLOSED, HEAD(0));
    for (size_t i = 0; i < GIVERS; i++) {
        handles[i] = handle;
        pthread_create(&threads[i], NULL, give_again_and_again, (void *) &indices[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        int served = 0;

        have_three(MINE, THEIRS, TAKEN(4) | WORD_CLOSED, HEAD(7));
        link_to(_i == 0 ? 7 : 8, 0);
        pthread_barrier_wait(&at_one_time);
        pthread_barrier_wait(&at_one_time);
        must_be_given(word(FIRST), MINE, 9, results[0]);
        must_be_given(word(FIRST + 1), THEIRS, 5, results[1]);
        for (int i = 0; i < GIVERS; i++)
            served += results[i] == SHARED_GIVEN;
        ck_assert_int_eq(served, _i + 1);
        ck_assert(word(FIRST) != word(FIRST + 1));
        ck_assert_uint_eq(atomic_load(head()), HEAD(0));
        ck_assert(is_rung(7) && is_rung(8) == (_i == 1));
    }
    for (size_t i = 0; i < GIVERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&at_one_time);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shared_permit");
    SRunner *runner;
    int failed;
    TCase *permits = tcase_create("permits");

    tcase_add_checked_fixture(permits, one_word_begin, one_word_end);
    tcase_set_timeout(permits, 60);
    tcase_add_loop_test(permits, it_goes_to_the_first, 0, 4);
    tcase_add_loop_test(permits, what_was_begun_is_done_before, 0, 4);
    tcase_add_test(permits, it_is_asked_for_the_rest);
    tcase_add_loop_test(permits, who_may_not_give, 0, 9);
    tcase_add_test(permits, the_daemon_comes_between);
    tcase_add_loop_test(permits, who_waits_takes_it_from_any_word, 0, 3);
    tcase_add_loop_test(permits, several_give, 0, 2);
    suite_add_tcase(suite, permits);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
