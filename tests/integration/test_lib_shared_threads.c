/* SPDX-License-Identifier: MIT */
/*
 * Threads of one process, and plain data that only their objects guard: by the shared word, by its bell, by
 * the daemon's answer, and from each of these to each other.
 *
 * What is counted must not get lost. Built with a thread sanitizer each access is seen as well: it knows who
 * has let whom go on from the orderings of the library's atomics. Threads here call nothing but the library,
 * as check has a mutex in each of its assertions, which would order everything.
 */
#include "tests/integration/lib_sync.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#define THREADS 4
#define ROUNDS  (getenv("TEST_LONG") ? 20000 : 1000)

/* What is guarded, in as many words as make a step between two of them likely. */
static struct {
    long first, second[16];
} guarded;

static int rounds;
static _Atomic long turns;

static bool add(void)
{
    bool is_whole = guarded.first == guarded.second[15];

    atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed);
    guarded.first++;
    for (volatile int i = 0; i < 20; i++)
        ;
    guarded.second[15]++;
    return is_whole;
}

/* One thread's handles. Two of an object are of one word; what one knows of it the other has to look for. */
struct part {
    pthread_t thread;
    int number;
    procd_lock *locks[2];
    procd_rlock *rlock;
    procd_condition *condition;
    procd_semaphore *semaphores[2];
    procd_event *there, *back;
    int wrong;
};

static struct part parts[THREADS];

/* Of two, one often finds it free after the daemon has had a hand in it; of more, hardly ever. */
static const int crowds[] = {2, THREADS};

static void run_all(void *(*run)(void *), int count)
{
    rounds = ROUNDS;
    guarded.first = guarded.second[15] = 0;
    for (int i = 0; i < count; i++) {
        parts[i].number = i;
        ck_assert_int_eq(pthread_create(&parts[i].thread, NULL, run, &parts[i]), 0);
    }
    for (int i = 0; i < count; i++) {
        pthread_join(parts[i].thread, NULL);
        ck_assert_int_eq(parts[i].wrong, 0);
    }
    ck_assert_int_eq(guarded.first, (long) count * rounds);
    ck_assert_int_eq(guarded.second[15], (long) count * rounds);
}

/* Most wait; some look, or wait for less than a turn takes. */
static double timeout(int round)
{
    return round % 8 == 0 ? 0 : round % 8 == 1 ? 1e-5 : PROCD_FOREVER;
}

/* Now and then long enough for those who wait to have been put to sleep. */
static void stay(int round)
{
    if (round % 32 == 0)
        poll(NULL, 0, 1);
}

/* At times not again before another one has had it: to take it again shows what the last release has not.
 * Relaxed, so that it orders nothing itself. */
static void let_others(int round)
{
    long before = atomic_load_explicit(&turns, memory_order_relaxed);

    stay(round + 16);
    if (round / 8 % 2)
        return;
    for (int i = 0; i < 2000 && atomic_load_explicit(&turns, memory_order_relaxed) == before; i++)
        ;
}

/* ---- lock ---- */

static void *use_lock(void *data)
{
    struct part *part = data;

    for (int i = 0; i < rounds; i++) {
        procd_lock *lock = part->locks[i % 2];
        int r = procd_lock_acquire(lock, timeout(i + part->number));

        if (r == 0)
            r = procd_lock_acquire(lock, PROCD_FOREVER);
        part->wrong += r != 1 || !add();
        stay(i);
        part->wrong += procd_lock_release(part->locks[i / 2 % 2]) != 0;
        let_others(i);
    }
    return NULL;
}

START_TEST(a_lock_guards)
{
    procd_lock *locks[] = {procd_lock_new("l"), procd_lock_new("l")};

    for (int i = 0; i < THREADS; i++)
        parts[i] = (struct part){.locks = {locks[0], locks[1]}};
    run_all(use_lock, crowds[_i]);
    procd_lock_free(locks[0]);
    procd_lock_free(locks[1]);
}
END_TEST

/* ---- rlock, and a condition of it, whose calls all go through the daemon ---- */

static bool add_by_condition(const struct part *part)
{
    bool ok = procd_condition_acquire(part->condition, PROCD_FOREVER) == 1 && add();

    return procd_condition_release(part->condition) == 0 && ok;
}

static bool add_by_rlock(const struct part *part, int round)
{
    int r = procd_rlock_acquire(part->rlock, timeout(round));
    bool ok;

    if (r == 0)
        r = procd_rlock_acquire(part->rlock, PROCD_FOREVER);
    ok = r == 1 && procd_rlock_acquire(part->rlock, PROCD_FOREVER) == 1 && add();
    ok = procd_rlock_release(part->rlock) == 0 && ok;
    return procd_rlock_release(part->rlock) == 0 && ok;
}

