/* SPDX-License-Identifier: MIT */
/* client/lib/shared.h: what a thread does with a word, where no daemon is asked. */
#include "daemon/base/clock.h"
#include "tests/unit/client/one_word.h"

#include <check.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

static int acquire(bool is_recursive)
{
    uint64_t seen;

    return shared_acquire_guessed(&handle, &seen) ? 1 : shared_acquire_seen(&handle, is_recursive, seen);
}

static bool release(bool is_recursive)
{
    uint64_t seen;

    return shared_release_guessed(&handle, is_recursive, &seen) ||
           shared_release_seen(&handle, is_recursive, seen);
}

static bool take(void)
{
    return shared_take_guessed(&handle) || shared_take_seen(&handle);
}

static bool give(void)
{
    return shared_give_guessed(&handle) || shared_give_seen(&handle);
}

static int put(bool is_set)
{
    uint64_t seen;

    return shared_event_put_guessed(&handle, is_set, &seen) ? 0
                                                            : shared_event_put_seen(&handle, is_set, seen);
}

/* Numbers begin anew with each daemon: its own may be another thread's there. */
START_TEST(who_has_a_number_elsewhere_owns_nothing)
{
    have(TAKEN(9));
    shared_self.page = 2;
    ck_assert(!release(true));
    ck_assert_uint_eq(word(3), TAKEN(9));
    ck_assert_int_eq(acquire(true), 0);
    ck_assert_int_eq(shared_acquire_soon(&handle, true, &(double){1}), 0);
    ck_assert(!give());
    ck_assert_uint_eq(word(3), TAKEN(9));
    ck_assert(release(false)); /* a lock is anybody's to give back */
    ck_assert_uint_eq(word(3), ORDER);
    ck_assert_int_eq(acquire(false), 0);
    ck_assert(!take());
    ck_assert_uint_eq(word(3), ORDER);
}
END_TEST

/* ---- a daemon that has died ---- */

static void die(void)
{
    atomic_store(&page->life.keeper, PAGE_DIED | 123);
}

/* Each move with a daemon that lives, and without: then it is not made. */
START_TEST(nothing_is_done_to_the_words_of_the_dead)
{
    bool is_dead = _i;

#define MOVE(before, move, after)                                                                            \
    have(before);                                                                                            \
    ck_assert_msg((move) == !is_dead, "%s", #move);                                                \
    ck_assert_uint_eq(word(3), is_dead ? (before) : (after))

    if (is_dead)
        die();
    MOVE(ORDER, acquire(false) == 1, TAKEN(9));
    MOVE(ORDER, acquire(true) == 1, TAKEN(9));
    MOVE(ORDER | WORD_ABANDONED, acquire(false) == 2, TAKEN(9) | WORD_ABANDONED);
    MOVE(TAKEN(9), acquire(true) == 1, TAKEN(9) + WORD_DEPTH_ONE);
    MOVE(TAKEN(9), release(false), ORDER);
    MOVE(TAKEN(9) + WORD_DEPTH_ONE, release(true), TAKEN(9));
    MOVE(TAKEN(9) | WORD_CLOSED | UINT64_C(8) << WORD_NEXT_SHIFT, release(false),
         ORDER | WORD_CLOSED | 8);
    MOVE(ORDER, take(), TAKEN(9));
    MOVE(TAKEN(9), give(), ORDER);
    MOVE(ORDER, put(true) == 0, ORDER | WORD_SET);
    MOVE(ORDER | WORD_SET, put(false) == 0, ORDER);
    MOVE(ORDER, put(false) == 0, ORDER);
    MOVE(ORDER | WORD_SET, shared_event_get(&handle) == 1, ORDER | WORD_SET);
    MOVE(TAKEN(7), shared_owner(&handle) == 7, TAKEN(7));
#undef MOVE
}
END_TEST

/* Until there is an answer it does nothing more to the word, also where that is open by then. */
static void settle_in_each_way(void)
{
    static const struct {
        uint64_t word;
        bool is_dead;
        int has;
    } ways[] = {
        {TAKEN(9), false, 1},         {TAKEN(9) | WORD_ABANDONED | WORD_CLOSED, false, 2},
        {TAKEN(9), true, 0},          {TAKEN(9) | WORD_GONE, false, 0},
        {TAKEN(7), false, 0},         {ORDER, false, 0},
    };

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        atomic_store(&page->words[3].value, ways[i].word);
        atomic_store(&page->life.keeper, 123);
        shared_self.unsure = &page->words[3];
        ck_assert_int_eq(shared_acquire_seen(&handle, true, ways[i].word), 0);
        ck_assert_int_eq(shared_acquire_soon(&handle, true, &(double){1}), 0);
        ck_assert_uint_eq(word(3), ways[i].word);
        ck_assert_int_eq(shared_settled(-ENOENT), -ENOENT); /* that is no answer */
        ck_assert(shared_is_unsure(&handle));
        if (ways[i].is_dead)
            die();
        /* that it has it already is a deadlock to the daemon */
        ck_assert_int_eq(shared_settled(PROCD_E_DEADLOCK), ways[i].has ? ways[i].has : PROCD_E_DEADLOCK);
        ck_assert(!shared_is_unsure(&handle));
    }
}

