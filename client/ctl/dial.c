/* SPDX-License-Identifier: MIT */
/*
 * dial-stdio: the daemon's socket on standard input and output, for -H at the other end of ssh. It is the
 * client that the daemon knows: what it holds is free when the link is gone.
 */
#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "client/lib/endpoint.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPEN_TIME (10 * NSEC_PER_SEC)
#define CHUNK     65536

/* One direction. What could not be written yet lies in the buffer, and nothing more is read. */
struct flow {
    int from, to;
    bool ended; /* nothing more comes */
    size_t begin, end;
    char buffer[CHUNK];
};

static bool is_empty(const struct flow *flow)
{
    return flow->begin == flow->end;
}

/* 0; 1: nothing more comes, and all is written; -errno. */
static int move(struct flow *flow, bool can_read, bool can_write)
{
    ssize_t size;

    if (can_read && is_empty(flow) && !flow->ended) {
        size = read(flow->from, flow->buffer, sizeof flow->buffer);
        if (size < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        flow->ended = size == 0;
        flow->begin = 0;
        flow->end = size > 0 ? (size_t) size : 0;
        can_write = can_write || size > 0;
    }
    if (can_write && !is_empty(flow)) {
        size = write(flow->to, flow->buffer + flow->begin, flow->end - flow->begin);
        if (size < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        flow->begin += size > 0 ? (size_t) size : 0;
    }
    return flow->ended && is_empty(flow);
}

static short wanted(const struct flow *flow)
{
    return is_empty(flow) && !flow->ended ? POLLIN : 0;
}

/* Until the daemon hangs up, or nobody reads any more. */
static int copy(struct flow *up, struct flow *down)
{
    bool was_shut = false;
    int r = 0;

    while (r == 0) {
        struct pollfd entries[] = {
            {.fd = was_shut ? -1 : up->from, .events = wanted(up)},
            {.fd = down->from, .events = (short) (wanted(down) | (is_empty(up) ? 0 : POLLOUT))},
            /* asked for nothing it still tells when the reader is gone */
            {.fd = down->to, .events = is_empty(down) ? 0 : POLLOUT},
        };

        if (poll(entries, 3, -1) < 0 && errno != EINTR)
            return -errno;
        if (entries[2].revents & (POLLERR | POLLHUP))
            return 0;
        r = move(up, entries[0].revents != 0, entries[1].revents & POLLOUT);
        if (r == 1 && !was_shut) {
            shutdown(up->to, SHUT_WR);
            was_shut = true;
        }
        if (r >= 0)
            r = move(down, entries[1].revents & (POLLIN | POLLHUP | POLLERR), entries[2].revents & POLLOUT);
    }
    return r < 0 && r != -EPIPE && r != -ECONNRESET ? r : 0;
}

static void make_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int command_dial_stdio(struct ctl *ctl)
{
    static struct flow up, down;
    struct endpoint_options options = {.socket = ctl->socket, .no_autostart = ctl->no_autostart};
    struct endpoint endpoint;
    CLEANUP_FD int fd = -1;
    int r;

    if (call_host(ctl))
        return usage_error(ctl, "it is for the daemon on this machine");
    fd = endpoint_open(&options, clock_monotonic() + OPEN_TIME, &endpoint);
    if (fd < 0)
        return report_connection(ctl, fd);
    signal(SIGPIPE, SIG_IGN);
    make_nonblocking(fd);
    make_nonblocking(STDIN_FILENO);
    make_nonblocking(STDOUT_FILENO);
    up = (struct flow) {.from = STDIN_FILENO, .to = fd};
    down = (struct flow) {.from = fd, .to = STDOUT_FILENO};
    r = copy(&up, &down);
    if (r < 0)
        complain(ctl, "%s", strerror(-r));
    return r < 0 ? CTL_FAILED : CTL_OK;
}
