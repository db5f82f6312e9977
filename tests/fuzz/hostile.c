/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/hostile.h"

#include "client/lib/endpoint.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/fdpass.h"
#include "tests/unit/core/must.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define STREAMS_MAX 16
#define STREAM_SIZE 65536 /* a socket takes so much at once */
#define FDS_MAX     3

enum begin {
    BEGIN_FDS = 3,         /* so many descriptors come with the bytes */
    BEGIN_RAW = 1 << 2,    /* without an answer to daemon.hello in front */
    BEGIN_OTHER = 1 << 3,  /* the epoch is another one */
    BEGIN_RESET = 1 << 4,  /* the end comes as a reset: what was asked is never read */
};

static struct source *streams;
static int ends[STREAMS_MAX], nothing = -1;
static size_t count;

void hostile_begin(struct source *source)
{
    if (nothing < 0)
        nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    streams = source;
    count = 0;
}

void hostile_end(void)
{
    while (count > 0)
        close_fd(ends[--count]);
}

static void say(int fd, const void *bytes, size_t size, size_t fd_count)
{
    const struct iovec iov = {.iov_base = (void *) bytes, .iov_len = size};
    const int fds[FDS_MAX] = {nothing, nothing, nothing};

    if (size > 0)
        must(fdpass_send(fd, &iov, 1, fds, fd_count) == (ssize_t) size);
}

static void say_hello(int fd, uint8_t how)
{
    static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":-1,\"result\":{\"protocol\":1,\"version\":\"0\","
                               "\"process\":null,\"epoch\":\"%c\"}}\n";
    char line[sizeof text];
    int size = snprintf(line, sizeof line, text, how & BEGIN_OTHER ? 'f' : 'e');

    if (!(how & BEGIN_RAW))
        say(fd, line, (size_t) size, 0);
}

static int next_stream(void)
{
    uint8_t how;
    const uint8_t *bytes, *nul;
    size_t size;
    int pair[2];

    if (!streams || streams->left == 0 || count == STREAMS_MAX)
        return -ECONNREFUSED;
    how = source_byte(streams);
    nul = memchr(streams->at, '\0', streams->left);
    bytes = source_take(streams, nul ? (size_t) (nul - streams->at) : streams->left, &size);
    (void) source_byte(streams); /* the NUL */
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    say_hello(pair[1], how);
    say(pair[1], bytes, size < STREAM_SIZE ? size : STREAM_SIZE, how & BEGIN_FDS);
    if (how & BEGIN_RESET) {
        close_fd(pair[1]);
    } else {
        shutdown(pair[1], SHUT_WR);
        ends[count++] = pair[1];
    }
    return pair[0];
}

/* ---- in the place of ---- */

int __wrap_endpoint_connect(const struct endpoint *endpoint, int64_t deadline);
int __wrap_endpoint_open(const struct endpoint_options *options, int64_t deadline,
                         struct endpoint *ret_endpoint);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *rest);

int __wrap_endpoint_connect(const struct endpoint *endpoint, int64_t deadline)
{
    (void) endpoint;
    (void) deadline;
    return next_stream();
}

int __wrap_endpoint_open(const struct endpoint_options *options, int64_t deadline,
                         struct endpoint *ret_endpoint)
{
    (void) options;
    (void) deadline;
    *ret_endpoint = (struct endpoint){.path = "hostile"};
    return next_stream();
}

/* Between two attempts. */
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *rest)
{
    (void) clock;
    (void) flags;
    (void) until;
    (void) rest;
    return 0;
}