/* The daemon dies between a thread's look for it and its swap: what is taken is put back, unless somebody
 * has changed it since. */
START_TEST(what_was_taken_of_the_dead_is_put_back)
{
    static const struct {
        uint64_t before, meanwhile, after;
        bool is_unsure;
    } cases[] = {
        {ORDER, TAKEN(9), ORDER, false},
        {ORDER | WORD_ABANDONED, TAKEN(9) | WORD_ABANDONED, ORDER | WORD_ABANDONED, false},
        /* handed over, and taken */
        {ORDER | WORD_CLOSED | 9, TAKEN(9) | WORD_CLOSED, ORDER | WORD_CLOSED | 9, false},
        /* a daemon has seen it */
        {ORDER, TAKEN(9) | WORD_CLOSED | WORD_LOOKED, TAKEN(9) | WORD_CLOSED | WORD_LOOKED, true},
        {ORDER, NEXT(TAKEN(9) | WORD_KNOWN), NEXT(TAKEN(9) | WORD_KNOWN), true},
        /* one that knows nothing of it, and has closed it for good */
        {ORDER, TAKEN(9) | WORD_GONE, TAKEN(9) | WORD_GONE, false},
        /* another thread has given it back, and another has it */
        {ORDER, ORDER, ORDER, false},
        {ORDER, TAKEN(7), TAKEN(7), false},
    };

    have(cases[_i].meanwhile);
    die();
    ck_assert(!shared_stands(&page->words[3], cases[_i].before));
    ck_assert(shared_is_unsure(&handle) == cases[_i].is_unsure);
    ck_assert_uint_eq(word(3), cases[_i].after);
    if (cases[_i].is_unsure)
        settle_in_each_way();
    have(cases[_i].meanwhile); /* another goes on with it, and says so */
    atomic_store(&page->life.keeper, 123);
    ck_assert(shared_stands(&page->words[3], cases[_i].before) == cases[_i].is_unsure);
    ck_assert(!shared_is_unsure(&handle));
}
END_TEST

/* The daemon did not answer in time, and may still hand it over: that is not for the next wait. */
START_TEST(who_has_given_up_has_no_bell)
{
    struct bell bell;

    have(TAKEN(7) | WORD_CLOSED);
    ck_assert(shared_bell(&handle, &bell));
    shared_self.has_given_up = true;
    ck_assert(!shared_bell(&handle, &bell));
    shared_self.has_given_up = false;
}
END_TEST

