/* SPDX-License-Identifier: MIT */
/*
 * A client that costs next to nothing: requests are text that the caller has formatted, replies are searched
 * with strstr. Lines and sockets only; any failure ends the program.
 */
#ifndef PROCD_TESTS_BENCH_WIRE_H
#define PROCD_TESTS_BENCH_WIRE_H

#include "daemon/base/busy_poll.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define WIRE_ROOM ((size_t) 64 << 10) /* bytes at first */

/* A request's line, of one that is alone under way. Of its params the members. */
#define WIRE_REQUEST(method, params)                                                                         \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":{" params "}}\n"

struct wire {
    int fd;
    char *buffer;
    size_t begin, end, room; /* not taken: [begin, end) */
    size_t scanned;          /* no LF in [begin, scanned) */
    bool looks; /* for an answer, before it sleeps, as libprocd does; false: it sleeps at once */
    struct busy_poll busy;
};

/* A connected socket, or -1 with errno set where nobody listens. */
int wire_socket(const char *path);

/* False with errno set where nobody listens. */
bool wire_open(struct wire *wire, const char *path);
void wire_close(struct wire *wire);

void wire_send(struct wire *wire, const char *bytes, size_t size);

/* One read, which waits for the first byte. False at the end of the stream. */
bool wire_receive(struct wire *wire);
/* The next whole line that was received, NUL in place of its LF; NULL: none. Good till the next receive. */
char *wire_next(struct wire *wire);
/* The next line, waited for. */
char *wire_line(struct wire *wire);

/* Sends a line and waits for its reply, which must be a result. */
char *wire_call(struct wire *wire, const char *bytes, size_t size);

/* The number behind the first `key` of the result in a line. Ends the program where there is none. */
long wire_number(const char *line, const char *key);
/* Ends the program unless the line is a result in which `text` is found. */
void wire_expect(const char *line, const char *text);

/* How many lines end in these bytes. */
unsigned wire_lines(const char *bytes, ssize_t size);

#endif
