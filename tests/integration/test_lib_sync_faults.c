/* SPDX-License-Identifier: MIT */
/* libprocd's synchronisation objects where something goes wrong: holders and brokers die, waits are cut
 * short, forks, deadlocks. */
#include "daemon/base/clock.h"
#include "tests/integration/lib_sync.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* ---- holders that die ---- */

/* Takes everything in kwargs, says so by the event args[0], and stays. */
PROCD_TARGET(hold_all)
{
    procd_event *ready = procd_event_from_json(json_array_get(args, 0));
    procd_lock *lock = procd_lock_from_json(json_object_get(kwargs, "lock"));
    procd_rlock *rlock = procd_rlock_from_json(json_object_get(kwargs, "rlock"));
    procd_semaphore *bounded = procd_semaphore_from_json(json_object_get(kwargs, "bounded"));
    procd_semaphore *plain = procd_semaphore_from_json(json_object_get(kwargs, "plain"));

    NEED(procd_lock_acquire(lock, 0) == 1 && procd_rlock_acquire(rlock, 0) == 1);
    NEED(procd_rlock_acquire(rlock, 0) == 1);
    NEED(procd_semaphore_acquire(bounded, 0) == 1 && procd_semaphore_acquire(plain, 0) == 1);
    NEED(procd_event_set(ready) == 0);
    poll(NULL, 0, 60000);
    return 0;
}

static void *acquire_abandoned(void *lock)
{
    ck_assert_int_eq(procd_lock_acquire(lock, PROCD_FOREVER), 2);
    return NULL;
}

START_TEST(killed_holders)
{
    procd_event *ready = procd_event_new(NULL);
    procd_lock *lock = procd_lock_new("lock");
    procd_rlock *rlock = procd_rlock_new(NULL);
    procd_semaphore *bounded = procd_bounded_semaphore_new(NULL, 1), *plain = procd_semaphore_new(NULL, 1);
    struct procd_options options = {.target = "hold_all", .args = json_pack("[o]", procd_event_json(ready))};
    procd_process *process;
    pthread_t thread;

    options.kwargs =
        json_pack("{s:o,s:o,s:o,s:o}", "lock", procd_lock_json(lock), "rlock", procd_rlock_json(rlock),
                  "bounded", procd_semaphore_json(bounded), "plain", procd_semaphore_json(plain));
    process = procd_process_new(&options);
    ck_assert_int_eq(procd_process_start(process), 0);
    ck_assert_int_eq(procd_event_wait(ready, 20), 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, acquire_abandoned, lock), 0);
    lib_sync_wait_for("lock", 1);
    lib_sync_kill(process);
    pthread_join(thread, NULL);
    ck_assert_int_eq(procd_rlock_acquire(rlock, 0), 2);
    ck_assert_int_eq(procd_rlock_release(rlock), 0);
    ck_assert_int_eq(procd_rlock_acquire(rlock, 0), 1); /* told once */
    ck_assert_int_eq(procd_semaphore_acquire(bounded, 0), 2);
    ck_assert_int_eq(procd_semaphore_acquire(plain, 0), 0); /* as in multiprocessing: it may be a signal */
    procd_event_free(ready);
    procd_lock_free(lock);
    procd_rlock_free(rlock);
    procd_semaphore_free(bounded);
    procd_semaphore_free(plain);
}
END_TEST

/* Takes the lock of args[0], a condition, notifies and stays. */
PROCD_TARGET(notify_and_stay)
{
    procd_condition *condition = procd_condition_from_json(json_array_get(args, 0));

    NEED(procd_condition_acquire(condition, PROCD_FOREVER) == 1 && procd_condition_notify(condition, 1) == 1);
    poll(NULL, 0, 60000);
    return 0;
}

/* Waits at the barrier args[0]. */
PROCD_TARGET(wait_at_barrier)
{
    procd_barrier *barrier = procd_barrier_from_json(json_array_get(args, 0));

    NEED(procd_barrier_wait(barrier, PROCD_FOREVER, NULL) == 0);
    procd_barrier_free(barrier);
    return 0;
}

