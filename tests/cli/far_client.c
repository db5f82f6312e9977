/* SPDX-License-Identifier: MIT */
/*
 * A program with a daemon of another machine ($PROCD_HOST): one client there, however many links it takes;
 * and what cannot go there says so. Ends with 0, or says what is wrong.
 */
#include "client/lib/procd.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define must(condition)                                                                          \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            fprintf(stderr, "far_client.c:%d: must hold: %s\n", __LINE__, #condition);           \
            exit(1);                                                                             \
        }                                                                                        \
    } while (0)

static procd_rlock *rlock;
static procd_event *event;

/* Waits on a link of its own; then takes what the main thread has let go. */
static void *waits(void *argument)
{
    must(procd_event_wait(event, 20) == 1);
    must(procd_rlock_acquire(rlock, 20) == 1);
    must(procd_rlock_release(rlock) == 0);
    return argument;
}

static void locks(void)
{
    pthread_t thread;

    rlock = procd_rlock_new("far-rlock");
    event = procd_event_new("far-event");
    must(rlock && event);
    must(procd_rlock_acquire(rlock, 20) == 1);
    must(pthread_create(&thread, NULL, waits, NULL) == 0);
    /* The same owner on whatever link: again, and as often released. */
    must(procd_rlock_acquire(rlock, 20) == 1);
    must(procd_event_set(event) == 0);
    must(procd_rlock_release(rlock) == 0);
    must(procd_rlock_release(rlock) == 0);
    must(procd_rlock_release(rlock) == PROCD_E_NOT_OWNER);
    must(pthread_join(thread, NULL) == 0);
}

static void processes(void)
{
    const char *const argv[] = {"sh", "-c", "exit 7", NULL};
    struct procd_options ours = {.argv = argv};
    struct procd_options there = {.argv = argv, .stdio = {PROCD_NULL, PROCD_NULL, PROCD_NULL}};
    procd_process *process = procd_process_new(&ours);
    int exitcode = 0;

    must(process && procd_process_start(process) == -EOPNOTSUPP);
    procd_process_free(process);
    process = procd_process_new(&there);
    must(process && procd_process_start(process) == 0);
    must(procd_process_join(process, 20) == 1);
    must(procd_process_exitcode(process, &exitcode) == 1 && exitcode == 7);
    must(procd_process_sentinel(process) == -EOPNOTSUPP);
    must(procd_process_close(process) == 0);
    procd_process_free(process);
}

int main(void)
{
    json_t *objects = NULL;

    locks();
    processes();
    procd_rlock_free(rlock);
    procd_event_free(event);
    must(procd_call("object.list", NULL, &objects) == 0);
    json_decref(objects);
    return 0;
}
