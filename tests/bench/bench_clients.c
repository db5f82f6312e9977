/* SPDX-License-Identifier: MIT */
/* Many requests at once, and many clients. */
#include "tests/bench/bench.h"
#include "tests/bench/raw.h"
#include "tests/bench/swarm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT 100000 /* requests of a round */
#define CONNECTIONS 8
#define DEEP 8
#define CLIENTS_MOST 1000
#define SOCKETS_IDLE 10000
#define SOCKETS_READY 64 /* that are looked at in a turn */

static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.ping\"}\n";
static const char reply[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n";
#define REQUEST_SIZE (sizeof request - 1)
#define REPLY_SIZE (sizeof reply - 1)

static const struct subject *subject;

/* ---- lines by the dozen: what both ends of floor and subject need ---- */

/* Requests under way have one id each: the answers tell no more than that they have come. */
struct side {
    int epoll;
    unsigned count; /* connections */
    int fds[CLIENTS_MOST];
};

static void send_lines(int fd, const char *line, size_t size, unsigned lines)
{
    char buffer[DEEP * REQUEST_SIZE];

    for (unsigned i = 0; i < lines; i++)
        memcpy(buffer + i * size, line, size);
    if (lines > 0 && send(fd, buffer, lines * size, MSG_NOSIGNAL) != (ssize_t) (lines * size))
        bench_die("send");
}

static void add_fd(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        bench_die("epoll");
}

/* Keeps `deep` requests under way on each connection until COUNT are answered; how many a second. */
static double drive(const struct side *side, unsigned deep)
{
    double begin = bench_seconds();
    unsigned asked = 0, answered = 0;
    char buffer[4096];

    for (unsigned i = 0; i < side->count && asked < COUNT; i++, asked += deep)
        send_lines(side->fds[i], request, REQUEST_SIZE, deep);
    while (answered < asked) {
        struct epoll_event events[SOCKETS_READY];
        int ready = epoll_wait(side->epoll, events, SOCKETS_READY, -1);

        for (int i = 0; i < ready; i++) {
            ssize_t size = recv(events[i].data.fd, buffer, sizeof buffer, 0);
            unsigned lines = size > 0 ? wire_lines(buffer, size) : 0;

            errno = 0;
            if (lines == 0 || memcmp(buffer, reply, REPLY_SIZE) != 0)
                bench_die("another answer");
            answered += lines;
            if (asked < COUNT) {
                send_lines(events[i].data.fd, request, REQUEST_SIZE, lines);
                asked += lines;
            }
        }
    }
    return answered / (bench_seconds() - begin);
}

/* ---- floor: an epoll loop that answers the same bytes ---- */

static struct side bare;
static int bare_server; /* its end of a pair, by which it gets sockets */
static pid_t bare_pid;

_Noreturn static void answer(int commands)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    char buffer[4096];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    add_fd(epoll, commands);
    for (;;) {
        struct epoll_event events[SOCKETS_READY];
        int ready = epoll_wait(epoll, events, SOCKETS_READY, -1);

        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            ssize_t size = fd == commands ? 0 : recv(fd, buffer, sizeof buffer, 0);

            if (fd == commands)
                add_fd(epoll, swarm_receive_fd(commands));
            else if (size > 0)
                send_lines(fd, reply, REPLY_SIZE, wire_lines(buffer, size));
        }
    }
}

static void bare_begin(void)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 || (bare_pid = fork()) < 0)
        bench_die("a second process");
    if (bare_pid == 0)
        answer(pair[1]);
    close(pair[1]);
    bare_server = pair[0];
    bare.epoll = epoll_create1(EPOLL_CLOEXEC);
}

static void bare_connect(unsigned count)
{
    for (; bare.count < count; bare.count++) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            bench_die("socketpair");
        swarm_send_fd(bare_server, pair[1]);
        close(pair[1]);
        bare.fds[bare.count] = pair[0];
        add_fd(bare.epoll, pair[0]);
    }
}

/* ---- subject ---- */

static struct side lanes, clients;

static void side_connect(struct side *side, unsigned count,
                         void (*connect)(const struct subject *subject, int *fds, size_t count))
{
    unsigned before = side->count;

    if (before == 0)
        side->epoll = epoll_create1(EPOLL_CLOEXEC);
    connect(subject, side->fds + before, count - before);
    side->count = count;
    for (unsigned i = before; i < count; i++)
        add_fd(side->epoll, side->fds[i]);
}

static double rate_bare(void *context)
{
    (void) context;
    return drive(&bare, DEEP);
}

static double rate(void *context)
{
    (void) context;
    return drive(&lanes, DEEP);
}

static double one_each_bare(void *context)
{
    (void) context;
    return 1e6 / drive(&bare, 1);
}

static double one_each(void *context)
{
    (void) context;
    return 1e6 / drive(&clients, 1);
}

static bool more_clients(unsigned count)
{
    bare_connect(count);
    side_connect(&clients, count, swarm_connect);
    return true;
}

/* ---- memory ---- */

/* Of each connection, once it has been served; in a daemon that has had no others. */
static double memory_of(void (*connect)(const struct subject *subject, int *fds, size_t count),
                        unsigned count)
{
    const struct subject *fresh = subject_start();
    static int fds[SOCKETS_IDLE];
    long before;
    double kib;

    connect(fresh, fds, 1);
    before = subject_memory(fresh);
    connect(fresh, fds + 1, count - 1);
    kib = (double) (subject_memory(fresh) - before) / 1024 / (count - 1);
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    return kib;
}

int main(int argc, char **argv)
{
    struct bench_case of = {.floor = rate_bare, .subject = rate};
    struct bench_case growing = {.floor = one_each_bare, .subject = one_each};
    int processors[2];
    size_t count;

    bench_begin(argc, argv, "many requests under way, many clients");
    bare_begin();
    subject = subject_start();
    if (raw_descriptors(SOCKETS_IDLE + 100))
        bench_value(FIGURE_CONNECTION_MEMORY, memory_of(swarm_connect_alone, SOCKETS_IDLE));
    else
        bench_skip(FIGURE_CONNECTION_MEMORY, "it needs 10,100 descriptors: raise the hard limit");
    bench_value(FIGURE_CLIENT_MEMORY, memory_of(swarm_connect, CLIENTS_MOST));
    bare_connect(CONNECTIONS);
    side_connect(&lanes, CONNECTIONS, swarm_connect_alone);

    count = bench_processors(processors, 2);
    bench_pin(0, processors[0]);
    if (count == 2) {
        bench_pin(bare_pid, processors[1]);
        bench_pin(subject->broker, processors[1]);
        bench_compare(FIGURE_PING_RATE, &of);
    } else {
        bench_skip(FIGURE_PING_RATE, "one processor only");
    }
    bench_pin(bare_pid, processors[0]);
    bench_pin(subject->broker, processors[0]);
    bench_compare(FIGURE_PING_RATE_CORE, &of);
    bench_grow(CURVE_CLIENTS, &growing, more_clients);
    return 0;
}
