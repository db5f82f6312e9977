/* SPDX-License-Identifier: MIT */
/*
 * Six workers, and a semaphore that lets two of them in at a time. They count themselves in memory that they
 * share, so that at the end it can be told how many were in at once.
 */
#include <procd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORKERS 6
#define PERMITS 2
#define COUNTS 7 /* the descriptor in the children */

struct counts {
    atomic_int inside, most;
};

static struct counts *map_counts(int fd)
{
    void *memory = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

PROCD_TARGET(work)
{
    procd_semaphore *semaphore = procd_semaphore_from_json(json_array_get(args, 0));
    struct counts *counts = map_counts(COUNTS);
    int inside, most;

    if (!counts || procd_semaphore_acquire(semaphore, PROCD_FOREVER) < 0)
        return 1;
    inside = atomic_fetch_add(&counts->inside, 1) + 1;
    most = atomic_load(&counts->most);
    while (inside > most && !atomic_compare_exchange_weak(&counts->most, &most, inside))
        ;
    printf("%s works\n", procd_process_name(self));
    usleep(200 * 1000);
    atomic_fetch_sub(&counts->inside, 1);
    procd_semaphore_release(semaphore);
    procd_semaphore_free(semaphore);
    return 0;
}

static procd_process *start(int number, procd_semaphore *semaphore, int counts)
{
    struct procd_options options = {.target = "work"};
    procd_process *process;
    char name[32];

    snprintf(name, sizeof name, "worker-%d", number);
    options.name = name;
    options.args = json_pack("[o]", procd_semaphore_json(semaphore));
    options.extra = json_pack("{s:[[i,i]]}", "fds", counts, COUNTS);
    process = procd_process_new(&options);
    if (!process || procd_process_start(process) < 0)
        fprintf(stderr, "semaphore_workers: %s\n", procd_last_error()->message);
    return process;
}

int main(int argc, char **argv)
{
    procd_process *processes[WORKERS];
    procd_semaphore *semaphore;
    struct counts *counts;
    FILE *file;

    procd_init(argc, argv);

    semaphore = procd_bounded_semaphore_new(NULL, PERMITS);
    file = tmpfile();
    counts = file && ftruncate(fileno(file), sizeof *counts) == 0 ? map_counts(fileno(file)) : NULL;
    if (!semaphore || !counts) {
        fprintf(stderr, "semaphore_workers: %s\n", procd_last_error()->message);
        return 1;
    }
    for (int i = 0; i < WORKERS; i++)
        processes[i] = start(i + 1, semaphore, fileno(file));
    for (int i = 0; i < WORKERS; i++) {
        procd_process_join(processes[i], PROCD_FOREVER);
        procd_process_free(processes[i]);
    }
    procd_semaphore_free(semaphore);
    printf("never more than two at once: %s\n", atomic_load(&counts->most) <= PERMITS ? "yes" : "no");
    return 0;
}
