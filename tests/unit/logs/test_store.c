/* SPDX-License-Identifier: MIT */
/* daemon/logs/store.c, tables.c: what is kept, what goes first, and what there is no room for. */
#include "tests/unit/base/descriptors.h"
#include "tests/unit/logs/world.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t descriptors;
static int splice_error, write_error; /* what the kernel says, or 0; EINTR once */

ssize_t __real_splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t size, unsigned flags);
ssize_t __wrap_splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t size, unsigned flags);

ssize_t __wrap_splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t size, unsigned flags)
{
    errno = splice_error;
    if (splice_error == EINTR) {
        splice_error = 0;
        return -1;
    }
    return splice_error ? -1 : __real_splice(in, in_offset, out, out_offset, size, flags);
}

ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at);

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    errno = write_error;
    return write_error ? -1 : __real_pwrite(fd, bytes, size, at);
}

static void set_up(void)
{
    descriptors = descriptors_count();
    splice_error = write_error = 0;
    world_open(&plenty);
}

static void tear_down(void)
{
    world_close();
    ck_assert_uint_eq(descriptors_count(), descriptors);
}

/* Numbered lines, 100 bytes each. */
static void say_many(uint32_t log, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        char line[128];

        snprintf(line, sizeof line, "%099u\n", i);
        say(log, LOGS_STDOUT, line);
    }
}

START_TEST(what_is_said_is_kept)
{
    uint32_t log = logs_begin(&logs, PROCESS, UID), other = logs_begin(&logs, 8, UID);

    ck_assert_str_eq(lines_of(PROCESS), "");
    say(log, LOGS_STDOUT, "one\ntw");
    say(log, LOGS_STDERR, "error\n");
    say(other, LOGS_STDOUT, "other\n");
    say(log, LOGS_STDOUT, "o\nthree");
    ck_assert_str_eq(lines_of(PROCESS), "1>one|2!error|3>two|");
    logs_mark_end(&logs, log, LOGS_STDOUT, &now);
    logs_mark_end(&logs, log, LOGS_STDOUT, &now);
    ck_assert_str_eq(lines_of(PROCESS), "1>one|2!error|3>two|4>three|");
    ck_assert_str_eq(lines_of(8), "1>other|");
    ck_assert_str_eq(lines_of(9), "");
}
END_TEST

START_TEST(what_others_have_taken)
{
    uint32_t log = logs_begin(&logs, PROCESS, UID);
    static char many[3 * LOGS_CHUNK];

    logs_put(&logs, log, LOGS_STDOUT, "one\ntw", 6, &now);
    say(log, LOGS_STDERR, "error\n");
    logs_put(&logs, log, LOGS_STDOUT, "o\n", 2, &now);
    ck_assert_str_eq(lines_of(PROCESS), "1>one|2!error|3>two|");
    memset(many, '\n', sizeof many); /* more than a chunk */
    logs_put(&logs, log, LOGS_STDOUT, many, sizeof many, &now);
    logs_put(&logs, log, LOGS_STDOUT, "last\n", 5, &now);
    ck_assert_ptr_nonnull(strstr(lines_of(PROCESS), "|196612>last|"));
    must_add_up();
    logs_forget(&logs, log);
    ck_assert_uint_eq(logs.index->bytes, 0);
}
END_TEST

START_TEST(what_is_forgotten_is_gone)
{
    for (int round = 0; round < 3; round++) {
        uint32_t log = logs_begin(&logs, PROCESS, UID);

        ck_assert(logs_is(&logs, log, PROCESS));
        ck_assert_str_eq(lines_of(PROCESS), "");
        say_many(log, 0, 2000);
        ck_assert_uint_gt(logs.index->bytes, 200000);
        logs_forget(&logs, log);
        ck_assert(!logs_is(&logs, log, PROCESS));
        ck_assert_str_eq(lines_of(PROCESS), "");
        ck_assert_uint_eq(logs.index->bytes, 0);
        must_add_up();
    }
    ck_assert_uint_eq(logs.index->logs_made, 1);
    ck_assert_uint_eq(logs.index->accounts_made, 1);
}
END_TEST

