/* SPDX-License-Identifier: MIT */
/*
 * A lock that somebody waits for: from the release of one process until the next one has it. Floor: a lock of
 * one futex, which knows neither owners nor an order.
 */
#include "client/lib/procd.h"
#include "tests/bench/bench.h"
#include "tests/bench/subject.h"

#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 4
#define ROUND   400 /* hand-overs */

enum work { STOPPED, WITH_FUTEX, WITH_PROCD, OVER };

static struct shared {
    _Atomic uint32_t work; /* a futex, too */
    _Atomic uint32_t busy; /* workers that have not stopped yet */
    _Atomic uint32_t futex;
    uint32_t workers; /* of this case */
    double held, away; /* seconds: with the lock, and until it is wanted again */
    int processors[WORKERS]; /* -1: any */
    /* by who has the lock */
    double released, gaps;
    uint32_t last, count;
} *shared;

static procd_lock *lock;

static void sleep_on(_Atomic uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

/* 0 free, 1 held, 2 held and somebody sleeps. */
static void futex_acquire(void)
{
    uint32_t seen = 0;

    if (atomic_compare_exchange_strong(&shared->futex, &seen, 1))
        return;
    while (atomic_exchange(&shared->futex, 2) != 0)
        sleep_on(&shared->futex, 2);
}

static void futex_release(void)
{
    if (atomic_exchange(&shared->futex, 0) == 2)
        wake(&shared->futex, 1);
}

static void spend(double seconds)
{
    double until = bench_seconds() + seconds;

    while (seconds > 0 && bench_seconds() < until)
        ;
}

static void note(uint32_t me)
{
    if (shared->last != me && shared->last != UINT32_MAX) {
        shared->gaps += bench_seconds() - shared->released;
        shared->count++;
    }
    shared->last = me;
}

static void work(uint32_t me, enum work kind)
{
    while (atomic_load(&shared->work) == kind) {
        if (kind == WITH_FUTEX)
            futex_acquire();
        else if (procd_lock_acquire(lock, PROCD_FOREVER) != 1)
            bench_die("lock: %s", procd_last_error()->message);
        note(me);
        spend(shared->held);
        shared->released = bench_seconds();
        if (kind == WITH_FUTEX)
            futex_release();
        else if (procd_lock_release(lock) != 0)
            bench_die("release: %s", procd_last_error()->message);
        spend(shared->away);
    }
}

static _Noreturn void worker(uint32_t me)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    lock = procd_lock_new("bench");
    if (!lock || procd_lock_acquire(lock, 60) != 1 || procd_lock_release(lock) != 0)
        bench_die("no lock: %s", procd_last_error()->message);
    for (;;) {
        enum work kind = atomic_load(&shared->work);

        if (kind == OVER)
            _exit(0);
        if (kind != STOPPED && me < shared->workers) {
            bench_pin(0, shared->processors[me]);
            work(me, kind);
            atomic_fetch_sub(&shared->busy, 1);
        }
        sleep_on(&shared->work, kind == STOPPED ? STOPPED : atomic_load(&shared->work));
    }
}

/* The mean of so many gaps, in microseconds. */
static double measure(enum work kind)
{
    shared->last = UINT32_MAX;
    shared->gaps = shared->count = 0;
    atomic_store(&shared->busy, shared->workers);
    atomic_store(&shared->work, kind);
    wake(&shared->work, WORKERS);
    while (*(volatile uint32_t *) &shared->count < ROUND)
        usleep(1000);
    atomic_store(&shared->work, STOPPED);
    while (atomic_load(&shared->busy) > 0)
        usleep(100);
    wake(&shared->work, WORKERS);
    return shared->gaps / shared->count * 1e6;
}

static double with_futex(void *context)
{
    (void) context;
    return measure(WITH_FUTEX);
}

static double with_procd(void *context)
{
    (void) context;
    return measure(WITH_PROCD);
}

/* held, away: us. */
static void compare(enum bench_figure figure, uint32_t workers, double held, double away, bool is_pinned)
{
    struct bench_case of = {.floor = with_futex, .subject = with_procd};
    int processors[2] = {-1, -1};
    size_t count = bench_processors(processors, 2);

    shared->workers = workers;
    shared->held = held * 1e-6;
    shared->away = away * 1e-6;
    for (int i = 0; i < WORKERS; i++)
        shared->processors[i] = is_pinned ? processors[i % (int) count] : -1;
    bench_compare(figure, &of);
}

int main(int argc, char **argv)
{
    pid_t workers[WORKERS];

    bench_begin(argc, argv, "from a release until the next has it");
    if (setenv("PROCD_SOCKET", subject_start()->socket, 1) < 0)
        bench_die("setenv");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        bench_die("mmap");
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        if (workers[i] == 0)
            worker(i);
    }
    compare(FIGURE_HANDOVER_ONE, 2, 100, 100, false);
    compare(FIGURE_HANDOVER_SHORT, 2, 20, 20, false);
    compare(FIGURE_HANDOVER_PINNED, 2, 100, 100, true);
    compare(FIGURE_HANDOVER_MANY, 4, 100, 100, false);
    compare(FIGURE_HANDOVER_MANY_PINNED, 4, 100, 100, true);
    compare(FIGURE_HANDOVER_TIGHT, 2, 0, 0, false);
    atomic_store(&shared->work, OVER);
    wake(&shared->work, WORKERS);
    for (uint32_t i = 0; i < WORKERS; i++) /* not whoever ends: the daemon is a child, too */
        waitpid(workers[i], NULL, 0);
    return 0;
}
