/* SPDX-License-Identifier: MIT */
#include "proto/frame.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/fdpass.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READ_MIN  4096        /* room offered to recvmsg at least */
#define WRITE_KEPT 4096       /* an idle writer keeps no more */
#define FDS_WAITING_MAX (2 * FDPASS_MAX) /* more than that nobody will claim */

_Static_assert(FRAME_FDS_QUEUED_MAX == FDS_WAITING_MAX + FDPASS_ROOM, "one message more than may wait");

struct frame_mark {
    size_t offset; /* counted as `end` is: the byte with which the descriptors leave */
    int fds[FRAME_FDS_MAX];
    size_t count;
};

/* ---- reading ---- */

/* Makes room for one more read; one line and a byte are the most that is ever kept. */
static int reader_reserve(struct frame_reader *reader)
{
    size_t used = reader->end - reader->start, room = reader->room ? reader->room : FRAME_ROOM;
    char *buffer;

    if (reader->room - reader->end >= READ_MIN + 1)
        return 0;
    if (!reader->buffer && reader->spare && reader->spare->buffer) {
        reader->buffer = TAKE(reader->spare->buffer);
        reader->room = FRAME_ROOM;
        return 0;
    }
    if (reader->start > 0) {
        memmove(reader->buffer, reader->buffer + reader->start, used);
        reader->scanned -= reader->start;
        reader->start = 0;
        reader->end = used;
    }
    while (room - used < READ_MIN + 1)
        room *= 2;
    if (room == reader->room)
        return 0;
    buffer = realloc(reader->buffer, room);
    if (!buffer)
        return -ENOMEM;
    reader->buffer = buffer;
    reader->room = room;
    return 0;
}

size_t frame_long_room(const struct frame_reader *reader)
{
    return reader->room > FRAME_ROOM ? reader->room : 0;
}

bool frame_will_be_long(const struct frame_reader *reader)
{
    return reader->room > 0 && reader->end - reader->start + READ_MIN + 1 > reader->room;
}

/* Also those that are too many are kept, for the caller to close: that may block. */
static int reader_keep_fds(struct frame_reader *reader, struct fdpass *received)
{
    if (received->count == 0)
        return 0;
    if (reader->fd_count > FDS_WAITING_MAX)
        return -EPROTO;
    if (reader->fd_count + received->count > reader->fd_room) {
        int *fds = realloc(reader->fds, FRAME_FDS_QUEUED_MAX * sizeof *fds);

        if (!fds)
            return -ENOMEM;
        reader->fds = fds;
        reader->fd_room = FRAME_FDS_QUEUED_MAX;
    }
    memcpy(reader->fds + reader->fd_count, received->fd, received->count * sizeof *reader->fds);
    reader->fd_count += received->count;
    received->count = 0;
    return reader->fd_count > FDS_WAITING_MAX ? -EPROTO : 0;
}

int frame_receive(struct frame_reader *reader, int socket)
{
    CLEANUP(fdpass_close) struct fdpass received = {.count = 0};
    ssize_t size;
    int r;

    r = reader_reserve(reader);
    if (r < 0)
        return r;
    size = fdpass_receive(socket, reader->buffer + reader->end, reader->room - reader->end - 1, &received);
    if (size <= 0)
        return (int) size;
    reader->end += (size_t) size;
    r = reader_keep_fds(reader, &received);
    if (r < 0)
        return r;
    return received.truncated ? -EPROTO : (int) size;
}

enum frame_result frame_next(struct frame_reader *reader, char **ret_line, size_t *ret_length)
{
    size_t line_max = reader->line_max ? reader->line_max : FRAME_LINE_MAX;
    char *begin, *lf;

    if (reader->end == reader->start)
        return FRAME_NONE;
    begin = reader->buffer + reader->start;
    lf = memchr(reader->buffer + reader->scanned, '\n', reader->end - reader->scanned);
    if (!lf) {
        reader->scanned = reader->end;
        return reader->end - reader->start >= line_max ? FRAME_TOO_LONG : FRAME_NONE;
    }
    if ((size_t) (lf - begin) + 1 > line_max)
        return FRAME_TOO_LONG;
    *lf = '\0';
    *ret_line = begin;
    *ret_length = (size_t) (lf - begin);
    reader->start += *ret_length + 1;
    reader->scanned = reader->start;
    return FRAME_LINE;
}

int frame_take_fds(struct frame_reader *reader, int *fds, size_t count)
{
    if (count > reader->fd_count)
        return -EPROTO;
    if (count == 0)
        return 0;
    memcpy(fds, reader->fds, count * sizeof *fds);
    reader->fd_count -= count;
    memmove(reader->fds, reader->fds + count, reader->fd_count * sizeof *fds);
    return 0;
}

bool frame_fds_orphaned(const struct frame_reader *reader)
{
    return reader->fd_count > 0 && reader->start == reader->end;
}

void frame_spare_done(struct frame_spare *spare)
{
    free(TAKE(spare->buffer));
}