START_TEST(the_oldest_lines_go_first)
{
    uint32_t log = logs_begin(&logs, PROCESS, UID);
    unsigned first;

    logs.limits.log = LOGS_LIMIT_MIN;
    say_many(log, 1, 5000);
    ck_assert_uint_le(logs.index->logs[log].bytes, LOGS_LIMIT_MIN);
    /* the numbers of those that are left are as if none had gone */
    ck_assert_int_eq(sscanf(lines_of(PROCESS), "%u>", &first), 1);
    ck_assert_uint_gt(first, 3000);
    for (unsigned i = first; i <= 5000; i++) {
        char want[128];

        snprintf(want, sizeof want, "%u>%099u|", i, i);
        if (i == first || i == 5000 || i % 500 == 0)
            ck_assert_ptr_nonnull(strstr(lines_of(PROCESS), want));
    }
}
END_TEST

START_TEST(a_line_whose_beginning_went_goes_too)
{
    uint32_t log = logs_begin(&logs, PROCESS, UID);
    static char half[40000];
    const char *lines;

    logs.limits.log = LOGS_LIMIT_MIN;
    memset(half, 'e', sizeof half);
    say(log, LOGS_STDERR, "a line that ends late");
    say_many(log, 1, 3000);
    say(log, LOGS_STDERR, ", but ends\nand another\n");
    lines = lines_of(PROCESS);
    ck_assert_ptr_null(strstr(lines, "ends"));
    ck_assert_ptr_nonnull(strstr(lines, "3002!and another|"));
}
END_TEST

START_TEST(a_uid_has_its_share)
{
    uint32_t quiet = logs_begin(&logs, 1, UID), noisy = logs_begin(&logs, 2, UID);
    uint32_t foreign = logs_begin(&logs, 3, UID + 1);

    logs.limits.uid = 4 * LOGS_CHUNK;
    now.mono++;
    say(quiet, LOGS_STDOUT, "quiet\n");
    say(foreign, LOGS_STDOUT, "foreign\n");
    now.mono++;
    say_many(noisy, 1, 5000);
    /* whoever wrote last is at fault, but what was not written to for longest goes */
    ck_assert_str_eq(lines_of(1), "");
    ck_assert_str_eq(lines_of(3), "1>foreign|");
    ck_assert_uint_le(logs.index->accounts[logs.index->logs[noisy].account].bytes, 4 * LOGS_CHUNK);
    /* its numbers go on */
    say(quiet, LOGS_STDOUT, "again\n");
    ck_assert_str_eq(lines_of(1), "2>again|");
}
END_TEST

START_TEST(all_together_have_their_share)
{
    uint32_t rich = logs_begin(&logs, 1, UID), poor = logs_begin(&logs, 2, UID + 1);

    logs.limits.total = 6 * LOGS_CHUNK;
    say_many(rich, 1, 5000);
    say_many(poor, 1, 100);
    ck_assert_uint_le(logs.index->bytes, logs.limits.total);
    ck_assert_ptr_nonnull(strstr(lines_of(2), "1>"));
    ck_assert_ptr_nonnull(strstr(lines_of(1), "5000>"));
}
END_TEST

START_TEST(what_is_too_old_goes)
{
    uint32_t log = logs_begin(&logs, PROCESS, UID);
    int64_t next;

    logs.limits.age = 8000;
    now.mono = 10000;
    say(log, LOGS_STDOUT, "old\n");
    now.mono = 11500; /* an eighth of the age later, there is another chunk */
    say(log, LOGS_STDOUT, "new\n");
    next = logs_age(&logs, 17999);
    ck_assert_str_eq(lines_of(PROCESS), "1>old|2>new|");
    ck_assert_int_eq(next, 18000);
    next = logs_age(&logs, 18000);
    ck_assert_str_eq(lines_of(PROCESS), "2>new|");
    ck_assert_int_eq(next, 19500);
    logs_age(&logs, 19500);
    ck_assert_str_eq(lines_of(PROCESS), "");
    must_add_up();
    now.mono = 20000;
    say(log, LOGS_STDOUT, "newest\n");
    ck_assert_str_eq(lines_of(PROCESS), "3>newest|");
}
END_TEST

START_TEST(without_memory_lines_are_lost_and_counted)
{
    uint32_t log = logs_begin(&logs, PROCESS, UID);

    say(log, LOGS_STDOUT, "kept\n");
    splice_error = ENOSPC;
    say(log, LOGS_STDOUT, "lost\nlost\n"); /* whoever says it does not wait */
    splice_error = ENOMEM;
    say(log, LOGS_STDOUT, "lost, too");
    splice_error = 0;
    say(log, LOGS_STDOUT, "kept again\n");
    /* of three lines and a half nobody knows where the next one began: at least as many numbers are missing
     * */
    ck_assert_str_eq(lines_of(PROCESS), "1>kept|6>kept again|");
}
END_TEST

