/* SPDX-License-Identifier: MIT */
#include "daemon/base/closer.h"

#include "daemon/base/cleanup.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define CLOSER_BATCH 64

#define MEMORY_MAJOR 1 /* /dev/null, zero, full, random */
#define PTS_FIRST    136 /* the slaves of pseudo-terminals */
#define PTS_LAST     143

/* One lock guards the queue and the counts; the threads hold it only to take a descriptor. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static int *queue;
static size_t queue_count, queue_room;
static size_t threads, idle;
static atomic_size_t pending;

/* ---- at once ---- */

static bool is_harmless_device(const struct statx *info)
{
    return S_ISCHR(info->stx_mode) &&
           (info->stx_rdev_major == MEMORY_MAJOR ||
            (info->stx_rdev_major >= PTS_FIRST && info->stx_rdev_major <= PTS_LAST));
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
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &info) < 0)
        return false;
    return S_ISFIFO(info.stx_mode) || is_harmless_device(&info) || fcntl(fd, F_GET_SEALS) >= 0;
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

/* ---- in threads ---- */

static void *closer_run(void *unused);

/* Signals belong to the loop: the thread is born with all of them blocked. */
static int thread_start(void)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    int r;

    r = pthread_attr_init(&attributes);
    if (r != 0)
        return -r;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 65536);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&thread, &attributes, closer_run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (r != 0)
        return -r;
    threads++;
    return 0;
}

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
        fd = queue[--queue_count];
        /* this close may get stuck: what is queued behind it needs somebody else */
        if (queue_count > 0 && idle == 0 && threads < CLOSER_THREADS_MAX)
            (void) thread_start();
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
        for (size_t i = 0; i < count; i++)
            queue[queue_count++] = fds[i];
        atomic_fetch_add(&pending, count);
        /* nobody is free to take it: every thread may be stuck, so one more */
        if (idle == 0 && threads < CLOSER_THREADS_MAX)
            (void) thread_start();
        if (threads > 0) {
            pthread_cond_signal(&filled);
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
