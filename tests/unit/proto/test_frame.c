/* SPDX-License-Identifier: MIT */
/* proto/frame.c, reading: bytes and descriptors to lines, whatever pieces they come in. */
#include "daemon/base/cleanup.h"
#include "daemon/base/fdpass.h"
#include "proto/frame.h"
#include "tests/unit/base/descriptors.h"
#include "tests/unit/core/must.h"
#include "tests/unit/proto/pieces.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int ends[2];
static struct frame_reader reader;
static size_t before;

static void set_up(void)
{
    before = descriptors_count();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    reader = (struct frame_reader){0};
}

static void tear_down(void)
{
    size_t none = 0;

    frame_reader_done(&reader, NULL, &none);
    ck_assert_ptr_null(reader.buffer);
    ends[0] = close_fd(ends[0]);
    ends[1] = close_fd(ends[1]);
    ck_assert_uint_eq(descriptors_count(), before);
}

static void send_text(const char *text, const int *fds, size_t count)
{
    pieces_send(ends[0], text, strlen(text), fds, count);
}

/* Reads what is there. */
static int receive_all(void)
{
    int r;

    do
        r = frame_receive(&reader, ends[1]);
    while (r > 0);
    return r;
}

static void must_read(const char *wanted)
{
    size_t length;
    char *line;

    ck_assert_int_eq(frame_next(&reader, &line, &length), FRAME_LINE);
    ck_assert_str_eq(line, wanted); /* the NUL behind it included */
    ck_assert_uint_eq(length, strlen(wanted));
}

static void must_read_none(enum frame_result result)
{
    size_t length = 99;
    char *line = NULL;

    ck_assert_int_eq(frame_next(&reader, &line, &length), result);
    ck_assert_ptr_null(line);
    ck_assert_uint_eq(length, 99);
}

static void must_take(size_t count, const int *wanted)
{
    int fds[FRAME_FDS_MAX];

    ck_assert_int_eq(frame_take_fds(&reader, fds, count), 0);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq((int)pieces_file(fds[i]), (int)pieces_file(wanted[i]));
        close_fd(fds[i]);
    }
}

START_TEST(nothing_is_there)
{
    must_read_none(FRAME_NONE);
    ck_assert(!frame_fds_orphaned(&reader));
    ck_assert_int_eq(frame_receive(&reader, ends[1]), -EAGAIN);
    must_read_none(FRAME_NONE);
    ends[0] = close_fd(ends[0]);
    ck_assert_int_eq(frame_receive(&reader, ends[1]), 0);
    must_read_none(FRAME_NONE);
    ck_assert_int_eq(frame_receive(&reader, -1), -EBADF);
}
END_TEST

START_TEST(merged_lines)
{
    send_text("one\n\n \ntwo\r\nthr", NULL, 0);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    must_read("one");
    must_read("");
    must_read(" ");
    must_read("two\r");
    must_read_none(FRAME_NONE);
    send_text("ee\nfour\n", NULL, 0);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    must_read("three");
    must_read("four");
    must_read_none(FRAME_NONE);
}
END_TEST

START_TEST(a_line_in_single_bytes)
{
    static const char text[] = "{\"jsonrpc\":\"2.0\"}\n";

    for (size_t i = 0; i < sizeof text - 1; i++) {
        must_read_none(FRAME_NONE);
        send_text((char[]){text[i], '\0'}, NULL, 0);
        ck_assert_int_eq(frame_receive(&reader, ends[1]), 1);
    }
    must_read("{\"jsonrpc\":\"2.0\"}");
    must_read_none(FRAME_NONE);
}
END_TEST

START_TEST(nul_bytes_are_bytes)
{
    size_t length;
    char *line;

    pieces_send(ends[0], "a\0b\n\0\n", 6, NULL, 0);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    ck_assert_int_eq(frame_next(&reader, &line, &length), FRAME_LINE);
    ck_assert_uint_eq(length, 3);
    ck_assert_mem_eq(line, "a\0b", 4);
    ck_assert_int_eq(frame_next(&reader, &line, &length), FRAME_LINE);
    ck_assert_uint_eq(length, 1);
}
END_TEST

