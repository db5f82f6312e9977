/* SPDX-License-Identifier: MIT */
/* A lock or a semaphore that nobody else wants, and an event that nobody waits for, through libprocd and
 * memory that is shared with the daemon. */
#include "client/lib/procd.h"
#include "tests/bench/bench.h"
#include "tests/bench/peers.h"
#include "tests/bench/subject.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#define COUNT 50000 /* of a round: shorter than the time after which another program has its turn */

static pthread_mutex_t *mutex;
static procd_lock *lock;
static procd_rlock *rlock;
static procd_semaphore *semaphore;
static procd_event *event;

/* What the C library has for the same purpose: between processes, and not lost with its holder. */
static void make_mutex(void)
{
    pthread_mutexattr_t attributes;

    mutex = mmap(NULL, sizeof *mutex, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mutex == MAP_FAILED)
        bench_die("mmap");
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &attributes);
}

static double with_mutex(void *context)
{
    double begin = bench_seconds();

    (void) context;
    for (int i = 0; i < COUNT; i++)
        if (pthread_mutex_lock(mutex) != 0 || pthread_mutex_unlock(mutex) != 0)
            bench_die("mutex");
    return (bench_seconds() - begin) / COUNT * 1e9;
}

static double with_lock(void *context)
{
    double begin = bench_seconds();

    (void) context;
    for (int i = 0; i < COUNT; i++)
        if (procd_lock_acquire(lock, PROCD_FOREVER) != 1 || procd_lock_release(lock) != 0)
            bench_die("lock");
    return (bench_seconds() - begin) / COUNT * 1e9;
}

static double with_rlock(void *context)
{
    double begin = bench_seconds();

    (void) context;
    for (int i = 0; i < COUNT; i++)
        if (procd_rlock_acquire(rlock, PROCD_FOREVER) != 1 || procd_rlock_release(rlock) != 0)
            bench_die("rlock");
    return (bench_seconds() - begin) / COUNT * 1e9;
}

static double with_semaphore(void *context)
{
    double begin = bench_seconds();

    (void) context;
    for (int i = 0; i < COUNT; i++)
        if (procd_semaphore_acquire(semaphore, PROCD_FOREVER) != 1 ||
            procd_semaphore_release(semaphore) != 0)
            bench_die("semaphore");
    return (bench_seconds() - begin) / COUNT * 1e9;
}

static double with_event(void *context)
{
    double begin = bench_seconds();

    (void) context;
    for (int i = 0; i < COUNT; i++)
        if (procd_event_set(event) != 0 || procd_event_clear(event) != 0)
            bench_die("event");
    return (bench_seconds() - begin) / COUNT * 1e9;
}

/* The library finds the daemon that is measured. */
static void start(void)
{
    if (setenv("PROCD_SOCKET", subject_start()->socket, 1) < 0)
        bench_die("setenv");
}

int main(int argc, char **argv)
{
    struct bench_case of = {.floor = with_mutex, .subject = with_lock};
    int processor;

    bench_begin(argc, argv, "a lock that nobody else wants");
    start();
    make_mutex();
    if (bench_processors(&processor, 1) == 1)
        bench_pin(0, processor);
    lock = procd_lock_new(NULL);
    rlock = procd_rlock_new(NULL);
    semaphore = procd_bounded_semaphore_new(NULL, 4);
    event = procd_event_new(NULL);
    if (!lock || !rlock || !semaphore || !event)
        bench_die("no object: %s", procd_last_error()->message);
    peers_python("mutex");
    bench_compare(FIGURE_FAST_LOCK, &of);
    of.subject = with_rlock;
    bench_compare(FIGURE_FAST_RLOCK, &of);
    of.subject = with_semaphore;
    bench_compare(FIGURE_FAST_SEMAPHORE, &of);
    of.subject = with_event;
    bench_compare(FIGURE_FAST_EVENT, &of);
    procd_lock_free(lock);
    procd_rlock_free(rlock);
    procd_semaphore_free(semaphore);
    procd_event_free(event);
    return 0;
}
