/* SPDX-License-Identifier: MIT */
#include "tests/bench/lanes.h"

#include "tests/bench/bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define LINE_MAX 8192

struct lanes *lanes_open(const struct subject *subject)
{
    struct lanes *lanes = calloc(1, sizeof *lanes);

    if (!lanes)
        bench_die("memory");
    lanes->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < LANES; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &lanes->lane[i]};

        subject_connect(subject, &lanes->lane[i].wire);
        if (epoll_ctl(lanes->epoll, EPOLL_CTL_ADD, lanes->lane[i].wire.fd, &event) < 0)
            bench_die("epoll");
    }
    return lanes;
}

void lane_ask(struct lane *lane, const char *format, ...)
{
    va_list arguments;
    int size;

    if (lane->room - lane->size < LINE_MAX) {
        lane->room = 2 * lane->room + LINE_MAX;
        lane->out = realloc(lane->out, lane->room);
    }
    if (!lane->out)
        bench_die("memory");
    va_start(arguments, format);
    size = vsnprintf(lane->out + lane->size, lane->room - lane->size, format, arguments);
    va_end(arguments);
    lane->size += (size_t) size;
}

void lane_flush(struct lane *lane)
{
    if (lane->size > 0)
        wire_send(&lane->wire, lane->out, lane->size);
    lane->size = 0;
}

void lanes_run(struct lanes *lanes, void (*take)(struct lane *lane, char *line), const int *left)
{
    while (*left > 0) {
        struct epoll_event events[LANES];
        int ready = epoll_wait(lanes->epoll, events, LANES, -1);

        for (int i = 0; i < ready; i++) {
            struct lane *lane = events[i].data.ptr;
            char *line;

            errno = 0;
            if (!wire_receive(&lane->wire))
                bench_die("the daemon has closed the connection");
            while ((line = wire_next(&lane->wire)))
                take(lane, line);
            lane_flush(lane);
        }
    }
}