START_TEST(a_grant_of_the_dead_is_not_taken)
{
    struct bell bell;

    have(TAKEN(7) | WORD_CLOSED);
    ck_assert(shared_bell(&handle, &bell));
    atomic_store(&page->words[3].value, ORDER | WORD_CLOSED | 9);
    die();
    ck_assert(!bell.take_grant(bell.context));
    ck_assert_uint_eq(word(3), ORDER | WORD_CLOSED | 9);
    ck_assert(!shared_bell(&handle, &bell)); /* nobody would ring */
    atomic_store(&page->life.keeper, 123); /* another keeper goes on with it */
    ck_assert(bell.take_grant(bell.context));
    ck_assert_uint_eq(word(3), TAKEN(9) | WORD_CLOSED);
    /* it was taken as the daemon died, and nobody will send an answer */
    shared_self.unsure = &page->words[3];
    ck_assert(bell.take_grant(bell.context));
    ck_assert(!shared_is_unsure(&handle));
    shared_self.unsure = &page->words[3];
    atomic_store(&page->words[3].value, TAKEN(7));
    ck_assert(!bell.take_grant(bell.context));
    ck_assert(!shared_is_unsure(&handle));
    shared_self.unsure = &page->words[3];
    atomic_store(&page->words[3].value, TAKEN(9));
    die();
    ck_assert(!bell.take_grant(bell.context));
    ck_assert(shared_is_unsure(&handle));
}
END_TEST

/* ---- from one to the next ---- */

#define BEHIND 5

START_TEST(who_lets_go_names_the_next_but_one)
{
    const struct {
        uint64_t link, next; /* of number 4, which is next */
    } links[] = {
        {0, 0},
        {word_link(ORDER, 3, BEHIND), BEHIND},
        {word_link(NEXT(ORDER), 3, BEHIND), 0}, /* of another order, */
        {word_link(ORDER, 2, BEHIND), 0},       /* or another word */
        {word_link(ORDER, 3, 0), 0},
        {word_last_link(ORDER, 3), 0},
    };

    have(TAKEN(9) | WORD_KNOWN | OFFERED(4));
    atomic_store(&page->bells[4].link, links[_i].link);
    atomic_store(&page->bells[4].is_set, 1);
    ck_assert(shared_release_seen(&handle, false, word(3)));
    ck_assert_uint_eq(word(3), ORDER | 4 | OFFERED(links[_i].next));
    ck_assert_uint_eq(atomic_load(&page->bells[4].is_set), 0);
}
END_TEST

#define AT_END (TAKEN(9) | WORD_CLOSED)

/* Its own link says that nobody comes behind it; the word, that it was offered and handed to it. Whoever
 * gives a lock back need not be its owner, and goes by the owner's link. */
START_TEST(the_last_one_opens_it)
{
    const uint64_t link = word_last_link(ORDER, 3);
    const struct {
        uint64_t word, link, after;
        bool is_recursive;
    } cases[] = {
        {AT_END, link, ORDER | WORD_OPENED, false},
        {AT_END, link, ORDER | WORD_OPENED, true},
        {TAKEN(7) | WORD_CLOSED, link, ORDER | WORD_OPENED, false},
        {TAKEN(7) | WORD_CLOSED, link, TAKEN(7) | WORD_CLOSED, true},
        {AT_END, word_link(ORDER, 3, 0), AT_END, false}, /* others wait */
        {AT_END, word_link(ORDER, 3, BEHIND), AT_END, false},
        {AT_END, word_last_link(NEXT(ORDER), 3), AT_END, false},
        {AT_END, word_last_link(ORDER, 2), AT_END, false},
        {AT_END | WORD_KNOWN, link, AT_END | WORD_KNOWN, false}, /* as the daemon has stored it */
        {ORDER | 9 | WORD_CLOSED, link, ORDER | 9 | WORD_CLOSED, false},
        {AT_END + WORD_DEPTH_ONE, link, AT_END + WORD_DEPTH_ONE, true},
        {WORD_GONE, link, WORD_GONE, false},
    };

    have(cases[_i].word);
    shared_self.hurries = 1;
    atomic_store(&page->bells[9].link, cases[_i].link);
    atomic_store(&page->bells[7].link, cases[_i].link);
    ck_assert(shared_release_seen(&handle, cases[_i].is_recursive, word(3)) ==
              (cases[_i].after != cases[_i].word));
    ck_assert_uint_eq(word(3), cases[_i].after);
    if (cases[_i].after == cases[_i].word)
        return;
    for (int i = 0; i < 3; i++) { /* then it goes on as an open one, and stays marked */
        ck_assert_int_eq(acquire(false), 1);
        ck_assert_uint_eq(word(3), TAKEN(9) | WORD_OPENED);
        ck_assert_uint_eq(atomic_load(&handle.guess), ORDER | WORD_OPENED);
        ck_assert(release(false));
        ck_assert_uint_eq(word(3), ORDER | WORD_OPENED);
    }
}
END_TEST

