#include "tests/bench/wire.h"

#include "daemon/base/clock.h"
#include "tests/bench/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool wire_open(struct wire *wire, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(address.sun_path, path);
    wire->begin = wire->end = 0;
    wire->looks = false;
    wire->busy = (struct busy_poll) {0};
    wire->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (wire->fd < 0)
        return false;
    if (connect(wire->fd, (struct sockaddr *) &address, sizeof address) == 0)
        return true;
    wire_close(wire);
    return false;
}

void wire_close(struct wire *wire)
{
    int saved = errno;

    close(wire->fd);
    wire->fd = -1;
    errno = saved;
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

bool wire_receive(struct wire *wire)
{
    ssize_t got;

    if (wire->begin > 0) {
        memmove(wire->buffer, wire->buffer + wire->begin, wire->end - wire->begin);
        wire->end -= wire->begin;
        wire->begin = 0;
    }
    got = look(wire, wire->buffer + wire->end, sizeof wire->buffer - wire->end);
    if (got < 0 && errno == EAGAIN)
        got = recv(wire->fd, wire->buffer + wire->end, sizeof wire->buffer - wire->end, 0);
    if (got < 0)
        bench_die("reading from the daemon");
    wire->end += (size_t) got;
    return got > 0;
}

char *wire_next(struct wire *wire)
{
    char *line = wire->buffer + wire->begin, *lf = memchr(line, '\n', wire->end - wire->begin);

    if (!lf)
        return NULL;
    *lf = '\0';
    wire->begin = (size_t) (lf + 1 - wire->buffer);
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
