/* SPDX-License-Identifier: MIT */
/* daemon/logs/rebuild.c: another program goes on, wherever the one before was killed. */
#include "tests/unit/base/descriptors.h"
#include "tests/unit/logs/world.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t descriptors;

static void set_up(void)
{
    descriptors = descriptors_count();
    world_open(&plenty);
}

static void tear_down(void)
{
    world_close();
    ck_assert_uint_eq(descriptors_count(), descriptors);
}

START_TEST(another_program_goes_on)
{
    uint32_t one = logs_begin(&logs, 1, UID), two = logs_begin(&logs, 2, UID + 1);

    logs_forget(&logs, logs_begin(&logs, 3, UID + 2));
    say(one, LOGS_STDOUT, "one\nbeg");
    say(two, LOGS_STDERR, "two\n");
    for (int i = 0; i < 3000; i++)
        say(two, LOGS_STDOUT, "a line of some bytes, and of some more\n");
    logs.limits.log = LOGS_LIMIT_MIN;
    say(two, LOGS_STDOUT, "last\n");
    world_resume();
    must_add_up();
    ck_assert(logs_is(&logs, one, 1) && logs_is(&logs, two, 2) && !logs_is(&logs, 3, 3));
    say(one, LOGS_STDOUT, "un\n");
    ck_assert_str_eq(lines_of(1), "1>one|2>begun|");
    ck_assert_ptr_nonnull(strstr(lines_of(2), "3002>last|"));
    ck_assert_uint_eq(logs_begin(&logs, 3, UID), 3);
    must_add_up();
}
END_TEST

START_TEST(what_is_no_index_is_refused)
{
    struct logs other;

    ck_assert_int_eq(logs_resume(&other, &plenty, open("/dev/null", O_RDWR | O_CLOEXEC), dup(logs.data_fd)),
                     -EBADMSG);
    logs_close(&other);
    logs.index->format++;
    ck_assert_int_eq(logs_resume(&other, &plenty, dup(logs.index_fd), dup(logs.data_fd)), -EBADMSG);
    logs_close(&other);
    logs.index->format--;
}
END_TEST

/* ---- killed anywhere ---- */

#define LINES 1000000

static void write_numbers(int fd)
{
    FILE *stream = fdopen(fd, "w");

    for (unsigned i = 1; i <= LINES; i++)
        fprintf(stream, "%u\n", i);
    fclose(stream);
    _exit(0);
}

/* Takes until the end of the pipe, or its own. `begun`: a clock that goes on from one to the other. */
static void take_all(uint32_t log, int fd, int64_t begun)
{
    struct pollfd wait_for = {.fd = fd, .events = POLLIN};
    struct logs_clock clock = {.wall = 1, .mono = begun};
    ssize_t size;

    world_resume();
    do {
        poll(&wait_for, 1, -1);
        clock.mono++;
        size = logs_take(&logs, log, LOGS_STDOUT, fd, 1 + (size_t) clock.mono * 7919 % 5000, &clock);
    } while (size != 0);
    _exit(0);
}

/*
 * The lines of a process that writes without a pause, while whoever takes them is killed again and again:
 * none is lost, none is there twice.
 */
START_TEST(killed_anywhere)
{
    uint32_t log = logs_begin(&logs, PROCESS, UID);
    struct logs_cursor cursor;
    struct logs_line line;
    int ends[2], status = -1, deaths = 0;
    uint64_t last = 0;
    pid_t writer, taker;
    int64_t begun = 0;
    unsigned seed = 3;

    logs.limits.log = logs.limits.uid = 64 << 20;
    must(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    fcntl(ends[1], F_SETFL, 0);
    writer = fork();
    if (writer == 0) {
        close(ends[0]);
        write_numbers(ends[1]);
    }
    close(ends[1]);
    for (;;) {
        begun += LINES;
        taker = fork();
        if (taker == 0)
            take_all(log, ends[0], begun);
        usleep(500 + (unsigned) rand_r(&seed) % 4000);
        kill(taker, SIGKILL);
        waitpid(taker, &status, 0);
        if (WIFEXITED(status))
            break;
        deaths++;
    }
    ck_assert_int_eq(status, 0);
    waitpid(writer, &status, 0);
    close(ends[0]);
    world_resume();
    must_add_up();
    logs_cursor_open(&view, &cursor, PROCESS);
    while (logs_next(&view, &cursor, &line) > 0) {
        last++;
        must(line.seq == last && strtoul(line.bytes, NULL, 10) == last);
    }
    logs_cursor_close(&cursor);
    ck_assert_uint_eq(last, LINES);
    ck_assert_int_gt(deaths, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rebuild");
    TCase *tcase = tcase_create("rebuild");

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, another_program_goes_on);
    tcase_add_test(tcase, what_is_no_index_is_refused);
    tcase_add_test(tcase, killed_anywhere);
    return RUN_SUITE(suite);
}
