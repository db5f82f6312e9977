/* Spawn and join with 64 outstanding: how many a second. */
#include "tests/bench/bench.h"
#include "tests/bench/raw.h"
#include "tests/bench/subject.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define COUNT       2048 /* of a round */
#define OUTSTANDING 64
#define DEEP        8 /* on one connection */
#define CONNECTIONS (OUTSTANDING / DEEP)

static const char *child;
static int raw_epoll;

/* ---- floor ---- */

static void raw_begin(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int pidfd;

    raw_start(child, &pidfd);
    event.data.fd = pidfd;
    if (epoll_ctl(raw_epoll, EPOLL_CTL_ADD, pidfd, &event) < 0)
        bench_die("epoll");
}

static double floor_round(void *context)
{
    double begin = bench_seconds();
    int begun = 0, ended = 0;

    (void) context;
    while (begun < OUTSTANDING)
        raw_begin(), begun++;
    while (ended < COUNT) {
        struct epoll_event events[OUTSTANDING];
        int ready = epoll_wait(raw_epoll, events, OUTSTANDING, -1);

        for (int i = 0; i < ready; i++) {
            /* closing is not enough: a child just begun may have a copy until its exec is over */
            epoll_ctl(raw_epoll, EPOLL_CTL_DEL, events[i].data.fd, NULL);
            raw_reap(events[i].data.fd);
            ended++;
            if (begun < COUNT)
                raw_begin(), begun++;
        }
    }
    return COUNT / (bench_seconds() - begin);
}

/* ---- subject ---- */

/* One connection with DEEP requests on it: ids 0.. are spawns, ids DEEP.. joins. */
struct lane {
    struct wire wire;
    char out[DEEP * 4400];
    size_t size;
};

static struct lane *lanes[CONNECTIONS];
static int wire_epoll;
static int begun, ended;

static void ask_spawn(struct lane *lane, int id)
{
    lane->size += (size_t) snprintf(lane->out + lane->size, sizeof lane->out - lane->size,
                                    "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"process.spawn\",\"params\":{"
                                    "\"argv\":[\"%s\"],\"env\":{},"
                                    "\"stdout\":\"null\",\"stderr\":\"null\"}}\n",
                                    id, child);
    begun++;
}

static void ask_join(struct lane *lane, int id, long process)
{
    lane->size += (size_t) snprintf(lane->out + lane->size, sizeof lane->out - lane->size,
                                    "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"process.join\",\"params\":{"
                                    "\"process\":%ld}}\n",
                                    id, process);
}

static void flush(struct lane *lane)
{
    if (lane->size > 0)
        wire_send(&lane->wire, lane->out, lane->size);
    lane->size = 0;
}

static void take_reply(struct lane *lane, const char *line)
{
    const char *id = strstr(line, "\"id\":");
    int number = id ? atoi(id + 5) : -1;

    errno = 0;
    if (number < 0 || number >= 2 * DEEP) {
        bench_die("not ours: %s", line);
    } else if (number < DEEP) {
        ask_join(lane, DEEP + number, wire_number(line, "\"id\":"));
    } else {
        wire_expect(line, "\"exitcode\":0");
        ended++;
        if (begun < COUNT)
            ask_spawn(lane, number - DEEP);
    }
}

static double subject_round(void *context)
{
    double begin = bench_seconds();

    (void) context;
    begun = ended = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        for (int id = 0; id < DEEP; id++)
            ask_spawn(lanes[i], id);
        flush(lanes[i]);
    }
    while (ended < COUNT) {
        struct epoll_event events[CONNECTIONS];
        int ready = epoll_wait(wire_epoll, events, CONNECTIONS, -1);

        for (int i = 0; i < ready; i++) {
            struct lane *lane = events[i].data.ptr;
            char *line;

            errno = 0;
            if (!wire_receive(&lane->wire))
                bench_die("the daemon has closed the connection");
            while ((line = wire_next(&lane->wire)))
                take_reply(lane, line);
            flush(lane);
        }
    }
    return COUNT / (bench_seconds() - begin);
}

static void open_lanes(void)
{
    wire_epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < CONNECTIONS; i++) {
        struct lane *lane = calloc(1, sizeof *lane);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = lane};

        if (!lane)
            bench_die("memory");
        subject_connect(&lane->wire);
        if (epoll_ctl(wire_epoll, EPOLL_CTL_ADD, lane->wire.fd, &event) < 0)
            bench_die("epoll");
        lanes[i] = lane;
    }
}

static void on_one_processor(int processor)
{
    bench_pin(0, processor);
    subject_pin(processor);
}

int main(int argc, char **argv)
{
    struct bench_case of = {.name = "spawn + join, 64 outstanding", .unit = "/s", .floor = floor_round,
                            .subject = subject_round, .aim = AIM_AT_LEAST, .limit = 0.8};
    int processor;

    bench_begin(argc, argv, "64 spawns and joins outstanding, on 8 connections; floor: one loop over pidfds");
    child = bench_beside("nothing");
    raw_epoll = epoll_create1(EPOLL_CLOEXEC);
    subject_start();
    open_lanes();
    bench_compare(&of);
    if (bench_processors(&processor, 1) == 1) {
        of.name = "  all on one core";
        of.aim = AIM_NONE;
        on_one_processor(processor);
        bench_compare(&of);
        on_one_processor(-1);
    }
    return 0;
}
