/* SPDX-License-Identifier: MIT */
#include "tests/bench/spooler.h"

#include "tests/bench/bench.h"
#include "tests/bench/raw.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char tsp[] = "/usr/bin/tsp"; /* Debian's name of it: elsewhere ts, as is another program */
static char folder[] = "/tmp/procd-bench-tsp.XXXXXX", socket_path[64], socket_variable[80], temporary[64];
static struct spooler spooler;
static pid_t owner;

static void run(const char *option, const char *value)
{
    const char *argv[] = {tsp, option, value, NULL};
    int pidfd;

    raw_start(argv, spooler.envp, &pidfd);
    raw_reap(pidfd);
}

static void stop(void)
{
    if (getpid() != owner)
        return;
    run("-K", NULL);
    for (int i = 0; i < 100 && access(socket_path, F_OK) == 0; i++)
        poll(NULL, 0, 10);
    (void) unlink(socket_path);
    (void) rmdir(folder);
}

const struct spooler *spooler_start(const char *child, unsigned slots)
{
    char number[16];

    if (bench_is_watched() || access(tsp, X_OK) < 0)
        return NULL;
    if (!mkdtemp(folder))
        bench_die("%s", folder);
    snprintf(socket_path, sizeof socket_path, "%s/socket", folder);
    snprintf(socket_variable, sizeof socket_variable, "TS_SOCKET=%s", socket_path);
    snprintf(temporary, sizeof temporary, "TMPDIR=%s", folder);
    spooler = (struct spooler){.argv = {tsp, "-nf", child}, .envp = {socket_variable, temporary}};
    snprintf(number, sizeof number, "%u", slots);
    run("-S", number);
    owner = getpid();
    atexit(stop);
    return &spooler;
}
