/* SPDX-License-Identifier: MIT */
/*
 * How much of what procd takes is asked for, whoever does it: the same work by programs that do nothing else,
 * keep nothing, check nothing, and serve one client that they know.
 */
#include "daemon/base/busy_poll.h"
#include "daemon/base/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/raw.h"
#include "tests/bench/targets.h"
#include "tests/bench/trees.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT    300  /* spawns of a round */
#define CHILDREN TREES_MOST /* that are killed */
#define FEW      2000
#define CYCLES_MOST 5

static const char *nothing[2], *sleeper[2], *again[3];
static const char *const *program = nothing; /* that is spawned */
static int epoll;

/* ---- one after another ---- */

static void await(int pidfd)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) < 0 || epoll_wait(epoll, &event, 1, -1) != 1)
        bench_die("epoll");
    raw_reap(pidfd);
}

static double spawn_round(void *context)
{
    double begin = bench_seconds();

    (void) context;
    for (int i = 0; i < COUNT; i++) {
        int pidfd;

        raw_start(program, NULL, &pidfd);
        await(pidfd);
    }
    return (bench_seconds() - begin) / COUNT * 1e6;
}

static double tree_round(void *context)
{
    double begin = bench_seconds();

    (void) context;
    for (int i = 0; i < COUNT; i++) {
        int pidfd;

        trees_start(0, nothing, &pidfd);
        await(pidfd);
        trees_await(0);
    }
    return (bench_seconds() - begin) / COUNT * 1e6;
}

/* ---- by three processes: who asks, who is asked, and who has the children ---- */

#define REQUEST 256 /* bytes, about as many as procd's */
#define ANSWER  128

/* Looks for a moment, as whoever is at either end of procd's sockets does, and sleeps then. */
static void take(int fd, struct busy_poll *poll_, char *buffer, size_t size)
{
    ssize_t got;

    busy_poll_expect(poll_, clock_monotonic());
    do
        got = recv(fd, buffer, size, busy_poll_again(poll_) ? MSG_DONTWAIT : 0);
    while (got < 0 && (errno == EAGAIN || errno == EINTR));
    busy_poll_found(poll_);
    if (got <= 0)
        _exit(0);
}

static void give(int fd, size_t size)
{
    static const char bytes[REQUEST];

    if (send(fd, bytes, size, MSG_NOSIGNAL) != (ssize_t) size)
        _exit(0);
}

/* Of the two that come for each child, the second is answered when it has ended. */
_Noreturn static void have_children(int asker)
{
    static struct busy_poll looks;
    char buffer[REQUEST];

    for (;;) {
        struct epoll_event event;
        int pidfd, ready;

        take(asker, &looks, buffer, sizeof buffer);
        trees_start(0, program, &pidfd);
        give(asker, ANSWER);
        event = (struct epoll_event){.events = EPOLLIN};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) < 0)
            bench_die("epoll");
        busy_poll_expect(&looks, clock_monotonic());
        do
            ready = epoll_wait(epoll, &event, 1, busy_poll_again(&looks) ? 0 : -1);
        while (ready == 0);
        busy_poll_found(&looks);
        raw_reap(pidfd);
        trees_await(0);
        give(asker, ANSWER);
    }
}

_Noreturn static void pass_on(int client, int keeper)
{
    static struct busy_poll looks;
    char buffer[REQUEST];

    for (;;) {
        take(client, &looks, buffer, sizeof buffer);
        give(keeper, REQUEST);
        take(keeper, &looks, buffer, sizeof buffer);
        give(client, ANSWER);
        take(client, &looks, buffer, sizeof buffer); /* its join */
        take(keeper, &looks, buffer, sizeof buffer);
        give(client, ANSWER);
    }
}

static int client = -1;

static pid_t beside(void)
{
    pid_t pid = fork();

    if (pid < 0)
        bench_die("fork");
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static void begin_relay(void)
{
    int pair[2], inner[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, inner) < 0)
        bench_die("socketpair");
    if (beside() == 0) {
        epoll = epoll_create1(EPOLL_CLOEXEC); /* ours would be the same one */
        have_children(inner[1]);
    }
    if (beside() == 0)
        pass_on(pair[1], inner[0]);
    client = pair[0];
    close(pair[1]);
    close(inner[0]);
    close(inner[1]);
}

static double relay_round(void *context)
{
    static struct busy_poll looks;
    double begin = bench_seconds();
    char buffer[REQUEST];

    (void) context;
    for (int i = 0; i < COUNT; i++)
        for (int part = 0; part < 2; part++) {
            give(client, REQUEST);
            take(client, &looks, buffer, sizeof buffer);
        }
    return (bench_seconds() - begin) / COUNT * 1e6;
}

/* ---- many that are killed ---- */

static int pidfds[CHILDREN];

enum trees { ALONE, IN_TREES, IN_OPEN_TREES };

