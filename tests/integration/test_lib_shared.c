/* SPDX-License-Identifier: MIT */
/*
 * Locks in shared memory: no system call where nobody else wants them, and everything that holds through the
 * socket holds for those who do not use it. Both kinds of client meet on one lock.
 */
#include "client/lib/library.h"
#include "tests/integration/lib_sync.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- what the socket says ---- */

/* Of the only holder. 0: there is none; -1: null. */
static json_int_t holder(const char *name, const char *member)
{
    json_t *params = json_pack("{s:s}", "name", name), *result = NULL, *value;
    json_int_t number;

    ck_assert_int_eq(procd_call("object.info", params, &result), 0);
    ck_assert_uint_le(json_array_size(json_object_get(result, "holders")), 1);
    value = json_object_get(json_array_get(json_object_get(result, "holders"), 0), member);
    number = json_is_null(value) ? -1 : json_integer_value(value);
    json_decref(params);
    json_decref(result);
    return number;
}

/* As a client of any language does it. */
static int ask(const char *method, const char *name, double timeout)
{
    json_t *params = strstr(method, "acquire")
                         ? json_pack("{s:s,s:s,s:f}", "name", name, "holder", "socket", "timeout", timeout)
                         : json_pack("{s:s}", "name", name);
    json_t *result = NULL;
    int r = procd_call(method, params, &result);

    if (r == 0 && json_object_get(result, "acquired"))
        r = json_is_true(json_object_get(result, "acquired")) +
            json_is_true(json_object_get(result, "abandoned"));
    json_decref(params);
    json_decref(result);
    return r;
}

static void kill_broker(void)
{
    static pid_t broker;

    broker = (pid_t) daemon_fixture_info("broker_pid");
    ck_assert_int_eq(kill(broker, SIGKILL), 0);
}

/* ---- without a system call ---- */

/* The kernel ends it at any that is not the last one. */
static int silently(void *unused)
{
    procd_lock *lock = procd_lock_new("silent");
    procd_rlock *rlock = procd_rlock_new("too");
    int wrong;

    (void) unused;
    wrong = procd_lock_acquire(lock, 0) != 1 || procd_lock_release(lock) != 0; /* now it is known */
    wrong |= procd_rlock_acquire(rlock, 0) != 1 || procd_rlock_release(rlock) != 0;
    if (wrong || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
        return 1;
    for (int i = 0; i < 1000; i++) {
        wrong |= procd_lock_acquire(lock, PROCD_FOREVER) != 1;
        wrong |= procd_rlock_acquire(rlock, 1) != 1 || procd_rlock_acquire(rlock, PROCD_FOREVER) != 1;
        wrong |= procd_rlock_release(rlock) != 0 || procd_lock_release(lock) != 0;
        wrong |= procd_rlock_release(rlock) != 0;
    }
    syscall(SYS_exit, wrong);
    return 1;
}

START_TEST(a_free_lock_takes_no_system_call)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(silently(NULL));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", (unsigned) status);
}
END_TEST

/* ---- both kinds ---- */

static int take(void *lock)
{
    return procd_lock_acquire(lock, PROCD_FOREVER);
}

static int take_in_time(void *lock)
{
    return procd_lock_acquire(lock, 0.3);
}

