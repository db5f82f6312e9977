/* SPDX-License-Identifier: MIT */
/* Ten thousand children that sleep: their start, their end, and what they cost in between. */
#include "tests/bench/bench.h"
#include "tests/bench/raw.h"
#include "tests/bench/spawns.h"
#include "tests/bench/trees.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 10000
#define COUNT 200 /* spawns of a round beside them */
#define SETTLE_MS 1000
#define IDLE_SECONDS 60 /* figures.def calls it a minute */

static const char *sleeper[2], *nothing[2];

/* ---- floor: children of our own ---- */

static int raw_epoll;
static int raw_pidfds[CHILDREN];
static unsigned raw_alive;

static void raw_spawn(unsigned count)
{
    for (; raw_alive < count; raw_alive++) {
        struct epoll_event event = {.events = EPOLLIN};
        int *pidfd = &raw_pidfds[raw_alive];

        raw_start_beside_many(sleeper, pidfd);
        event.data.fd = *pidfd;
        if (epoll_ctl(raw_epoll, EPOLL_CTL_ADD, *pidfd, &event) < 0)
            bench_die("epoll");
    }
}

static void raw_kill(void)
{
    unsigned left = raw_alive;

    for (unsigned i = 0; i < raw_alive; i++)
        if (syscall(SYS_pidfd_send_signal, raw_pidfds[i], SIGKILL, NULL, 0) < 0)
            bench_die("pidfd_send_signal");
    while (left > 0) {
        struct epoll_event events[64];
        int ready = epoll_wait(raw_epoll, events, 64, -1);

        for (int i = 0; i < ready; i++, left--)
            raw_reap_killed(events[i].data.fd);
    }
    raw_alive = 0;
}

/* A round is their start and their end: two figures. The second one's rounds are those of the first. */
#define CYCLES_MOST 5

struct cycle {
    double kill_ms[CYCLES_MOST + 1]; /* and that to warm up */
    unsigned made, told;
};

static double cycle(struct cycle *cycle, void (*spawn)(unsigned count), void (*kill)(void))
{
    double begin = bench_seconds(), span, killed;

    spawn(CHILDREN);
    span = bench_seconds() - begin;
    begin = bench_seconds();
    kill();
    killed = bench_seconds() - begin;
    cycle->kill_ms[cycle->made++] = killed * 1e3;
    return CHILDREN / span;
}

static struct cycle raw_cycle;

static double raw_spawn_round(void *context)
{
    (void) context;
    return cycle(&raw_cycle, raw_spawn, raw_kill);
}

static double raw_kill_round(void *context)
{
    (void) context;
    return raw_cycle.kill_ms[raw_cycle.told++];
}

/* ---- subject ---- */

static const struct subject *subject;
static struct lanes *lanes;
static struct wire wire; /* for what is asked one at a time */
static long ids[CHILDREN];
static unsigned alive, asked;
static int left;

static void ask_spawn(struct lane *lane)
{
    lane_ask(lane,
             "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"process.spawn\",\"params\":{\"argv\":[\"%s\"],"
             "\"env\":{},\"stdout\":\"null\",\"stderr\":\"null\"}}\n",
             asked++, sleeper[0]);
}

static unsigned wanted;

static void take_spawned(struct lane *lane, char *line)
{
    ids[alive++] = wire_number(line, "\"id\":");
    left--;
    if (asked < wanted)
        ask_spawn(lane);
}

static void spawn(unsigned count)
{
    wanted = count;
    asked = alive;
    left = (int) (count - alive);
    for (int i = 0; i < LANES * LANE_DEEP && asked < wanted; i++)
        ask_spawn(&lanes->lane[i % LANES]);
    for (int i = 0; i < LANES; i++)
        lane_flush(&lanes->lane[i]);
    lanes_run(lanes, take_spawned, &left);
}

/* One request waits for the end of all; then each is killed, by requests that nobody answers. */
static void kill_all(void)
{
    struct lane *waiting = &lanes->lane[0], *killing = &lanes->lane[1];

    lane_ask(waiting,
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"process.wait\",\"params\":{\"mode\":\"all\","
             "\"processes\":[");
    for (unsigned i = 0; i < alive; i++)
        lane_ask(waiting, i ? ",%ld" : "%ld", ids[i]);
    lane_ask(waiting, "]}}\n");
    lane_flush(waiting);
    for (unsigned i = 0; i < alive; i++) {
        lane_ask(killing, "{\"jsonrpc\":\"2.0\",\"method\":\"process.kill\",\"params\":{\"process\":%ld}}\n",
                 ids[i]);
        if (i % 64 == 63 || i + 1 == alive)
            lane_flush(killing);
    }
    wire_expect(wire_line(&waiting->wire), "\"done\":[");
    alive = 0;
}

/* What the daemon puts off until it has nothing else to do is not to be the floor's burden. */
static void await_rest(void)
{
    long long before, now = subject_work(subject).cpu;

    do {
        before = now;
        poll(NULL, 0, SETTLE_MS);
        now = subject_work(subject).cpu;
    } while (now != before);
    trees_rest();
}

static struct cycle own_cycle;

static double spawn_round(void *context)
{
    double rate = cycle(&own_cycle, spawn, kill_all);

    (void) context;
    await_rest();
    return rate;
}

static double kill_round(void *context)
{
    (void) context;
    return own_cycle.kill_ms[own_cycle.told++];
}

/* ---- fewer of them, and only their end: for who looks on ---- */

#define FEW 2000

static void start_few(bool of_floor)
{
    if (of_floor) {
        raw_spawn(FEW);
    } else {
        spawn(FEW);
        await_rest();
    }
}

