/* SPDX-License-Identifier: MIT */
#include "client/ctl/relay.h"

#include "daemon/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define KEY_PREFIX  0x10 /* ^P */
#define KEY_DETACH  0x11 /* ^Q */
#define DRAIN_MS    5000 /* a terminal that takes nothing for so long gets no more */
#define DRAIN_MOST  (256 << 10) /* more than a terminal holds: somebody goes on writing */

/* ---- our terminal ---- */

bool relay_is_terminal(void)
{
    return isatty(STDIN_FILENO);
}

static bool own_size(struct winsize *ret_size)
{
    for (int fd = 0; fd < 3; fd++)
        if (ioctl(fd, TIOCGWINSZ, ret_size) == 0)
            return ret_size->ws_row > 0 && ret_size->ws_col > 0;
    return false;
}

json_t *relay_size(void)
{
    struct winsize size;

    return own_size(&size) ? json_pack("[i,i]", size.ws_row, size.ws_col) : NULL;
}

/* Of our own, so that it does not wait, though the shell's does; or else the shell's. */
static int reopen(int fd, int flags)
{
    char path[32];
    int own;

    if (!isatty(fd))
        return -ENOTTY;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return own < 0 ? -errno : own;
}

int relay_open(struct relay *relay, bool reads)
{
    *relay = (struct relay){.in = -1, .out = -1, .master = -1, .lease = -1};
    relay->out = reopen(STDOUT_FILENO, O_WRONLY);
    if (relay->out < 0) {
        relay->is_shared_out = true;
        relay->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    }
    if (relay->out < 0)
        return -errno;
    if (!reads)
        return 0;
    relay->in = reopen(STDIN_FILENO, O_RDONLY);
    if (relay->in < 0) /* what is there is read only when it is */
        relay->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    return relay->in < 0 || tcgetattr(relay->in, &relay->before) < 0 ? -errno : 0;
}

void relay_prepare(struct relay *relay)
{
    struct termios raw = relay->before;

    if (relay->in < 0)
        return;
    cfmakeraw(&raw);
    raw.c_oflag |= OPOST;
    relay->is_raw = tcsetattr(relay->in, TCSANOW, &raw) == 0;
}

void relay_take(struct relay *relay)
{
    struct termios raw = relay->before;

    if (relay->in < 0 || relay->master < 0)
        return;
    cfmakeraw(&raw);
    relay->is_raw = tcsetattr(relay->in, TCSANOW, &raw) == 0;
    relay_resize(relay);
}

void relay_give_back(struct relay *relay)
{
    if (relay->is_raw)
        (void) tcsetattr(relay->in, TCSANOW, &relay->before);
    relay->is_raw = false;
}

void relay_close(struct relay *relay)
{
    relay_give_back(relay);
    relay->in = close_fd(relay->in);
    relay->out = close_fd(relay->out);
    relay->master = close_fd(relay->master);
    relay->lease = close_fd(relay->lease);
}

/* ---- the process's ---- */

void relay_attach(struct relay *relay, int master, int lease)
{
    close_fd(relay->master);
    close_fd(relay->lease);
    relay->master = master;
    relay->lease = lease;
    relay->is_over = relay->is_quiet = false;
    relay_take(relay);
    relay_resize(relay);
}

void relay_resize(const struct relay *relay)
{
    struct winsize size;

    if (relay->master >= 0 && own_size(&size))
        (void) ioctl(relay->master, TIOCSWINSZ, &size);
}

/* ---- moving ---- */

static void leave_out(struct relay_buffer *buffer, size_t at)
{
    memmove(buffer->bytes + at, buffer->bytes + at + 1, buffer->size - at - 1);
    buffer->size--;
}