/* A line of size bytes with its LF, after another one, read as it comes. */
static enum frame_result read_long(size_t size, bool with_end)
{
    char *text = malloc(size), *line = NULL;
    enum frame_result result = FRAME_NONE;
    size_t sent = 0, length = 0;

    memset(text, 'x', size);
    if (with_end)
        text[size - 1] = '\n';
    send_text("first\n", NULL, 0);
    while (sent < size && result == FRAME_NONE) {
        ssize_t more = send(ends[0], text + sent, size - sent, MSG_DONTWAIT);

        sent += more > 0 ? (size_t)more : 0;
        while (result == FRAME_NONE && frame_receive(&reader, ends[1]) > 0) {
            result = frame_next(&reader, &line, &length);
            if (result == FRAME_LINE && strcmp(line, "first") == 0)
                result = frame_next(&reader, &line, &length);
        }
    }
    if (result == FRAME_LINE) {
        ck_assert_uint_eq(length, size - 1);
        ck_assert_mem_eq(line, text, length);
    }
    free(text);
    return result;
}

START_TEST(the_longest_line)
{
    ck_assert_int_eq(read_long(FRAME_LINE_MAX, true), FRAME_LINE);
    must_read_none(FRAME_NONE);
    send_text("next\n", NULL, 0);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    must_read("next");
}
END_TEST

START_TEST(one_byte_too_long)
{
    ck_assert_int_eq(read_long(FRAME_LINE_MAX + 1, true), FRAME_TOO_LONG);
    must_read_none(FRAME_TOO_LONG); /* and so it stays */
}
END_TEST

START_TEST(a_line_without_an_end)
{
    ck_assert_int_eq(read_long(FRAME_LINE_MAX - 1, false), FRAME_NONE); /* an LF would still fit */
    send_text("x", NULL, 0);
    ck_assert_int_eq(frame_receive(&reader, ends[1]), 1);
    must_read_none(FRAME_TOO_LONG);
}
END_TEST

START_TEST(a_limit_of_its_own)
{
    reader.line_max = 3 * FRAME_LINE_MAX;
    ck_assert_int_eq(read_long(3 * FRAME_LINE_MAX, true), FRAME_LINE);
    ck_assert_int_eq(read_long(3 * FRAME_LINE_MAX - 1, false), FRAME_NONE);
    send_text("x", NULL, 0);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    must_read_none(FRAME_TOO_LONG);
}
END_TEST

START_TEST(an_idle_reader_owns_no_memory)
{
    send_text("a\nb", NULL, 0);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    must_read("a");
    frame_reader_trim(&reader);
    ck_assert_ptr_nonnull(reader.buffer); /* half a line is there */
    send_text("\n", &ends[0], 1);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    must_read("b");
    frame_reader_trim(&reader);
    ck_assert_ptr_null(reader.buffer);
    must_read_none(FRAME_NONE);
    must_take(1, &ends[0]); /* descriptors are no bytes: they stay */
    frame_reader_trim(&reader);
    send_text("c\n", NULL, 0);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    must_read("c");
    frame_reader_trim(&reader);
    ck_assert_ptr_null(reader.buffer);
    ck_assert_ptr_null(reader.fds);
}
END_TEST

/* ---- descriptors ---- */

START_TEST(descriptors_queue_in_order)
{
    int files[4], fds[4];

    pieces_files(files, 4);
    send_text("plain\n", NULL, 0);
    send_text("two", (int[]){files[0], files[1]}, 2);
    send_text("\nalone\n", NULL, 0);
    send_text("again\n", (int[]){files[2], files[0], files[3]}, 3);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    must_read("plain");
    ck_assert_int_eq(frame_take_fds(&reader, NULL, 0), 0);
    must_read("two");
    must_take(2, files);
    must_read("alone");
    must_read("again");
    ck_assert_int_eq(frame_take_fds(&reader, fds, 4), -EPROTO); /* none is taken */
    must_take(1, &files[2]);
    must_take(2, (int[]){files[0], files[3]});
    ck_assert(!frame_fds_orphaned(&reader));
    pieces_close(files, 4);
}
END_TEST