static void *wait_notified_and_abandoned(void *condition)
{
    ck_assert_int_eq(procd_condition_acquire(condition, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_condition_wait(condition, PROCD_FOREVER), 2);
    ck_assert_int_eq(procd_condition_release(condition), 0);
    return NULL;
}

START_TEST(killed_partners)
{
    procd_condition *condition = procd_condition_new("c", NULL);
    procd_barrier *barrier = procd_barrier_new("b", 2, NULL, NULL);
    procd_process *process;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, wait_notified_and_abandoned, condition), 0);
    lib_sync_wait_for("c", 1);
    process = lib_sync_start("notify_and_stay", json_pack("[o]", procd_condition_json(condition)));
    lib_sync_wait_for("c.lock", 1); /* it is awake, but the lock is not free */
    lib_sync_kill(process);
    pthread_join(thread, NULL);

    process = lib_sync_start("wait_at_barrier", json_pack("[o]", procd_barrier_json(barrier)));
    lib_sync_wait_for("b", 1);
    lib_sync_kill(process);
    ck_assert_int_eq(procd_barrier_wait(barrier, PROCD_FOREVER, NULL), PROCD_E_BROKEN_BARRIER);
    procd_condition_free(condition);
    procd_barrier_free(barrier);
}
END_TEST

/* ---- a broker that dies ---- */

static void *acquire_and_release(void *lock)
{
    ck_assert_int_eq(procd_lock_acquire(lock, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    return NULL;
}

static void *await_event(void *event)
{
    ck_assert_int_eq(procd_event_wait(event, 60), 1);
    return NULL;
}

static bool is_another(void *pid)
{
    return daemon_fixture_info("broker_pid") != *(long *)pid;
}

static void kill_broker(void)
{
    long pid = daemon_fixture_info("broker_pid");

    ck_assert_int_eq(kill((pid_t)pid, SIGKILL), 0);
    daemon_fixture_wait(is_another, &pid);
}

START_TEST(waits_outlive_brokers)
{
    procd_lock *lock = procd_lock_new("l");
    procd_event *event = procd_event_new("e");
    pthread_t threads[2];
    uint64_t token;

    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    token = procd_lock_token(lock);
    ck_assert_int_eq(pthread_create(&threads[0], NULL, acquire_and_release, lock), 0);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, await_event, event), 0);
    for (int i = 0; i < 2; i++) {
        lib_sync_wait_for("l", 1);
        lib_sync_wait_for("e", 1);
        kill_broker();
    }
    lib_sync_wait_for("l", 1);
    lib_sync_wait_for("e", 1);
    ck_assert_uint_eq(lib_sync_info("l", "holders"), 1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    ck_assert_int_eq(procd_event_set(event), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_uint_gt(procd_lock_token(lock), token);
    procd_lock_free(lock);
    procd_event_free(event);
}
END_TEST

static void *sleep_two_levels_deep(void *condition)
{
    for (int level = 0; level < 2; level++)
        ck_assert_int_eq(procd_condition_acquire(condition, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_condition_wait(condition, PROCD_FOREVER), 1);
    for (int level = 0; level < 2; level++)
        ck_assert_int_eq(procd_condition_release(condition), 0);
    ck_assert_int_eq(procd_condition_release(condition), PROCD_E_NOT_OWNER);
    return NULL;
}

START_TEST(sleepers_outlive_brokers)
{
    procd_condition *condition = procd_condition_new("c", NULL);
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, sleep_two_levels_deep, condition), 0);
    lib_sync_wait_for("c", 1);
    for (int i = 0; i < 2; i++) {
        kill_broker();
        ck_assert_uint_eq(lib_sync_info("c", "waiters"), 1); /* not for a moment is it away */
    }
    ck_assert_int_eq(procd_condition_acquire(condition, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_condition_notify(condition, 1), 1);
    kill_broker(); /* it is awake now, and waits for the lock */
    ck_assert_int_eq(procd_condition_release(condition), 0);
    pthread_join(thread, NULL);
    procd_condition_free(condition);
}
END_TEST

static void *come_to_barrier(void *barrier)
{
    int index;

    ck_assert_int_eq(procd_barrier_wait(barrier, PROCD_FOREVER, &index), 0);
    ck_assert_int_eq(index, 0);
    return NULL;
}

START_TEST(barriers_outlive_brokers)
{
    procd_barrier *barrier = procd_barrier_new("b", 2, NULL, NULL);
    pthread_t thread;
    int index;

    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, come_to_barrier, barrier), 0);
        lib_sync_wait_for("b", 1);
        kill_broker();
        ck_assert_int_eq(procd_barrier_broken(barrier), 0);
        ck_assert_int_eq(procd_barrier_wait(barrier, PROCD_FOREVER, &index), 0);
        ck_assert_int_eq(index, 1);
        pthread_join(thread, NULL);
    }
    procd_barrier_free(barrier);
}
END_TEST

