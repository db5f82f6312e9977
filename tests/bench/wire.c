/* SPDX-License-Identifier: MIT */
#include "tests/bench/wire.h"

#include "daemon/base/clock.h"
#include "tests/bench/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int wire_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, saved;

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof address) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

bool wire_open(struct wire *wire, const char *path)
{
    *wire = (struct wire){.fd = wire_socket(path), .room = WIRE_ROOM};
    if (wire->fd < 0)
        return false;
    wire->buffer = malloc(wire->room);
    if (!wire->buffer)
        bench_die("memory");
    return true;
}

void wire_close(struct wire *wire)
{
    close(wire->fd);
    wire->fd = -1;
    free(wire->buffer);
    wire->buffer = NULL;
}

void wire_send(struct wire *wire, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(wire->fd, bytes, size, MSG_NOSIGNAL);

        if (sent < 0)
            bench_die("sending to the daemon");
        bytes += sent;
        size -= (size_t) sent;
    }
}

static ssize_t look(struct wire *wire, char *room, size_t size)
{
    ssize_t got = -1;

    errno = EAGAIN;
    while (got < 0 && errno == EAGAIN && busy_poll_again(&wire->busy))
        got = recv(wire->fd, room, size, MSG_DONTWAIT);
    if (got >= 0)
        busy_poll_found(&wire->busy);
    return got;
}

/* A line that is longer than all that were before needs a longer buffer. */
static void make_room(struct wire *wire)
{
    if (wire->begin > 0) {
        memmove(wire->buffer, wire->buffer + wire->begin, wire->end - wire->begin);
        wire->end -= wire->begin;
        wire->scanned -= wire->begin;
        wire->begin = 0;
    }
    if (wire->end < wire->room)
        return;
    wire->room *= 2;
    wire->buffer = realloc(wire->buffer, wire->room);
    if (!wire->buffer)
        bench_die("memory");
}

bool wire_receive(struct wire *wire)
{
    ssize_t got;

    make_room(wire);
    got = look(wire, wire->buffer + wire->end, wire->room - wire->end);
    if (got < 0 && errno == EAGAIN)
        got = recv(wire->fd, wire->buffer + wire->end, wire->room - wire->end, 0);
    if (got < 0)
        bench_die("reading from the daemon");
    wire->end += (size_t) got;
    return got > 0;
}

char *wire_next(struct wire *wire)
{
    char *line = wire->buffer + wire->begin;
    char *lf = memchr(wire->buffer + wire->scanned, '\n', wire->end - wire->scanned);

    wire->scanned = wire->end;
    if (!lf)
        return NULL;
    *lf = '\0';
    wire->begin = wire->scanned = (size_t) (lf + 1 - wire->buffer);
    return line;
}

char *wire_line(struct wire *wire)
{
    char *line;

    while (!(line = wire_next(wire))) {
        errno = 0;
        if (!wire_receive(wire))
            bench_die("the daemon has closed the connection");
    }
    return line;
}

char *wire_call(struct wire *wire, const char *bytes, size_t size)
{
    char *line;

    wire_send(wire, bytes, size);
    if (wire->looks)
        busy_poll_expect(&wire->busy, clock_monotonic());
    line = wire_line(wire);
    wire_expect(line, "\"result\":");
    return line;
}

long wire_number(const char *line, const char *key)
{
    const char *at = strstr(line, "\"result\":");

    at = at ? strstr(at, key) : NULL;
    errno = 0;
    if (!at)
        bench_die("no %s in %s", key, line);
    return strtol(at + strlen(key), NULL, 10);
}

void wire_expect(const char *line, const char *text)
{
    errno = 0;
    if (!strstr(line, "\"result\":") || !strstr(line, text))
        bench_die("no %s in %s", text, line);
}

unsigned wire_lines(const char *bytes, ssize_t size)
{
    unsigned lines = 0;

    for (const char *at = bytes; (at = memchr(at, '\n', (size_t) (bytes + size - at))); at++)
        lines++;
    return lines;
}
