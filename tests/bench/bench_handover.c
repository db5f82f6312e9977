/* SPDX-License-Identifier: MIT */
/*
 * A lock that somebody waits for: from the release of one process until the next one has it. Floor: a lock of
 * one futex, which knows neither owners nor an order. In between: one that is looked at before anybody
 * sleeps, and one that keeps the order of who has asked, and knows neither deaths, time-outs nor anybody whom
 * it could not trust.
 */
#include "client/lib/procd.h"
#include "tests/bench/bench.h"
#include "tests/bench/subject.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 4
#define ROUND   400 /* hand-overs */
#define SLOW    100 /* where each takes a millisecond and more */
#define NOBODY  UINT32_MAX
#define LOOK    1e-3 /* seconds, as long as procd's, and giving way as that */

enum work { STOPPED, WITH_FUTEX, WITH_LOOKS, WITH_ORDER, WITH_PROCD, WITH_RLOCK, WITH_SEMAPHORE, OVER };
enum result { MEAN_GAP, LONGEST_WAIT, LEAST_SHARE };

struct shared {
    _Atomic uint32_t work; /* a futex, too */
    _Atomic uint32_t busy, begun; /* workers that have not stopped yet */
    _Atomic uint32_t futex;
    _Atomic uint32_t guard; /* of the order */
    uint32_t owner, waiting, queue[WORKERS];
    _Atomic uint32_t asleep[WORKERS];
    uint32_t workers, round; /* of this case */
    double held, away; /* seconds: with the lock, and until it is wanted again */
    bool dozes;        /* while away; otherwise it is at work */
    int processors[WORKERS]; /* -1: any */
    enum result wanted;
    /* by who has the lock */
    double released, gaps, longest;
    uint32_t last, count, got[WORKERS];
};

/* Whose workers: of a daemon with a journal, or of one of two without. */
enum daemon { RECORDED, UNRECORDED, ANOTHER, DAEMONS };

/* Of the workers that are measured, and of those of each daemon. */
static struct shared *shared, *of_daemon;

static procd_lock *lock;
static procd_rlock *rlock;
static procd_semaphore *semaphore; /* of one permit */

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

static void looking_acquire(void)
{
    double until = bench_seconds() + LOOK;

    do {
        uint32_t seen = 0;

        if (atomic_load(&shared->futex) == 0 && atomic_compare_exchange_strong(&shared->futex, &seen, 1))
            return;
        sched_yield();
    } while (bench_seconds() < until);
    futex_acquire();
}

/* ---- in order ---- */

static void guard(void)
{
    while (atomic_exchange(&shared->guard, 1) != 0)
        sched_yield();
}

static void unguard(void)
{
    atomic_store(&shared->guard, 0);
}

static void order_acquire(uint32_t me)
{
    bool has_it;

    guard();
    has_it = shared->owner == NOBODY;
    if (has_it) {
        shared->owner = me;
    } else {
        atomic_store(&shared->asleep[me], 1);
        shared->queue[shared->waiting++] = me;
    }
    unguard();
    while (!has_it && atomic_load(&shared->asleep[me]))
        sleep_on(&shared->asleep[me], 1);
}

/* The lock is the next one's at once, who need only be told. */
static void order_release(void)
{
    uint32_t next;

    guard();
    next = shared->owner = shared->waiting > 0 ? shared->queue[0] : NOBODY;
    if (next != NOBODY)
        memmove(shared->queue, shared->queue + 1, --shared->waiting * sizeof *shared->queue);
    unguard();
    if (next == NOBODY)
        return;
    atomic_store(&shared->asleep[next], 0);
    wake(&shared->asleep[next], 1);
    sched_yield(); /* it is to run, here if need be */
}

/* ---- the work ---- */

static int procd_acquire(enum work kind, double timeout)
{
    return kind == WITH_RLOCK       ? procd_rlock_acquire(rlock, timeout)
           : kind == WITH_SEMAPHORE ? procd_semaphore_acquire(semaphore, timeout)
                                    : procd_lock_acquire(lock, timeout);
}

static int procd_release(enum work kind)
{
    return kind == WITH_RLOCK       ? procd_rlock_release(rlock)
           : kind == WITH_SEMAPHORE ? procd_semaphore_release(semaphore)
                                    : procd_lock_release(lock);
}