#define QUEUE_LENGTH 4

static int served[QUEUE_LENGTH], served_count;
static procd_semaphore *queue_of;

static void *take_turn(void *number)
{
    ck_assert_int_eq(procd_semaphore_acquire(queue_of, PROCD_FOREVER), 1);
    served[served_count++] = *(int *)number; /* one permit: one at a time */
    ck_assert_int_eq(procd_semaphore_release(queue_of), 0);
    return NULL;
}

START_TEST(queues_outlive_brokers)
{
    pthread_t threads[QUEUE_LENGTH];
    int numbers[QUEUE_LENGTH];

    queue_of = procd_semaphore_new("q", 0);
    for (int i = 0; i < QUEUE_LENGTH; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_turn, &numbers[i]), 0);
        lib_sync_wait_for("q", (size_t)i + 1);
    }
    for (int i = 0; i < 3; i++)
        kill_broker();
    ck_assert_int_eq(procd_semaphore_release(queue_of), 0);
    for (int i = 0; i < QUEUE_LENGTH; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < QUEUE_LENGTH; i++)
        ck_assert_int_eq(served[i], i);
    procd_semaphore_free(queue_of);
}
END_TEST

static int count_under_lock;

static void *count(void *lock)
{
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(procd_rlock_acquire(lock, PROCD_FOREVER), 1);
        count_under_lock++;
        ck_assert_int_eq(procd_rlock_release(lock), 0);
    }
    return NULL;
}

START_TEST(brokers_die_under_traffic)
{
    procd_rlock *lock = procd_rlock_new(NULL);
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, lock), 0);
    for (int i = 0; i < 3; i++)
        kill_broker();
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(count_under_lock, 4 * 200);
    procd_rlock_free(lock);
}
END_TEST

/* ---- waits that end without what they were for ---- */

START_TEST(time_outs_leave_nothing)
{
    procd_lock *lock = procd_lock_new("l");
    procd_semaphore *semaphore = procd_semaphore_new("s", 0);
    procd_event *event = procd_event_new("e");

    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_int_eq(procd_lock_acquire(lock, 0.01), 0); /* with a time-out it is no deadlock */
    ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0.01), 0);
    ck_assert_int_eq(procd_event_wait(event, 0.01), 0);
    ck_assert_uint_eq(
        lib_sync_info("l", "waiters") + lib_sync_info("s", "waiters") + lib_sync_info("e", "waiters"), 0);
    ck_assert_uint_eq(lib_sync_info("l", "holders"), 1);
    ck_assert_int_eq(procd_semaphore_release(semaphore), 0);
    ck_assert_int_eq(procd_semaphore_value(semaphore), 1); /* nobody who gave up has taken it */
    procd_lock_free(lock);
    procd_semaphore_free(semaphore);
    procd_event_free(event);
}
END_TEST

static void take_note(int signal)
{
    (void)signal;
}

START_TEST(signals_do_not_end_waits)
{
    struct sigaction action = {.sa_handler = take_note}; /* without SA_RESTART */
    procd_lock *lock = procd_lock_new("l");
    pthread_t thread;

    sigaction(SIGUSR1, &action, NULL);
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, acquire_and_release, lock), 0);
    lib_sync_wait_for("l", 1);
    for (int i = 0; i < 20; i++) {
        pthread_kill(thread, SIGUSR1);
        lib_sync_wait_for("l", 1);
    }
    ck_assert_int_eq(procd_lock_release(lock), 0);
    pthread_join(thread, NULL);
    procd_lock_free(lock);
}
END_TEST

