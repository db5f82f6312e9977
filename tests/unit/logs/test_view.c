/* SPDX-License-Identifier: MIT */
/* daemon/logs/view.c: a reader that comes late, and one that reads while there is writing. */
#include "tests/unit/base/descriptors.h"
#include "tests/unit/logs/world.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t descriptors;
static struct logs_cursor cursor;
static uint32_t out;

static void set_up(void)
{
    descriptors = descriptors_count();
    world_open(&plenty);
    out = logs_begin(&logs, PROCESS, UID);
    logs_cursor_open(&view, &cursor, PROCESS);
}

static void tear_down(void)
{
    logs_cursor_close(&cursor);
    world_close();
    ck_assert_uint_eq(descriptors_count(), descriptors);
}

START_TEST(lines_come_as_they_are_said)
{
    ck_assert(!logs_has_more(&view, &cursor));
    say(out, LOGS_STDOUT, "one\ntw");
    ck_assert(logs_has_more(&view, &cursor));
    ck_assert_str_eq(read_lines(&cursor), "1>one|");
    ck_assert(!logs_has_more(&view, &cursor));
    say(out, LOGS_STDOUT, "o, ");
    ck_assert_str_eq(read_lines(&cursor), "");
    say(out, LOGS_STDERR, "error");
    say(out, LOGS_STDOUT, "whole\n\n");
    ck_assert_str_eq(read_lines(&cursor), "2>two, whole|3>|");
    logs_mark_end(&logs, out, LOGS_STDERR, &now);
    ck_assert_str_eq(read_lines(&cursor), "4!error|");
    ck_assert_str_eq(read_lines(&cursor), "");
}
END_TEST

START_TEST(a_line_has_the_time_of_its_end)
{
    struct logs_line line;

    now.wall = 5000;
    say(out, LOGS_STDOUT, "be");
    now.wall = 6000;
    say(out, LOGS_STDOUT, "gun\n");
    ck_assert_int_eq(logs_next(&view, &cursor, &line), 1);
    ck_assert_int_eq(line.wall, 6000);
}
END_TEST

START_TEST(a_long_line_comes_in_pieces)
{
    static char bytes[2 * LOGS_LINE_MAX + 100];
    struct logs_line line;

    memset(bytes, 'x', sizeof bytes);
    bytes[sizeof bytes - 1] = '\n';
    say_bytes(out, LOGS_STDOUT, bytes, sizeof bytes);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(logs_next(&view, &cursor, &line), 1);
        ck_assert_uint_eq(line.size, LOGS_LINE_MAX);
        ck_assert(line.is_split);
    }
    ck_assert_int_eq(logs_next(&view, &cursor, &line), 1);
    ck_assert_uint_eq(line.size, 99);
    ck_assert(!line.is_split);
    ck_assert_uint_eq(line.seq, 3);
    ck_assert_int_eq(logs_next(&view, &cursor, &line), 0);
}
END_TEST

START_TEST(any_bytes_come_back)
{
    static char bytes[100000], back[100000];
    struct logs_line line;
    unsigned seed = 7;
    size_t used = 0;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char) rand_r(&seed);
    bytes[sizeof bytes - 1] = '\n';
    for (size_t at = 0, size; at < sizeof bytes; at += size) {
        size = 1 + (size_t) rand_r(&seed) % 5000;
        size = size < sizeof bytes - at ? size : sizeof bytes - at;
        say_bytes(out, LOGS_STDOUT, bytes + at, size);
        while (at % 3 && logs_next(&view, &cursor, &line) > 0) {
            memcpy(back + used, line.bytes, line.size);
            used += line.size;
            if (!line.is_split)
                back[used++] = '\n';
        }
    }
    while (logs_next(&view, &cursor, &line) > 0) {
        memcpy(back + used, line.bytes, line.size);
        used += line.size;
        if (!line.is_split)
            back[used++] = '\n';
    }
    ck_assert_uint_eq(used, sizeof bytes);
    ck_assert_int_eq(memcmp(bytes, back, sizeof bytes), 0);
}
END_TEST

