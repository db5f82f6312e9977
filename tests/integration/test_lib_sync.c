/* SPDX-License-Identifier: MIT */
/* Every kind of synchronisation object of libprocd, between threads and between processes. */
#include "daemon/base/clock.h"
#include "tests/integration/lib_sync.h"

#include <errno.h>
#include <math.h>

#define THREADS 4

static double seconds(void)
{
    return (double)clock_monotonic() / (double)NSEC_PER_SEC;
}

/* ---- locks ---- */

static int try_lock(void *lock)
{
    return procd_lock_acquire(lock, 0);
}

static int release_lock(void *lock)
{
    return procd_lock_release(lock);
}

START_TEST(locks)
{
    procd_lock *lock = procd_lock_new(NULL);
    uint64_t token;
    double begun;

    ck_assert_ptr_nonnull(lock);
    ck_assert_uint_eq(procd_lock_token(lock), 0);
    ck_assert_int_eq(procd_lock_release(lock), PROCD_E_TOO_MANY_RELEASES);
    ck_assert_int_eq(procd_lock_acquire(lock, PROCD_FOREVER), 1);
    token = procd_lock_token(lock);
    ck_assert_uint_gt(token, 0);
    ck_assert_int_eq(lib_sync_in_thread(try_lock, lock), 0);
    ck_assert_int_eq(procd_lock_acquire(lock, -1), 0);
    begun = seconds();
    ck_assert_int_eq(procd_lock_acquire(lock, 0.05), 0);
    ck_assert_double_ge(seconds() - begun, 0.05);
    ck_assert_uint_eq(procd_lock_token(lock), token);
    ck_assert_int_eq(lib_sync_in_thread(release_lock, lock), 0); /* anybody may */
    ck_assert_int_eq(lib_sync_in_thread(try_lock, lock), 1);
    ck_assert_uint_gt(procd_lock_token(lock), token);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    ck_assert_int_eq(procd_lock_acquire(lock, nan("")), -EINVAL);
    procd_lock_free(lock);
    procd_lock_free(NULL);
}
END_TEST

static int try_rlock(void *lock)
{
    return procd_rlock_acquire(lock, 0);
}

static int release_rlock(void *lock)
{
    return procd_rlock_release(lock);
}

START_TEST(rlocks)
{
    procd_rlock *lock = procd_rlock_new("deep");
    uint64_t token;

    ck_assert_int_eq(procd_rlock_acquire(lock, PROCD_FOREVER), 1);
    token = procd_rlock_token(lock);
    ck_assert_int_eq(procd_rlock_acquire(lock, PROCD_FOREVER), 1);
    ck_assert_uint_eq(procd_rlock_token(lock), token);
    ck_assert_int_eq(lib_sync_in_thread(try_rlock, lock), 0);
    ck_assert_int_eq(lib_sync_in_thread(release_rlock, lock), PROCD_E_NOT_OWNER);
    ck_assert_int_eq(procd_rlock_release(lock), 0);
    ck_assert_int_eq(lib_sync_in_thread(try_rlock, lock), 0);
    ck_assert_int_eq(procd_rlock_release(lock), 0);
    ck_assert_int_eq(procd_rlock_release(lock), PROCD_E_NOT_OWNER);
    ck_assert_int_eq(lib_sync_in_thread(try_rlock, lock), 1); /* the thread is gone, its process is not */
    ck_assert_int_eq(procd_rlock_acquire(lock, 0), 0);
    procd_rlock_free(lock);
}
END_TEST

static procd_rlock *outer, *inner;
static int shared, inside;

/* Both locks, one after the other and one of them twice, over a number that only they guard. */
static void *add(void *rounds)
{
    for (int i = 0; i < *(int *)rounds; i++) {
        ck_assert_int_eq(procd_rlock_acquire(outer, PROCD_FOREVER), 1);
        ck_assert_int_eq(procd_rlock_acquire(inner, PROCD_FOREVER), 1);
        ck_assert_int_eq(procd_rlock_acquire(outer, PROCD_FOREVER), 1);
        ck_assert_int_eq(++inside, 1);
        shared++;
        ck_assert_int_eq(--inside, 0);
        ck_assert_int_eq(procd_rlock_release(outer), 0);
        ck_assert_int_eq(procd_rlock_release(inner), 0);
        ck_assert_int_eq(procd_rlock_release(outer), 0);
    }
    return NULL;
}