static int got[2];

/* Nothing of libcheck's: it may be cancelled there. */
static void *acquire_then_test_cancel(void *lock)
{
    got[0] = procd_lock_acquire(lock, PROCD_FOREVER);
    got[1] = procd_lock_release(lock);
    pthread_testcancel();
    return NULL;
}

START_TEST(threads_are_cancelled_outside)
{
    procd_lock *lock = procd_lock_new("l");
    pthread_t thread;
    void *result;

    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, acquire_then_test_cancel, lock), 0);
    lib_sync_wait_for("l", 1);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    lib_sync_wait_for("l", 1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    pthread_join(thread, &result);
    ck_assert_ptr_eq(result, PTHREAD_CANCELED);
    ck_assert_int_eq(got[0], 1);
    ck_assert_int_eq(got[1], 0);
    procd_lock_free(lock);
}
END_TEST

/* ---- forks ---- */

static int always(void *unused)
{
    (void)unused;
    return 1;
}

static int use_in_child(procd_lock *lock, procd_event *event, procd_condition *condition,
                        procd_barrier *barrier, procd_semaphore *semaphore)
{
    procd_lock *own;

    NEED(procd_lock_acquire(lock, 0) == -EINVAL && procd_lock_release(lock) == -EINVAL);
    NEED(procd_lock_token(lock) == 0 && !procd_lock_json(lock));
    NEED(procd_event_wait(event, 0) == -EINVAL && procd_event_set(event) == -EINVAL);
    NEED(procd_condition_acquire(condition, 0) == -EINVAL && procd_condition_wait(condition, 0) == -EINVAL);
    NEED(procd_condition_wait_for(condition, always, NULL, 0) == -EINVAL);
    NEED(procd_barrier_wait(barrier, 0, NULL) == -EINVAL && procd_barrier_parties(barrier) == -EINVAL);
    NEED(procd_semaphore_acquire(semaphore, 0) == -EINVAL && procd_semaphore_value(semaphore) == -EINVAL);
    NEED(procd_condition_new(NULL, (procd_rlock *)lock) == NULL && procd_last_error()->code == -EINVAL);

    own = procd_lock_new("l"); /* by its name, as anybody: it is the parent's who forked */
    NEED(own && procd_lock_acquire(own, 0) == 0);
    procd_lock_free(own);
    procd_lock_free(lock); /* of no consequence but for memory */
    procd_event_free(event);
    procd_condition_free(condition);
    procd_barrier_free(barrier);
    procd_semaphore_free(semaphore);
    return 0;
}

START_TEST(forked_children)
{
    procd_lock *lock = procd_lock_new("l");
    procd_event *event = procd_event_new(NULL);
    procd_condition *condition = procd_condition_new(NULL, NULL);
    procd_barrier *barrier = procd_barrier_new(NULL, 2, NULL, NULL);
    procd_semaphore *semaphore = procd_semaphore_new(NULL, 1);
    int status;
    pid_t pid;

    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    pid = fork();
    if (pid == 0)
        _exit(use_in_child(lock, event, condition, barrier, semaphore));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(procd_lock_release(lock), 0); /* still held */
    ck_assert_int_eq(procd_barrier_parties(barrier), 2);
    procd_lock_free(lock);
    procd_event_free(event);
    procd_condition_free(condition);
    procd_barrier_free(barrier);
    procd_semaphore_free(semaphore);
}
END_TEST

/* ---- deadlocks ---- */

/* How long the cycle is that the last failure tells, each entry checked. */
static size_t cycle(void)
{
    json_t *list = json_object_get(procd_last_error()->data, "cycle"), *entry;
    size_t i;

    json_array_foreach(list, i, entry)
    {
        ck_assert_int_gt(json_integer_value(json_object_get(entry, "pid")), 0);
        ck_assert(json_is_string(json_object_get(entry, "holder")));
        ck_assert_ptr_nonnull(json_object_get(entry, "waits_for"));
    }
    return json_array_size(list);
}

