/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/keeper_link.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_PER_TURN 256
#define FINISH_MS         1000 /* the keeper waits for nobody, and is soon there */

struct queued {
    TAILQ_ENTRY(queued) next;
    size_t size;
    size_t fd_count;
    int fds[FDPASS_MAX];
    char bytes[];
};

struct keeper_link {
    struct server *server;
    int fd;
    struct event *readable, *writable;
    uint64_t read_in; /* turn of the server's */
    TAILQ_HEAD(link_queue, queued) queue;
    char buffer[LINK_MESSAGE_MAX] __attribute__((aligned(8)));
};

/* ---- sending ---- */

static void link_lost(struct keeper_link *link, const char *why)
{
    log_error("link to the keeper: %s", why);
    link->server->done = true;
}

/* The keeper has let go: after LINK_LEAVE, when it replaces this broker, or because it died. */
static void link_closed(struct keeper_link *link)
{
    log_debug("link to the keeper: closed");
    link->server->link_closed = link->server->done = true;
}

static void send_failed(struct keeper_link *link, ssize_t sent)
{
    if (sent == -EPIPE || sent == -ECONNRESET)
        link_closed(link);
    else
        link_lost(link, strerror((int) -sent));
}

static void queue_free(struct queued *queued)
{
    for (size_t i = 0; i < queued->fd_count; i++)
        close_fd(queued->fds[i]);
    free(queued);
}

static void on_writable(evutil_socket_t fd, short what, void *context);

/* Goes on when the socket has room, or, as that says nothing of the kernel's memory, after a pause. */
static void send_later(struct keeper_link *link, bool is_short)
{
    const struct timeval pause = {.tv_usec = FDPASS_PAUSE * 1000};

    if (event_pending(link->writable, EV_WRITE | EV_TIMEOUT, NULL))
        return;
    event_assign(link->writable, link->server->base, is_short ? -1 : link->fd, is_short ? 0 : EV_WRITE,
                 on_writable, link);
    if (event_add(link->writable, is_short ? &pause : NULL) < 0)
        link_lost(link, "no room is to be told of");
}

static void enqueue(struct keeper_link *link, const struct iovec *iov, size_t iov_count, const int *fds,
                    size_t fd_count, bool is_short)
{
    size_t size = 0;
    struct queued *queued;

    for (size_t i = 0; i < iov_count; i++)
        size += iov[i].iov_len;
    queued = calloc(1, sizeof *queued + size);
    if (!queued) {
        link_lost(link, "out of memory");
        return;
    }
    for (size_t i = 0; i < iov_count; i++) {
        memcpy(queued->bytes + queued->size, iov[i].iov_base, iov[i].iov_len);
        queued->size += iov[i].iov_len;
    }
    for (size_t i = 0; i < fd_count; i++) {
        queued->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (queued->fds[i] < 0) {
            queue_free(queued);
            link_lost(link, "out of descriptors");
            return;
        }
        queued->fd_count++;
    }
    TAILQ_INSERT_TAIL(&link->queue, queued, next);
    send_later(link, is_short);
}

void keeper_link_send_with(struct keeper_link *link, enum link_kind kind, uint64_t number, void *message,
                           size_t size, const void *more, size_t more_size, const int *fds, size_t fd_count)
{
    struct link_head *head = message;
    struct iovec iov[2] = {{message, size}, {(void *) more, more_size}};
    ssize_t sent = -EAGAIN;

    head->kind = kind;
    head->number = number;
    head->size = (uint32_t) (size + more_size);
    if (TAILQ_EMPTY(&link->queue))
        sent = fdpass_send(link->fd, iov, more_size > 0 ? 2 : 1, fds, fd_count);
    if (sent == -EAGAIN || fdpass_is_short(sent))
        enqueue(link, iov, more_size > 0 ? 2 : 1, fds, fd_count, sent != -EAGAIN);
    else if (sent < 0)
        send_failed(link, sent);
}

