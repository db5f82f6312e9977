/* SPDX-License-Identifier: MIT */
/*
 * The shortest: one function as a process, and what became of it. It is the example of libprocd(3).
 */
#include <procd.h>
#include <stdio.h>

PROCD_TARGET(greet)
{
    printf("hello %s\n", json_string_value(json_array_get(args, 0)));
    return 3;
}

int main(int argc, char **argv)
{
    struct procd_options options = {.target = "greet"};
    procd_process *process;
    int exitcode = -1;

    procd_init(argc, argv);
    options.args = json_pack("[s]", "alvin");
    process = procd_process_new(&options);
    if (!process || procd_process_start(process) < 0 ||
        procd_process_join(process, PROCD_FOREVER) < 0 ||
        procd_process_exitcode(process, &exitcode) < 0)
        fprintf(stderr, "greet: %s\n", procd_last_error()->message);
    printf("exit code %d\n", exitcode);
    procd_process_free(process);
    return exitcode != 3;
}