static void acquire(uint32_t me, enum work kind)
{
    if (kind == WITH_FUTEX)
        futex_acquire();
    else if (kind == WITH_LOOKS)
        looking_acquire();
    else if (kind == WITH_ORDER)
        order_acquire(me);
    else if (procd_acquire(kind, PROCD_FOREVER) != 1)
        bench_die("acquire: %s", procd_last_error()->message);
}

static void release(enum work kind)
{
    if (kind == WITH_FUTEX || kind == WITH_LOOKS)
        futex_release();
    else if (kind == WITH_ORDER)
        order_release();
    else if (procd_release(kind) != 0)
        bench_die("release: %s", procd_last_error()->message);
}

static void spend(double seconds)
{
    double until = bench_seconds() + seconds;

    while (seconds > 0 && bench_seconds() < until)
        ;
}

static void be_away(void)
{
    struct timespec doze = {.tv_nsec = (long) (shared->away * 1e9)};

    if (shared->dozes)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &doze, NULL);
    else
        spend(shared->away);
}

/* since: when it was wanted. */
static void note(uint32_t me, double since)
{
    shared->got[me]++;
    if (shared->wanted == LONGEST_WAIT && bench_seconds() - since > shared->longest)
        shared->longest = bench_seconds() - since;
    if (shared->last != me && shared->last != NOBODY) {
        shared->gaps += bench_seconds() - shared->released;
        shared->count++;
    }
    shared->last = me;
}

static void work(uint32_t me, enum work kind)
{
    while (atomic_load(&shared->work) == kind) {
        double since = shared->wanted == LONGEST_WAIT ? bench_seconds() : 0;

        acquire(me, kind);
        note(me, since);
        spend(shared->held);
        shared->released = bench_seconds();
        release(kind);
        be_away();
    }
}

static _Noreturn void worker(uint32_t me)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    lock = procd_lock_new("bench");
    rlock = procd_rlock_new("bench-rlock");
    semaphore = procd_bounded_semaphore_new("bench-semaphore", 1);
    for (enum work kind = WITH_PROCD; kind < OVER; kind++)
        if (procd_acquire(kind, 60) != 1 || procd_release(kind) != 0)
            bench_die("no lock: %s", procd_last_error()->message);
    for (;;) {
        enum work kind = atomic_load(&shared->work);

        if (kind == OVER)
            _exit(0);
        if (kind != STOPPED && me < shared->workers) {
            bench_pin(0, shared->processors[me]);
            atomic_fetch_add(&shared->begun, 1);
            work(me, kind);
            atomic_fetch_sub(&shared->busy, 1);
        } else {
            sleep_on(&shared->work, kind); /* what was seen, as there may be other work by now */
        }
    }
}

/* Of who got the lock least often, 1 being what all would get if all got the same. */
static double least_share(void)
{
    uint32_t least = UINT32_MAX, all = 0;

    for (uint32_t i = 0; i < shared->workers; i++) {
        least = shared->got[i] < least ? shared->got[i] : least;
        all += shared->got[i];
    }
    return (double) least * shared->workers / all;
}

/* In a tight loop two can be through before the others have awoken. */
static bool goes_on(void)
{
    return *(volatile uint32_t *) &shared->count < shared->round ||
           atomic_load(&shared->begun) < shared->workers;
}

/* Of so many gaps the mean, in microseconds; or what else is wanted of them. */
static double measure(enum work kind)
{
    memset(shared->got, 0, sizeof shared->got);
    shared->longest = 0;
    shared->last = shared->owner = NOBODY;
    shared->waiting = 0;
    shared->gaps = shared->count = 0;
    atomic_store(&shared->busy, shared->workers);
    atomic_store(&shared->begun, 0);
    atomic_store(&shared->work, kind);
    wake(&shared->work, WORKERS);
    while (goes_on())
        usleep(1000);
    atomic_store(&shared->work, STOPPED);
    while (atomic_load(&shared->busy) > 0)
        usleep(100);
    wake(&shared->work, WORKERS);
    return shared->wanted == LEAST_SHARE    ? least_share()
           : shared->wanted == LONGEST_WAIT ? shared->longest * 1e6
                                            : shared->gaps / shared->count * 1e6;
}

static double with_futex(void *context)
{
    (void) context;
    return measure(WITH_FUTEX);
}

static double with_looks(void *context)
{
    (void) context;
    return measure(WITH_LOOKS);
}

