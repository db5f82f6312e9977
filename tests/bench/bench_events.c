/* SPDX-License-Identifier: MIT */
/* Events: how many a second reach one subscriber, and a hundred. */
#include "tests/bench/bench.h"
#include "tests/bench/events.h"
#include "tests/bench/redis.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- floor: another process writes the same bytes, those of a batch at once ---- */

static char event_lines[EVENTS_BATCH * 300];
static size_t event_size, event_lines_size;

/* As many bytes as one of the daemon's has. */
static void make_lines(void)
{
    static const char like[] =
        "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"subscription\":1,\"seq\":123456,"
        "\"time\":1795000000.123456,\"kind\":\"lock.acquired\",\"object\":\"bench-1\",\"object_kind\":"
        "\"lock\","
        "\"pid\":12345,\"holder\":\"#1\",\"token\":1795000000123456}}\n";

    event_size = sizeof like - 1;
    for (int i = 0; i < EVENTS_BATCH; i++, event_lines_size += event_size)
        memcpy(event_lines + event_lines_size, like, event_size);
}

_Noreturn static void write_lines(int commands, const int *fds, unsigned count)
{
    char byte;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (recv(commands, &byte, 1, 0) == 1)
        for (unsigned i = 0; i < count; i++)
            if (send(fds[i], event_lines, event_lines_size, MSG_NOSIGNAL) < 0)
                _exit(1);
    _exit(0);
}

static struct source *source_bare(unsigned subscribers, pid_t *ret_pid)
{
    struct source *source = source_new(subscribers, 1);
    int fds[EVENTS_SUBSCRIBERS], commands[2], pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, commands) < 0)
        bench_die("socketpair");
    for (unsigned i = 0; i < subscribers; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            bench_die("socketpair");
        fds[i] = pair[1];
        source_subscriber(source, pair[0]);
    }
    *ret_pid = fork();
    if (*ret_pid == 0)
        write_lines(commands[1], fds, subscribers);
    for (unsigned i = 0; i < subscribers; i++)
        close(fds[i]);
    for (int i = 0; i < EVENTS_PUBLISHERS; i++) {
        source->publisher[i] = commands[0];
        source->batch[i] = "";
    }
    source->batch_size = 1;
    return source;
}

/* ---- redis ---- */

static struct source *source_redis(const struct redis *redis, unsigned subscribers)
{
    static const char subscribe[] = "SUBSCRIBE bench\r\n",
                      answer[] = "*3\r\n$9\r\nsubscribe\r\n$5\r\nbench\r\n:1\r\n";
    struct source *source = source_new(subscribers, 7);
    char *batch;
    FILE *to = open_memstream(&batch, &source->batch_size);

    for (int i = 0; i < EVENTS_BATCH; i++)
        fprintf(to, "*3\r\n$7\r\nPUBLISH\r\n$5\r\nbench\r\n$%zu\r\n%.*s\r\n", event_size - 1,
                (int) event_size - 1, event_lines);
    fclose(to);
    for (int i = 0; i < EVENTS_PUBLISHERS; i++) {
        source->publisher[i] = redis_connect(redis);
        source->batch[i] = batch;
    }
    for (unsigned i = 0; i < subscribers; i++) {
        int fd = redis_connect(redis);
        char buffer[sizeof answer];

        if (send(fd, subscribe, sizeof subscribe - 1, MSG_NOSIGNAL) < 0 ||
            recv(fd, buffer, sizeof answer - 1, MSG_WAITALL) != sizeof answer - 1)
            bench_die("redis");
        source_subscriber(source, fd);
    }
    return source;
}

/* ---- ---- */

struct sides {
    struct source *floor, *subject;
};

static double floor_round(void *context)
{
    return source_round(((struct sides *) context)->floor);
}

static double subject_round(void *context)
{
    return source_round(((struct sides *) context)->subject);
}

/* The daemon (or who stands in for it) on one processor, clients on the other. */
static void compare(enum bench_figure figure, unsigned subscribers)
{
    const struct subject *subject = subject_start();
    struct sides sides;
    struct bench_case of = {.floor = floor_round, .subject = subject_round, .context = &sides};
    struct redis *redis;
    int processors[2];
    bool two = bench_processors(processors, 2) == 2;
    pid_t pid;

    if (two) {
        bench_pin(subject->broker, processors[1]);
        bench_pin(0, processors[1]); /* as what it starts */
    }
    redis = redis_start();
    sides.floor = source_bare(subscribers, &pid);
    if (two)
        bench_pin(0, processors[0]);
    sides.subject = source_daemon(subject, subscribers);
    if (redis)
        bench_peer("redis, PUBLISH", source_round, source_redis(redis, subscribers));
    bench_compare(figure, &of);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv, "events");
    make_lines();
    compare(FIGURE_EVENTS_ONE, 1);
    compare(FIGURE_EVENTS_HUNDRED, EVENTS_SUBSCRIBERS);
    return 0;
}
