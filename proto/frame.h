/* SPDX-License-Identifier: MIT */
/*
 * Bytes and descriptors of a stream socket <-> lines (protocol section 1). Both sides of the socket use this
 * module.
 *
 * A reader takes what recvmsg gives and hands out whole lines in place; descriptors queue beside, in order.
 * An idle reader owns no memory. A writer queues bytes, and descriptors that leave with the first byte of
 * their line.
 */
#ifndef PROCD_PROTO_FRAME_H
#define PROCD_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_ROOM     (16u << 10) /* bytes of a reader's first buffer: a long line needs a longer one */
#define FRAME_LINE_MAX (1u << 20) /* bytes of a request with its LF; an answer may be longer */
#define FRAME_FDS_MAX  64         /* descriptors of one line */
#define FRAME_FDS_QUEUED_MAX 397  /* no reader ever holds more */

/* A buffer for whichever reader has something to read next: it is not asked for and given back each time. */
struct frame_spare {
    char *buffer;
};

struct frame_reader {
    char *buffer;
    size_t start, end, room; /* unread bytes are [start, end) */
    size_t scanned;          /* no LF in [start, scanned) */
    int *fds;
    size_t fd_count, fd_room;
    size_t line_max;         /* bytes of a line with its LF; 0: FRAME_LINE_MAX */
    struct frame_spare *spare; /* of several readers, or NULL */
};

enum frame_result {
    FRAME_NONE, /* no whole line is there */
    FRAME_LINE,
    FRAME_TOO_LONG, /* more than line_max bytes without an LF */
};

/* One recvmsg. Bytes received; 0: end of stream; -EAGAIN; -EPROTO: descriptors were lost or too many (close
 * the connection); -ENOMEM; -errno. */
int frame_receive(struct frame_reader *reader, int socket);

/* Bytes of a buffer that is there for a long line, or 0. */
size_t frame_long_room(const struct frame_reader *reader);
/* Would the next read ask for such a one, or for a longer one? */
bool frame_will_be_long(const struct frame_reader *reader);

/* The next line, in place, without its LF, valid until the next call; its last byte is followed by a NUL. */
enum frame_result frame_next(struct frame_reader *reader, char **ret_line, size_t *ret_length);

/* Takes the first count descriptors of the queue over into fds. 0, or -EPROTO with fewer there (none
 * taken). */
int frame_take_fds(struct frame_reader *reader, int *fds, size_t count);

/* True when descriptors are queued though no byte is: nobody will ever claim them. */
bool frame_fds_orphaned(const struct frame_reader *reader);

/* Frees what there is. */
void frame_spare_done(struct frame_spare *spare);

/* Gives back the memory of an empty reader. Call when the lines that were there are done. */
void frame_reader_trim(struct frame_reader *reader);

/* Forgets everything. Queued descriptors are moved to fds (room for *count) for the caller to close: closing
 * a stranger's descriptor may block. Those that do not fit are closed here. */
void frame_reader_done(struct frame_reader *reader, int *fds, size_t *count);

struct frame_mark;

struct frame_writer {
    char *buffer;
    size_t start, end, room;   /* unsent bytes are [start, end) */
    struct frame_mark *marks;  /* descriptors that wait for their line */
    size_t mark_count, mark_room;
    size_t fd_count; /* of all marks */
};

/* Appends size bytes to the queue. With fd_count > 0 the bytes begin a line and the descriptors (taken over,
 * also on failure) leave with its first byte. 0 or -ENOMEM. */
int frame_queue(struct frame_writer *writer, const char *bytes, size_t size, const int *fds, size_t fd_count);

/* Makes room for size bytes at the end and returns where to write them; frame_queued then says how many were.
 * NULL without memory. */
char *frame_reserve(struct frame_writer *writer, size_t size);
void frame_queued(struct frame_writer *writer, size_t size);

/* Sends what the socket takes. 0: all is sent; 1: some is left (wait until it is writable); -errno: the peer
 * is gone. */
int frame_flush(struct frame_writer *writer, int socket);

static inline size_t frame_unsent(const struct frame_writer *writer)
{
    return writer->end - writer->start;
}


/* Frees everything; queued descriptors are closed. */
void frame_writer_done(struct frame_writer *writer);

#endif
