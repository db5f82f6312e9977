/* SPDX-License-Identifier: MIT */
/*
 * Threads of many processes on a few locks, by the shared word, by its bell, by the socket, with time-outs
 * and without, while processes and brokers are killed at any moment.
 *
 * Who is inside with another, or finds what a dead one has left without being told, is a wrong; so is a token
 * that does not rise, and a time in which nobody has a turn. What is guarded is read and written one by one,
 * as nobody should who is not alone; atomically, so that it is no race but a number that shows it.
 */
#include "tests/integration/lib_sync.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 6 /* processes, of which the last one uses the socket */
#define THREADS 3 /* of each */
#define LOCKS   3 /* the last one is an rlock */
#define SHARED  10 /* the descriptor of the memory, in workers */

static const char *const names[LOCKS] = {"a", "b", "r"};

struct guarded {
    _Atomic long inside; /* who is, from 1; 0: nobody */
    _Atomic long count;
    _Atomic uint64_t token; /* of the last one that has asked for it */
    _Atomic long turns, given_up, told;
};

struct stress {
    _Atomic bool is_over;
    _Atomic long wrong;
    _Atomic unsigned seed;
    struct guarded locks[LOCKS];
};

static struct stress *stress;

/* ---- one thread ---- */

struct thread {
    pthread_t thread;
    long who;
    unsigned chance;
    bool by_socket;
    int status;
};

static procd_lock *locks[LOCKS - 1];
static procd_rlock *rlock;

static unsigned below(struct thread *thread, unsigned most)
{
    thread->chance = thread->chance * 1103515245 + 12345;
    return (thread->chance >> 8) % most;
}

static int ask(const struct thread *thread, const char *verb, int which, double timeout)
{
    bool acquires = strcmp(verb, "acquire") == 0;
    json_t *params = json_pack("{s:s,s:o}", "name", names[which], "holder",
                               json_sprintf("thread %ld", thread->who)),
           *result = NULL;
    char method[32];
    int r;

    snprintf(method, sizeof method, "%slock.%s", which == LOCKS - 1 ? "r" : "", verb);
    if (acquires && timeout != PROCD_FOREVER)
        json_object_set_new(params, "timeout", json_real(timeout));
    if (!acquires && which < LOCKS - 1)
        json_object_del(params, "holder");
    r = procd_call(method, params, &result);
    if (r == 0 && acquires)
        r = json_is_true(json_object_get(result, "acquired")) +
            json_is_true(json_object_get(result, "abandoned"));
    json_decref(params);
    json_decref(result);
    return r;
}

static int acquire(const struct thread *thread, int which, double timeout)
{
    if (thread->by_socket)
        return ask(thread, "acquire", which, timeout);
    return which == LOCKS - 1 ? procd_rlock_acquire(rlock, timeout)
                              : procd_lock_acquire(locks[which], timeout);
}

static int release(const struct thread *thread, int which)
{
    if (thread->by_socket)
        return ask(thread, "release", which, 0);
    return which == LOCKS - 1 ? procd_rlock_release(rlock) : procd_lock_release(locks[which]);
}

static void note_wrong(const char *what, const struct thread *thread, int which)
{
    fprintf(stderr, "%s: %s, thread %ld\n", names[which], what, thread->who);
    atomic_fetch_add(&stress->wrong, 1);
}