static void start_one(unsigned number, enum trees trees)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};

    if (trees != ALONE)
        trees_start(number, sleeper, &pidfds[number]);
    else
        raw_start_beside_many(sleeper, &pidfds[number]);
    if (trees == IN_OPEN_TREES)
        trees_keep(number);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfds[number], &event) < 0)
        bench_die("epoll");
}

static void start_all(unsigned count, enum trees trees)
{
    for (unsigned i = 0; i < count; i++)
        start_one(i, trees);
}

/* In milliseconds. */
static double kill_all(unsigned count, enum trees trees)
{
    double begin = bench_seconds(), span;
    unsigned left = count;

    for (unsigned i = 0; i < count; i++)
        if (syscall(SYS_pidfd_send_signal, pidfds[i], SIGKILL, NULL, 0) < 0)
            bench_die("pidfd_send_signal");
    while (left > 0) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, -1);

        for (int i = 0; i < ready; i++, left--) {
            raw_reap_killed(pidfds[events[i].data.u32]);
            if (trees != ALONE)
                trees_await(events[i].data.u32);
        }
    }
    span = bench_seconds() - begin;
    for (unsigned i = 0; i < count && trees == IN_OPEN_TREES; i++)
        trees_drop(i);
    return span * 1e3;
}

static double kill_alone(void *context)
{
    (void) context;
    start_all(CHILDREN, ALONE);
    return kill_all(CHILDREN, ALONE);
}

static double kill_trees(void *context)
{
    (void) context;
    start_all(CHILDREN, IN_TREES);
    return kill_all(CHILDREN, IN_TREES);
}

/* Two descriptors for each: of fewer. */
static double kill_few_alone(void *context)
{
    (void) context;
    start_all(FEW, ALONE);
    return kill_all(FEW, ALONE);
}

static double kill_open_trees(void *context)
{
    (void) context;
    start_all(FEW, IN_OPEN_TREES);
    return kill_all(FEW, IN_OPEN_TREES);
}

/* ---- many that are started ----
 *
 * On one processor: which of two a child begins on makes more of a difference than its cgroup does. */

static double begin_many(enum trees trees)
{
    double begin = bench_seconds(), span;

    for (unsigned i = 0; i < CHILDREN; i++) {
        if (trees != ALONE)
            trees_make();
        start_one(i, trees);
    }
    span = bench_seconds() - begin;
    (void) kill_all(CHILDREN, trees);
    return CHILDREN / span;
}

static double begin_alone(void *context)
{
    (void) context;
    return begin_many(ALONE);
}

static double begin_trees(void *context)
{
    (void) context;
    return begin_many(IN_TREES);
}

static void prepare_begin(bool of_floor)
{
    (void) of_floor;
    trees_clear();
    trees_rest();
}

static const enum bench_figure figures[] = {FIGURE_BARE_TREE, FIGURE_BARE_RELAY, FIGURE_BARE_RELAY_TARGET,
                                            FIGURE_BARE_KILL, FIGURE_BARE_KILL_OPEN, FIGURE_BARE_START};

/* Those that pass a spawn on end when we hang up. */
static void compare_relay(enum bench_figure figure)
{
    struct bench_case relay = {.floor = spawn_round, .subject = relay_round};

    begin_relay();
    bench_compare(figure, &relay);
    close(client);
}

int main(int argc, char **argv)
{
    struct bench_case tree = {.floor = spawn_round, .subject = tree_round};
    struct bench_case killing = {.floor = kill_alone, .subject = kill_trees, .rounds = CYCLES_MOST};
    struct bench_case keeping = {.floor = kill_few_alone, .subject = kill_open_trees, .rounds = CYCLES_MOST};
    struct bench_case beginning = {
        .floor = begin_alone, .subject = begin_trees, .rounds = CYCLES_MOST, .prepare = prepare_begin};
    int processor;

    bench_begin(argc, argv, "what is asked for, without a daemon");
    if (!raw_descriptors(CHILDREN + 100) || !trees_open(CHILDREN)) {
        for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
            bench_skip(figures[i], "it needs cgroups of its own, and 10,100 descriptors");
        return 0;
    }
    nothing[0] = bench_beside("nothing");
    sleeper[0] = bench_beside("sleeper");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    bench_compare(FIGURE_BARE_TREE, &tree);
    compare_relay(FIGURE_BARE_RELAY);
    again[0] = bench_beside("bench_target");
    again[1] = TARGETS_NOTHING;
    program = again;
    compare_relay(FIGURE_BARE_RELAY_TARGET);
    bench_compare(FIGURE_BARE_KILL, &killing);
    bench_compare(FIGURE_BARE_KILL_OPEN, &keeping);
    if (bench_processors(&processor, 1) == 1) {
        bench_pin(0, processor);
        bench_compare(FIGURE_BARE_START, &beginning);
    }
    trees_close();
    return 0;
}