static void say_number(unsigned number)
{
    char line[128];

    snprintf(line, sizeof line, "%099u\n", number);
    say(out, LOGS_STDOUT, line);
}

START_TEST(a_reader_that_lags_sees_the_numbers_jump)
{
    struct logs_line line;
    uint64_t last = 0;
    unsigned jumps = 0;

    logs.limits.log = LOGS_LIMIT_MIN;
    for (unsigned i = 1; i <= 6000; i++) {
        say_number(i);
        if (i % 1500 > 3) /* it reads a little, at times */
            continue;
        ck_assert_int_eq(logs_next(&view, &cursor, &line), 1);
        ck_assert_uint_eq(line.seq, strtoul(line.bytes, NULL, 10));
        jumps += line.seq != last + 1;
        last = line.seq;
    }
    ck_assert_uint_gt(jumps, 1);
    while (logs_next(&view, &cursor, &line) > 0) {
        ck_assert_uint_eq(line.seq, strtoul(line.bytes, NULL, 10));
        last = line.seq;
    }
    ck_assert_uint_eq(last, 6000);
}
END_TEST

/* What it has read is dropped, and nothing that it has not: there is no jump, not even in a line. */
START_TEST(a_reader_at_the_end_loses_nothing)
{
    struct logs_line line;
    uint64_t last = 0;

    logs.limits.log = LOGS_LIMIT_MIN;
    for (unsigned i = 1; i <= 6000; i++) {
        char text[128];

        snprintf(text, sizeof text, "%099u", i);
        say(out, LOGS_STDOUT, text);
        while (logs_next(&view, &cursor, &line) > 0)
            ck_assert_uint_eq(line.seq, ++last);
        say(out, LOGS_STDOUT, "\n");
    }
    ck_assert_str_eq(read_lines(&cursor) + 103, "0|");
    ck_assert_uint_eq(last, 5999);
}
END_TEST

START_TEST(a_log_that_is_forgotten_has_no_more)
{
    say(out, LOGS_STDOUT, "one\ntwo\n");
    logs_forget(&logs, out);
    ck_assert_str_eq(read_lines(&cursor), "");
    ck_assert(!logs_has_more(&view, &cursor));
    out = logs_begin(&logs, PROCESS + 1, UID); /* in the same place */
    say(out, LOGS_STDOUT, "another's\n");
    ck_assert_str_eq(read_lines(&cursor), "");
}
END_TEST

START_TEST(now_is_a_mark)
{
    struct logs_mark mark;
    struct logs_line line;

    mark = logs_now(&view, &cursor);
    ck_assert(!logs_is_before(&cursor, &mark));
    say(out, LOGS_STDOUT, "one\n");
    mark = logs_now(&view, &cursor);
    say(out, LOGS_STDOUT, "two\n");
    ck_assert(logs_is_before(&cursor, &mark));
    ck_assert_int_eq(logs_next(&view, &cursor, &line), 1);
    ck_assert(!logs_is_before(&cursor, &mark));
}
END_TEST

START_TEST(what_is_no_log_is_not_opened)
{
    struct logs_view other = {.data_fd = -1};

    ck_assert_int_eq(logs_view_open(&other, -1, -1), -EBADMSG);
    ck_assert_int_eq(logs_view_open(&other, open("/dev/null", O_RDONLY | O_CLOEXEC), dup(logs.data_fd)),
                     -EBADMSG);
    logs_view_close(&other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view");
    TCase *tcase = tcase_create("view");

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, lines_come_as_they_are_said);
    tcase_add_test(tcase, a_line_has_the_time_of_its_end);
    tcase_add_test(tcase, a_long_line_comes_in_pieces);
    tcase_add_test(tcase, any_bytes_come_back);
    tcase_add_test(tcase, a_reader_that_lags_sees_the_numbers_jump);
    tcase_add_test(tcase, a_reader_at_the_end_loses_nothing);
    tcase_add_test(tcase, a_log_that_is_forgotten_has_no_more);
    tcase_add_test(tcase, now_is_a_mark);
    tcase_add_test(tcase, what_is_no_log_is_not_opened);
    return RUN_SUITE(suite);
}
