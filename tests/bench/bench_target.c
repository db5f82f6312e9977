/* SPDX-License-Identifier: MIT */
/*
 * A function of this program as a process, start and join, one at a time. The floor is what starting the
 * program again costs anybody.
 */
#include "client/lib/procd.h"
#include "daemon/keeper/rawcall.h"
#include "tests/bench/bench.h"
#include "tests/bench/raw.h"
#include "tests/bench/subject.h"
#include "tests/bench/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT 200 /* of a round */

/* ---- the floor: what posix_spawn does, with a pidfd ---- */

static int program = -1;
static _Alignas(16) char stack[16 << 10];

static void again(void *argv)
{
    raw5(__NR_execveat, program, "", argv, environ, AT_EMPTY_PATH);
    for (;;)
        raw1(__NR_exit_group, 127);
}

static int raw_start_again(void)
{
    static char *argv[] = {(char *) "bench_target", (char *) TARGETS_NOTHING, NULL};
    int pidfd = -1;
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD,
        .pidfd = (uintptr_t) &pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t) stack,
        .stack_size = sizeof stack,
    };
    long pid = raw_clone3(&args, again, argv);

    if (pid < 0) {
        errno = (int) -pid;
        bench_die("clone3");
    }
    return pidfd;
}

/* ---- what standard output and standard error are meanwhile: whatever ours are makes no difference ---- */

static int a_pipe, a_file;

static void make_outputs(void)
{
    FILE *file = tmpfile();
    int ends[2];

    if (!file || fcntl(fileno(file), F_SETFD, FD_CLOEXEC) < 0 || pipe2(ends, O_CLOEXEC) < 0)
        bench_die("a pipe and a file");
    a_pipe = ends[1];
    a_file = fileno(file);
}

static void put(int output, int error)
{
    fflush(NULL);
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(error, STDERR_FILENO) < 0)
        bench_die("dup2");
}

static double with_output(int output, double (*round)(void))
{
    int ours[] = {fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
    double value;

    put(output, output);
    value = round();
    put(ours[0], ours[1]);
    close(ours[0]);
    close(ours[1]);
    return value;
}

/* ---- the rounds ---- */

static double start_raw_ones(void)
{
    double begin = bench_seconds();

    for (int i = 0; i < COUNT; i++)
        raw_reap(raw_start_again()); /* waitid(P_PIDFD) waits */
    return (bench_seconds() - begin) / COUNT * 1e6;
}

static double start_targets(void)
{
    return targets_one_at_a_time(COUNT);
}

static double floor_round(void *output)
{
    return with_output(*(int *) output, start_raw_ones);
}

static double subject_round(void *output)
{
    return with_output(*(int *) output, start_targets);
}

/* ---- what a copy takes at least: a fork that reads its arguments and ends ---- */

static double fork_round(void *context)
{
    double begin = bench_seconds();

    (void) context;
    fflush(NULL); /* each child ends as programs do */
    for (int i = 0; i < COUNT; i++) {
        pid_t pid = fork();
        int status = -1;

        if (pid == 0) {
            json_decref(json_loads("{\"target\": \"nothing\", \"args\": null}", 0, NULL));
            exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
            bench_die("a fork");
    }
    return (bench_seconds() - begin) / COUNT * 1e6;
}

int main(int argc, char **argv)
{
    struct bench_case of = {
        .floor = floor_round,
        .subject = subject_round,
        .context = &a_pipe,
        .count = COUNT,
    };
    const struct subject *subject;

    if (argc == 2 && strcmp(argv[1], TARGETS_NOTHING) == 0)
        return 0;
    procd_init(argc, argv);
    bench_begin(argc, argv, "start and join of a target");
    program = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    if (program < 0)
        bench_die("/proc/self/exe");
    make_outputs();
    subject = subject_start();
    setenv("PROCD_SOCKET", subject->socket, 1);
    bench_compare(FIGURE_TARGET, &of);
    of.context = &a_file;
    bench_compare(FIGURE_TARGET_FILE, &of);
    of.context = &a_pipe;
    errno = 0;
    if (procd_zygote() != 0)
        bench_die("procd_zygote: %s", procd_last_error()->message);
    bench_compare(FIGURE_TARGET_ZYGOTE, &of);
    of.subject = fork_round;
    bench_compare(FIGURE_BARE_FORK, &of);
    return 0;
}
