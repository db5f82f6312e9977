/* SPDX-License-Identifier: MIT */
/* proto/frame.c, writing; and both ends together: lines and their descriptors stay in step. */
#include "daemon/base/cleanup.h"
#include "proto/frame.h"
#include "tests/unit/base/descriptors.h"
#include "tests/unit/core/must.h"
#include "tests/unit/proto/pieces.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define FILES 8

static int ends[2], files[FILES];
static struct frame_writer writer;
static struct frame_reader reader;
static size_t before;

static void set_up(void)
{
    before = descriptors_count();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pieces_files(files, FILES);
    writer = (struct frame_writer){0};
    reader = (struct frame_reader){0};
}

static void tear_down(void)
{
    size_t none = 0;

    frame_writer_done(&writer);
    frame_writer_done(&writer); /* once more is fine */
    frame_reader_done(&reader, NULL, &none);
    pieces_close(files, FILES);
    ends[0] = close_fd(ends[0]);
    ends[1] = close_fd(ends[1]);
    ck_assert_uint_eq(descriptors_count(), before);
}

/* Queues a line with count of our files, from the first'th on: a writer takes descriptors over, so copies. */
static int queue(const char *line, size_t size, size_t first, size_t count)
{
    int fds[FRAME_FDS_MAX + 1] = {0};

    for (size_t i = 0; i < count; i++)
        must((fds[i] = fcntl(files[(first + i) % FILES], F_DUPFD_CLOEXEC, 0)) >= 0);
    return frame_queue(&writer, line, size, fds, count);
}

static void must_arrive(const char *wanted)
{
    char *line;
    size_t length;

    ck_assert_int_eq(frame_next(&reader, &line, &length), FRAME_LINE);
    ck_assert_str_eq(line, wanted);
}

static void must_take(size_t first, size_t count)
{
    int fds[FRAME_FDS_MAX];

    must(frame_take_fds(&reader, fds, count) == 0);
    for (size_t i = 0; i < count; i++) {
        must(pieces_file(fds[i]) == pieces_file(files[(first + i) % FILES]));
        close_fd(fds[i]);
    }
}

static void receive_all(void)
{
    while (frame_receive(&reader, ends[1]) > 0)
        ;
}

START_TEST(an_empty_queue)
{
    ck_assert_uint_eq(frame_unsent(&writer), 0);
    ck_assert_int_eq(frame_flush(&writer, ends[0]), 0);
    ck_assert_int_eq(frame_flush(&writer, -1), 0); /* there is nothing to send */
}
END_TEST

START_TEST(lines_leave_in_order)
{
    ck_assert_int_eq(queue("one\n", 4, 0, 0), 0);
    ck_assert_int_eq(queue("two\n", 4, 0, 2), 0);
    ck_assert_int_eq(queue("thr", 3, 0, 0), 0);
    ck_assert_int_eq(queue("ee\n", 3, 0, 0), 0);
    ck_assert_int_eq(queue("four\n", 5, 2, 1), 0);
    ck_assert_uint_eq(frame_unsent(&writer), 19);
    ck_assert_int_eq(frame_flush(&writer, ends[0]), 0);
    ck_assert_uint_eq(frame_unsent(&writer), 0);
    receive_all();
    must_arrive("one");
    must_arrive("two");
    must_take(0, 2);
    must_arrive("three");
    must_arrive("four");
    must_take(2, 1);
    ck_assert(!frame_fds_orphaned(&reader));
}
END_TEST

/* With their line, not with one before: who has read the line before has no descriptor yet. */
START_TEST(descriptors_leave_with_their_line)
{
    char bytes[64];

    ck_assert_int_eq(queue("plain\n", 6, 0, 0), 0);
    ck_assert_int_eq(queue("with\n", 5, 0, 1), 0);
    ck_assert_int_eq(queue("behind\n", 7, 0, 0), 0);
    ck_assert_int_eq(frame_flush(&writer, ends[0]), 0);
    ck_assert_int_eq(read(ends[1], bytes, 6), 6); /* a plain read closes what comes with its bytes */
    receive_all();
    must_arrive("with");
    must_take(0, 1);
    must_arrive("behind");
}
END_TEST

START_TEST(as_many_as_a_line_may_have)
{
    ck_assert_int_eq(queue("x\n", 2, 0, FRAME_FDS_MAX), 0);
    ck_assert_int_eq(queue("y\n", 2, 0, FRAME_FDS_MAX + 1), -EINVAL); /* they are closed: tear_down counts */
    ck_assert_uint_eq(frame_unsent(&writer), 2);
    ck_assert_int_eq(frame_flush(&writer, ends[0]), 0);
    receive_all();
    must_arrive("x");
    must_take(0, FRAME_FDS_MAX);
}
END_TEST

START_TEST(written_in_place)
{
    char *room = frame_reserve(&writer, 5000);

    ck_assert_ptr_nonnull(room);
    memcpy(room, "abc\n", 4);
    frame_queued(&writer, 4);
    room = frame_reserve(&writer, 3);
    memcpy(room, "de\n", 3);
    frame_queued(&writer, 3);
    ck_assert_int_eq(frame_flush(&writer, ends[0]), 0);
    receive_all();
    must_arrive("abc");
    must_arrive("de");
    ck_assert_ptr_null(writer.buffer); /* idle, it keeps no large buffer */
}
END_TEST

