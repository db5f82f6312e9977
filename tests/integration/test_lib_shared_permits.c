/* SPDX-License-Identifier: MIT */
/*
 * Threads of many processes on a few semaphores, by shared words and by the socket, with time-outs and
 * without, while processes and brokers are killed at any moment.
 *
 * Who is inside is in a cell, of which there are as many as permits: who finds none that is empty, or is of
 * one who is being killed, is one too many. In the end all permits are there.
 */
#include "proto/page.h"
#include "tests/integration/lib_sync.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define WORKERS    6 /* processes, of which the last one uses the socket */
#define THREADS    3 /* of each */
#define SEMAPHORES 3
#define LIVES      4096 /* of workers: each that is started is another one */
#define SHARED     10 /* the descriptor of the memory, in workers */

static const struct {
    const char *name;
    unsigned permits;
    bool is_bounded;
} kinds[SEMAPHORES] = {{"b", 2, true}, {"c", 5, true}, {"p", 3, false}};

struct stress {
    _Atomic bool is_over;
    _Atomic long wrong;
    _Atomic unsigned seed;
    _Atomic bool is_doomed[LIVES]; /* before it is killed */
    struct {
        _Atomic long cells[PAGE_PERMITS]; /* the life, from 1; 0: nobody */
        _Atomic long turns, given_up, told;
    } of[SEMAPHORES];
};

static struct stress *stress;

/* ---- one thread ---- */

struct thread {
    pthread_t thread;
    long life;
    unsigned chance, number;
    bool by_socket;
    int status;
};

static procd_semaphore *semaphores[SEMAPHORES];
static int semaphore_count; /* the plain one, which loses what the dead have, is left out with them */

static unsigned below(struct thread *thread, unsigned most)
{
    thread->chance = thread->chance * 1103515245 + 12345;
    return (thread->chance >> 8) % most;
}

static int ask(const struct thread *thread, const char *method, int which, double timeout)
{
    bool acquires = strstr(method, "acquire") != NULL;
    json_t *params = json_pack("{s:s}", "name", kinds[which].name), *result = NULL;
    int r;

    if (acquires)
        json_object_set_new(params, "holder", json_sprintf("%ld:%u", thread->life, thread->number));
    if (acquires && timeout != PROCD_FOREVER)
        json_object_set_new(params, "timeout", json_real(timeout));
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
    return thread->by_socket ? ask(thread, "semaphore.acquire", which, timeout)
                             : procd_semaphore_acquire(semaphores[which], timeout);
}

static int release(const struct thread *thread, int which)
{
    return thread->by_socket ? ask(thread, "semaphore.release", which, 0)
                             : procd_semaphore_release(semaphores[which]);
}

/* NULL: there are more than there may be. */
static _Atomic long *enter(const struct thread *thread, int which)
{
    for (unsigned i = 0; i < kinds[which].permits; i++) {
        _Atomic long *cell = &stress->of[which].cells[i];
        long who = atomic_load(cell);

        if ((who == 0 || atomic_load(&stress->is_doomed[who])) &&
            atomic_compare_exchange_strong(cell, &who, thread->life))
            return cell;
    }
    fprintf(stderr, "%s: one too many, life %ld\n", kinds[which].name, thread->life);
    atomic_fetch_add(&stress->wrong, 1);
    return NULL;
}

static void be_inside(struct thread *thread, int which)
{
    _Atomic long *cell = enter(thread, which);
    long self = thread->life;

    if (!cell)
        return;
    for (unsigned left = below(thread, 4) == 0 ? below(thread, 2000) : 0; left > 0; left--)
        atomic_signal_fence(memory_order_seq_cst);
    atomic_fetch_add(&stress->of[which].turns, 1);
    /* who is being killed may have been followed in its place already */
    if (!atomic_compare_exchange_strong(cell, &self, 0) && !atomic_load(&stress->is_doomed[thread->life])) {
        fprintf(stderr, "%s: somebody else is in the cell of life %ld\n", kinds[which].name, thread->life);
        atomic_fetch_add(&stress->wrong, 1);
    }
}

