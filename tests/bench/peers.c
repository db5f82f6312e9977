/* SPDX-License-Identifier: MIT */
#include "tests/bench/peers.h"

#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PEERS_MAX 16

/* peers.py WORK NAME: a line in, "round" or the end; a line out, "ready" at first and then values. */
struct python {
    FILE *to, *from;
    pid_t pid;
};

static struct python processes[PEERS_MAX];
static size_t process_count;
static pid_t owner;

static const char *script(void)
{
    static char path[4096];
    const char *top = getenv("TOP_SRCDIR");

    snprintf(path, sizeof path, "%s/tests/bench/peers.py", top ? top : ".");
    return path;
}

static void end(struct python *python)
{
    fclose(python->to);
    fclose(python->from);
    waitpid(python->pid, NULL, 0);
}

static void end_all(void)
{
    if (getpid() != owner)
        return;
    for (size_t i = 0; i < process_count; i++)
        end(&processes[i]);
}

static void start(struct python *python, const char *work, const char *name)
{
    int to[2], from[2];

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0 || (python->pid = fork()) < 0)
        bench_die("a peer");
    if (python->pid == 0) {
        bench_pin(0, -1);
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        closefrom(3);
        execlp("python3", "python3", script(), work, name, NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    python->to = fdopen(to[1], "w");
    python->from = fdopen(from[0], "r");
    if (!python->to || !python->from)
        bench_die("a peer");
}

/* False: it has ended. */
static bool line_from(struct python *python, char *line, size_t size)
{
    if (!fgets(line, (int) size, python->from))
        return false;
    line[strcspn(line, "\n")] = '\0';
    return true;
}

static double round_of(void *context)
{
    struct python *python = context;
    char line[64];

    fputs("round\n", python->to);
    fflush(python->to);
    if (!line_from(python, line, sizeof line)) {
        errno = 0;
        bench_die("a peer has ended");
    }
    return atof(line);
}

static void begin(const char *work, const char *name)
{
    struct python *python = &processes[process_count];
    char line[256];

    if (process_count == PEERS_MAX)
        bench_die("too many peers");
    start(python, work, name);
    if (!line_from(python, line, sizeof line) || strcmp(line, "ready") != 0) {
        end(python); /* it does not start here */
        return;
    }
    owner = getpid();
    if (process_count++ == 0)
        atexit(end_all);
    bench_peer(strdup(name), round_of, python);
}

void peers_python(const char *work)
{
    char line[256], command[4200];
    FILE *list;

    if (bench_is_watched())
        return;
    snprintf(command, sizeof command, "python3 '%s' %s", script(), work);
    list = popen(command, "re");
    while (list && fgets(line, sizeof line, list)) {
        line[strcspn(line, "\n")] = '\0';
        begin(work, line);
    }
    if (list)
        pclose(list);
}
