/* SPDX-License-Identifier: MIT */
/* daemon/logs/piece.c: where a line ends, and what is counted. */
#include "daemon/logs/piece.h"
#include "tests/unit/core/must.h"

#include <check.h>
#include <string.h>

static struct logs_point point;
static char bytes[3 * LOGS_LINE_MAX];
static size_t length;
static enum logs_end end;

static void set_up(void)
{
    point = (struct logs_point){.seq = 0};
    memset(bytes, 'x', sizeof bytes);
}

static size_t take(const char *from, size_t size)
{
    return logs_piece(&point, LOGS_STDOUT, from, size, &length, &end);
}

START_TEST(an_lf_ends_a_line)
{
    ck_assert_uint_eq(take("ab\ncd", 5), 3);
    ck_assert_uint_eq(length, 2);
    ck_assert_int_eq(end, LOGS_END_LINE);
    ck_assert_uint_eq(point.seq, 1);
    ck_assert_uint_eq(take("cd", 2), 2);
    ck_assert_int_eq(end, LOGS_END_NONE);
    ck_assert_uint_eq(point.partial[LOGS_STDOUT], 2);
    ck_assert_uint_eq(take("\n", 1), 1);
    ck_assert_uint_eq(length, 0);
    ck_assert_uint_eq(point.seq, 2);
    ck_assert_uint_eq(point.partial[LOGS_STDOUT], 0);
}
END_TEST

START_TEST(the_longest_line_is_not_cut)
{
    bytes[LOGS_LINE_MAX] = '\n';
    ck_assert_uint_eq(take(bytes, LOGS_LINE_MAX + 1), LOGS_LINE_MAX + 1);
    ck_assert_uint_eq(length, LOGS_LINE_MAX);
    ck_assert_int_eq(end, LOGS_END_LINE);
    /* nor where the LF comes later */
    ck_assert_uint_eq(take(bytes, LOGS_LINE_MAX), LOGS_LINE_MAX);
    ck_assert_int_eq(end, LOGS_END_NONE);
    ck_assert_uint_eq(take("\n", 1), 1);
    ck_assert_int_eq(end, LOGS_END_LINE);
    ck_assert_uint_eq(point.seq, 2);
}
END_TEST

START_TEST(a_longer_one_is_cut)
{
    ck_assert_uint_eq(take(bytes, sizeof bytes), LOGS_LINE_MAX);
    ck_assert_int_eq(end, LOGS_END_SPLIT);
    ck_assert_uint_eq(length, LOGS_LINE_MAX);
    ck_assert_uint_eq(take(bytes, LOGS_LINE_MAX), LOGS_LINE_MAX);
    ck_assert_int_eq(end, LOGS_END_NONE);
    ck_assert_uint_eq(take("x", 1), 0); /* the byte belongs to the next piece */
    ck_assert_int_eq(end, LOGS_END_SPLIT);
    ck_assert_uint_eq(point.seq, 2);
}
END_TEST

START_TEST(streams_do_not_mix)
{
    take("begun", 5);
    logs_piece(&point, LOGS_STDERR, "x\n", 2, &length, &end);
    ck_assert_uint_eq(length, 1);
    ck_assert_uint_eq(point.seq, 1);
    ck_assert_uint_eq(point.partial[LOGS_STDOUT], 5);
}
END_TEST

START_TEST(marks_end_what_has_begun)
{
    struct logs_record record = {.stream = LOGS_STDOUT, .kind = LOGS_END};

    ck_assert_int_eq(logs_mark(&point, &record), 0);
    ck_assert_uint_eq(point.seq, 0);
    take("begun", 5);
    ck_assert_int_eq(logs_mark(&point, &record), 1);
    ck_assert_uint_eq(point.seq, 1);
    record.kind = LOGS_LOST;
    record.size = 10;
    ck_assert_int_eq(logs_mark(&point, &record), 0);
    ck_assert_uint_eq(point.seq, 11);
}
END_TEST

START_TEST(counting_ends_at_nonsense)
{
    struct logs_record record = {.kind = LOGS_DATA, .size = 2};
    char data[64];

    memcpy(data, &record, sizeof record);
    memcpy(data + sizeof record, "a\n", 2);
    record.size = 1000;
    memcpy(data + sizeof record + 2, &record, sizeof record);
    logs_count(&point, data, sizeof data);
    ck_assert_uint_eq(point.seq, 1);
    record.stream = 9;
    memcpy(data, &record, sizeof record);
    logs_count(&point, data, sizeof data);
    ck_assert_uint_eq(point.seq, 1);
    logs_count(&point, data, 3);
    ck_assert_uint_eq(point.seq, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("piece");
    TCase *tcase = tcase_create("piece");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, an_lf_ends_a_line);
    tcase_add_test(tcase, the_longest_line_is_not_cut);
    tcase_add_test(tcase, a_longer_one_is_cut);
    tcase_add_test(tcase, streams_do_not_mix);
    tcase_add_test(tcase, marks_end_what_has_begun);
    tcase_add_test(tcase, counting_ends_at_nonsense);
    return RUN_SUITE(suite);
}