START_TEST(threads_exclude_each_other)
{
    int rounds = getenv("TEST_LONG") ? 2000 : 50;
    pthread_t threads[THREADS];

    outer = procd_rlock_new(NULL);
    inner = procd_rlock_new(NULL);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add, &rounds), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(shared, THREADS * rounds);
    procd_rlock_free(outer);
    procd_rlock_free(inner);
}
END_TEST

/* ---- semaphores ---- */

START_TEST(semaphores)
{
    procd_semaphore *plain = procd_semaphore_new("plain", 1), *bounded = procd_bounded_semaphore_new(NULL, 2),
                    *same;

    ck_assert_int_eq(procd_semaphore_value(plain), 1);
    ck_assert_int_eq(procd_semaphore_acquire(plain, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_semaphore_acquire(plain, 0), 0);
    ck_assert_int_eq(procd_semaphore_acquire(plain, 0.01), 0);
    same = procd_semaphore_new("plain", 7); /* it is there: its value stays */
    ck_assert_int_eq(procd_semaphore_value(same), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(procd_semaphore_release(same), 0);
    ck_assert_int_eq(procd_semaphore_value(plain), 3);

    ck_assert_int_eq(procd_semaphore_release(bounded), PROCD_E_TOO_MANY_RELEASES);
    ck_assert_int_eq(procd_semaphore_acquire(bounded, 0), 1);
    ck_assert_int_eq(procd_semaphore_acquire(bounded, 0), 1);
    ck_assert_int_eq(procd_semaphore_acquire(bounded, 0), 0);
    ck_assert_int_eq(procd_semaphore_release(bounded), 0);
    ck_assert_int_eq(procd_semaphore_value(bounded), 1);
    procd_semaphore_free(plain);
    procd_semaphore_free(same);
    procd_semaphore_free(bounded);

    plain = procd_semaphore_new(NULL, 0);
    ck_assert_int_eq(procd_semaphore_acquire(plain, 0), 0);
    ck_assert_int_eq(procd_semaphore_release(plain), 0);
    ck_assert_int_eq(procd_semaphore_acquire(plain, 0), 1);
    procd_semaphore_free(plain);
}
END_TEST

/* ---- events ---- */

static void *wait_for_event(void *event)
{
    ck_assert_int_eq(procd_event_wait(event, PROCD_FOREVER), 1);
    return NULL;
}

START_TEST(events)
{
    procd_event *event = procd_event_new("go");
    pthread_t threads[THREADS];

    ck_assert_int_eq(procd_event_is_set(event), 0);
    ck_assert_int_eq(procd_event_wait(event, 0), 0);
    ck_assert_int_eq(procd_event_wait(event, 0.01), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_for_event, event), 0);
    lib_sync_wait_for("go", THREADS);
    ck_assert_int_eq(procd_event_set(event), 0);
    ck_assert_int_eq(procd_event_clear(event), 0); /* who was woken stays awake */
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(procd_event_is_set(event), 0);
    ck_assert_int_eq(procd_event_set(event), 0);
    ck_assert_int_eq(procd_event_set(event), 0);
    ck_assert_int_eq(procd_event_is_set(event), 1);
    ck_assert_int_eq(procd_event_wait(event, 0), 1);
    procd_event_free(event);
}
END_TEST

/* ---- conditions ---- */

#define SIZE 3

static struct {
    procd_condition *condition;
    int items[SIZE], count, made, taken;
} queue;

static int has_item(void *unused)
{
    (void)unused;
    return queue.count > 0;
}

static int has_room(void *unused)
{
    (void)unused;
    return queue.count < SIZE;
}

static void *produce(void *rounds)
{
    for (int i = 0; i < *(int *)rounds; i++) {
        ck_assert_int_eq(procd_condition_acquire(queue.condition, PROCD_FOREVER), 1);
        ck_assert_int_eq(procd_condition_wait_for(queue.condition, has_room, NULL, PROCD_FOREVER), 1);
        queue.items[queue.count++] = ++queue.made;
        ck_assert_int_ge(procd_condition_notify_all(queue.condition), 0);
        ck_assert_int_eq(procd_condition_release(queue.condition), 0);
    }
    return NULL;
}

static void *consume(void *rounds)
{
    for (int i = 0; i < *(int *)rounds; i++) {
        ck_assert_int_eq(procd_condition_acquire(queue.condition, PROCD_FOREVER), 1);
        ck_assert_int_eq(procd_condition_wait_for(queue.condition, has_item, NULL, PROCD_FOREVER), 1);
        queue.taken += queue.items[--queue.count];
        ck_assert_int_ge(procd_condition_notify_all(queue.condition), 0);
        ck_assert_int_eq(procd_condition_release(queue.condition), 0);
    }
    return NULL;
}

START_TEST(conditions_between_threads)
{
    int rounds = getenv("TEST_LONG") ? 500 : 20, all = rounds * THREADS / 2;
    pthread_t threads[THREADS];

    queue.condition = procd_condition_new(NULL, NULL);
    ck_assert_ptr_nonnull(queue.condition);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, i % 2 ? produce : consume, &rounds), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(queue.made, all);
    ck_assert_int_eq(queue.taken, all * (all + 1) / 2);
    procd_condition_free(queue.condition);
}
END_TEST