START_TEST(both_kinds_meet)
{
    procd_lock *lock = procd_lock_new("l");
    pthread_t thread;
    uint64_t token;

    ck_assert_int_eq(procd_lock_acquire(lock, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    ck_assert_int_eq(procd_lock_acquire(lock, PROCD_FOREVER), 1);
    ck_assert_int_eq(holder("l", "pid"), getpid());
    ck_assert_int_eq(holder("l", "since"), -1); /* nobody was asked */
    token = procd_lock_token(lock);
    ck_assert_uint_gt(token, 0);
    ck_assert_int_eq(holder("l", "token"), (json_int_t) token);
    ck_assert_int_eq(ask("lock.acquire", "l", 0.01), 0);
    ck_assert_int_eq(procd_lock_acquire(lock, 0.01), 0);
    ck_assert_int_eq(ask("lock.release", "l", 0), 0); /* anybody may */
    ck_assert_int_eq(procd_lock_release(lock), PROCD_E_TOO_MANY_RELEASES);
    ck_assert_int_eq(ask("lock.acquire", "l", 1), 1);
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 0);
    ck_assert_uint_eq(procd_lock_token(lock), token); /* of the last one through this handle */
    ck_assert_int_eq(pthread_create(&thread, NULL, (void *(*) (void *) ) (void (*)(void)) take, lock), 0);
    lib_sync_wait_for("l", 1);
    ck_assert_int_eq(ask("lock.release", "l", 0), 0);
    pthread_join(thread, NULL);
    ck_assert_uint_gt(procd_lock_token(lock), token);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    procd_lock_free(lock);
}
END_TEST

/* It was handed the lock, and the kernel ends it at any further system call that is not the last one. */
static int go_on_silently(void)
{
    procd_lock *lock = procd_lock_new("l");
    int wrong = procd_lock_acquire(lock, PROCD_FOREVER) != 1;

    if (wrong || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
        return 1;
    for (int i = 0; i < 1000; i++)
        wrong |= procd_lock_release(lock) != 0 || procd_lock_acquire(lock, PROCD_FOREVER) != 1;
    wrong |= procd_lock_release(lock) != 0;
    syscall(SYS_exit, wrong);
    return 1;
}

START_TEST(the_last_one_of_a_queue_asks_nobody)
{
    procd_lock *lock = procd_lock_new("l");
    json_t *graph = NULL;
    uint64_t token;
    int status;
    pid_t pid;

    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    token = procd_lock_token(lock);
    pid = fork();
    if (pid == 0)
        _exit(go_on_silently());
    lib_sync_wait_for("l", 1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", (unsigned) status);
    ck_assert_int_eq(procd_call("object.graph", NULL, &graph), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(graph, "edges")), 0); /* nobody waits any more */
    json_decref(graph);
    ck_assert_int_eq(holder("l", "pid"), 0);
    ck_assert_uint_eq(lib_sync_info("l", "waiters"), 0);
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1); /* nor is it abandoned */
    ck_assert_uint_gt(procd_lock_token(lock), token);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    procd_lock_free(lock);
}
END_TEST

/* Nothing tells the daemon of a hand-over: it must look before it thinks that a wait is over. */
START_TEST(a_time_out_behind_a_hand_over)
{
    procd_lock *lock = procd_lock_new("l");
    procd_event *event = procd_event_new("e");
    pthread_t first, second;
    void *status;

    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_int_eq(pthread_create(&first, NULL, (void *(*) (void *) ) (void (*)(void)) take_in_time, lock),
                     0);
    lib_sync_wait_for("l", 1);
    ck_assert_int_eq(pthread_create(&second, NULL, (void *(*) (void *) ) (void (*)(void)) take, lock), 0);
    lib_sync_wait_for("l", 2);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    pthread_join(first, &status);
    ck_assert_int_eq((int) (intptr_t) status, 1);
    ck_assert_int_eq(procd_event_wait(event, 0.5), 0); /* the daemon's clock has come so far */
    ck_assert_uint_eq(lib_sync_info("l", "waiters"), 1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    pthread_join(second, &status);
    ck_assert_int_eq((int) (intptr_t) status, 1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    procd_event_free(event);
    procd_lock_free(lock);
}
END_TEST

#define QUEUED 12 /* more than are named ahead */

static procd_lock *in_turn;
static _Atomic int served;

/* Returns how many were before it. */
static void *come_and_go(void *unused)
{
    int place;

    (void) unused;
    if (procd_lock_acquire(in_turn, PROCD_FOREVER) != 1)
        return (void *) (intptr_t) -1;
    place = atomic_fetch_add(&served, 1);
    return (void *) (intptr_t) (procd_lock_release(in_turn) == 0 ? place : -1);
}

START_TEST(first_come_first_served)
{
    pthread_t threads[QUEUED];
    void *place;

    in_turn = procd_lock_new("l");
    ck_assert_int_eq(procd_lock_acquire(in_turn, 0), 1);
    for (unsigned i = 0; i < QUEUED; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
        lib_sync_wait_for("l", i + 1);
    }
    ck_assert_int_eq(procd_lock_release(in_turn), 0);
    for (int i = 0; i < QUEUED; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &place), 0);
        ck_assert_int_eq((int) (intptr_t) place, i);
    }
    procd_lock_free(in_turn);
}
END_TEST

START_TEST(what_is_traced_is_told)
{
    json_t *params = json_pack("{s:s,s:s,s:b}", "name", "l", "kind", "lock", "trace", 1), *result, *event;
    const char *const kinds[] = {"lock.acquired", NULL};
    procd_events *events;
    procd_lock *lock;

    ck_assert_int_eq(procd_call("object.create", params, &result), 0);
    json_decref(params);
    json_decref(result);
    events = procd_events_open(0, kinds);
    ck_assert_ptr_nonnull(events);
    lock = procd_lock_new("l");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
        ck_assert_int_eq(procd_lock_release(lock), 0);
        ck_assert_int_eq(procd_events_next(events, 10, &event), 1);
        json_decref(event);
    }
    procd_events_free(events);
    procd_lock_free(lock);
}
END_TEST