/* Takes out what says that one wants to leave; what looked like it and was not goes on. */
static void look_for_keys(struct relay *relay)
{
    struct relay_buffer *typed = &relay->typed;

    for (size_t i = 0; i < typed->size && !relay->is_detached; i++) {
        bool was_prefix = relay->has_prefix;

        relay->has_prefix = typed->bytes[i] == KEY_PREFIX && !was_prefix;
        if (was_prefix && typed->bytes[i] == KEY_DETACH) {
            relay->is_detached = true;
            typed->size = i;
        } else if (was_prefix) { /* there is room: it was left out of what was read before */
            memmove(typed->bytes + i + 1, typed->bytes + i, typed->size - i);
            typed->bytes[i++] = KEY_PREFIX;
            typed->size++;
        } else if (relay->has_prefix) {
            leave_out(typed, i--);
        }
    }
}

/* One byte of room is for a prefix that was kept back. */
static void fill(struct relay *relay, struct relay_buffer *buffer, int fd, bool *ret_is_at_end)
{
    ssize_t size;

    if (buffer->size > 0)
        return;
    size = read(fd, buffer->bytes, sizeof buffer->bytes - 1);
    if (size > 0) {
        buffer->at = 0;
        buffer->size = (size_t) size;
        if (fd == relay->in && relay->detaches)
            look_for_keys(relay);
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        *ret_is_at_end = true;
    }
}

/* What nobody takes any more is dropped. */
static void empty(struct relay_buffer *buffer, int fd)
{
    ssize_t size;

    if (buffer->size == 0)
        return;
    size = write(fd, buffer->bytes + buffer->at, buffer->size);
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        buffer->size = 0;
    if (size <= 0)
        return;
    buffer->at += (size_t) size;
    buffer->size -= (size_t) size;
}

static bool is_ready(int fd, short events)
{
    struct pollfd entry = {.fd = fd, .events = events};

    return poll(&entry, 1, 0) == 1;
}

size_t relay_poll(const struct relay *relay, struct pollfd entries[RELAY_ENTRIES])
{
    bool is_attached = relay->master >= 0;
    size_t count = 0;

    if (is_attached && relay->in >= 0 && relay->typed.size == 0)
        entries[count++] = (struct pollfd){.fd = relay->in, .events = POLLIN};
    if (is_attached && !relay->is_quiet && relay->written.size == 0)
        entries[count++] = (struct pollfd){.fd = relay->master, .events = POLLIN};
    if (is_attached && !relay->is_quiet && relay->typed.size > 0)
        entries[count++] = (struct pollfd){.fd = relay->master, .events = POLLOUT};
    if (relay->written.size > 0)
        entries[count++] = (struct pollfd){.fd = relay->out, .events = POLLOUT};
    if (is_attached && !relay->is_over)
        entries[count++] = (struct pollfd){.fd = relay->lease, .events = POLLIN};
    return count;
}

void relay_move(struct relay *relay)
{
    bool has_hung_up = false;

    if (relay->master < 0)
        return;
    if (relay->in >= 0 && is_ready(relay->in, POLLIN))
        fill(relay, &relay->typed, relay->in, &has_hung_up);
    if (has_hung_up)
        relay->in = close_fd(relay->in);
    empty(&relay->typed, relay->master);
    if (!relay->is_quiet)
        fill(relay, &relay->written, relay->master, &relay->is_quiet);
    if (!relay->is_shared_out || is_ready(relay->out, POLLOUT))
        empty(&relay->written, relay->out);
    if (!relay->is_over && is_ready(relay->lease, POLLIN))
        relay->is_over = true;
}

void relay_drain(struct relay *relay)
{
    size_t moved = 0;

    if (relay->master < 0)
        return;
    relay->is_quiet = false;
    while (moved < DRAIN_MOST) {
        struct pollfd entry = {.fd = relay->out, .events = POLLOUT};

        if (!relay->is_quiet)
            fill(relay, &relay->written, relay->master, &relay->is_quiet);
        if (relay->written.size == 0 || poll(&entry, 1, DRAIN_MS) != 1)
            return;
        moved += relay->written.size;
        empty(&relay->written, relay->out);
        moved -= relay->written.size;
    }
}
