/* SPDX-License-Identifier: MIT */
/* The round trip of the smallest request. */
#include "tests/bench/bench.h"
#include "tests/bench/peers.h"
#include "tests/bench/redis.h"
#include "tests/bench/subject.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT 10000 /* of a round */

static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.ping\"}\n";
static const char reply[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n";
#define REQUEST_SIZE (sizeof request - 1)
#define REPLY_SIZE (sizeof reply - 1)

static struct wire wire;
static int peer_socket;
static pid_t peer;

/* The other end of the floor: as many bytes, and no thought. */
_Noreturn static void answer(int socket)
{
    char buffer[256];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (recv(socket, buffer, sizeof buffer, 0) > 0)
        if (send(socket, reply, REPLY_SIZE, MSG_NOSIGNAL) < 0)
            break;
    _exit(0);
}

static void begin_peer(void)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 || (peer = fork()) < 0)
        bench_die("a second process");
    if (peer == 0) {
        close(pair[0]);
        answer(pair[1]);
    }
    close(pair[1]);
    peer_socket = pair[0];
}

static double floor_round(void *context)
{
    double begin = bench_seconds();
    char buffer[256];

    (void) context;
    for (int i = 0; i < COUNT; i++)
        if (send(peer_socket, request, REQUEST_SIZE, MSG_NOSIGNAL) != (ssize_t) REQUEST_SIZE ||
            recv(peer_socket, buffer, sizeof buffer, 0) != (ssize_t) REPLY_SIZE)
            bench_die("the second process");
    return (bench_seconds() - begin) / COUNT * 1e6;
}

static double subject_round(void *context)
{
    double begin = bench_seconds();

    (void) context;
    for (int i = 0; i < COUNT; i++)
        if (strncmp(wire_call(&wire, request, REQUEST_SIZE), reply, REPLY_SIZE - 1) != 0)
            bench_die("another answer");
    return (bench_seconds() - begin) / COUNT * 1e6;
}

static double redis_round(void *context)
{
    double begin = bench_seconds();

    for (int i = 0; i < COUNT; i++)
        redis_call(context, "PING\r\n", "+PONG\r\n");
    return (bench_seconds() - begin) / COUNT * 1e6;
}

int main(int argc, char **argv)
{
    struct bench_case of = {.floor = floor_round, .subject = subject_round};
    const struct subject *subject;
    struct redis *redis;
    int processors[2];
    size_t count;

    bench_begin(argc, argv, "the round trip of daemon.ping");
    begin_peer();
    subject = subject_start();
    subject_connect(subject, &wire);
    count = bench_processors(processors, 2);
    bench_pin(0, processors[0]);
    bench_pin(peer, processors[0]);
    bench_pin(subject->broker, processors[0]);
    redis = redis_start();
    if (redis)
        bench_peer("redis, PING", redis_round, redis);
    peers_python("ping");
    bench_compare(FIGURE_PING_SAME, &of);
    if (count < 2) {
        bench_skip(FIGURE_PING_ACROSS, "one processor only");
    } else {
        bench_pin(peer, processors[1]);
        bench_pin(subject->broker, processors[1]);
        bench_compare(FIGURE_PING_ACROSS, &of);
    }
    wire_close(&wire);
    return 0;
}
