/* SPDX-License-Identifier: MIT */
/* Spawn and join, one at a time: how long one takes. */
#include "tests/bench/bench.h"
#include "tests/bench/peers.h"
#include "tests/bench/raw.h"
#include "tests/bench/spooler.h"
#include "tests/bench/subject.h"

#include <stdio.h>
#include <sys/epoll.h>

#define COUNT 300 /* of a round */

static char spawn_line[4400];
static size_t spawn_size;
static const char *child[2];
static struct wire wire;
static int epoll;

static double raw_round(const char *const *argv, const char *const *envp)
{
    double begin = bench_seconds();

    for (int i = 0; i < COUNT; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        int pidfd;

        raw_start(argv, envp, &pidfd);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) < 0 || epoll_wait(epoll, &event, 1, -1) != 1)
            bench_die("epoll");
        raw_reap(pidfd);
    }
    return (bench_seconds() - begin) / COUNT * 1e6;
}

static double floor_round(void *context)
{
    (void) context;
    return raw_round(child, NULL);
}

static double spooler_round(void *context)
{
    const struct spooler *spooler = context;

    return raw_round(spooler->argv, spooler->envp);
}

static double subject_round(void *context)
{
    double begin = bench_seconds();

    (void) context;
    for (int i = 0; i < COUNT; i++) {
        long id = wire_number(wire_call(&wire, spawn_line, spawn_size), "\"id\":");
        char join[128];
        int size = snprintf(join, sizeof join,
                            "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"process.join\",\"params\":{"
                            "\"process\":%ld}}\n",
                            id);

        wire_expect(wire_call(&wire, join, (size_t) size), "\"exitcode\":0");
    }
    return (bench_seconds() - begin) / COUNT * 1e6;
}

static void on_one_processor(const struct subject *subject, int processor)
{
    bench_pin(0, processor);
    subject_pin(subject, processor);
}

int main(int argc, char **argv)
{
    struct bench_case of = {.floor = floor_round, .subject = subject_round};
    const struct spooler *spooler;
    const struct subject *subject;
    int processor;

    bench_begin(argc, argv, "spawn and join");
    child[0] = bench_beside("nothing");
    spawn_size = (size_t) snprintf(spawn_line, sizeof spawn_line,
                                   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"process.spawn\",\"params\":{"
                                   "\"argv\":[\"%s\"],\"env\":{},\"stdout\":\"null\",\"stderr\":\"null\"}}\n",
                                   child[0]);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    subject = subject_start();
    subject_connect(subject, &wire);
    spooler = spooler_start(child[0], 1);
    if (spooler)
        bench_peer("task-spooler", spooler_round, (void *) spooler);
    peers_python("spawn");
    wire.looks = true;
    bench_compare(FIGURE_SPAWN_ONE, &of);
    wire.looks = false;
    bench_compare(FIGURE_SPAWN_ONE_SLEEPS, &of);
    wire.looks = true;
    if (bench_processors(&processor, 1) == 1) {
        on_one_processor(subject, processor);
        bench_compare(FIGURE_SPAWN_ONE_CORE, &of);
        on_one_processor(subject, -1);
    }
    wire_close(&wire);
    return 0;
}
