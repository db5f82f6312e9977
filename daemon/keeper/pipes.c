/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/pipes.h"

#include "daemon/base/cleanup.h"
#include "daemon/keeper/pty.h"
#include "daemon/keeper/store.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct logs_clock clock_now(void)
{
    return (struct logs_clock){.wall = clock_realtime(), .mono = clock_monotonic()};
}

/* ---- pipes ---- */

struct capture_pipe *pipe_new(struct capture *capture)
{
    struct capture_pipe *pipe = LIST_FIRST(&capture->unused);

    if (pipe)
        LIST_REMOVE(pipe, of_slot);
    else if (capture->pipes_made < PIPES_MAX)
        pipe = &capture->pipes[capture->pipes_made++];
    return pipe;
}

void pipe_end(struct keeper *keeper, struct capture_pipe *pipe)
{
    struct capture *capture = &keeper->capture;

    if (pipe->kept)
        store_take_out(keeper, STORE_LOG, pipe->kept);
    /* a child that has not come to its exec has it, too: closing it would not do */
    pipe_unwatch(capture, pipe);
    pty_release(keeper, pipe);
    pipe->fd = close_fd(pipe->fd);
    TAILQ_REMOVE(&capture->all, pipe, order);
    if (pipe->slot)
        LIST_REMOVE(pipe, of_slot);
    LIST_INSERT_HEAD(&capture->unused, pipe, of_slot);
    capture->pipe_count--;
}

void pipe_begin(struct keeper *keeper, struct capture_pipe *pipe, struct slot *slot, int fd,
                enum logs_stream stream)
{
    struct capture *capture = &keeper->capture;

    *pipe = (struct capture_pipe){
        .fd = fd, .slave = -1, .lease = -1, .offer = -1, .stream = stream, .slot = slot};
    TAILQ_INSERT_TAIL(&capture->all, pipe, order);
    if (slot)
        LIST_INSERT_HEAD(&slot->pipes, pipe, of_slot);
    capture->pipe_count++;
}

int pipe_watch(struct capture *capture, struct capture_pipe *pipe)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = pipe};

    return epoll_ctl(capture->epoll, EPOLL_CTL_ADD, pipe->fd, &event) < 0 && errno != EEXIST ? -errno : 0;
}

void pipe_unwatch(struct capture *capture, const struct capture_pipe *pipe)
{
    (void) epoll_ctl(capture->epoll, EPOLL_CTL_DEL, pipe->fd, NULL);
}

/* ---- taking ---- */

static bool is_kept(const struct capture_pipe *pipe)
{
    return pipe->slot && pipe->slot->log;
}

static void ring(struct keeper *keeper, uint32_t log)
{
    struct capture *capture = &keeper->capture;

    if (capture->logs.index->logs[log].followed == keeper->starts)
        eventfd_write(capture->bell, 1);
}

void pipe_end_line(struct keeper *keeper, struct capture_pipe *pipe)
{
    struct logs_clock now = clock_now();

    if (!pipe->is_open_line || !is_kept(pipe))
        return;
    pipe->is_open_line = false;
    logs_mark_end(&keeper->capture.logs, pipe->slot->log, pipe->stream, &now);
    ring(keeper, pipe->slot->log);
}

/* What a forgotten process's tree goes on to write. */
static ssize_t throw_away(int fd)
{
    static char nowhere[PIPE_TAKE_MOST];
    ssize_t size = read(fd, nowhere, sizeof nowhere);

    return size < 0 ? -errno : size;
}

static ssize_t take(struct keeper *keeper, struct capture_pipe *pipe, size_t most)
{
    struct logs_clock now = clock_now();

    if (pipe->is_terminal)
        return pty_take(keeper, pipe, &now);
    return is_kept(pipe)
               ? logs_take(&keeper->capture.logs, pipe->slot->log, pipe->stream, pipe->fd, most, &now)
               : throw_away(pipe->fd);
}

bool pipe_take(struct keeper *keeper, struct capture_pipe *pipe, size_t most, ssize_t *ret_size)
{
    *ret_size = take(keeper, pipe, most);
    if (*ret_size > 0 && is_kept(pipe)) {
        pipe->is_open_line = true;
        if (keeper->capture.age_at == INT64_MAX)
            keeper->capture.age_at = clock_monotonic() + keeper->capture.logs.limits.age;
        ring(keeper, pipe->slot->log);
    }
    if (*ret_size > 0 || *ret_size == -EAGAIN)
        return true;
    pipe_end_line(keeper, pipe);
    if (pipe->is_terminal) /* it may be written to again: its end is the process's */
        pipe_unwatch(&keeper->capture, pipe);
    else
        pipe_end(keeper, pipe);
    return false;
}

void pipe_drain(struct keeper *keeper, struct capture_pipe *pipe)
{
    int left = 0;

    if (pipe->is_terminal)
        left = PTY_HOLDS;
    else if (ioctl(pipe->fd, FIONREAD, &left) < 0) /* no more than it can hold */
        left = fcntl(pipe->fd, F_GETPIPE_SZ);
    do {
        ssize_t size;

        if (!pipe_take(keeper, pipe, left > 0 ? (size_t) left : PIPE_TAKE_MOST, &size))
            return;
        if (size < 0)
            break;
        left -= (int) size;
    } while (left >= 0);
    pipe_end_line(keeper, pipe);
}
