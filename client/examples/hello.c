/* SPDX-License-Identifier: MIT */
/*
 * Three processes of this program, side by side: three greetings at once, and "end" a second later.
 *
 *     cc hello.c $(pkg-config --cflags --libs procd) -o hello && ./hello
 */
#include <procd.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define COUNT 3

/* What each process runs. What the caller put into args is here. */
PROCD_TARGET(f)
{
    const char *name = json_string_value(json_array_get(args, 0));
    time_t now = time(NULL);

    printf("hello %s %s", name, ctime(&now));
    fflush(stdout);
    sleep(1);
    return 0;
}

int main(int argc, char **argv)
{
    procd_process *processes[COUNT];

    procd_init(argc, argv); /* the processes begin here, too, and turn off into f */

    for (int i = 0; i < COUNT; i++) {
        char name[32];
        struct procd_options options = {.target = "f"};

        snprintf(name, sizeof name, "alvin:%d", i);
        options.args = json_pack("[s]", name);
        processes[i] = procd_process_new(&options);
        if (!processes[i] || procd_process_start(processes[i]) < 0) {
            fprintf(stderr, "hello: %s\n", procd_last_error()->message);
            return 1;
        }
    }
    for (int i = 0; i < COUNT; i++) {
        procd_process_join(processes[i], PROCD_FOREVER); /* without it "end" would come first */
        procd_process_free(processes[i]);
    }
    printf("end\n");
    return 0;
}
