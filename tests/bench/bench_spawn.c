/* Spawn and join, one at a time: how long one takes. */
#include "tests/bench/bench.h"
#include "tests/bench/raw.h"
#include "tests/bench/subject.h"

#include <stdio.h>
#include <sys/epoll.h>

#define COUNT 300 /* of a round */

static char spawn_line[4400];
static size_t spawn_size;
static const char *child;
static struct wire wire;
static int epoll;

static double floor_round(void *context)
{
    double begin = bench_seconds();

    (void) context;
    for (int i = 0; i < COUNT; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        int pidfd;

        raw_start(child, &pidfd);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) < 0 || epoll_wait(epoll, &event, 1, -1) != 1)
            bench_die("epoll");
        raw_reap(pidfd);
    }
    return (bench_seconds() - begin) / COUNT * 1e6;
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

static void on_one_processor(int processor)
{
    bench_pin(0, processor);
    subject_pin(processor);
}

int main(int argc, char **argv)
{
    struct bench_case of = {.name = "spawn + join, one at a time", .unit = "us", .floor = floor_round,
                            .subject = subject_round, .aim = AIM_AT_MOST, .limit = 1.35};
    int processor;

    bench_begin(argc, argv, "spawn and join; floor: vfork, pidfd, epoll, waitid");
    child = bench_beside("nothing");
    spawn_size = (size_t) snprintf(spawn_line, sizeof spawn_line,
                                   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"process.spawn\",\"params\":{"
                                   "\"argv\":[\"%s\"],\"env\":{},\"stdout\":\"null\",\"stderr\":\"null\"}}\n",
                                   child);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    subject_start();
    subject_connect(&wire);
    wire.looks = true;
    bench_compare(&of);
    of.name = "  a client that sleeps at once";
    of.aim = AIM_NONE;
    wire.looks = false;
    bench_compare(&of);
    wire.looks = true;
    if (bench_processors(&processor, 1) == 1) {
        of.name = "  all on one core";
        on_one_processor(processor);
        bench_compare(&of);
        on_one_processor(-1);
    }
    wire_close(&wire);
    return 0;
}