void keeper_link_send(struct keeper_link *link, enum link_kind kind, uint64_t number, void *message,
                      size_t size, const int *fds, size_t fd_count)
{
    keeper_link_send_with(link, kind, number, message, size, NULL, 0, fds, fd_count);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct keeper_link *link = context;
    struct queued *queued;

    (void) fd;
    (void) what;
    while ((queued = TAILQ_FIRST(&link->queue))) {
        struct iovec iov = {queued->bytes, queued->size};
        ssize_t sent = fdpass_send(link->fd, &iov, 1, queued->fds, queued->fd_count);

        if (sent == -EAGAIN || fdpass_is_short(sent)) {
            send_later(link, sent != -EAGAIN);
            return;
        }
        if (sent < 0) {
            send_failed(link, sent);
            return;
        }
        TAILQ_REMOVE(&link->queue, queued, next);
        queue_free(queued);
    }
}

bool keeper_link_idle(const struct keeper_link *link)
{
    return TAILQ_EMPTY(&link->queue);
}

void keeper_link_finish(struct keeper_link *link)
{
    struct pollfd poll_fd = {.fd = link->fd, .events = POLLOUT};

    while (!TAILQ_EMPTY(&link->queue)) {
        int r = poll(&poll_fd, 1, FINISH_MS);

        if (r < 0 && errno == EINTR)
            continue;
        if (r != 1 || poll_fd.revents != POLLOUT)
            return;
        on_writable(link->fd, 0, link);
    }
}

/* ---- receiving ---- */

/* Where one comes at a time, whoever waits for what comes of it need not wait until we know that there is no
 * other: the next turn shows that. */
static int messages_most(struct keeper_link *link)
{
    bool was_read_before = link->read_in + 1 == link->server->turn;

    link->read_in = link->server->turn;
    return was_read_before ? MESSAGES_PER_TURN : 1;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct keeper_link *link = context;
    int most = messages_most(link);

    (void) what;
    for (int i = 0; i < most && !link->server->done; i++) {
        CLEANUP(fdpass_close) struct fdpass fds = {.count = 0};
        ssize_t size = fdpass_receive((int) fd, link->buffer, sizeof link->buffer, &fds);

        if (size == -EAGAIN)
            return;
        if (size == 0 || size == -ECONNRESET) {
            link_closed(link);
            return;
        }
        if (size < (ssize_t) sizeof(struct link_head)) {
            link_lost(link, size < 0 ? strerror((int) -size) : "short message");
            return;
        }
        link->server->stirred = true;
        keeper_link_receive(link->server, (const struct link_head *) link->buffer, (size_t) size, &fds);
    }
}

int keeper_link_wait(int fd, void *buffer, size_t size, struct fdpass *ret_fds)
{
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        ssize_t received = fdpass_receive(fd, buffer, size, ret_fds);

        if (received != -EAGAIN)
            return received == 0 ? -EPIPE : (int) received;
        (void) poll(&poll_fd, 1, -1);
    }
}

/* ---- life ---- */

int keeper_link_open(struct server *server, int fd, struct keeper_link **ret_link)
{
    struct keeper_link *link = calloc(1, sizeof *link);

    if (!link)
        return -ENOMEM;
    link->server = server;
    link->fd = fd;
    TAILQ_INIT(&link->queue);
    link->readable = event_new(server->base, fd, EV_READ | EV_PERSIST, on_readable, link);
    link->writable = event_new(server->base, fd, EV_WRITE, on_writable, link);
    if (!link->readable || !link->writable || event_add(link->readable, NULL) < 0) {
        keeper_link_close(link);
        return -ENOMEM;
    }
    *ret_link = link;
    return 0;
}

struct keeper_link *keeper_link_close(struct keeper_link *link)
{
    struct queued *queued;

    if (!link)
        return NULL;
    while ((queued = TAILQ_FIRST(&link->queue))) {
        TAILQ_REMOVE(&link->queue, queued, next);
        queue_free(queued);
    }
    if (link->readable)
        event_free(link->readable);
    if (link->writable)
        event_free(link->writable);
    free(link);
    return NULL;
}