START_TEST(too_early_and_too_late)
{
    int fd;

    send_text("{\"fds\":1", NULL, 0); /* they come with a later piece of their line */
    ck_assert_int_eq(receive_all(), -EAGAIN);
    ck_assert_int_eq(frame_take_fds(&reader, &fd, 1), -EPROTO);
    send_text("}\n", &ends[0], 1);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    must_read("{\"fds\":1}");
    must_take(1, &ends[0]);
    send_text("early\n", &ends[0], 1); /* or with the line before */
    send_text("late\n", NULL, 0);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    must_read("early");
    ck_assert(!frame_fds_orphaned(&reader)); /* bytes are there that may claim it */
    must_read("late");
    ck_assert(frame_fds_orphaned(&reader));
    must_take(1, &ends[0]);
    ck_assert(!frame_fds_orphaned(&reader));
}
END_TEST

START_TEST(as_many_as_a_line_may_have)
{
    int sent[FRAME_FDS_MAX];

    for (size_t i = 0; i < FRAME_FDS_MAX; i++)
        sent[i] = ends[i % 2];
    send_text("x\n", sent, FRAME_FDS_MAX);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    must_read("x");
    must_take(FRAME_FDS_MAX, sent);
}
END_TEST

START_TEST(a_control_message_that_was_cut)
{
    pieces_send_copies(ends[0], "x\n", ends[0], FDPASS_MAX + 1);
    ck_assert_int_eq(frame_receive(&reader, ends[1]), -EPROTO);
}
END_TEST

/* Nobody takes them: some time it is enough. What was received is the caller's to close, which may block. */
START_TEST(too_many_are_queued)
{
    int fds[FRAME_FDS_QUEUED_MAX], messages = 0, r;
    size_t count = FRAME_FDS_QUEUED_MAX, own = descriptors_count();

    do {
        pieces_send_copies(ends[0], "x\n", ends[0], FDPASS_MAX);
        r = frame_receive(&reader, ends[1]);
        messages++;
    } while (r > 0 && messages < 100);
    ck_assert_int_eq(r, -EPROTO);
    ck_assert_int_gt(messages * FDPASS_MAX, 2 * FRAME_FDS_MAX);
    ck_assert_uint_eq(descriptors_count(), own + (size_t)messages * FDPASS_MAX);
    pieces_send_copies(ends[0], "x\n", ends[0], FDPASS_MAX);
    ck_assert_int_eq(frame_receive(&reader, ends[1]), -EPROTO); /* for good */
    ck_assert_uint_eq(descriptors_count(), own + (size_t) messages * FDPASS_MAX);
    frame_reader_done(&reader, fds, &count);
    ck_assert_uint_eq(count, (size_t)messages * FDPASS_MAX);
    for (size_t i = 0; i < count; i++)
        close_fd(fds[i]);
}
END_TEST

START_TEST(what_is_left_goes_to_the_caller)
{
    size_t count = 2;
    int fds[2];

    send_text("x\ny", (int[]){ends[0], ends[1], ends[0]}, 3);
    ck_assert_int_eq(receive_all(), -EAGAIN);
    frame_reader_done(&reader, fds, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq((int)pieces_file(fds[1]), (int)pieces_file(ends[1]));
    close_fd(fds[0]);
    close_fd(fds[1]); /* the third was closed: tear_down counts */
    count = 2;
    frame_reader_done(&reader, fds, &count);
    ck_assert_uint_eq(count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame");
    TCase *tcase = tcase_create("frame");

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, nothing_is_there);
    tcase_add_test(tcase, merged_lines);
    tcase_add_test(tcase, a_line_in_single_bytes);
    tcase_add_test(tcase, nul_bytes_are_bytes);
    tcase_add_test(tcase, the_longest_line);
    tcase_add_test(tcase, one_byte_too_long);
    tcase_add_test(tcase, a_line_without_an_end);
    tcase_add_test(tcase, a_limit_of_its_own);
    tcase_add_test(tcase, an_idle_reader_owns_no_memory);
    tcase_add_test(tcase, descriptors_queue_in_order);
    tcase_add_test(tcase, too_early_and_too_late);
    tcase_add_test(tcase, as_many_as_a_line_may_have);
    tcase_add_test(tcase, a_control_message_that_was_cut);
    tcase_add_test(tcase, too_many_are_queued);
    tcase_add_test(tcase, what_is_left_goes_to_the_caller);
    return RUN_SUITE(suite);
}
