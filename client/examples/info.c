/* SPDX-License-Identifier: MIT */
/*
 * Who is whose parent. The daemon starts the processes, yet the parent that they tell is the program that
 * asked for them: procd_parent_pid(), where getppid() would be the daemon.
 */
#include <procd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void info(const char *name)
{
    printf("name: %s\n", name);
    printf("parent process: %d\n", (int) procd_parent_pid());
    printf("process id: %d\n", (int) getpid());
    printf("------------------\n");
    fflush(stdout);
    sleep(1);
}

PROCD_TARGET(run_info)
{
    info(json_string_value(json_array_get(args, 0)));
    return 0;
}

static procd_process *start(const char *name)
{
    struct procd_options options = {.target = "run_info", .args = json_pack("[s]", name)};
    procd_process *process = procd_process_new(&options);

    if (!process || procd_process_start(process) < 0) {
        fprintf(stderr, "info: %s\n", procd_last_error()->message);
        exit(1);
    }
    return process;
}

int main(int argc, char **argv)
{
    procd_process *p1, *p2;

    procd_init(argc, argv);

    info("main process line");
    p1 = start("alvin");
    p2 = start("egon");

    procd_process_join(p1, PROCD_FOREVER);
    procd_process_join(p2, PROCD_FOREVER);
    procd_process_free(p1);
    procd_process_free(p2);

    printf("ending\n");
    return 0;
}
