/* SPDX-License-Identifier: MIT */
/* daemon/successor.c: what a process hands on to the program that it becomes as a keeper. */
#include "daemon/successor.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/role.h"
#include "tests/unit/base/descriptors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct shelf shelf;
static struct keeper_config config;
static char *const arguments[] = {(char *) "program", (char *) "--user", NULL};

static int text_memory(const char *text)
{
    int memory = memfd_create("text", MFD_CLOEXEC);

    ck_assert(write(memory, text, strlen(text)) == (ssize_t) strlen(text));
    return memory;
}

static int read_text(const char *text)
{
    config = (struct keeper_config){.listen_fd = 99};
    shelf.count = 0;
    return successor_read(text_memory(text), &config, &shelf);
}

START_TEST(what_is_read)
{
    int listening = dup(0), link = dup(0), state = dup(0);
    char text[256];

    snprintf(text, sizeof text, "=listen %d\n=front %d\n=watchdog 30000000000\nstate %d\n", listening, link,
             state);
    ck_assert_int_eq(read_text(text), 0);
    ck_assert_int_eq(config.listen_fd, listening);
    ck_assert_int_eq(config.front_fd, link);
    ck_assert(config.watchdog == INT64_C(30000000000));
    ck_assert_int_eq(shelf_find(&shelf, "state"), state);
    ck_assert_int_eq(fcntl(state, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    shelf_clear(&shelf);
}
END_TEST

START_TEST(what_makes_no_sense)
{
    ck_assert_int_eq(read_text(""), -EBADMSG);
    ck_assert_int_eq(read_text("=listen 0\n=front 0\n"), -EBADF);
    ck_assert_int_eq(read_text("=listen 9999\n"), -EBADF);
    ck_assert_int_eq(read_text("state\n"), -EBADMSG);
}
END_TEST

/* Runs successor_exec with this program on the shelf: what the child ended with, and what it wrote. */
static int becomes(int program, char *said, size_t size)
{
    int output[2], status;
    ssize_t got;
    pid_t pid;

    ck_assert_int_eq(pipe(output), 0);
    shelf.count = 0;
    if (program >= 0)
        shelf_put(&shelf, ROLE_PROGRAM, program);
    shelf_put(&shelf, "state", dup(0));
    pid = fork();
    if (pid == 0) {
        config = (struct keeper_config){.listen_fd = dup(0), .front_fd = dup(0)};
        dup2(output[1], STDOUT_FILENO);
        successor_exec(&config, &shelf, (char **) arguments);
        _exit(fcntl(shelf_find(&shelf, "state"), F_GETFD) == FD_CLOEXEC || program < 0 ? 44 : 45);
    }
    close(output[1]);
    got = read(output[0], said, size - 1);
    said[got > 0 ? got : 0] = '\0';
    close(output[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    shelf_clear(&shelf);
    return WEXITSTATUS(status);
}

/* It has the same command line, and the descriptors. */
START_TEST(another_program)
{
    char said[1024];

    ck_assert_int_eq(becomes(open("/bin/echo", O_PATH | O_CLOEXEC), said, sizeof said), 0);
    ck_assert_ptr_eq(strstr(said, "--user --role=successor --memory="), said);
}
END_TEST

/* Goes on as it is. */
START_TEST(none_or_the_same_or_one_that_is_not)
{
    char said[1024];

    log_open("test", LOG_LEVEL_ERROR);
    ck_assert_int_eq(becomes(-1, said, sizeof said), 44);
    ck_assert_int_eq(becomes(open("/proc/self/exe", O_PATH), said, sizeof said), 45);
    ck_assert_int_eq(becomes(open("/etc/passwd", O_PATH), said, sizeof said), 44);
    ck_assert_int_eq(becomes(dup(0), said, sizeof said), 44);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("successor");
    TCase *tcase = tcase_create("successor");

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, what_is_read);
    tcase_add_test(tcase, what_makes_no_sense);
    tcase_add_test(tcase, another_program);
    tcase_add_test(tcase, none_or_the_same_or_one_that_is_not);
    return RUN_SUITE(suite);
}
