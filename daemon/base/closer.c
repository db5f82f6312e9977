/* SPDX-License-Identifier: MIT */
#include "daemon/base/closer.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define CLOSER_BATCH 64

/* Between two looks whether any thread has taken another: it is 10 ms until they count as stuck, then as
 * short as signals help, and longer and longer as they do not. */
#define PATIENCE_FIRST (10 * NSEC_PER_MSEC)
#define PATIENCE_LEAST NSEC_PER_MSEC
#define PATIENCE_MOST  (1000 * NSEC_PER_MSEC)

#define MEMORY_MAJOR 1 /* /dev/null, zero, full, random */
#define PTS_FIRST    136 /* the slaves of pseudo-terminals */
#define PTS_LAST     143
#define BLOCKS_FEW   (16 << 20 >> 9) /* of 512 bytes: a millisecond at most */

/* One lock guards the queue and the counts; the threads hold it only to take a descriptor. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, wanted = PTHREAD_COND_INITIALIZER;
static int *queue; /* from queue_first on: who came first is closed first */
static size_t queue_first, queue_count, queue_room;
static pthread_t threads[CLOSER_THREADS_MAX]; /* they never end, nor does relief */
static size_t thread_count, idle;
static size_t taken; /* from the queue, ever */
static bool has_relief, is_relief_wanted;
static atomic_size_t pending;

/* ---- at once ---- */

static bool is_harmless_device(const struct statx *info)
{
    return S_ISCHR(info->stx_mode) &&
           (info->stx_rdev_major == MEMORY_MAJOR ||
            (info->stx_rdev_major >= PTS_FIRST && info->stx_rdev_major <= PTS_LAST));
}

/* What the last one of a large one leaves takes long to free. */
static bool is_small_memory(int fd, const struct statx *info)
{
    return info->stx_blocks <= BLOCKS_FEW && fcntl(fd, F_GET_SEALS) >= 0;
}

/* What is only a path has nothing to write back. Of the rest the kernel tells from what it knows: to ask the
 * server of a file system might block, too. */
static bool cannot_block(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    struct statx info;

    if (flags < 0)
        return false;
    if (flags & O_PATH)
        return true;
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_BLOCKS, &info) < 0)
        return false;
    return S_ISFIFO(info.stx_mode) || is_harmless_device(&info) || is_small_memory(fd, &info);
}

bool closer_may_close_now(int fd)
{
    return cannot_block(fd);
}

bool closer_close_now(int fd)
{
    bool may = cannot_block(fd);

    if (may)
        close_fd(fd);
    return may;
}

/* ---- threads ---- */

static void no_more_than_wake(int number)
{
    (void) number;
}

/* No call would end for a signal that is ignored. */
static void handle_signal(void)
{
    struct sigaction action = {.sa_handler = no_more_than_wake};

    sigemptyset(&action.sa_mask);
    sigaction(CLOSER_SIGNAL, &action, NULL);
}

/* Signals belong to the loop: the thread is born with all others blocked. */
static int thread_start(void *run(void *), pthread_t *ret)
{
    sigset_t blocked, before;
    pthread_attr_t attributes;
    int r;

    r = pthread_attr_init(&attributes);
    if (r != 0)
        return -r;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 65536);
    sigfillset(&blocked);
    sigdelset(&blocked, CLOSER_SIGNAL);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    r = pthread_create(ret, &attributes, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -r;
}

/* ---- relief: all threads are stuck, and there is more ---- */

/* A thread that is just not stuck does not mind. */
static void signal_threads(void)
{
    for (size_t i = 0; i < thread_count; i++)
        pthread_kill(threads[i], CLOSER_SIGNAL);
}

static void sleep_unlocked(int64_t patience)
{
    struct timespec span = {.tv_sec = patience / NSEC_PER_SEC, .tv_nsec = patience % NSEC_PER_SEC};

    pthread_mutex_unlock(&lock);
    (void) nanosleep(&span, NULL);
    pthread_mutex_lock(&lock);
}

static bool add_thread(void);