static _Atomic bool is_near;

static void *sleep_by_bell(void *unused)
{
    atomic_store(&is_near, true);
    (void) syscall(SYS_futex, &page->bells[4].is_set, FUTEX_WAIT, 1, NULL, NULL, 0);
    return unused;
}

/* Hands it to somebody who sleeps, or is about to. */
static void hand_over(void)
{
    pthread_t thread;

    atomic_store(&page->words[3].value, TAKEN(9) | WORD_KNOWN | OFFERED(4));
    atomic_store(&page->bells[4].is_set, 1);
    atomic_store(&is_near, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, sleep_by_bell, NULL), 0);
    while (!atomic_load(&is_near))
        sched_yield();
    for (int i = 0; i < 100; i++)
        sched_yield();
    ck_assert(shared_release_seen(&handle, false, word(3)));
    pthread_join(thread, NULL);
}

/* Hardly a hand-over finds nobody asleep, and then nothing is counted. */
START_TEST(who_wakes_somebody_gives_way)
{
    have(ORDER);
    shared_self.keeps_on = 5;
    for (int i = 0; i < 100 && shared_self.keeps_on == 5; i++)
        hand_over();
    ck_assert_uint_eq(shared_self.keeps_on, 4);
    ck_assert_int_eq(shared_self.way, 0);

    shared_self.keeps_on = 0;
    for (int i = 0; i < 100 && shared_self.way == 0; i++)
        hand_over();
    ck_assert_int_gt(shared_self.way, 0);

    shared_self.keeps_on = 0; /* that may have taken long */
    shared_self.way = NSEC_PER_SEC; /* as beside somebody who never sleeps */
    for (int i = 0; i < 100 && shared_self.keeps_on == 0; i++)
        hand_over();
    ck_assert_uint_eq(shared_self.keeps_on, 1000);
    ck_assert_int_lt(shared_self.way, NSEC_PER_MSEC);
}
END_TEST

/* Whoever has been handed it has to see that before it goes on, whoever lets go. */
START_TEST(what_was_not_taken_is_not_handed_on)
{
    have(ORDER | 7 | OFFERED(4));
    ck_assert(!shared_release_seen(&handle, false, word(3)));
    ck_assert_uint_eq(word(3), ORDER | 7 | OFFERED(4));
}
END_TEST

START_TEST(who_takes_it_leaves_the_next_one_named)
{
    struct bell bell;

    have(OTHERS | OFFERED(9));
    ck_assert(shared_bell(&handle, &bell));
    ck_assert(!bell.take_grant(bell.context));
    atomic_store(&page->words[3].value, ORDER | 9 | OFFERED(BEHIND));
    ck_assert(bell.take_grant(bell.context));
    ck_assert_uint_eq(word(3), TAKEN(9) | OFFERED(BEHIND));
    atomic_store(&page->words[3].value, ORDER | 9 | OFFERED(BEHIND) | WORD_LOOKED);
    ck_assert(!bell.take_grant(bell.context)); /* the daemon has */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shared_word");
    TCase *tcase = tcase_create("shared_word");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, one_word_begin, one_word_end);
    tcase_add_test(tcase, who_has_a_number_elsewhere_owns_nothing);
    tcase_add_loop_test(tcase, nothing_is_done_to_the_words_of_the_dead, 0, 2);
    tcase_add_loop_test(tcase, what_was_taken_of_the_dead_is_put_back, 0, 8);
    tcase_add_test(tcase, who_has_given_up_has_no_bell);
    tcase_add_test(tcase, a_grant_of_the_dead_is_not_taken);
    tcase_add_loop_test(tcase, who_lets_go_names_the_next_but_one, 0, 6);
    tcase_add_loop_test(tcase, the_last_one_opens_it, 0, 12);
    tcase_add_test(tcase, who_wakes_somebody_gives_way);
    tcase_add_test(tcase, what_was_not_taken_is_not_handed_on);
    tcase_add_test(tcase, who_takes_it_leaves_the_next_one_named);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