/* Whoever asked might not ask again, as at a process's end. */
START_TEST(an_interruption_is_none)
{
    uint32_t log = logs_begin(&logs, PROCESS, UID);
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], "kept\n", 5), 5);
    splice_error = EINTR;
    ck_assert_int_eq(logs_take(&logs, log, LOGS_STDOUT, ends[0], 100, &now), 5);
    ck_assert_str_eq(lines_of(PROCESS), "1>kept|");
    close(ends[0]);
    close(ends[1]);
}
END_TEST

/* Neither can it be recorded that they are. */
START_TEST(lost_lines_stay_counted_until_that_is_told)
{
    uint32_t log = logs_begin(&logs, PROCESS, UID);

    say(log, LOGS_STDOUT, "kept\n");
    splice_error = write_error = ENOSPC;
    for (int i = 0; i < 10; i++)
        say(log, LOGS_STDOUT, "lost\n");
    logs_put(&logs, log, LOGS_STDERR, "lost\nlost\n", 10, &now);
    splice_error = 0;
    say(log, LOGS_STDOUT, "lost\nlost\nlost\n"); /* moved, and without a record nobody's */
    write_error = 0;
    say(log, LOGS_STDOUT, "kept again\n");
    ck_assert_str_eq(lines_of(PROCESS), "1>kept|30>kept again|");
    must_add_up();
}
END_TEST

START_TEST(more_logs_than_there_are)
{
    for (uint32_t i = 1; i < LOGS_MAX; i++)
        must(logs_begin(&logs, i, UID + i % 100) != 0);
    ck_assert_uint_eq(logs_begin(&logs, LOGS_MAX, UID), 0);
    logs_forget(&logs, 5);
    ck_assert_uint_ne(logs_begin(&logs, LOGS_MAX, UID), 0);
}
END_TEST

START_TEST(more_chunks_than_there_are)
{
    logs.limits.uid = logs.limits.total = UINT64_MAX / 2;
    for (uint32_t i = 1; i < LOGS_CHUNKS_MAX + 10; i++) {
        uint32_t log = logs_begin(&logs, i, UID);

        now.mono++;
        logs_mark_end(&logs, log, LOGS_STDOUT, &now);
    }
    must_add_up();
    ck_assert_uint_eq(logs.index->logs[1].last, 0); /* the oldest one went */
    ck_assert_uint_ne(logs.index->logs[LOGS_CHUNKS_MAX + 9].last, 0);
}
END_TEST

START_TEST(any_bytes_in_any_order)
{
    uint32_t log = logs_begin(&logs, PROCESS, UID);
    unsigned seed = 1;
    static char bytes[70000];

    for (int i = 0; i < 300; i++) {
        size_t size = (size_t) rand_r(&seed) % (i % 10 == 0 ? sizeof bytes : 300);

        for (size_t at = 0; at < size; at++)
            bytes[at] = (char) (rand_r(&seed) % 40 ? 'a' + rand_r(&seed) % 26 : '\n');
        logs.limits.log = LOGS_LIMIT_MIN + (size_t) rand_r(&seed) % 4 * LOGS_CHUNK;
        say_bytes(log, rand_r(&seed) % 2 ? LOGS_STDOUT : LOGS_STDERR, bytes, size);
        if (rand_r(&seed) % 10 == 0)
            logs_mark_end(&logs, log, LOGS_STDOUT, &now);
    }
    must_add_up();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *tcase = tcase_create("store");

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, what_is_said_is_kept);
    tcase_add_test(tcase, what_others_have_taken);
    tcase_add_test(tcase, what_is_forgotten_is_gone);
    tcase_add_test(tcase, the_oldest_lines_go_first);
    tcase_add_test(tcase, a_line_whose_beginning_went_goes_too);
    tcase_add_test(tcase, a_uid_has_its_share);
    tcase_add_test(tcase, all_together_have_their_share);
    tcase_add_test(tcase, what_is_too_old_goes);
    tcase_add_test(tcase, without_memory_lines_are_lost_and_counted);
    tcase_add_test(tcase, an_interruption_is_none);
    tcase_add_test(tcase, lost_lines_stay_counted_until_that_is_told);
    tcase_add_test(tcase, more_logs_than_there_are);
    tcase_add_test(tcase, more_chunks_than_there_are);
    tcase_add_test(tcase, any_bytes_in_any_order);
    return RUN_SUITE(suite);
}