static double with_order(void *context)
{
    (void) context;
    return measure(WITH_ORDER);
}

static double with_procd(void *context)
{
    (void) context;
    return measure(WITH_PROCD);
}

static double with_rlock(void *context)
{
    (void) context;
    return measure(WITH_RLOCK);
}

static double with_semaphore(void *context)
{
    (void) context;
    return measure(WITH_SEMAPHORE);
}

static bench_round *round_of(enum work kind)
{
    static bench_round *const rounds[] = {
        [WITH_LOOKS] = with_looks, [WITH_ORDER] = with_order,         [WITH_PROCD] = with_procd,
        [WITH_RLOCK] = with_rlock, [WITH_SEMAPHORE] = with_semaphore,
    };

    return rounds[kind];
}

/* By the workers of a daemon that keeps no journal. */
static double without_journal(void *context)
{
    struct shared *before = shared;
    double value;

    shared = &of_daemon[UNRECORDED];
    value = with_procd(context);
    shared = before;
    return value;
}

enum place { ANYWHERE, APART, TOGETHER }; /* one beside the other on two processors, or all on one */

static const struct hand_over {
    enum bench_figure figure;
    enum work kind;
    uint32_t workers, round;
    double held, away; /* us */
    enum place place;
    bool dozes;
    enum result wanted;
} hand_overs[] = {
    {FIGURE_HANDOVER_ONE, WITH_PROCD, 2, ROUND, 100, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_ONE_LOOKS, WITH_LOOKS, 2, ROUND, 100, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_ONE_ORDER, WITH_ORDER, 2, ROUND, 100, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_SHORT, WITH_PROCD, 2, ROUND, 20, 20, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_SHORT_ORDER, WITH_ORDER, 2, ROUND, 20, 20, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_ASLEEP, WITH_PROCD, 2, SLOW, 3000, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_ASLEEP_ORDER, WITH_ORDER, 2, SLOW, 3000, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_PINNED, WITH_PROCD, 2, ROUND, 100, 100, APART, false, MEAN_GAP},
    {FIGURE_HANDOVER_ONE_CORE, WITH_PROCD, 2, ROUND, 100, 100, TOGETHER, false, MEAN_GAP},
    {FIGURE_HANDOVER_MANY, WITH_PROCD, 4, ROUND, 100, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_MANY_LOOKS, WITH_LOOKS, 4, ROUND, 100, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_MANY_ORDER, WITH_ORDER, 4, ROUND, 100, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_LONGEST, WITH_PROCD, 4, ROUND, 100, 100, ANYWHERE, false, LONGEST_WAIT},
    {FIGURE_HANDOVER_SHARE, WITH_PROCD, 4, ROUND, 100, 100, ANYWHERE, false, LEAST_SHARE},
    {FIGURE_HANDOVER_MANY_PINNED, WITH_PROCD, 4, ROUND, 100, 100, APART, false, MEAN_GAP},
    {FIGURE_HANDOVER_MANY_CORE, WITH_PROCD, 4, ROUND, 100, 100, TOGETHER, false, MEAN_GAP},
    {FIGURE_HANDOVER_MANY_ASLEEP, WITH_PROCD, 4, SLOW, 3000, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_MANY_ASLEEP_ORDER, WITH_ORDER, 4, SLOW, 3000, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_DOZES, WITH_PROCD, 4, ROUND, 100, 100, ANYWHERE, true, MEAN_GAP},
    {FIGURE_HANDOVER_DOZES_LOOKS, WITH_LOOKS, 4, ROUND, 100, 100, ANYWHERE, true, MEAN_GAP},
    {FIGURE_HANDOVER_DOZES_ORDER, WITH_ORDER, 4, ROUND, 100, 100, ANYWHERE, true, MEAN_GAP},
    {FIGURE_HANDOVER_RLOCK, WITH_RLOCK, 2, ROUND, 100, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_RLOCK_MANY, WITH_RLOCK, 4, ROUND, 100, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_RLOCK_ASLEEP, WITH_RLOCK, 2, SLOW, 3000, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_SEMAPHORE, WITH_SEMAPHORE, 2, ROUND, 100, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_SEMAPHORE_MANY, WITH_SEMAPHORE, 4, ROUND, 100, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_SEMAPHORE_ASLEEP, WITH_SEMAPHORE, 2, SLOW, 3000, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_SEMAPHORE_MANY_ASLEEP, WITH_SEMAPHORE, 4, SLOW, 3000, 100, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_TIGHT, WITH_PROCD, 2, ROUND, 0, 0, ANYWHERE, false, MEAN_GAP},
    {FIGURE_HANDOVER_TIGHT_PINNED, WITH_PROCD, 2, ROUND, 0, 0, APART, false, MEAN_GAP},
    {FIGURE_HANDOVER_TIGHT_MANY, WITH_PROCD, 4, ROUND, 0, 0, ANYWHERE, false, MEAN_GAP},
};

