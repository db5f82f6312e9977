/* SPDX-License-Identifier: MIT */
/*
 * The same by a kind of process of our own. Where multiprocessing derives a class from Process and writes its
 * run(), here a function makes such processes, and their target is their run: it knows itself as `self`.
 */
#include <procd.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define COUNT 3

PROCD_TARGET(my_process_run)
{
    time_t now = time(NULL);

    printf("hello %s %s", procd_process_name(self), ctime(&now));
    fflush(stdout);
    sleep(1);
    return 0;
}

/* Without a name the daemon gives one: Process-1, Process-2, ... */
static procd_process *my_process_new(void)
{
    struct procd_options options = {.target = "my_process_run"};

    return procd_process_new(&options);
}

int main(int argc, char **argv)
{
    procd_process *processes[COUNT];

    procd_init(argc, argv);

    for (int i = 0; i < COUNT; i++) {
        processes[i] = my_process_new();
        if (!processes[i] || procd_process_start(processes[i]) < 0) {
            fprintf(stderr, "subclass: %s\n", procd_last_error()->message);
            return 1;
        }
    }
    for (int i = 0; i < COUNT; i++) {
        procd_process_join(processes[i], PROCD_FOREVER);
        procd_process_free(processes[i]);
    }
    printf("end\n");
    return 0;
}