static int counts_calls(void *calls)
{
    ++*(int *)calls;
    return 0;
}

static void *wait_deeply(void *condition)
{
    int *result = malloc(sizeof *result);

    ck_assert_int_eq(procd_condition_acquire(condition, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_condition_acquire(condition, PROCD_FOREVER), 1);
    *result = procd_condition_wait(condition, PROCD_FOREVER); /* lets go of both, and has both again */
    ck_assert_int_eq(procd_condition_release(condition), 0);
    ck_assert_int_eq(procd_condition_release(condition), 0);
    ck_assert_int_eq(procd_condition_release(condition), PROCD_E_NOT_OWNER);
    return result;
}

static void join_notified(pthread_t thread)
{
    void *result;

    pthread_join(thread, &result);
    ck_assert_int_eq(*(int *)result, 1);
    free(result);
}

START_TEST(conditions_by_themselves)
{
    procd_rlock *lock = procd_rlock_new("lock"), *another = procd_rlock_new(NULL);
    procd_condition *condition = procd_condition_new("c", lock), *same = procd_condition_new("c", NULL);
    pthread_t threads[THREADS];
    int calls = 0;

    procd_rlock_free(lock); /* the condition needs it no more */
    ck_assert_ptr_null(procd_condition_new("c", another));
    ck_assert_int_eq(procd_last_error()->code, PROCD_E_ALREADY_EXISTS);
    ck_assert_int_eq(procd_condition_wait(condition, 0), PROCD_E_NOT_HELD);
    ck_assert_int_eq(procd_condition_notify(condition, 1), PROCD_E_NOT_HELD);
    ck_assert_int_eq(procd_condition_notify_all(condition), PROCD_E_NOT_HELD);
    ck_assert_int_eq(procd_condition_wait_for(condition, counts_calls, &calls, 1), PROCD_E_NOT_HELD);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_deeply, same), 0);
    lib_sync_wait_for("c", THREADS);

    ck_assert_int_eq(procd_condition_acquire(condition, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_condition_notify(condition, 0), PROCD_E_INVALID_PARAMS);
    ck_assert_int_eq(procd_condition_notify(condition, 1), 1);
    ck_assert_int_eq(procd_condition_notify_all(condition), THREADS - 1);
    ck_assert_int_eq(procd_condition_notify_all(condition), 0);
    ck_assert_int_eq(procd_condition_release(condition), 0);
    for (int i = 0; i < THREADS; i++)
        join_notified(threads[i]);
    procd_condition_free(condition);
    procd_condition_free(same);
    procd_condition_free(NULL);
    procd_rlock_free(another);
}
END_TEST

START_TEST(conditions_with_time_outs)
{
    procd_condition *condition = procd_condition_new(NULL, NULL);
    double begun;
    int calls = 0;

    /* Its time-out is for all of its waits together; the predicate has the last word. */
    ck_assert_int_eq(procd_condition_acquire(condition, PROCD_FOREVER), 1);
    begun = seconds();
    ck_assert_int_eq(procd_condition_wait_for(condition, counts_calls, &calls, 0.05), 0);
    ck_assert_double_ge(seconds() - begun, 0.05);
    ck_assert_int_ge(calls, 2);
    calls = 0;
    ck_assert_int_eq(procd_condition_wait_for(condition, counts_calls, &calls, 0), 0);
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(procd_condition_wait(condition, 0.01), 0);
    ck_assert_int_eq(procd_condition_release(condition), 0); /* held after a time-out, too */
    procd_condition_free(condition);
}
END_TEST

/* ---- barriers ---- */

/* args: the barrier, a semaphore that counts the runs of the action, how often to meet. Its status: the
 * sum of the numbers that it got. */
static int count_run(void *semaphore)
{
    return procd_semaphore_release(semaphore);
}