static long relaxed(_Atomic long *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void set(_Atomic long *number, long value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

/* Tokens that were asked for rise, though not every hold has been given one. */
static void look_at_token(struct thread *thread, int which)
{
    struct guarded *guarded = &stress->locks[which];
    uint64_t token;

    if (thread->by_socket || below(thread, 16) > 0)
        return;
    token = which == LOCKS - 1 ? procd_rlock_token(rlock) : procd_lock_token(locks[which]);
    if (token <= atomic_load_explicit(&guarded->token, memory_order_relaxed))
        note_wrong("a token that does not rise", thread, which);
    atomic_store_explicit(&guarded->token, token, memory_order_relaxed);
}

static void be_inside(struct thread *thread, int which, bool is_abandoned)
{
    struct guarded *guarded = &stress->locks[which];
    long before = relaxed(&guarded->inside), count = relaxed(&guarded->count);

    if (before != 0 && !is_abandoned)
        note_wrong("somebody is inside", thread, which);
    set(&guarded->inside, thread->who);
    atomic_fetch_add(&guarded->told, is_abandoned);
    look_at_token(thread, which);
    for (unsigned left = below(thread, 4) == 0 ? below(thread, 2000) : 0; left > 0; left--)
        atomic_signal_fence(memory_order_seq_cst);
    set(&guarded->count, count + 1);
    atomic_fetch_add(&guarded->turns, 1);
    if (relaxed(&guarded->inside) != thread->who || relaxed(&guarded->count) != count + 1)
        note_wrong("somebody came in", thread, which);
    set(&guarded->inside, 0);
}

/* A level of an rlock is always to be had. */
static bool go_deeper(struct thread *thread, int which)
{
    if (which < LOCKS - 1 || below(thread, 3) > 0)
        return true;
    return acquire(thread, which, PROCD_FOREVER) == 1 && release(thread, which) == 0;
}

/* which, and inside it perhaps another one, always in the same order. */
static bool take_turn(struct thread *thread, int which)
{
    unsigned kind = below(thread, 8);
    double timeout = kind == 0 ? 0 : kind < 3 ? 1e-6 * below(thread, 3000) : PROCD_FOREVER;
    int r = acquire(thread, which, timeout);

    if (r == 0) {
        atomic_fetch_add(&stress->locks[which].given_up, 1);
        return timeout != PROCD_FOREVER;
    }
    if (r < 1)
        return false;
    be_inside(thread, which, r == 2);
    if (!go_deeper(thread, which) ||
        (which < LOCKS - 1 && below(thread, 6) == 0 && !take_turn(thread, which + 1)))
        return false;
    return release(thread, which) == 0;
}

static void *run_thread(void *data)
{
    struct thread *thread = data;

    while (thread->status == 0 && !atomic_load(&stress->is_over)) {
        if (!take_turn(thread, (int) below(thread, LOCKS))) {
            fprintf(stderr, "thread %ld: %s\n", thread->who, procd_last_error()->message);
            thread->status = 1;
        }
    }
    return NULL;
}

/* ---- one process ---- */

static struct stress *map_memory(int fd)
{
    void *memory = mmap(NULL, sizeof *stress, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* args: the locks, and which worker it is. */
PROCD_TARGET(worker)
{
    long worker = (long) json_integer_value(json_array_get(args, LOCKS));
    struct thread threads[THREADS] = {0};
    int status = 0;

    stress = map_memory(SHARED);
    for (int i = 0; i < LOCKS - 1; i++)
        NEED((locks[i] = procd_lock_from_json(json_array_get(args, (size_t) i))) != NULL);
    rlock = procd_rlock_from_json(json_array_get(args, LOCKS - 1));
    NEED(stress && rlock);
    for (int i = 0; i < THREADS; i++) {
        threads[i].who = worker * THREADS + i + 1;
        threads[i].by_socket = worker == WORKERS - 1;
        threads[i].chance = atomic_fetch_add(&stress->seed, 7919);
        NEED(pthread_create(&threads[i].thread, NULL, run_thread, &threads[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i].thread, NULL);
        status |= threads[i].status;
    }
    for (int i = 0; i < LOCKS - 1; i++)
        procd_lock_free(locks[i]);
    procd_rlock_free(rlock);
    return status;
}

/* ---- all of them ---- */

static procd_process *start_worker(int fd, long worker)
{
    struct procd_options options = {
        .target = "worker",
        .args = json_pack("[o,o,o,i]", procd_lock_json(locks[0]), procd_lock_json(locks[1]),
                          procd_rlock_json(rlock), (int) worker),
        .extra = json_pack("{s:[[i,i]]}", "fds", fd, SHARED)};
    procd_process *process = procd_process_new(&options);

    ck_assert_msg(process && procd_process_start(process) == 0, "%s", procd_last_error()->message);
    return process;
}

static long all_turns(void)
{
    long turns = 0;

    for (int i = 0; i < LOCKS; i++)
        turns += atomic_load(&stress->locks[i].turns);
    return turns;
}

static bool has_gone_on(void *data)
{
    return all_turns() > *(const long *) data;
}

/* Nobody who lives waits for somebody who is dead. */
static void must_go_on(void)
{
    for (int i = 0; i < LOCKS; i++) {
        long turns = all_turns() + 3L * WORKERS * THREADS; /* more than had got in already */

        daemon_fixture_wait(has_gone_on, &turns);
    }
}

static void kill_broker(void)
{
    ck_assert_int_eq(kill((pid_t) daemon_fixture_info("broker_pid"), SIGKILL), 0);
}

static void pause_a_little(struct thread *thread)
{
    const struct timespec span = {.tv_nsec = below(thread, 20000000)};

    nanosleep(&span, NULL);
}

/* Returns how many were killed. */
static long kill_for(int seconds, int fd, procd_process **workers)
{
    struct thread own = {.chance = (unsigned) getpid()};
    struct timespec now, end;
    long killed = 0;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    do {
        long worker = below(&own, WORKERS);

        pause_a_little(&own);
        if (below(&own, 12) == 0) {
            kill_broker();
        } else {
            lib_sync_kill(workers[worker]);
            workers[worker] = start_worker(fd, worker);
            killed++;
        }
        must_go_on();
        ck_assert_int_eq(atomic_load(&stress->wrong), 0);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
    return killed;
}

/* Each turn has counted, but for those of the dead, which may have counted nothing yet. */
static void must_add_up(long killed)
{
    for (int i = 0; i < LOCKS; i++) {
        const struct guarded *guarded = &stress->locks[i];
        long lost = guarded->count - guarded->turns;

        ck_assert_int_ge(lost, 0);
        ck_assert_int_le(lost, killed * THREADS);
        ck_assert_int_le(guarded->told, killed * THREADS);
        ck_assert_int_gt(guarded->turns, 0);
        ck_assert_uint_eq(lib_sync_info(names[i], "holders"), 0);
        ck_assert_uint_eq(lib_sync_info(names[i], "waiters"), 0);
    }
}

START_TEST(everything_at_once)
{
    int fd = memfd_create("stress", MFD_CLOEXEC);
    procd_process *workers[WORKERS];
    long killed;

    ck_assert_int_eq(ftruncate(fd, sizeof *stress), 0);
    stress = map_memory(fd);
    for (int i = 0; i < LOCKS - 1; i++)
        ck_assert_ptr_nonnull(locks[i] = procd_lock_new(names[i]));
    ck_assert_ptr_nonnull(rlock = procd_rlock_new(names[LOCKS - 1]));
    atomic_store(&stress->seed, (unsigned) getpid());
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start_worker(fd, i);
    killed = kill_for(getenv("TEST_LONG") ? 600 : 4, fd, workers);
    atomic_store(&stress->is_over, true);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(lib_sync_finish(workers[i]), 0);
    must_add_up(killed);
    ck_assert_int_eq(stress->wrong, 0);
    printf("%ld killed, %ld turns, %ld given up, %ld told\n", killed, all_turns(),
           stress->locks[0].given_up + stress->locks[1].given_up + stress->locks[2].given_up,
           stress->locks[0].told + stress->locks[1].told + stress->locks[2].told);
    munmap(stress, sizeof *stress);
    close(fd);
    for (int i = 0; i < LOCKS - 1; i++)
        procd_lock_free(locks[i]);
    procd_rlock_free(rlock);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_shared_stress");
    TCase *tcase = tcase_create("lib_shared_stress");

    tcase_add_checked_fixture(tcase, lib_sync_begin, lib_sync_end);
    tcase_set_timeout(tcase, getenv("TEST_LONG") ? 900 : 60);
    tcase_add_test(tcase, everything_at_once);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    return lib_sync_main(argc, argv, make_runner);
}