static void start_workers(pid_t workers[WORKERS])
{
    atomic_store(&shared->work, STOPPED);
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        if (workers[i] == 0)
            worker(i);
    }
}

static void end_workers(const pid_t workers[WORKERS])
{
    atomic_store(&shared->work, OVER);
    wake(&shared->work, WORKERS);
    for (uint32_t i = 0; i < WORKERS; i++) /* not whoever ends: the daemon is a child, too */
        waitpid(workers[i], NULL, 0);
}

static void prepare(const struct hand_over *with)
{
    int processors[2] = {-1, -1}, count = (int) bench_processors(processors, 2);

    shared->workers = with->workers;
    shared->round = with->round;
    shared->held = with->held * 1e-6;
    shared->away = with->away * 1e-6;
    shared->dozes = with->dozes;
    shared->wanted = with->wanted;
    for (int i = 0; i < WORKERS; i++)
        shared->processors[i] =
            with->place == ANYWHERE ? -1 : processors[with->place == APART ? i % count : 0];
}

/* Each with workers of its own: what they have learnt of the one before is not for the next. */
static void compare(const struct hand_over *with)
{
    struct bench_case of = {.floor = with_futex,
                            .subject = round_of(with->kind),
                            .count = with->round};
    pid_t workers[WORKERS];

    prepare(with);
    start_workers(workers);
    bench_compare(with->figure, &of);
    end_workers(workers);
}

static const struct subject *daemons[DAEMONS];

static void serve(const struct subject *subject)
{
    if (setenv("PROCD_SOCKET", subject->socket, 1) < 0)
        bench_die("setenv");
}

#define ROUNDS_JOURNAL 9 /* a third of a second each */

/* Held for 3 ms, of two that hand it over or of four. */
static void compare_journal(enum bench_figure figure, uint32_t workers, enum daemon daemon)
{
    const struct hand_over asleep = {
        figure, WITH_PROCD, workers, SLOW, 3000, 100, ANYWHERE, false, MEAN_GAP,
    };
    struct bench_case of = {.floor = without_journal, .subject = with_procd, .rounds = ROUNDS_JOURNAL};
    const enum daemon of_both[] = {UNRECORDED, daemon};
    pid_t pids[2][WORKERS];

    for (int i = 0; i < 2; i++) {
        shared = &of_daemon[of_both[i]];
        serve(daemons[of_both[i]]);
        prepare(&asleep);
        start_workers(pids[i]);
    }
    bench_compare(figure, &of);
    for (int i = 0; i < 2; i++) {
        shared = &of_daemon[of_both[i]];
        end_workers(pids[i]);
    }
}

static void compare_journals(void)
{
    const char *other = bench_beside("procd_unrecorded");

    daemons[UNRECORDED] = subject_start_program(other);
    daemons[ANOTHER] = subject_start_program(other);
    compare_journal(FIGURE_JOURNAL_HANDOVER, 2, RECORDED);
    compare_journal(FIGURE_JOURNAL_HANDOVER_NONE, 2, ANOTHER);
    compare_journal(FIGURE_JOURNAL_HANDOVER_MANY, 4, RECORDED);
    compare_journal(FIGURE_JOURNAL_HANDOVER_MANY_NONE, 4, ANOTHER);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, "from a release until the next has it");
    of_daemon = mmap(NULL, DAEMONS * sizeof *of_daemon, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (of_daemon == MAP_FAILED)
        bench_die("mmap");
    shared = &of_daemon[RECORDED];
    daemons[RECORDED] = subject_start();
    serve(daemons[RECORDED]);
    for (size_t i = 0; i < sizeof hand_overs / sizeof *hand_overs; i++)
        compare(&hand_overs[i]);
    if (!bench_is_watched()) /* there is one daemon then */
        compare_journals();
    return 0;
}
