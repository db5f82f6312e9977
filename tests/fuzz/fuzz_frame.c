/* SPDX-License-Identifier: MIT */
/*
 * A stream of bytes and descriptors, cut anywhere: its lines come out the same, up to the first that is too
 * long, and the descriptors in their order.
 *
 * The input: the longest line, how large it all is, how many pieces, each piece's length and number of
 * descriptors; the rest is the stream. A line that begins with a digit declares so many descriptors.
 */
#include "daemon/base/cleanup.h"
#include "proto/frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/core/must.h"
#include "tests/unit/proto/pieces.h"

#include <sys/socket.h>

const char fuzz_target[] = "frame";

#define FILES       7     /* to tell descriptors by */
#define PIECE_FDS   16    /* with one piece, at most */
#define STREAM_MAX  65536 /* what a socket holds */
#define UNREAD_MAX  32    /* pieces: each has its price in the socket */
#define WAITING_MAX 144   /* more must not wait: frame.h says how many a reader may come to hold */

struct stream {
    char bytes[STREAM_MAX]; /* what is sent, from begin to end */
    size_t size, sent, taken;
    size_t line_max, piece_unit;
    size_t fds_sent, fds_taken;
    bool too_long, lost; /* the end of it: no line is expected any more */
};

static int files[FILES], ends[2];
static ino_t inodes[FILES];

static void begin(void)
{
    if (files[0] == 0) {
        pieces_files(files, FILES);
        for (int i = 0; i < FILES; i++)
            inodes[i] = pieces_file(files[i]);
    }
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
}

/* By hand, or by a writer, which the other end cannot tell. */
static void send_piece(struct stream *stream, size_t size, size_t fd_count, bool by_writer)
{
    struct frame_writer writer = {0};
    int fds[PIECE_FDS];

    for (size_t i = 0; i < fd_count; i++)
        fds[i] = files[(stream->fds_sent + i) % FILES];
    if (by_writer) {
        for (size_t i = 0; i < fd_count; i++)
            must((fds[i] = dup(fds[i])) >= 0);
        must(frame_queue(&writer, stream->bytes + stream->sent, size, fds, fd_count) == 0);
        must(frame_flush(&writer, ends[0]) == 0 && frame_unsent(&writer) == 0);
        frame_writer_done(&writer);
    } else {
        pieces_send(ends[0], stream->bytes + stream->sent, size, fds, fd_count);
    }
    stream->sent += size;
    stream->fds_sent += fd_count;
}

/* The next line by the simplest means. */
static size_t expected_length(const struct stream *stream)
{
    const char *from = stream->bytes + stream->taken;
    const char *lf = memchr(from, '\n', stream->sent - stream->taken);

    return lf ? (size_t) (lf - from) + 1 : 0;
}

static void take_fds(struct stream *stream, struct frame_reader *reader, char first)
{
    size_t wanted = first >= '0' && first <= '9' ? (size_t) (first - '0') : 0;
    bool enough = wanted <= stream->fds_sent - stream->fds_taken;
    int fds[9];

    must(frame_take_fds(reader, fds, wanted) == (enough ? 0 : -EPROTO));
    if (!enough) /* now the connection would be closed */
        stream->lost = true;
    for (size_t i = 0; i < wanted && enough; i++) {
        must(pieces_file(fds[i]) == inodes[stream->fds_taken++ % FILES]);
        close_fd(fds[i]);
    }
}

static void take_lines(struct stream *stream, struct frame_reader *reader)
{
    while (!stream->lost && !stream->too_long) {
        size_t length, wanted = expected_length(stream);
        enum frame_result result;
        char *line;

        stream->too_long = (wanted ? wanted : stream->sent - stream->taken + 1) > stream->line_max;
        result = frame_next(reader, &line, &length);
        must(result == (stream->too_long ? FRAME_TOO_LONG : wanted ? FRAME_LINE : FRAME_NONE));
        if (result != FRAME_LINE)
            return;
        must(length == wanted - 1 && line[length] == '\0');
        must(memcmp(line, stream->bytes + stream->taken, length) == 0);
        stream->taken += wanted;
        take_fds(stream, reader, *line);
    }
}

static void receive_all(struct stream *stream, struct frame_reader *reader)
{
    int r;

    while ((r = frame_receive(reader, ends[1])) > 0)
        must(reader->fd_count <= WAITING_MAX);
    must(r == -EAGAIN || (r == -EPROTO && reader->fd_count <= FRAME_FDS_QUEUED_MAX));
    stream->lost = r == -EPROTO;
    must(stream->lost == (stream->fds_sent - stream->fds_taken > WAITING_MAX));
    must(reader->fd_count == stream->fds_sent - stream->fds_taken || stream->lost);
}

static void play(struct stream *stream, struct source *cuts, struct frame_reader *reader)
{
    unsigned unread = 0;

    while (stream->sent < stream->size && !stream->lost && !stream->too_long) {
        size_t size = cuts->left ? (source_byte(cuts) + (size_t) 1) * stream->piece_unit : stream->size;
        uint8_t how = source_byte(cuts);

        if (size > stream->size - stream->sent)
            size = stream->size - stream->sent;
        send_piece(stream, size, how % PIECE_FDS, how & 16);
        if (how & 32 && cuts->left && ++unread < UNREAD_MAX) /* the kernel may put it and the next together */
            continue;
        unread = 0;
        receive_all(stream, reader);
        take_lines(stream, reader);
        must(stream->lost || frame_fds_orphaned(reader) == (stream->taken == stream->sent &&
                                                             stream->fds_taken < stream->fds_sent));
        if (how & 64)
            frame_reader_trim(reader);
    }
}

/* A fuzzer's inputs are small, a reader's buffer is not: the same again and again, in larger pieces. */
static void fill(struct stream *stream, uint8_t scale, const struct source *source)
{
    size_t repeats = (size_t) 1 << (scale & 15);

    stream->piece_unit = (size_t) 1 << (scale >> 4 & 7);
    stream->size = 0;
    for (; repeats > 0 && stream->size + source->left <= STREAM_MAX; repeats--) {
        memcpy(stream->bytes + stream->size, source->at, source->left);
        stream->size += source->left;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stream stream;
    struct source source = {data, size}, cuts;
    struct frame_spare spare = {0};
    struct frame_reader reader = {.spare = &spare};
    int left[FRAME_FDS_QUEUED_MAX];
    size_t count = sizeof left / sizeof *left;
    uint8_t limit = source_byte(&source), scale = source_byte(&source);

    begin();
    stream.sent = stream.taken = stream.fds_sent = stream.fds_taken = 0;
    stream.too_long = stream.lost = false;
    stream.line_max = limit ? limit : FRAME_LINE_MAX;
    reader.line_max = limit;
    cuts.at = source_take(&source, 2 * (size_t) source_byte(&source), &cuts.left);
    fill(&stream, scale, &source);
    play(&stream, &cuts, &reader);
    frame_reader_done(&reader, left, &count);
    pieces_close(left, count);
    frame_spare_done(&spare);
    pieces_close(ends, 2);
    return 0;
}
