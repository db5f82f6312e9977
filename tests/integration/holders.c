/* SPDX-License-Identifier: MIT */
/*
 * Many processes that want one lock, and what becomes of them.
 *
 * The lock "holders" is made by the caller, so that it stays while nobody happens to want it.
 *
 *   holders SOCKET kill COUNT      each is killed while it holds, COUNT times in all
 *   holders SOCKET share SECONDS   64 of them take turns
 *
 * A word in shared memory says who holds: 0, or a pid. A holder that finds another one alive there is a
 * double; one that finds a dead one must have been told `abandoned`, and only then. One line of JSON says
 * what was seen.
 */
#include "tests/integration/contender.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAITING 8 /* in the queue while holders are killed */
#define SHARERS 64
#define PATIENCE (20 * 1000000000LL) /* ns */

struct shared {
    _Atomic int holder;
    _Atomic unsigned doubles, missed;
    _Atomic long long granted_at; /* ns */
    _Atomic bool stop;
    _Atomic unsigned turns[SHARERS];
};

static struct shared *shared;
static const char *path;

static long long now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "holders: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- one process ---- */

static const char acquire[] =
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lock.acquire\",\"params\":{\"name\":\"holders\"}}\n";
static const char release[] =
    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"lock.release\",\"params\":{\"name\":\"holders\"}}\n";

/* Compares what it was told with what it finds. */
static void check_grant(const char *buffer)
{
    int before;
    bool abandoned;

    if (!strstr(buffer, "\"acquired\":true"))
        _exit(6);
    abandoned = strstr(buffer, "\"abandoned\":true");
    before = atomic_exchange(&shared->holder, getpid());
    if (before != 0 && !abandoned)
        atomic_fetch_add(contender_is_alive(before) ? &shared->doubles : &shared->missed, 1);
    if (before == 0 && abandoned)
        atomic_fetch_add(&shared->missed, 1);
}

static void take(int fd)
{
    char buffer[512];

    contender_call(fd, acquire, buffer, sizeof buffer);
    check_grant(buffer);
}

/* Gives it back and asks for it again in one go: it is in the queue all the while, however seldom it has a
 * processor. */
static void take_next_turn(int fd)
{
    char both[sizeof release + sizeof acquire], buffer[512];
    size_t have = 0;

    snprintf(both, sizeof both, "%s%s", release, acquire);
    if (write(fd, both, strlen(both)) < 0)
        _exit(4);
    do {
        ssize_t got = read(fd, buffer + have, sizeof buffer - 1 - have);

        if (got <= 0)
            _exit(5);
        have += (size_t) got;
        buffer[have] = '\0';
    } while (!strstr(buffer, "\"id\":1") || buffer[have - 1] != '\n');
    check_grant(buffer);
}

static pid_t parent;

static void hold_until_killed(int tell)
{
    int fd;

    contender_end_with(parent);
    fd = contender_connect(path);
    take(fd);
    atomic_store(&shared->granted_at, now());
    if (write(tell, &(pid_t){getpid()}, sizeof(pid_t)) < 0)
        _exit(7);
    for (;;)
        pause();
}

static void take_turns(int number)
{
    char buffer[512];
    int fd, none;

    contender_end_with(parent);
    fd = contender_connect(path);
    take(fd);
    for (;;) {
        atomic_fetch_add(&shared->turns[number], 1);
        none = getpid();
        if (!atomic_compare_exchange_strong(&shared->holder, &none, 0))
            atomic_fetch_add(&shared->doubles, 1);
        if (atomic_load(&shared->stop))
            break;
        take_next_turn(fd);
    }
    contender_call(fd, release, buffer, sizeof buffer);
    _exit(0);
}

/* ---- all of them ---- */

static int compare(const void *a, const void *b)
{
    long long left = *(const long long *) a, right = *(const long long *) b;

    return left < right ? -1 : left > right;
}

/* Nobody is there any more: how did they end? */
_Noreturn static void tell_ends(void)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        fprintf(stderr, "holders: %d ended: exit %d, signal %d\n", pid, WEXITSTATUS(status),
                WTERMSIG(status));
    fprintf(stderr, "holders: nobody is granted the lock\n");
    exit(1);
}

static void begin_holder(int tell)
{
    pid_t pid = fork();

    if (pid < 0)
        fail("fork");
    if (pid == 0)
        hold_until_killed(tell);
}

static int kill_holders(size_t count)
{
    long long *spans = calloc(count, sizeof *spans), killed_at = 0;
    struct pollfd hear;
    int pair[2];
    pid_t pid;

    if (!spans || pipe(pair) < 0)
        fail("pipe");
    for (int i = 0; i < WAITING; i++)
        begin_holder(pair[1]);
    hear = (struct pollfd){.fd = pair[0], .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        if (poll(&hear, 1, 20000) != 1 || read(pair[0], &pid, sizeof pid) != sizeof pid)
            tell_ends();
        spans[i] = killed_at ? atomic_load(&shared->granted_at) - killed_at : 0;
        killed_at = now();
        kill(pid, SIGKILL);
        if (waitpid(pid, NULL, 0) != pid)
            fail("waitpid");
        begin_holder(pair[1]);
    }
    qsort(spans, count, sizeof *spans, compare);
    printf("{\"killed\": %zu, \"doubles\": %u, \"missed\": %u, \"median_ms\": %.3f, \"p99_ms\": %.3f}\n",
           count, shared->doubles, shared->missed, (double) spans[count / 2] / 1e6,
           (double) spans[count * 99 / 100] / 1e6);
    free(spans);
    return 0;
}

/* Until all take part: on a machine that has much to do the last one may come a second after the first. */
static void await_first_turns(void)
{
    long long end = now() + PATIENCE;

    for (int i = 0; i < SHARERS; i++)
        while (atomic_load(&shared->turns[i]) == 0) {
            if (now() > end)
                tell_ends();
            poll(NULL, 0, 1);
        }
}

static int share(unsigned seconds)
{
    unsigned least = ~0U, most = 0, before[SHARERS];
    long long end;

    for (int i = 0; i < SHARERS; i++) {
        pid_t pid = fork();

        if (pid < 0)
            fail("fork");
        if (pid == 0)
            take_turns(i);
    }
    await_first_turns();
    for (int i = 0; i < SHARERS; i++)
        before[i] = atomic_load(&shared->turns[i]);
    end = now() + seconds * 1000000000LL;
    while (now() < end)
        poll(NULL, 0, (int) ((end - now()) / 1000000) + 1);
    atomic_store(&shared->stop, true);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    for (int i = 0; i < SHARERS; i++) {
        unsigned turns = shared->turns[i] - before[i];

        least = turns < least ? turns : least;
        most = turns > most ? turns : most;
    }
    printf("{\"processes\": %d, \"doubles\": %u, \"missed\": %u, \"least\": %u, \"most\": %u}\n", SHARERS,
           shared->doubles, shared->missed, least, most);
    return shared->doubles || shared->missed;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    parent = getpid();
    path = argv[1];
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        fail("mmap");
    return strcmp(argv[2], "kill") == 0 ? kill_holders(strtoul(argv[3], NULL, 10))
                                        : share((unsigned) strtoul(argv[3], NULL, 10));
}