PROCD_TARGET(meet)
{
    procd_barrier *barrier = procd_barrier_from_json(json_array_get(args, 0));
    procd_semaphore *runs = procd_semaphore_from_json(json_array_get(args, 1));
    int index, sum = 0, rounds = (int)json_integer_value(json_array_get(args, 2));

    NEED(barrier && runs && procd_barrier_set_action(barrier, count_run, runs) == 0);
    for (int i = 0; i < rounds; i++) {
        NEED(procd_barrier_wait(barrier, PROCD_FOREVER, &index) == 0);
        NEED(procd_semaphore_value(runs) > i); /* the action has run before anybody goes on */
        sum += index;
    }
    procd_barrier_free(barrier);
    procd_semaphore_free(runs);
    return sum;
}

START_TEST(barriers_between_processes)
{
    int rounds = 5, sum = 0;
    procd_barrier *barrier = procd_barrier_new(NULL, 4, NULL, NULL);
    procd_semaphore *runs = procd_semaphore_new(NULL, 0);
    procd_process *processes[4];

    ck_assert_int_eq(procd_barrier_parties(barrier), 4);
    for (int i = 0; i < 4; i++)
        processes[i] = lib_sync_start(
            "meet", json_pack("[o,o,i]", procd_barrier_json(barrier), procd_semaphore_json(runs), rounds));
    for (int i = 0; i < 4; i++)
        sum += lib_sync_finish(processes[i]);
    ck_assert_int_eq(sum, rounds * (0 + 1 + 2 + 3));
    ck_assert_int_eq(procd_semaphore_value(runs), rounds);
    ck_assert_int_eq(procd_barrier_waiting(barrier), 0);
    ck_assert_int_eq(procd_barrier_broken(barrier), 0);
    procd_barrier_free(barrier);
    procd_semaphore_free(runs);
}
END_TEST

static int fail_action(void *unused)
{
    (void)unused;
    return 1;
}

static int wait_at(void *barrier)
{
    int index = -1, r = procd_barrier_wait(barrier, PROCD_FOREVER, &index);

    return r < 0 ? r : index;
}

static void *wait_at_in_vain(void *barrier)
{
    ck_assert_int_eq(procd_barrier_wait(barrier, PROCD_FOREVER, NULL), PROCD_E_BROKEN_BARRIER);
    return NULL;
}

START_TEST(barriers_break)
{
    procd_barrier *barrier = procd_barrier_new("b", 2, fail_action, NULL);
    pthread_t thread;

    ck_assert_int_eq(procd_barrier_wait(barrier, 0.01, NULL), PROCD_E_BROKEN_BARRIER);
    ck_assert_int_eq(procd_barrier_broken(barrier), 1);
    ck_assert_int_eq(lib_sync_in_thread(wait_at, barrier), PROCD_E_BROKEN_BARRIER);
    ck_assert_int_eq(procd_barrier_reset(barrier), 0);
    ck_assert_int_eq(procd_barrier_broken(barrier), 0);

    /* An action that fails breaks it for all. */
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_at_in_vain, barrier), 0);
    lib_sync_wait_for("b", 1);
    ck_assert_int_eq(procd_barrier_waiting(barrier), 1);
    ck_assert_int_eq(procd_barrier_wait(barrier, PROCD_FOREVER, NULL), PROCD_E_BROKEN_BARRIER);
    pthread_join(thread, NULL);

    ck_assert_int_eq(procd_barrier_reset(barrier), 0);
    ck_assert_int_eq(procd_barrier_set_action(barrier, NULL, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_at_in_vain, barrier), 0);
    lib_sync_wait_for("b", 1);
    ck_assert_int_eq(procd_barrier_abort(barrier), 0);
    pthread_join(thread, NULL);
    procd_barrier_free(barrier);

    barrier = procd_barrier_new(NULL, 1, NULL, NULL);
    ck_assert_int_eq(procd_barrier_wait(barrier, 0, NULL), 0); /* the last to come does not wait */
    procd_barrier_free(barrier);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_sync");
    TCase *tcase = tcase_create("lib_sync");

    tcase_add_checked_fixture(tcase, lib_sync_begin, lib_sync_end);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, locks);
    tcase_add_test(tcase, rlocks);
    tcase_add_test(tcase, threads_exclude_each_other);
    tcase_add_test(tcase, semaphores);
    tcase_add_test(tcase, events);
    tcase_add_test(tcase, conditions_between_threads);
    tcase_add_test(tcase, conditions_by_themselves);
    tcase_add_test(tcase, conditions_with_time_outs);
    tcase_add_test(tcase, barriers_between_processes);
    tcase_add_test(tcase, barriers_break);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    return lib_sync_main(argc, argv, make_runner);
}
