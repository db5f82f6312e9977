/* SPDX-License-Identifier: MIT */
#include "tests/bench/events.h"

#include "tests/bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define WINDOW 4096                /* events under way: fewer than are kept, so that nobody misses one */
#define SOME (800 * EVENTS_BATCH)  /* events of a round */
#define FEWER (160 * EVENTS_BATCH) /* with a hundred subscribers */

/* ---- reading ---- */

static void no_gap(const char *bytes, ssize_t size)
{
    errno = 0;
    if (memmem(bytes, (size_t) size, "\"kind\":\"gap\"", 12))
        bench_die("a subscriber has missed events");
}

/* How many lines more have come to all of them together. */
static unsigned read_some(const struct source *source)
{
    static char buffer[256 << 10];
    struct epoll_event events[EVENTS_SUBSCRIBERS];
    int ready = epoll_wait(source->epoll, events, EVENTS_SUBSCRIBERS, -1);
    unsigned lines = 0;

    for (int i = 0; i < ready; i++) {
        ssize_t size = recv(events[i].data.fd, buffer, sizeof buffer, 0);

        errno = 0;
        if (size <= 0)
            bench_die("a subscription has ended");
        lines += wire_lines(buffer, size);
        if (i == 0)
            no_gap(buffer, size);
    }
    return lines;
}

/* What answers the publisher is of no interest. */
static void publish(const struct source *source, unsigned publisher)
{
    int fd = source->publisher[publisher];
    char buffer[4096];

    while (recv(fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0)
        ;
    if (send(fd, source->batch[publisher], source->batch_size, MSG_NOSIGNAL) != (ssize_t) source->batch_size)
        bench_die("publishing");
}

/* A round: deliveries a second. */
double source_round(void *context)
{
    const struct source *source = context;
    unsigned long due = (unsigned long) source->count * source->subscribers * source->per_event, got = 0;
    double begin = bench_seconds();
    unsigned sent = 0;

    while (got < due) {
        unsigned long come = got / source->subscribers / source->per_event;

        for (; sent < source->count && sent - come + EVENTS_BATCH <= WINDOW; sent += EVENTS_BATCH)
            publish(source, sent / EVENTS_BATCH % EVENTS_PUBLISHERS);
        got += read_some(source);
    }
    return (double) due / source->per_event / (bench_seconds() - begin);
}

void source_subscriber(struct source *source, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (fd < 0 || epoll_ctl(source->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        bench_die("a subscriber");
}

struct source *source_new(unsigned subscribers, unsigned per_event)
{
    struct source *source = calloc(1, sizeof *source);

    if (!source)
        bench_die("memory");
    source->subscribers = subscribers;
    source->count = subscribers == 1 ? SOME : FEWER;
    source->per_event = per_event;
    source->epoll = epoll_create1(EPOLL_CLOEXEC);
    return source;
}

/* ---- subject: holds of locks that are traced ---- */

static void check_answer(struct wire *wire, const char *line)
{
    wire_expect(wire_call(wire, line, strlen(line)), "");
}

/* Each publisher has a lock of its own, which it takes and leaves by requests that nobody answers. */
static char *hold_batch(int publisher, size_t *ret_size)
{
    char *batch;
    FILE *to = open_memstream(&batch, ret_size);

    if (!to)
        bench_die("memory");
    for (int i = 0; i < EVENTS_BATCH; i++)
        fprintf(to, "{\"jsonrpc\":\"2.0\",\"method\":\"lock.%s\",\"params\":{\"name\":\"bench-%d\"}}\n",
                i % 2 ? "release" : "acquire", publisher);
    fclose(to);
    return batch;
}

struct source *source_daemon(const struct subject *subject, unsigned subscribers)
{
    static const char subscribe[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.subscribe\",\"params\":{"
        "\"kinds\":[\"lock.*\"]}}\n";
    struct source *source = source_new(subscribers, 1);

    for (int i = 0; i < EVENTS_PUBLISHERS; i++) {
        struct wire wire;
        char line[256];

        subject_connect(subject, &wire);
        snprintf(line, sizeof line,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"object.create\",\"params\":{\"kind\":\"lock\","
                 "\"name\":\"bench-%d\",\"trace\":true,\"exist_ok\":true}}\n",
                 i);
        check_answer(&wire, line);
        source->publisher[i] = wire.fd;
        source->batch[i] = hold_batch(i, &source->batch_size);
    }
    for (unsigned i = 0; i < subscribers; i++) {
        struct wire wire;

        subject_connect(subject, &wire);
        check_answer(&wire, subscribe);
        source_subscriber(source, wire.fd);
    }
    return source;
}
