/* SPDX-License-Identifier: MIT */
#include "tests/bench/subject.h"

#include "tests/bench/bench.h"

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_SECONDS 10
#define STOP_SECONDS 60 /* ten thousand children are ended first */
#define SUBJECTS_MAX 9

static struct subject subjects[SUBJECTS_MAX];
static size_t subject_count;
static pid_t owner;

/* ---- stop ---- */

static void stop(struct subject *subject)
{
    struct pollfd end = {.fd = subject->pidfd, .events = POLLIN};
    char lock[sizeof subject->socket + 8];

    if (subject->keeper > 0) {
        kill(subject->keeper, SIGTERM);
        if (poll(&end, 1, STOP_SECONDS * 1000) != 1) {
            fprintf(stderr, "the daemon has not stopped within %d s\n", STOP_SECONDS);
            kill(subject->keeper, SIGKILL);
        }
        waitpid(subject->keeper, NULL, 0);
    }
    unlink(subject->socket);
    snprintf(lock, sizeof lock, "%s.lock", subject->socket);
    unlink(lock);
    if (rmdir(subject->folder) < 0)
        fprintf(stderr, "%s: %s\n", subject->folder, strerror(errno));
}

/* Also at the end of a program that fails half-way: nothing is left behind. */
static void stop_all(void)
{
    if (getpid() != owner)
        return;
    for (size_t i = 0; i < subject_count; i++)
        stop(&subjects[i]);
}

/* ---- start ---- */

/* Quiet but for errors; without a service manager or another daemon of this user in sight. */
_Noreturn static void run_daemon(const char *program, const char *socket)
{
    static const char *const foreign[] = {"PROCD_SOCKET",   "NOTIFY_SOCKET", "LISTEN_FDS",  "LISTEN_PID",
                                          "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID"};

    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        unsetenv(foreign[i]);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == owner)
        execl(program, program, "--log-level", "warning", "--socket", socket, NULL);
    fprintf(stderr, "%s: %s\n", program, strerror(errno));
    _exit(127);
}

static void wait_until_it_serves(struct subject *subject)
{
    static const char info[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.info\"}\n";
    double until = bench_seconds() + START_SECONDS;
    struct pollfd end = {.fd = subject->pidfd, .events = POLLIN};
    struct wire wire;

    while (!wire_open(&wire, subject->socket)) {
        if (bench_seconds() > until)
            bench_die("the daemon does not listen within %d s", START_SECONDS);
        /* nobody tells when a socket appears; should the daemon end, that is told */
        if (poll(&end, 1, 5) == 1) {
            errno = 0;
            bench_die("the daemon has ended");
        }
    }
    subject->broker = (pid_t) wire_number(wire_call(&wire, info, sizeof info - 1), "\"broker_pid\":");
    wire_close(&wire);
}

static void make_folder(struct subject *subject)
{
    const char *parent = getenv("TMPDIR");
    char folder[sizeof subject->folder];

    snprintf(folder, sizeof folder, "%s/procd-bench.XXXXXX", parent && strlen(parent) < 64 ? parent : "/tmp");
    if (!mkdtemp(folder))
        bench_die("%s", folder);
    strcpy(subject->folder, folder);
    snprintf(subject->socket, sizeof subject->socket, "%s/socket", folder);
}

const struct subject *subject_start_program(const char *program)
{
    struct subject *subject = &subjects[subject_count];

    errno = 0;
    if (!program || access(program, X_OK) < 0)
        bench_die("the daemon to be measured: %s", program ? program : "PROCD must name it");
    if (subject_count == SUBJECTS_MAX)
        bench_die("too many daemons");
    make_folder(subject);
    owner = getpid();
    if (subject_count++ == 0)
        atexit(stop_all);
    subject->keeper = fork();
    if (subject->keeper == 0)
        run_daemon(program, subject->socket);
    subject->pidfd = subject->keeper < 0 ? -1 : (int) syscall(SYS_pidfd_open, subject->keeper, 0);
    if (subject->pidfd < 0)
        bench_die("starting the daemon");
    wait_until_it_serves(subject);
    return subject;
}

const struct subject *subject_start(void)
{
    return subject_start_program(getenv("PROCD"));
}

void subject_connect(const struct subject *subject, struct wire *wire)
{
    if (!wire_open(wire, subject->socket))
        bench_die("connecting to the daemon");
}

void subject_pin(const struct subject *subject, int processor)
{
    bench_pin(subject->keeper, processor);
    bench_pin(subject->broker, processor);
}

/* ---- what it takes ---- */

/* The sum of the numbers behind these words in a file of /proc, see proc(5). */
static long long number_in(pid_t pid, const char *name, const char *const *words)
{
    long long sum = 0, number;
    char path[48], line[256];
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    file = fopen(path, "re");
    if (!file)
        bench_die("%s", path);
    while (fgets(line, sizeof line, file))
        for (const char *const *word = words; *word; word++)
            if (strncmp(line, *word, strlen(*word)) == 0 &&
                sscanf(line + strlen(*word), ": %lld", &number) == 1)
                sum += number;
    fclose(file);
    return sum;
}

static long kib_of(const struct subject *subject, const char *const *words)
{
    return (long) (number_in(subject->keeper, "status", words) +
                   number_in(subject->broker, "status", words));
}

long subject_memory(const struct subject *subject)
{
    static const char *const words[] = {"RssAnon", "RssShmem", NULL};

    return kib_of(subject, words) * 1024;
}

long subject_heap(const struct subject *subject)
{
    static const char *const words[] = {"RssAnon", NULL};

    return kib_of(subject, words) * 1024;
}

/* proc(5), schedstat of a thread: ns on a processor, ns of waiting for one, how often on one. */
static void add_work(const char *path, struct subject_work *work)
{
    unsigned long long cpu, waited, wakes;
    FILE *file = fopen(path, "re");

    if (!file || fscanf(file, "%llu %llu %llu", &cpu, &waited, &wakes) != 3)
        bench_die("%s", path);
    fclose(file);
    work->cpu += (long long) cpu;
    work->wakes += (long long) wakes;
}

struct subject_work subject_work(const struct subject *subject)
{
    const pid_t pids[] = {subject->keeper, subject->broker};
    struct subject_work work = {0, 0};

    for (size_t i = 0; i < sizeof pids / sizeof *pids; i++) {
        char pattern[64];
        glob_t threads;

        snprintf(pattern, sizeof pattern, "/proc/%d/task/*/schedstat", pids[i]);
        if (glob(pattern, 0, NULL, &threads) != 0)
            bench_die("%s", pattern);
        for (size_t j = 0; j < threads.gl_pathc; j++)
            add_work(threads.gl_pathv[j], &work);
        globfree(&threads);
    }
    return work;
}