/* Until somebody is there for what waits now. */
static void relieve_once(void)
{
    int64_t patience = PATIENCE_FIRST;
    bool has_signalled = false;

    while (queue_count > 0) {
        size_t before = taken;

        sleep_unlocked(patience);
        if (taken == before) {
            (void) add_thread(); /* no room for one may have been a moment's */
            signal_threads();
            patience = patience < PATIENCE_MOST / 2 ? 2 * patience : PATIENCE_MOST;
            has_signalled = true;
        } else if (has_signalled) {
            patience = PATIENCE_LEAST;
        }
    }
}

static void *relieve(void *unused)
{
    (void) unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!is_relief_wanted)
            pthread_cond_wait(&wanted, &lock);
        relieve_once();
        is_relief_wanted = false;
    }
    return NULL;
}

static void *closer_run(void *unused);

/* Relief is there before all others: once they are stuck there may be no room for it. */
static bool add_thread(void)
{
    pthread_t thread;

    if (thread_count == CLOSER_THREADS_MAX)
        return false;
    if (!has_relief) {
        handle_signal();
        has_relief = thread_start(relieve, &thread) == 0;
    }
    if (!has_relief || thread_start(closer_run, &threads[thread_count]) < 0)
        return false;
    thread_count++;
    return true;
}

/* Whoever takes one from the queue leaves the next to somebody else, as its own close may get stuck: to one
 * that is free, to one more, or, where every close that goes on may be stuck, to whom relief frees. */
static void see_to_the_queue(void)
{
    if (queue_count == 0)
        return;
    if (idle > 0) {
        pthread_cond_signal(&filled);
    } else if (!add_thread() && has_relief) {
        is_relief_wanted = true;
        pthread_cond_signal(&wanted);
    }
}

/* ---- the queue ---- */

static void *closer_run(void *unused)
{
    (void) unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        int fd;

        while (queue_count == 0) {
            idle++;
            pthread_cond_wait(&filled, &lock);
            idle--;
        }
        fd = queue[queue_first++];
        queue_count--;
        taken++;
        see_to_the_queue();
        pthread_mutex_unlock(&lock);
        close_fd(fd);
        atomic_fetch_sub(&pending, 1);
        pthread_mutex_lock(&lock);
    }
    return NULL;
}

static int queue_reserve(size_t more)
{
    size_t room = queue_room ? queue_room : 64;
    int *grown;

    if (queue_first + queue_count + more <= queue_room)
        return 0;
    if (queue_first > 0)
        memmove(queue, queue + queue_first, queue_count * sizeof *queue);
    queue_first = 0;
    while (room < queue_count + more)
        room *= 2;
    if (room == queue_room)
        return 0;
    grown = realloc(queue, room * sizeof *queue);
    if (!grown)
        return -ENOMEM;
    queue = grown;
    queue_room = room;
    return 0;
}

static void enqueue(const int *fds, size_t count)
{
    pthread_mutex_lock(&lock);
    if (queue_reserve(count) == 0) {
        memcpy(queue + queue_first + queue_count, fds, count * sizeof *fds);
        queue_count += count;
        atomic_fetch_add(&pending, count);
        see_to_the_queue();
        if (thread_count > 0) {
            pthread_mutex_unlock(&lock);
            return;
        }
        queue_count -= count;
        atomic_fetch_sub(&pending, count);
    }
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < count; i++)
        close_fd(fds[i]);
}

void closer_close(const int *fds, size_t count)
{
    int rest[CLOSER_BATCH];
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (fds[i] < 0 || closer_close_now(fds[i]))
            continue;
        rest[kept++] = fds[i];
        if (kept == CLOSER_BATCH) {
            enqueue(rest, kept);
            kept = 0;
        }
    }
    if (kept > 0)
        enqueue(rest, kept);
}

size_t closer_pending(void)
{
    return atomic_load(&pending);
}

void closer_hurry(void)
{
    pthread_mutex_lock(&lock);
    signal_threads();
    pthread_mutex_unlock(&lock);
}