START_TEST(a_peer_that_does_not_read)
{
    char line[1000];
    size_t lines = 0;

    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    do {
        ck_assert_int_eq(queue(line, sizeof line, 0, 0), 0);
        lines++;
    } while (frame_flush(&writer, ends[0]) == 0);
    ck_assert_int_eq(queue(line, sizeof line, 3, 1), 0);
    ck_assert_int_eq(frame_flush(&writer, ends[0]), 1);
    ck_assert_uint_gt(frame_unsent(&writer), sizeof line);
    line[sizeof line - 1] = '\0';
    for (size_t i = 0; i < lines; i++) {
        receive_all();
        must_arrive(line);
        ck_assert_int_ge(frame_flush(&writer, ends[0]), 0);
    }
    ck_assert_uint_eq(frame_unsent(&writer), 0);
    receive_all();
    must_arrive(line);
    must_take(3, 1);
}
END_TEST

START_TEST(a_peer_that_is_gone)
{
    ck_assert_int_eq(queue("x\n", 2, 0, 3), 0);
    ends[1] = close_fd(ends[1]);
    ck_assert_int_eq(frame_flush(&writer, ends[0]), -EPIPE); /* and no SIGPIPE */
    ck_assert_int_eq(queue("y\n", 2, 0, 1), 0);              /* what is queued is closed at the end */
}
END_TEST

/* ---- any pieces ---- */

#define LINES 3000

static unsigned seed;

static size_t pick(size_t below)
{
    return (size_t)rand_r(&seed) % below;
}

/* Line n: its length and descriptors follow from n alone, so that the reader knows what to expect. */
static size_t line_length(unsigned n)
{
    return n % 97 == 0 ? 30000 + n : n % 7 == 0 ? 0 : n * 31 % 300;
}

static size_t line_fds(unsigned n)
{
    return n % 5 == 0 ? n % 4 : n % 211 == 0 ? FRAME_FDS_MAX : 0;
}

static size_t format_line(unsigned n, char *line)
{
    size_t length = line_length(n);

    for (size_t i = 0; i < length; i++)
        line[i] = (char)('a' + (n + i) % 26);
    line[length] = '\n';
    return length + 1;
}

static void must_be_line(unsigned n, const char *line, size_t length)
{
    static char wanted[64000];

    must(length + 1 == format_line(n, wanted));
    must(memcmp(line, wanted, length) == 0 && line[length] == '\0');
    must_take(n, line_fds(n));
}

/* Queues, flushes and reads in turns as the dice fall; reads of any size come from a small socket. */
static void exchange(unsigned round)
{
    static char text[64000];
    unsigned queued = 0, read = 0;
    int size = 4096 << pick(4);

    printf("seed %u\n", round);
    seed = round;
    ck_assert_int_eq(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    while (read < LINES) {
        char *line;
        size_t length;

        for (size_t i = pick(4); i > 0 && queued < LINES; i--, queued++)
            must(queue(text, format_line(queued, text), queued, line_fds(queued)) == 0);
        if (pick(2))
            must(frame_flush(&writer, ends[0]) >= 0);
        if (reader.fd_count <= FRAME_FDS_MAX && pick(2)) /* a reader queues two lines' worth at most */
            (void) frame_receive(&reader, ends[1]);
        while (pick(8) && frame_next(&reader, &line, &length) == FRAME_LINE)
            must_be_line(read++, line, length);
        if (pick(4) == 0)
            frame_reader_trim(&reader);
    }
    must(!frame_fds_orphaned(&reader) && reader.fd_count == 0);
    must(frame_unsent(&writer) == 0);
}

START_TEST(lines_and_descriptors_stay_in_step)
{
    exchange((unsigned)_i);
}
END_TEST

/* The same bytes in one piece and in many. */
START_TEST(pieces_give_the_same_lines)
{
    static char text[64000];
    unsigned n = 1, read = 1;

    seed = (unsigned)_i;
    for (; n < 90; n++) {
        size_t size = format_line(n, text), sent = 0;

        while (sent < size) {
            size_t piece = 1 + pick(pick(2) ? 3 : size);
            char *line;
            size_t length;

            piece = piece < size - sent ? piece : size - sent;
            pieces_send(ends[0], text + sent, piece, NULL, 0);
            sent += piece;
            if (pick(3))
                receive_all();
            while (frame_next(&reader, &line, &length) == FRAME_LINE) {
                must(length == line_length(read) && (length == 0 || line[0] == (char)('a' + read % 26)));
                must(length == 0 || line[length - 1] == (char)('a' + (read + length - 1) % 26));
                read++;
            }
        }
        receive_all();
    }
    for (char *line; read < n; read++) {
        size_t length;

        must(frame_next(&reader, &line, &length) == FRAME_LINE && length == line_length(read));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame_writer");
    TCase *tcase = tcase_create("frame_writer");
    int rounds = getenv("TEST_LONG") ? 1000 : 20;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, an_empty_queue);
    tcase_add_test(tcase, lines_leave_in_order);
    tcase_add_test(tcase, descriptors_leave_with_their_line);
    tcase_add_test(tcase, as_many_as_a_line_may_have);
    tcase_add_test(tcase, written_in_place);
    tcase_add_test(tcase, a_peer_that_does_not_read);
    tcase_add_test(tcase, a_peer_that_is_gone);
    tcase_add_loop_test(tcase, lines_and_descriptors_stay_in_step, 1, 1 + rounds);
    tcase_add_loop_test(tcase, pieces_give_the_same_lines, 1, 1 + rounds);
    return RUN_SUITE(suite);
}