static double few_killed(void (*kill)(void))
{
    double begin = bench_seconds();

    kill();
    return (bench_seconds() - begin) * 1e3;
}

static double raw_few_round(void *context)
{
    (void) context;
    return few_killed(raw_kill);
}

static double few_round(void *context)
{
    (void) context;
    return few_killed(kill_all);
}

/* ---- lists ---- */

static size_t list_size;

static double list_round(void *context)
{
    static const char list[] = WIRE_REQUEST("process.list", "\"alive\":true");
    double begin = bench_seconds();
    char *line = wire_call(&wire, list, sizeof list - 1);

    (void) context;
    begin = bench_seconds() - begin;
    list_size = strlen(line);
    return begin * 1e3;
}

/* Another process writes as much. */
static double bytes_round(void *context)
{
    static char buffer[64 << 10];
    size_t left_to_read = list_size;
    double begin;
    int pair[2];
    pid_t pid;

    (void) context;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 || (pid = fork()) < 0)
        bench_die("a second process");
    if (pid == 0) {
        (void) recv(pair[1], buffer, 1, 0);
        for (size_t sent = 0; sent < list_size; sent += sizeof buffer)
            (void) send(pair[1], buffer, sizeof buffer, MSG_NOSIGNAL);
        _exit(0);
    }
    begin = bench_seconds();
    (void) send(pair[0], "", 1, 0);
    while (left_to_read > 0) {
        ssize_t got = recv(pair[0], buffer, sizeof buffer, 0);

        if (got <= 0)
            bench_die("the second process");
        left_to_read -= (size_t) got < left_to_read ? (size_t) got : left_to_read;
    }
    begin = bench_seconds() - begin;
    close(pair[0]);
    close(pair[1]);
    waitpid(pid, NULL, 0);
    return begin * 1e3;
}

/* ---- nothing to do ---- */

static void idle(void)
{
    struct subject_work before, after;

    poll(NULL, 0, SETTLE_MS); /* what is put off for a moment is done */
    before = subject_work(subject);
    poll(NULL, 0, IDLE_SECONDS * 1000);
    after = subject_work(subject);
    bench_value(FIGURE_IDLE_CPU, (double) (after.cpu - before.cpu) / 1e6);
    bench_value(FIGURE_IDLE_WAKES, (double) (after.wakes - before.wakes));
}

/* ---- spawn and join beside them ---- */

static double spawn_join_round(void *context)
{
    (void) context;
    return spawns_one_at_a_time(&wire, nothing[0], COUNT);
}

static double raw_join_round(void *context)
{
    double begin = bench_seconds();

    (void) context;
    for (int i = 0; i < COUNT; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        int pidfd;

        raw_start_beside_many(nothing, &pidfd);
        event.data.fd = pidfd;
        if (epoll_ctl(raw_epoll, EPOLL_CTL_ADD, pidfd, &event) < 0 ||
            epoll_wait(raw_epoll, &event, 1, -1) != 1)
            bench_die("epoll");
        raw_reap(pidfd);
    }
    return (bench_seconds() - begin) / COUNT * 1e6;
}

static bool more_children(unsigned count)
{
    raw_spawn(count);
    spawn(count);
    return true;
}

static double memory_of_one(void)
{
    long before;

    spawn(1); /* what is needed for any */
    before = subject_memory(subject);
    spawn(CHILDREN);
    return (double) (subject_memory(subject) - before) / 1024 / (CHILDREN - 1);
}

static const enum bench_figure figures[] = {FIGURE_CHILDREN_MEMORY, FIGURE_IDLE_CPU,
                                            FIGURE_IDLE_WAKES,      FIGURE_CHILDREN_LIST,
                                            FIGURE_CHILDREN_SPAWN,  FIGURE_CHILDREN_KILL};

int main(int argc, char **argv)
{
    struct bench_case spawning = {.floor = raw_spawn_round, .subject = spawn_round, .rounds = CYCLES_MOST};
    struct bench_case killing = {.floor = raw_kill_round, .subject = kill_round, .rounds = CYCLES_MOST};
    struct bench_case listing = {.floor = bytes_round, .subject = list_round};
    struct bench_case killing_few = {
        .floor = raw_few_round, .subject = few_round, .count = FEW, .prepare = start_few};
    struct bench_case joining = {.floor = raw_join_round, .subject = spawn_join_round};

    bench_begin(argc, argv, "ten thousand children that sleep");
    if (!raw_descriptors(CHILDREN + 100)) {
        for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
            bench_skip(figures[i], "it needs 10,100 descriptors: raise the hard limit");
        return 0;
    }
    sleeper[0] = bench_beside("sleeper");
    nothing[0] = bench_beside("nothing");
    raw_epoll = epoll_create1(EPOLL_CLOEXEC);
    subject = subject_start();
    lanes = lanes_open(subject);
    subject_connect(subject, &wire);
    if (bench_is_watched()) {
        bench_compare(FIGURE_CHILDREN_KILL, &killing_few);
        return 0;
    }

    bench_value(FIGURE_CHILDREN_MEMORY, memory_of_one());
    idle();
    list_round(NULL); /* how long it is */
    bench_compare(FIGURE_CHILDREN_LIST, &listing);
    kill_all();
    bench_compare(FIGURE_CHILDREN_SPAWN, &spawning);
    bench_compare(FIGURE_CHILDREN_KILL, &killing);
    wire.looks = true; /* for its answer, as libprocd does */
    bench_grow(CURVE_CHILDREN, &joining, more_children);
    raw_kill(); /* the others are the daemon's */
    return 0;
}
