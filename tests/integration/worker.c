/* SPDX-License-Identifier: MIT */
/*
 * A program that uses libprocd for all that it is worth, on a daemon that is replaced again and again:
 * nothing may fail.
 *
 *     worker SOCKET HISTORY STOP SEED LOCK...
 *
 * As locker.py: each turn with one of the locks is two lines of HISTORY, ["got", lock, pid, token, abandoned,
 * time] once it holds, and ["left", lock, pid, token, time] before it releases; it ends after its turn once
 * the file STOP is there. Beside the locks its two threads use whatever else there is, in objects of their
 * own.
 */
#include "client/lib/procd.h"
#include "daemon/base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS  2
#define HOLD_MAX (4 * NSEC_PER_MSEC)

struct thread {
    pthread_t thread;
    unsigned chance;
    procd_lock **locks;
};

static const char *stop;
static char **names; /* of the locks */
static int lock_count, history;
static procd_semaphore *semaphore;
static procd_event *event;
static procd_condition *condition;
static procd_barrier *barrier;

_Noreturn static void fail(const char *what, int r)
{
    fprintf(stderr, "worker: %s: %d (%s)\n", what, r, procd_last_error()->message);
    exit(1);
}

/* r must be one of 0..most. */
static int must(const char *what, int r, int most)
{
    if (r < 0 || r > most)
        fail(what, r);
    return r;
}

static void *made(void *object)
{
    if (!object)
        fail("new", procd_last_error()->code);
    return object;
}

static unsigned below(struct thread *thread, unsigned most)
{
    thread->chance = thread->chance * 1103515245 + 12345;
    return (thread->chance >> 8) % most;
}

/* One write, so that the lines of many stay whole. */
__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    char line[512];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(history, line, (size_t) length) != length)
        fail("history", -1);
}

static double now(void)
{
    return (double) clock_monotonic() / NSEC_PER_SEC;
}

/* ---- what a thread does ---- */

static void use_lock(struct thread *thread)
{
    unsigned which = below(thread, (unsigned) lock_count);
    procd_lock *lock = thread->locks[which];
    const struct timespec hold = {.tv_nsec = below(thread, HOLD_MAX)};
    int r = must("lock", procd_lock_acquire(lock, PROCD_FOREVER), 2);
    unsigned long long token = procd_lock_token(lock);

    if (r == 0)
        fail("a lock without a time-out", r);
    note("[\"got\", \"%s\", %d, %llu, %s, %.9f]\n", names[which], getpid(), token, r == 2 ? "true" : "false",
         now());
    nanosleep(&hold, NULL);
    note("[\"left\", \"%s\", %d, %llu, %.9f]\n", names[which], getpid(), token, now());
    must("release", procd_lock_release(lock), 0);
}

PROCD_TARGET(leave)
{
    return (int) json_integer_value(json_array_get(args, 0));
}

static void use_process(struct thread *thread)
{
    int code = (int) below(thread, 200), exitcode = -1;
    struct procd_options options = {.target = "leave", .args = json_pack("[i]", code)};
    procd_process *process = made(procd_process_new(&options));

    must("start", procd_process_start(process), 0);
    if (must("join", procd_process_join(process, PROCD_FOREVER), 1) != 1 ||
        procd_process_exitcode(process, &exitcode) != 1 || exitcode != code)
        fail("a status", exitcode);
    must("close", procd_process_close(process), 0);
    procd_process_free(process);
}

static void use_semaphore(struct thread *thread)
{
    double timeout = below(thread, 2) ? PROCD_FOREVER : 0.001;
    int r = must("semaphore", procd_semaphore_acquire(semaphore, timeout), 2);

    if (r > 0)
        must("semaphore", procd_semaphore_release(semaphore), 0);
}

static void use_event(struct thread *thread)
{
    must("event", below(thread, 2) ? procd_event_set(event) : procd_event_clear(event), 0);
    must("event", procd_event_wait(event, 0.002), 1);
    must("event", procd_event_is_set(event), 1);
}

static void use_condition(struct thread *thread)
{
    must("condition", procd_condition_acquire(condition, PROCD_FOREVER), 2);
    if (below(thread, 2))
        must("notify", procd_condition_notify_all(condition), THREADS);
    else
        must("condition", procd_condition_wait(condition, 0.002), 2);
    must("condition", procd_condition_release(condition), 0);
}

static int meet(void)
{
    int index = -1;

    must("barrier", procd_barrier_wait(barrier, PROCD_FOREVER, &index), 0);
    if (index < 0 || index >= THREADS)
        fail("barrier", index);
    return index;
}

/* All do so in the same turns, and one of them decides for all. */
static bool agree_to_end(void)
{
    static bool is_end;

    if (meet() == 0)
        is_end = access(stop, F_OK) == 0;
    meet();
    return is_end;
}

static void *run(void *data)
{
    struct thread *thread = data;

    for (unsigned turn = 1; turn % 8 != 0 || !agree_to_end(); turn++) {
        use_lock(thread);
        switch (below(thread, 4)) {
        case 0: use_process(thread); break;
        case 1: use_semaphore(thread); break;
        case 2: use_event(thread); break;
        case 3: use_condition(thread); break;
        }
    }
    return NULL;
}

/* ---- all of it ---- */

static void begin(struct thread *thread, unsigned seed)
{
    thread->chance = seed;
    thread->locks = made(calloc((size_t) lock_count, sizeof *thread->locks));
    for (int i = 0; i < lock_count; i++)
        thread->locks[i] = made(procd_lock_new(names[i]));
}

static void end(struct thread *thread)
{
    pthread_join(thread->thread, NULL);
    for (int i = 0; i < lock_count; i++)
        procd_lock_free(thread->locks[i]);
    free(thread->locks);
}

int main(int argc, char **argv)
{
    struct thread threads[THREADS];

    procd_init(argc, argv);
    if (argc < 6)
        return 2;
    setenv("PROCD_SOCKET", argv[1], 1);
    setenv("PROCD_AUTOSTART", "0", 1);
    history = open(argv[2], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    stop = argv[3];
    names = argv + 5;
    lock_count = argc - 5;
    semaphore = made(procd_semaphore_new(NULL, 1));
    event = made(procd_event_new(NULL));
    condition = made(procd_condition_new(NULL, NULL));
    barrier = made(procd_barrier_new(NULL, THREADS, NULL, NULL));
    for (unsigned i = 0; i < THREADS; i++) {
        begin(&threads[i], (unsigned) strtoul(argv[4], NULL, 10) * THREADS + i);
        pthread_create(&threads[i].thread, NULL, run, &threads[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        end(&threads[i]);
    procd_barrier_free(barrier);
    procd_condition_free(condition);
    procd_event_free(event);
    procd_semaphore_free(semaphore);
    return 0;
}
