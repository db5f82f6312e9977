/* SPDX-License-Identifier: MIT */
/* Spawn and join with 64 outstanding: how many a second. */
#include "tests/bench/bench.h"
#include "tests/bench/peers.h"
#include "tests/bench/raw.h"
#include "tests/bench/spawns.h"
#include "tests/bench/spooler.h"

#include <sys/epoll.h>

#define COUNT 2048 /* of a round */
#define OUTSTANDING (LANES * LANE_DEEP)

static const char *child[2];
static int raw_epoll;

/* ---- floor ---- */

struct program {
    const char *const *argv, *const *envp;
};

static void raw_begin(const struct program *program)
{
    struct epoll_event event = {.events = EPOLLIN};
    int pidfd;

    raw_start(program->argv, program->envp, &pidfd);
    event.data.fd = pidfd;
    if (epoll_ctl(raw_epoll, EPOLL_CTL_ADD, pidfd, &event) < 0)
        bench_die("epoll");
}

static double raw_round(const struct program *program)
{
    double begin = bench_seconds();
    int begun = 0, ended = 0;

    while (begun < OUTSTANDING)
        raw_begin(program), begun++;
    while (ended < COUNT) {
        struct epoll_event events[OUTSTANDING];
        int ready = epoll_wait(raw_epoll, events, OUTSTANDING, -1);

        for (int i = 0; i < ready; i++) {
            /* closing is not enough: a child just begun may have a copy until its exec is over */
            epoll_ctl(raw_epoll, EPOLL_CTL_DEL, events[i].data.fd, NULL);
            raw_reap(events[i].data.fd);
            ended++;
            if (begun < COUNT)
                raw_begin(program), begun++;
        }
    }
    return COUNT / (bench_seconds() - begin);
}

static double floor_round(void *context)
{
    struct program program = {.argv = child};

    (void) context;
    return raw_round(&program);
}

/* Where nothing has to be moved, nor woken, between two processors. */
static int own_processor;

static double quick_floor_round(void *context)
{
    double rate;

    bench_pin(0, own_processor);
    rate = floor_round(context);
    bench_pin(0, -1);
    return rate;
}

static double spooler_round(void *context)
{
    const struct spooler *spooler = context;
    struct program program = {spooler->argv, spooler->envp};

    return raw_round(&program);
}

/* ---- subject ---- */

static struct lanes *lanes;

static double subject_round(void *context)
{
    (void) context;
    return spawns_a_second(lanes, child[0], COUNT);
}

static void on_one_processor(const struct subject *subject, int processor)
{
    bench_pin(0, processor);
    subject_pin(subject, processor);
}

int main(int argc, char **argv)
{
    struct bench_case of = {.floor = floor_round, .subject = subject_round};
    struct bench_case quick = {.floor = quick_floor_round, .subject = subject_round};
    const struct spooler *spooler;
    const struct subject *subject;

    bench_begin(argc, argv, "64 spawns and joins outstanding, on 8 connections");
    child[0] = bench_beside("nothing");
    raw_epoll = epoll_create1(EPOLL_CLOEXEC);
    subject = subject_start();
    lanes = lanes_open(subject);
    spooler = spooler_start(child[0], OUTSTANDING);
    if (spooler)
        bench_peer("task-spooler", spooler_round, (void *) spooler);
    peers_python("throughput");
    bench_compare(FIGURE_SPAWN_MANY, &of);
    if (bench_processors(&own_processor, 1) == 1) {
        bench_compare(FIGURE_SPAWN_MANY_QUICK, &quick);
        on_one_processor(subject, own_processor);
        bench_compare(FIGURE_SPAWN_MANY_CORE, &of);
        on_one_processor(subject, -1);
    }
    return 0;
}
