/* SPDX-License-Identifier: MIT */
/* System calls of the broker for a request, as strace counts them. */
#include "tests/bench/bench.h"
#include "tests/bench/subject.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT 1000
#define ATTACH_SECONDS 5

static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.ping\"}\n";
static struct wire wire;
static char report[] = "/tmp/procd-bench.XXXXXX";

static pid_t start_strace(pid_t of)
{
    char pid[16];
    pid_t strace;

    snprintf(pid, sizeof pid, "%d", of);
    strace = fork();
    if (strace < 0)
        bench_die("fork");
    if (strace == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        dup2(null, STDERR_FILENO);
        execlp("strace", "strace", "-f", "-c", "-o", report, "-p", pid, NULL);
        _exit(127);
    }
    return strace;
}

static bool is_traced(pid_t pid)
{
    char path[32], line[128];
    int tracer = 0;
    FILE *status;

    snprintf(path, sizeof path, "/proc/%d/status", pid);
    status = fopen(path, "re");
    if (!status)
        return false;
    while (fgets(line, sizeof line, status))
        if (sscanf(line, "TracerPid: %d", &tracer) == 1)
            break;
    fclose(status);
    return tracer > 0;
}

/* False where strace is missing or not allowed to look. */
static bool wait_until_traced(pid_t strace, pid_t pid)
{
    double until = bench_seconds() + ATTACH_SECONDS;
    struct pollfd end = {.fd = (int) syscall(SYS_pidfd_open, strace, 0), .events = POLLIN};
    bool traced = false, ended = false;

    while (!traced && !ended && bench_seconds() < until) {
        ended = poll(&end, 1, 5) == 1;
        traced = is_traced(pid);
    }
    close(end.fd);
    return traced;
}

/* The column "calls" of all rows but the total. */
static double read_report(void)
{
    FILE *file = fopen(report, "re");
    double calls = 0;
    char line[256];

    while (file && fgets(line, sizeof line, file)) {
        double percent, seconds;
        unsigned long each, count;

        if (strstr(line, " total"))
            break;
        if (sscanf(line, "%lf %lf %lu %lu", &percent, &seconds, &each, &count) == 4)
            calls += (double) count;
    }
    if (file)
        fclose(file);
    return calls;
}

static void measure(pid_t broker)
{
    pid_t strace = start_strace(broker);
    long tenths;

    if (!wait_until_traced(strace, broker)) {
        kill(strace, SIGKILL);
        waitpid(strace, NULL, 0);
        bench_skip(FIGURE_PING_CALLS, "strace is missing, or may not look at the broker");
        return;
    }
    for (int i = 0; i < COUNT; i++)
        wire_call(&wire, request, sizeof request - 1);
    kill(strace, SIGINT);
    waitpid(strace, NULL, 0);
    /* rounded: the call that the tracing interrupted is among them, and perhaps the keeper's own ping */
    tenths = (long) (read_report() * 10 / COUNT + 0.5);
    bench_value(FIGURE_PING_CALLS, (double) tenths / 10);
}

int main(int argc, char **argv)
{
    const struct subject *subject;
    int fd;

    bench_begin(argc, argv, "system calls of the broker, counted over 1,000 requests");
    subject = subject_start();
    subject_connect(subject, &wire);
    fd = mkostemp(report, O_CLOEXEC);
    if (fd < 0)
        bench_die("%s", report);
    close(fd);
    measure(subject->broker);
    unlink(report);
    wire_close(&wire);
    return 0;
}