static void *use_rlock(void *data)
{
    struct part *part = data;

    for (int i = 0; i < rounds; i++)
        part->wrong += (i + part->number) % 16 ? !add_by_rlock(part, i) : !add_by_condition(part);
    return NULL;
}

START_TEST(an_rlock_guards)
{
    procd_rlock *lock = procd_rlock_new("r");
    procd_condition *condition = procd_condition_new(NULL, lock);

    for (int i = 0; i < THREADS; i++)
        parts[i] = (struct part){.rlock = lock, .condition = condition};
    run_all(use_rlock, THREADS);
    procd_condition_free(condition);
    procd_rlock_free(lock);
}
END_TEST

/* ---- condition ---- */

static long turn;

static int is_my_turn(void *data)
{
    return turn % 2 == ((struct part *) data)->number;
}

static void *take_turns(void *data)
{
    struct part *part = data;

    for (int i = 0; i < rounds; i++) {
        part->wrong += procd_condition_acquire(part->condition, PROCD_FOREVER) != 1;
        part->wrong += procd_condition_wait_for(part->condition, is_my_turn, part, PROCD_FOREVER) != 1;
        part->wrong += !add();
        turn++;
        part->wrong += procd_condition_notify(part->condition, 1) < 0;
        part->wrong += procd_condition_release(part->condition) != 0;
    }
    return NULL;
}

START_TEST(a_condition_guards)
{
    procd_condition *condition = procd_condition_new(NULL, NULL);

    for (int i = 0; i < 2; i++)
        parts[i] = (struct part){.condition = condition};
    run_all(take_turns, 2);
    procd_condition_free(condition);
}
END_TEST

/* ---- semaphore ---- */

static void *use_semaphore(void *data)
{
    struct part *part = data;

    for (int i = 0; i < rounds; i++) {
        procd_semaphore *semaphore = part->semaphores[i % 2];
        int r = procd_semaphore_acquire(semaphore, timeout(i + part->number));

        if (r == 0)
            r = procd_semaphore_acquire(semaphore, PROCD_FOREVER);
        part->wrong += r != 1 || !add();
        stay(i);
        part->wrong += procd_semaphore_release(part->semaphores[i / 2 % 2]) != 0;
        let_others(i);
    }
    return NULL;
}

START_TEST(a_single_permit_guards)
{
    procd_semaphore *both[] = {procd_semaphore_new("s", 1), procd_semaphore_new("s", 1)};

    for (int i = 0; i < THREADS; i++)
        parts[i] = (struct part){.semaphores = {both[0], both[1]}};
    run_all(use_semaphore, crowds[_i]);
    procd_semaphore_free(both[0]);
    procd_semaphore_free(both[1]);
}
END_TEST

/* ---- events ---- */

/* By a look at the word alone, or asleep. */
static bool await(procd_event *event, int round)
{
    int r = 0;

    if (round % 3 > 0)
        return procd_event_wait(event, PROCD_FOREVER) == 1;
    while (r == 0)
        r = procd_event_is_set(event);
    return r == 1;
}

static void *go_there_and_back(void *data)
{
    struct part *part = data;
    procd_event *mine = part->number ? part->there : part->back,
                *others = part->number ? part->back : part->there;

    for (int i = 0; i < rounds; i++) {
        part->wrong += !await(mine, i) || !add();
        stay(i + part->number * 32);
        part->wrong += procd_event_clear(mine) != 0;
        part->wrong += procd_event_set(others) != 0;
    }
    return NULL;
}

START_TEST(events_hand_over)
{
    for (int i = 0; i < 2; i++)
        parts[i] = (struct part){.there = procd_event_new("there"), .back = procd_event_new("back")};
    ck_assert_int_eq(procd_event_set(parts[0].back), 0);
    run_all(go_there_and_back, 2);
    for (int i = 0; i < 2; i++) {
        procd_event_free(parts[i].there);
        procd_event_free(parts[i].back);
    }
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_shared_threads");
    TCase *tcase = tcase_create("lib_shared_threads");

    tcase_add_checked_fixture(tcase, lib_sync_begin, lib_sync_end);
    tcase_set_timeout(tcase, getenv("TEST_LONG") ? 600 : 60);
    tcase_add_loop_test(tcase, a_lock_guards, 0, 2);
    tcase_add_test(tcase, an_rlock_guards);
    tcase_add_test(tcase, a_condition_guards);
    tcase_add_loop_test(tcase, a_single_permit_guards, 0, 2);
    tcase_add_test(tcase, events_hand_over);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    return lib_sync_main(argc, argv, make_runner);
}
