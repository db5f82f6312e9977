/* SPDX-License-Identifier: MIT */
#include "daemon/base/closer.h"

#include "daemon/base/cleanup.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* One lock guards the queue and the counts; the threads hold it only to take a descriptor. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static int *queue;
static size_t queue_count, queue_room;
static size_t threads, idle;
static atomic_size_t pending;

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

void closer_close(const int *fds, size_t count)
{
    size_t kept = 0;

    if (count == 0)
        return;
    pthread_mutex_lock(&lock);
    if (queue_reserve(count) == 0) {
        for (size_t i = 0; i < count; i++)
            if (fds[i] >= 0)
                queue[queue_count++] = fds[i], kept++;
        atomic_fetch_add(&pending, kept);
        /* nobody is free to take it: every thread may be stuck, so one more */
        if (idle == 0 && threads < CLOSER_THREADS_MAX)
            (void) thread_start();
        if (threads > 0) {
            pthread_cond_signal(&filled);
            pthread_mutex_unlock(&lock);
            return;
        }
        queue_count -= kept;
        atomic_fetch_sub(&pending, kept);
    }
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < count; i++)
        close_fd(fds[i]);
}

size_t closer_pending(void)
{
    return atomic_load(&pending);
}