void frame_reader_trim(struct frame_reader *reader)
{
    if (reader->start < reader->end || !reader->buffer)
        return;
    if (reader->spare && !reader->spare->buffer && reader->room == FRAME_ROOM)
        reader->spare->buffer = TAKE(reader->buffer);
    free(TAKE(reader->buffer));
    reader->start = reader->end = reader->scanned = reader->room = 0;
    if (reader->fd_count == 0) {
        free(TAKE(reader->fds));
        reader->fd_room = 0;
    }
}

void frame_reader_done(struct frame_reader *reader, int *fds, size_t *count)
{
    size_t kept = 0;

    for (size_t i = 0; i < reader->fd_count; i++) {
        if (kept < *count)
            fds[kept++] = reader->fds[i];
        else
            close_fd(reader->fds[i]);
    }
    *count = kept;
    free(reader->buffer);
    free(reader->fds);
    memset(reader, 0, sizeof *reader);
}

/* ---- writing ---- */

char *frame_reserve(struct frame_writer *writer, size_t size)
{
    size_t used = writer->end - writer->start, room = writer->room ? writer->room : 1024;
    char *buffer;

    if (writer->room - writer->end >= size && writer->buffer)
        return writer->buffer + writer->end;
    if (writer->start > 0) {
        memmove(writer->buffer, writer->buffer + writer->start, used);
        for (size_t i = 0; i < writer->mark_count; i++)
            writer->marks[i].offset -= writer->start;
        writer->start = 0;
        writer->end = used;
    }
    while (room - used < size)
        room *= 2;
    if (room != writer->room) {
        buffer = realloc(writer->buffer, room);
        if (!buffer)
            return NULL;
        writer->buffer = buffer;
        writer->room = room;
    }
    return writer->buffer + writer->end;
}

void frame_queued(struct frame_writer *writer, size_t size)
{
    writer->end += size;
}

static int writer_mark(struct frame_writer *writer, const int *fds, size_t count)
{
    struct frame_mark *mark;

    if (count > FRAME_FDS_MAX)
        return -EINVAL;
    if (writer->mark_count == writer->mark_room) {
        size_t room = writer->mark_room ? writer->mark_room * 2 : 1;

        mark = realloc(writer->marks, room * sizeof *mark);
        if (!mark)
            return -ENOMEM;
        writer->marks = mark;
        writer->mark_room = room;
    }
    mark = &writer->marks[writer->mark_count++];
    mark->offset = writer->end;
    mark->count = count;
    memcpy(mark->fds, fds, count * sizeof *fds);
    writer->fd_count += count;
    return 0;
}

int frame_queue(struct frame_writer *writer, const char *bytes, size_t size, const int *fds, size_t fd_count)
{
    char *room = frame_reserve(writer, size);
    int r = room ? 0 : -ENOMEM;

    if (r == 0 && fd_count > 0)
        r = writer_mark(writer, fds, fd_count);
    if (r < 0) {
        for (size_t i = 0; i < fd_count; i++)
            close_fd(fds[i]);
        return r;
    }
    memcpy(room, bytes, size);
    frame_queued(writer, size);
    return 0;
}

static void writer_drop_mark(struct frame_writer *writer)
{
    for (size_t i = 0; i < writer->marks[0].count; i++)
        close_fd(writer->marks[0].fds[i]);
    writer->fd_count -= writer->marks[0].count;
    writer->mark_count--;
    memmove(writer->marks, writer->marks + 1, writer->mark_count * sizeof *writer->marks);
}

/* Sends up to the next line that carries descriptors, or that line's bytes with them. */
static ssize_t flush_piece(struct frame_writer *writer, int socket)
{
    struct frame_mark *mark = writer->mark_count > 0 ? writer->marks : NULL;
    bool with_fds = mark && mark->offset == writer->start;
    size_t stop = writer->end;
    struct iovec iov;
    ssize_t sent;

    if (mark && !with_fds)
        stop = mark->offset;
    else if (writer->mark_count > 1)
        stop = writer->marks[1].offset;
    iov.iov_base = writer->buffer + writer->start;
    iov.iov_len = stop - writer->start;
    sent = fdpass_send(socket, &iov, 1, with_fds ? mark->fds : NULL, with_fds ? mark->count : 0);
    if (sent > 0) {
        writer->start += (size_t) sent;
        if (with_fds)
            writer_drop_mark(writer);
    }
    return sent;
}

int frame_flush(struct frame_writer *writer, int socket)
{
    while (writer->start < writer->end) {
        ssize_t sent = flush_piece(writer, socket);

        if (sent == -EAGAIN)
            return 1;
        if (sent < 0)
            return (int) sent;
    }
    writer->start = writer->end = 0;
    if (writer->room > WRITE_KEPT || writer->mark_room > 0)
        frame_writer_done(writer);
    return 0;
}

void frame_writer_done(struct frame_writer *writer)
{
    while (writer->mark_count > 0)
        writer_drop_mark(writer);
    free(writer->marks);
    free(writer->buffer);
    memset(writer, 0, sizeof *writer);
}
