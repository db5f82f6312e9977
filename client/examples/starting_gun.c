/* SPDX-License-Identifier: MIT */
/*
 * Five runners wait for one event, and all start when it is set. A semaphore tells when they are ready: each
 * of them adds a permit, and who takes five has seen them all.
 */
#include <procd.h>
#include <stdio.h>

#define RUNNERS 5

PROCD_TARGET(run)
{
    procd_event *gun = procd_event_from_json(json_object_get(kwargs, "gun"));
    procd_semaphore *ready = procd_semaphore_from_json(json_object_get(kwargs, "ready"));

    procd_semaphore_release(ready);
    if (procd_event_wait(gun, PROCD_FOREVER) != 1)
        return 1;
    printf("%s runs\n", procd_process_name(self));
    procd_semaphore_free(ready);
    procd_event_free(gun);
    return 0;
}

static procd_process *start(int number, procd_event *gun, procd_semaphore *ready)
{
    struct procd_options options = {.target = "run"};
    procd_process *process;
    char name[32];

    snprintf(name, sizeof name, "runner %d", number);
    options.name = name;
    options.kwargs =
        json_pack("{s:o,s:o}", "gun", procd_event_json(gun), "ready", procd_semaphore_json(ready));
    process = procd_process_new(&options);
    if (!process || procd_process_start(process) < 0)
        fprintf(stderr, "starting_gun: %s\n", procd_last_error()->message);
    return process;
}

int main(int argc, char **argv)
{
    procd_process *runners[RUNNERS];
    procd_semaphore *ready;
    procd_event *gun;

    procd_init(argc, argv);

    gun = procd_event_new(NULL);
    ready = procd_semaphore_new(NULL, 0);
    if (!gun || !ready) {
        fprintf(stderr, "starting_gun: %s\n", procd_last_error()->message);
        return 1;
    }
    for (int i = 0; i < RUNNERS; i++)
        runners[i] = start(i + 1, gun, ready);
    for (int i = 0; i < RUNNERS; i++)
        procd_semaphore_acquire(ready, PROCD_FOREVER);
    printf("all are ready\n");
    fflush(stdout);
    procd_event_set(gun);
    for (int i = 0; i < RUNNERS; i++) {
        procd_process_join(runners[i], PROCD_FOREVER);
        procd_process_free(runners[i]);
    }
    procd_semaphore_free(ready);
    procd_event_free(gun);
    printf("end\n");
    return 0;
}
