/* SPDX-License-Identifier: MIT */
/*
 * Ten processes add to one number in a file, each reading it, adding one, and writing it back. Without the
 * lock some additions would be lost; with it none is. The lock is an argument like any other.
 */
#include <procd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COUNT 10
#define ROUNDS 20

static long read_number(const char *path)
{
    FILE *file = fopen(path, "r");
    long number = 0;

    if (file && fscanf(file, "%ld", &number) != 1)
        number = 0;
    if (file)
        fclose(file);
    return number;
}

static void write_number(const char *path, long number)
{
    FILE *file = fopen(path, "w");

    if (file) {
        fprintf(file, "%ld\n", number);
        fclose(file);
    }
}

PROCD_TARGET(add)
{
    procd_lock *lock = procd_lock_from_json(json_array_get(args, 0));
    const char *path = json_string_value(json_array_get(args, 1));

    for (int i = 0; i < ROUNDS; i++) {
        if (procd_lock_acquire(lock, PROCD_FOREVER) < 0)
            return 1;
        write_number(path, read_number(path) + 1);
        procd_lock_release(lock);
    }
    procd_lock_free(lock);
    return 0;
}

int main(int argc, char **argv)
{
    char path[] = "/tmp/lock_counter.XXXXXX";
    procd_process *processes[COUNT];
    procd_lock *lock;
    int file;

    procd_init(argc, argv);

    lock = procd_lock_new(NULL);
    file = mkstemp(path);
    if (!lock || file < 0) {
        fprintf(stderr, "lock_counter: %s\n", lock ? path : procd_last_error()->message);
        return 1;
    }
    close(file);
    for (int i = 0; i < COUNT; i++) {
        struct procd_options options = {.target = "add"};

        options.args = json_pack("[o,s]", procd_lock_json(lock), path);
        processes[i] = procd_process_new(&options);
        procd_process_start(processes[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        procd_process_join(processes[i], PROCD_FOREVER);
        procd_process_free(processes[i]);
    }
    printf("%d processes added %d each: %ld\n", COUNT, ROUNDS, read_number(path));
    procd_lock_free(lock);
    unlink(path);
    return 0;
}