static const char *waits_for(size_t i)
{
    json_t *list = json_object_get(procd_last_error()->data, "cycle");

    return json_string_value(json_object_get(json_array_get(list, i), "waits_for"));
}

static procd_lock *left, *right;

static void *left_after_right(void *unused)
{
    ck_assert_int_eq(procd_lock_acquire(right, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_lock_acquire(left, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_lock_release(left), 0);
    ck_assert_int_eq(procd_lock_release(right), 0);
    return unused;
}

START_TEST(deadlocks_of_threads)
{
    pthread_t thread;

    left = procd_lock_new("left");
    right = procd_lock_new("right");
    ck_assert_int_eq(procd_lock_acquire(left, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_lock_acquire(left, PROCD_FOREVER), PROCD_E_DEADLOCK);
    ck_assert_uint_eq(cycle(), 1);
    ck_assert_str_eq(waits_for(0), "left");

    ck_assert_int_eq(pthread_create(&thread, NULL, left_after_right, NULL), 0);
    lib_sync_wait_for("left", 1);
    ck_assert_int_eq(procd_lock_acquire(right, 0.01), 0);
    ck_assert_int_eq(procd_lock_acquire(right, PROCD_FOREVER), PROCD_E_DEADLOCK);
    ck_assert_int_eq(procd_last_error()->code, PROCD_E_DEADLOCK);
    ck_assert_uint_eq(cycle(), 2);
    ck_assert_str_eq(waits_for(0), "right");
    ck_assert_str_eq(waits_for(1), "left");
    ck_assert_int_eq(procd_lock_release(left), 0); /* who gives way resolves it */
    pthread_join(thread, NULL);
    procd_lock_free(left);
    procd_lock_free(right);
}
END_TEST

/* Acquires args[0] and ends. */
PROCD_TARGET(acquire_once)
{
    procd_rlock *lock = procd_rlock_from_json(json_array_get(args, 0));

    NEED(procd_rlock_acquire(lock, PROCD_FOREVER) == 1);
    procd_rlock_free(lock);
    return 0;
}

START_TEST(deadlock_of_a_join)
{
    procd_rlock *lock = procd_rlock_new("l");
    procd_process *process;

    ck_assert_int_eq(procd_rlock_acquire(lock, PROCD_FOREVER), 1);
    process = lib_sync_start("acquire_once", json_pack("[o]", procd_rlock_json(lock)));
    lib_sync_wait_for("l", 1);
    ck_assert_int_eq(procd_process_join(process, PROCD_FOREVER), PROCD_E_DEADLOCK);
    ck_assert_uint_eq(cycle(), 2);
    ck_assert_int_eq(procd_process_join(process, 0.01), 0);
    ck_assert_int_eq(procd_rlock_release(lock), 0);
    ck_assert_int_eq(lib_sync_finish(process), 0);
    procd_rlock_free(lock);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_sync_faults");
    TCase *tcase = tcase_create("lib_sync_faults");

    tcase_add_checked_fixture(tcase, lib_sync_begin, lib_sync_end);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, killed_holders);
    tcase_add_test(tcase, killed_partners);
    tcase_add_test(tcase, waits_outlive_brokers);
    tcase_add_test(tcase, sleepers_outlive_brokers);
    tcase_add_test(tcase, barriers_outlive_brokers);
    tcase_add_test(tcase, queues_outlive_brokers);
    tcase_add_test(tcase, brokers_die_under_traffic);
    tcase_add_test(tcase, time_outs_leave_nothing);
    tcase_add_test(tcase, signals_do_not_end_waits);
    tcase_add_test(tcase, threads_are_cancelled_outside);
    tcase_add_test(tcase, forked_children);
    tcase_add_test(tcase, deadlocks_of_threads);
    tcase_add_test(tcase, deadlock_of_a_join);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    return lib_sync_main(argc, argv, make_runner);
}
