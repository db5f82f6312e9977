/* SPDX-License-Identifier: MIT */
/* daemon/base/log.c: one line per message, to stderr. */
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "tests/unit/core/must.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int reader;
static char said[8192];

/* Our stderr is a pipe, from here to the end of the test's process. */
static void set_up(void)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    reader = ends[0];
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    unsetenv("JOURNAL_STREAM");
    log_open("role", LOG_LEVEL_INFO);
}

/* What was written since the last call. */
static const char *written(void)
{
    ssize_t size = read(reader, said, sizeof said - 1);

    said[size > 0 ? size : 0] = '\0';
    return said;
}

static void set_journal(unsigned long long device, unsigned long long inode)
{
    char stream[64];

    snprintf(stream, sizeof stream, "%llu:%llu", device, inode);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open("role", LOG_LEVEL_DEBUG);
}

START_TEST(a_line_names_the_role)
{
    log_info("process %d: %s", 7, "gone");
    ck_assert_str_eq(written(), "procd: role: process 7: gone\n");
    log_open("other", LOG_LEVEL_INFO);
    log_error("x");
    ck_assert_str_eq(written(), "procd: other: x\n");
}
END_TEST

START_TEST(levels)
{
    log_debug("hidden");
    ck_assert_str_eq(written(), "");
    log_open("role", LOG_LEVEL_ERROR);
    ck_assert_int_eq(log_level_now(), LOG_LEVEL_ERROR);
    log_warning("hidden");
    log_info("hidden");
    ck_assert_str_eq(written(), "");
    log_error("seen");
    ck_assert_str_eq(written(), "procd: role: seen\n");
    log_open("role", LOG_LEVEL_DEBUG);
    log_debug("seen");
    ck_assert_str_eq(written(), "procd: role: seen\n");
}
END_TEST

/* Our end of the pipe blocks, as most do, and nobody reads. */
START_TEST(a_reader_that_stands_still)
{
    static char filler[4096];
    unsigned count = 0;

    while (write(STDERR_FILENO, filler, sizeof filler) > 0)
        ;
    ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, 0), 0);
    errno = ENOTTY;
    for (; count < 1000; count++)
        log_info("lost");
    ck_assert_int_eq(errno, ENOTTY);
    ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0); /* it is not ours alone */
    while (read(reader, said, sizeof said) > 0)
        ;
    log_info("seen");
    ck_assert_str_eq(written(),
                     "procd: role: 1000 lines are lost: nobody has read them\nprocd: role: seen\n");
    log_info("seen");
    ck_assert_str_eq(written(), "procd: role: seen\n");
}
END_TEST

START_TEST(names_of_levels)
{
    static const char *const wrong[] = {"", "err", "Info", "debug ", "3", "none"};
    enum log_level level;

    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
        ck_assert_int_eq(log_level_parse(log_level_name((enum log_level) i), &level), 0);
        ck_assert_int_eq((int) level, i);
    }
    ck_assert_str_eq(log_level_name(LOG_LEVEL_WARNING), "warning");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(log_level_parse(wrong[i], &level), -EINVAL);
        ck_assert_int_eq(level, LOG_LEVEL_DEBUG); /* untouched */
    }
}
END_TEST

START_TEST(the_journal_gets_priorities)
{
    struct stat st;

    ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
    set_journal(st.st_dev, st.st_ino);
    log_error("a");
    log_warning("b");
    log_info("c");
    log_debug("d");
    ck_assert_str_eq(written(), "<3>procd: role: a\n<4>procd: role: b\n"
                                "<6>procd: role: c\n<7>procd: role: d\n");
    set_journal(st.st_dev, st.st_ino + 1); /* inherited from somebody: our stderr is another stream */
    log_error("a");
    ck_assert_str_eq(written(), "procd: role: a\n");
    setenv("JOURNAL_STREAM", "garbage", 1);
    log_open("role", LOG_LEVEL_INFO);
    log_error("a");
    ck_assert_str_eq(written(), "procd: role: a\n");
}
END_TEST

START_TEST(a_long_message_is_cut)
{
    char text[5000];
    size_t length;

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("%s", text);
    length = strlen(written());
    ck_assert_uint_gt(length, 1000);
    ck_assert_uint_lt(length, 1100);
    ck_assert_ptr_eq(strchr(said, '\n'), said + length - 1);
    for (size_t cut = 980; cut < 1030; cut++) { /* around the edge: never without its end */
        log_info("%.*s", (int) cut, text);
        length = strlen(written());
        ck_assert_ptr_eq(strchr(said, '\n'), said + length - 1);
        ck_assert_uint_le(length, 1023);
    }
}
END_TEST

/* Names and paths are other people's: a line feed in one must not begin a line that looks like ours. */
START_TEST(a_message_is_one_line)
{
    log_info("%s", "a\nprocd: role: forged\r\t\x1b[2J\x7f");
    ck_assert_str_eq(written(), "procd: role: a?procd: role: forged???[2J?\n");
    log_info("h\xc3\xa9"); /* what is not ASCII stays */
    ck_assert_str_eq(written(), "procd: role: h\xc3\xa9\n");
    /* a C1 control, as UTF-8 and as a bare byte, and an override of the direction */
    log_info("%s", "a\xc2\x9b" "b\x9b" "c\xe2\x80\xae" "d\xc3");
    ck_assert_str_eq(written(), "procd: role: a??b?c???d?\n");
}
END_TEST

START_TEST(what_happens_over_and_over)
{
    int64_t next = 0, other = 0;

    ck_assert(log_again(&next, 5));
    ck_assert(!log_again(&next, 5));
    ck_assert(!log_again(&next, 4 + 60 * NSEC_PER_SEC));
    ck_assert(log_again(&other, 6));
    ck_assert(log_again(&next, 5 + 60 * NSEC_PER_SEC));
    ck_assert(!log_again(&next, 6 + 60 * NSEC_PER_SEC));
}
END_TEST

START_TEST(errno_is_kept)
{
    errno = ENOTTY;
    log_info("x");
    ck_assert_int_eq(errno, ENOTTY);
    log_debug("x");
    ck_assert_int_eq(errno, ENOTTY);
    close(STDERR_FILENO);
    log_info("nobody is left to tell");
    ck_assert_int_eq(errno, ENOTTY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("log");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, a_line_names_the_role);
    tcase_add_test(tcase, levels);
    tcase_add_test(tcase, a_reader_that_stands_still);
    tcase_add_test(tcase, names_of_levels);
    tcase_add_test(tcase, the_journal_gets_priorities);
    tcase_add_test(tcase, a_long_message_is_cut);
    tcase_add_test(tcase, a_message_is_one_line);
    tcase_add_test(tcase, what_happens_over_and_over);
    tcase_add_test(tcase, errno_is_kept);
    return RUN_SUITE(suite);
}