/* Perhaps one of the next semaphore inside it, always in the same order, or a second one of this, if it is
 * there: who waits for that could wait for ever. */
static bool take_turn(struct thread *thread, int which)
{
    unsigned kind = below(thread, 8);
    double timeout = kind == 0 ? 0 : kind < 3 ? 1e-6 * below(thread, 3000) : PROCD_FOREVER;
    bool has_second = false;
    int r = acquire(thread, which, timeout);

    if (r == 0) {
        atomic_fetch_add(&stress->of[which].given_up, 1);
        return timeout != PROCD_FOREVER;
    }
    if (r < 1)
        return false;
    atomic_fetch_add(&stress->of[which].told, r == 2);
    be_inside(thread, which);
    if (below(thread, 4) == 0) {
        r = acquire(thread, which, 0);
        has_second = r > 0;
        if (r < 0)
            return false;
        if (has_second)
            be_inside(thread, which);
    }
    if (which + 1 < semaphore_count && below(thread, 6) == 0 && !take_turn(thread, which + 1))
        return false;
    return release(thread, which) == 0 && (!has_second || release(thread, which) == 0);
}

static void *run_thread(void *data)
{
    struct thread *thread = data;

    while (thread->status == 0 && !atomic_load(&stress->is_over)) {
        if (!take_turn(thread, (int) below(thread, (unsigned) semaphore_count))) {
            fprintf(stderr, "life %ld: %s\n", thread->life, procd_last_error()->message);
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

/* args: the semaphores, how many of them are used, which life this is, and whether by the socket. */
PROCD_TARGET(worker)
{
    struct thread threads[THREADS] = {0};
    int status = 0;

    stress = map_memory(SHARED);
    NEED(stress != NULL);
    for (int i = 0; i < SEMAPHORES; i++)
        NEED((semaphores[i] = procd_semaphore_from_json(json_array_get(args, (size_t) i))) != NULL);
    semaphore_count = (int) json_integer_value(json_array_get(args, SEMAPHORES));
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i].life = (long) json_integer_value(json_array_get(args, SEMAPHORES + 1));
        threads[i].by_socket = json_is_true(json_array_get(args, SEMAPHORES + 2));
        threads[i].number = i;
        threads[i].chance = atomic_fetch_add(&stress->seed, 7919);
        NEED(pthread_create(&threads[i].thread, NULL, run_thread, &threads[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i].thread, NULL);
        status |= threads[i].status;
    }
    for (int i = 0; i < SEMAPHORES; i++)
        procd_semaphore_free(semaphores[i]);
    return status;
}

/* ---- all of them ---- */

struct living {
    procd_process *process;
    long life;
};

static struct living start_worker(int fd, long worker)
{
    static long last_life;
    struct living living = {.life = ++last_life};
    struct procd_options options = {
        .target = "worker",
        .args = json_pack("[o,o,o,i,i,b]", procd_semaphore_json(semaphores[0]),
                          procd_semaphore_json(semaphores[1]), procd_semaphore_json(semaphores[2]),
                          semaphore_count, (int) living.life, worker == WORKERS - 1),
        .extra = json_pack("{s:[[i,i]]}", "fds", fd, SHARED)};

    ck_assert_int_lt(living.life, LIVES);
    living.process = procd_process_new(&options);
    ck_assert_msg(living.process && procd_process_start(living.process) == 0, "%s",
                  procd_last_error()->message);
    return living;
}

static void kill_worker(struct living *living)
{
    atomic_store(&stress->is_doomed[living->life], true);
    lib_sync_kill(living->process);
}

static long all_turns(void)
{
    long turns = 0;

    for (int i = 0; i < SEMAPHORES; i++)
        turns += atomic_load(&stress->of[i].turns);
    return turns;
}

static bool has_gone_on(void *data)
{
    return all_turns() > *(const long *) data;
}

/* Nobody who lives waits for somebody who is dead. */
static void must_go_on(void)
{
    for (int i = 0; i < SEMAPHORES; i++) {
        long turns = all_turns() + 6L * WORKERS * THREADS; /* more than had got in already */

        daemon_fixture_wait(has_gone_on, &turns);
    }
}

static void pause_a_little(struct thread *thread)
{
    const struct timespec span = {.tv_nsec = below(thread, 20000000)};

    nanosleep(&span, NULL);
}

/* Brokers and, if workers may die, mostly these. Returns how many of them were killed. */
static long kill_for(int seconds, int fd, struct living *workers, bool workers_die)
{
    struct thread own = {.chance = (unsigned) getpid()};
    struct timespec now, end;
    long killed = 0;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    do {
        long worker = below(&own, WORKERS);

        pause_a_little(&own);
        if (!workers_die || below(&own, 12) == 0) {
            ck_assert_int_eq(kill((pid_t) daemon_fixture_info("broker_pid"), SIGKILL), 0);
        } else if (killed < LIVES - 2 * WORKERS) {
            kill_worker(&workers[worker]);
            workers[worker] = start_worker(fd, worker);
            killed++;
        }
        must_go_on();
        ck_assert_int_eq(atomic_load(&stress->wrong), 0);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
    return killed;
}

static void must_add_up(long killed)
{
    for (int i = 0; i < semaphore_count; i++) {
        ck_assert_int_eq(procd_semaphore_value(semaphores[i]), (int) kinds[i].permits);
        ck_assert_uint_eq(lib_sync_info(kinds[i].name, "holders"), 0);
        ck_assert_uint_eq(lib_sync_info(kinds[i].name, "waiters"), 0);
        ck_assert_int_gt(stress->of[i].turns, 0);
        /* of each thread as many as it can have at once */
        ck_assert_int_le(stress->of[i].told, killed * THREADS * 2);
        printf("%s: %ld turns, %ld given up, %ld told\n", kinds[i].name, stress->of[i].turns,
               stress->of[i].given_up, stress->of[i].told);
    }
    ck_assert_int_eq(stress->wrong, 0);
}

static void everything_at_once(bool workers_die)
{
    int fd = memfd_create("stress", MFD_CLOEXEC);
    struct living workers[WORKERS];
    long killed;

    ck_assert_int_eq(ftruncate(fd, sizeof *stress), 0);
    stress = map_memory(fd);
    semaphore_count = workers_die ? SEMAPHORES - 1 : SEMAPHORES;
    for (int i = 0; i < SEMAPHORES; i++) {
        semaphores[i] = kinds[i].is_bounded ? procd_bounded_semaphore_new(kinds[i].name, kinds[i].permits)
                                            : procd_semaphore_new(kinds[i].name, kinds[i].permits);
        ck_assert_ptr_nonnull(semaphores[i]);
    }
    atomic_store(&stress->seed, (unsigned) getpid());
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start_worker(fd, i);
    killed = kill_for(getenv("TEST_LONG") ? 300 : 3, fd, workers, workers_die);
    atomic_store(&stress->is_over, true);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(lib_sync_finish(workers[i].process), 0);
    printf("%ld killed\n", killed);
    must_add_up(killed);
    munmap(stress, sizeof *stress);
    close(fd);
    for (int i = 0; i < SEMAPHORES; i++)
        procd_semaphore_free(semaphores[i]);
}

START_TEST(while_processes_die)
{
    everything_at_once(true);
}
END_TEST

START_TEST(while_brokers_die)
{
    everything_at_once(false);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_shared_permits");
    TCase *tcase = tcase_create("lib_shared_permits");

    tcase_add_checked_fixture(tcase, lib_sync_begin, lib_sync_end);
    tcase_set_timeout(tcase, getenv("TEST_LONG") ? 600 : 60);
    tcase_add_test(tcase, while_processes_die);
    tcase_add_test(tcase, while_brokers_die);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    return lib_sync_main(argc, argv, make_runner);
}