/* A shared name is used by other uids, who have another page. */
START_TEST(shared_names_stay_on_the_socket)
{
    procd_lock *lock = procd_lock_new("/l");

    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_int_gt(holder("/l", "since"), -1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    procd_lock_free(lock);
}
END_TEST

static int release_rlock(void *lock)
{
    return procd_rlock_release(lock);
}

START_TEST(depth_is_one_number)
{
    procd_rlock *lock = procd_rlock_new("r"), *same = procd_rlock_new("r");
    procd_condition *condition = procd_condition_new("c", lock);

    for (int i = 0; i < 300; i++)
        ck_assert_int_eq(procd_rlock_acquire(i % 2 ? lock : same, PROCD_FOREVER), 1);
    ck_assert_int_eq(holder("r", "count"), 300);
    ck_assert_int_eq(procd_condition_acquire(condition, 0), 1);
    ck_assert_int_eq(holder("r", "count"), 301);
    ck_assert_int_eq(procd_condition_wait(condition, 0.01), 0); /* gives all of it back, and takes it again */
    ck_assert_int_eq(holder("r", "count"), 301);
    ck_assert_int_eq(procd_condition_release(condition), 0);
    for (int i = 0; i < 299; i++)
        ck_assert_int_eq(procd_rlock_release(i % 3 ? lock : same), 0);
    ck_assert_int_eq(lib_sync_in_thread(release_rlock, lock), PROCD_E_NOT_OWNER);
    ck_assert_int_eq(holder("r", "count"), 1);
    ck_assert_int_eq(procd_rlock_release(lock), 0);
    ck_assert_int_eq(procd_rlock_release(lock), PROCD_E_NOT_OWNER);
    procd_condition_free(condition);
    procd_rlock_free(lock);
    procd_rlock_free(same);
}
END_TEST

START_TEST(what_is_unlinked_is_made_anew)
{
    procd_lock *lock = procd_lock_new("l"), *other;

    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_int_eq(ask("object.unlink", "l", 0), 0);
    ck_assert_int_eq(procd_lock_release(lock), PROCD_E_NO_SUCH_OBJECT);
    for (int i = 0; i < 3; i++) { /* the handle means whatever has the name */
        ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
        other = procd_lock_new("l");
        ck_assert_int_eq(procd_lock_acquire(other, 0), 0);
        ck_assert_int_eq(procd_lock_release(lock), 0);
        ck_assert_int_eq(procd_lock_acquire(other, 0), 1);
        ck_assert_int_eq(procd_lock_acquire(lock, 0), 0);
        ck_assert_int_eq(procd_lock_release(other), 0);
        procd_lock_free(other);
    }
    procd_lock_free(lock);
}
END_TEST

/* ---- deaths ---- */

PROCD_TARGET(die_holding)
{
    procd_lock *lock = procd_lock_from_json(json_array_get(args, 0));

    for (int i = 0; i < 3; i++)
        NEED(procd_lock_acquire(lock, 0) == 1 && procd_lock_release(lock) == 0);
    NEED(procd_lock_acquire(lock, 0) == 1);
    raise(SIGKILL);
    return 1;
}

START_TEST(the_dead_leave_it_abandoned)
{
    procd_lock *lock = procd_lock_new("l");
    procd_process *process;

    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    for (int i = 0; i < 5; i++) {
        process = lib_sync_start("die_holding", json_pack("[o]", procd_lock_json(lock)));
        ck_assert_int_eq(lib_sync_finish(process), -SIGKILL);
        ck_assert_int_eq(i % 2 ? ask("lock.acquire", "l", 0) : procd_lock_acquire(lock, 0), 2);
        ck_assert_int_eq(procd_lock_release(lock), 0);
        ck_assert_int_eq(procd_lock_acquire(lock, 0), 1); /* told once */
        ck_assert_int_eq(procd_lock_release(lock), 0);
    }
    procd_lock_free(lock);
}
END_TEST

/* It goes on without a broker, and the next one knows what has happened. */
START_TEST(brokers_come_and_go)
{
    procd_lock *lock = procd_lock_new("l");

    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    for (int i = 0; i < 5; i++) {
        if (i % 2)
            kill_broker();
        else
            ck_assert_int_eq(procd_call("daemon.restart", NULL, NULL), 0);
        ck_assert_int_eq(procd_lock_release(lock), 0);
        ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
        ck_assert_int_eq(ask("lock.acquire", "l", 0), 0);
        ck_assert_int_eq(holder("l", "pid"), getpid());
        kill_broker();
        ck_assert_int_eq(procd_lock_release(lock), 0);
        ck_assert_int_eq(ask("lock.acquire", "l", 0), 1);
        ck_assert_int_eq(procd_lock_acquire(lock, 0), 0);
        ck_assert_int_eq(ask("lock.release", "l", 0), 0);
        ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    }
    ck_assert_int_eq(procd_lock_release(lock), 0);
    procd_lock_free(lock);
}
END_TEST

/* Nobody would know who holds it, so nobody does. */
START_TEST(no_daemon_no_lock)
{
    procd_lock *lock = procd_lock_new("l");
    int status;

    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    ck_assert_int_eq(kill(lib_sync_daemon.pid, SIGTERM), 0);
    ck_assert_int_eq(waitpid(lib_sync_daemon.pid, &status, 0), lib_sync_daemon.pid);
    lib_sync_daemon.pid = 0;
    ck_assert_int_lt(procd_lock_acquire(lock, 0), 0);
    procd_lock_free(lock);
}
END_TEST

START_TEST(a_killed_keeper_is_noticed)
{
    procd_lock *lock = procd_lock_new("l");

    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    ck_assert_int_eq(kill(lib_sync_daemon.pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(lib_sync_daemon.pid, NULL, 0), lib_sync_daemon.pid);
    lib_sync_daemon.pid = 0;
    ck_assert_int_lt(procd_lock_acquire(lock, 0), 0); /* at once, though its broker ends a moment later */
    procd_lock_free(lock);
}
END_TEST

/* ---- exclusion ---- */

#define WORKERS 4 /* of which the last one uses the socket */

struct shared_count {
    _Atomic long count; /* atomic for those who look on */
    _Atomic bool is_over;
    long claimed[WORKERS];
    long inside; /* the worker, from 1 */
};

static struct shared_count *map_count(int fd)
{
    struct shared_count *memory = mmap(NULL, sizeof *memory, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* Adds as nobody should who is not alone. The dead may have stopped at any step: the next one is told. */
static bool add_alone(struct shared_count *shared, long worker, bool is_abandoned)
{
    volatile long *inside = &shared->inside;
    long count = atomic_load_explicit(&shared->count, memory_order_relaxed);

    if (*inside != 0 && !is_abandoned)
        return false;
    *inside = worker + 1;
    shared->claimed[worker]++;
    atomic_store_explicit(&shared->count, count + 1, memory_order_relaxed);
    if (*inside != worker + 1)
        return false;
    *inside = 0;
    return true;
}

/* args: the lock, and who it is. */
PROCD_TARGET(count)
{
    procd_lock *lock = procd_lock_from_json(json_array_get(args, 0));
    struct shared_count *shared = map_count(10);
    long worker = (long) json_integer_value(json_array_get(args, 1));
    bool by_socket = worker == WORKERS - 1;

    NEED(lock && shared);
    while (!atomic_load(&shared->is_over)) {
        int r = by_socket ? ask("lock.acquire", "l", 60) : procd_lock_acquire(lock, PROCD_FOREVER);

        NEED(r >= 1);
        NEED(add_alone(shared, worker, r == 2));
        NEED((by_socket ? ask("lock.release", "l", 0) : procd_lock_release(lock)) == 0);
    }
    procd_lock_free(lock);
    return 0;
}

static procd_process *start_counting(procd_lock *lock, int fd, int worker)
{
    struct procd_options options = {.target = "count",
                                    .args = json_pack("[o,i]", procd_lock_json(lock), worker),
                                    .extra = json_pack("{s:[[i,i]]}", "fds", fd, 10)};
    procd_process *process = procd_process_new(&options);

    ck_assert_msg(process && procd_process_start(process) == 0, "%s", procd_last_error()->message);
    return process;
}

struct progress {
    struct shared_count *shared;
    long until;
};

static bool has_counted(void *data)
{
    const struct progress *progress = data;

    return atomic_load_explicit(&progress->shared->count, memory_order_relaxed) >= progress->until;
}

/* Brokers die, and workers; nobody is inside with another. */
START_TEST(nobody_is_inside_with_another)
{
    int fd = memfd_create("count", MFD_CLOEXEC);
    procd_lock *lock = procd_lock_new("l");
    procd_process *workers[WORKERS];
    struct progress progress;
    long claimed = 0, killed = 0;

    ck_assert_int_eq(ftruncate(fd, sizeof *progress.shared), 0);
    progress.shared = map_count(fd);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start_counting(lock, fd, i);
    for (int i = 0; i < 10; i++) {
        progress.until = progress.shared->count + 5000;
        daemon_fixture_wait(has_counted, &progress);
        if (i % 2) {
            kill_broker();
            continue;
        }
        lib_sync_kill(workers[killed % 2]);
        workers[killed % 2] = start_counting(lock, fd, (int) killed % 2);
        killed++;
    }
    atomic_store(&progress.shared->is_over, true);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(lib_sync_finish(workers[i]), 0);
    for (int i = 0; i < WORKERS; i++)
        claimed += progress.shared->claimed[i];
    claimed -= progress.shared->count; /* of those who died in between */
    ck_assert_int_ge(claimed, 0);
    ck_assert_int_le(claimed, killed);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_gt(progress.shared->claimed[i], 0);
    munmap(progress.shared, sizeof *progress.shared);
    close(fd);
    procd_lock_free(lock);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_shared");
    TCase *tcase = tcase_create("lib_shared");

    tcase_add_checked_fixture(tcase, lib_sync_begin, lib_sync_end);
    tcase_set_timeout(tcase, 60);
    if (!lib_sync_is_watched()) {
        tcase_add_test(tcase, a_free_lock_takes_no_system_call);
        tcase_add_test(tcase, the_last_one_of_a_queue_asks_nobody);
    }
    tcase_add_test(tcase, both_kinds_meet);
    tcase_add_test(tcase, a_time_out_behind_a_hand_over);
    tcase_add_test(tcase, first_come_first_served);
    tcase_add_test(tcase, what_is_traced_is_told);
    tcase_add_test(tcase, shared_names_stay_on_the_socket);
    tcase_add_test(tcase, depth_is_one_number);
    tcase_add_test(tcase, what_is_unlinked_is_made_anew);
    tcase_add_test(tcase, the_dead_leave_it_abandoned);
    tcase_add_test(tcase, brokers_come_and_go);
    tcase_add_test(tcase, no_daemon_no_lock);
    tcase_add_test(tcase, a_killed_keeper_is_noticed);
    tcase_add_test(tcase, nobody_is_inside_with_another);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    return lib_sync_main(argc, argv, make_runner);
}
