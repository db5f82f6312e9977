/* SPDX-License-Identifier: MIT */
/*
 * The user's own daemon on demand: many programs at once get one daemon, it is detached, and the next program
 * after its end gets a new one.
 */
#include "client/lib/procd.h"
#include "daemon/base/cleanup.h"
#include "tests/integration/daemon_fixture.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PROGRAMS 100

static char folder[40], path[64];

static void begin(void)
{
    strcpy(folder, "/tmp/procd-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    setenv("PROCD_SOCKET", path, 1);
    setenv("PROCD_DAEMON", getenv("PROCD"), 1);
    unsetenv("PROCD_AUTOSTART");
}

static void end(void)
{
    static const char *const left[] = {"", ".lock", ".start"};
    char name[80];

    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        snprintf(name, sizeof name, "%s%s", path, left[i]);
        unlink(name);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}

/* Stops it, and waits until it is gone. */
static void stop(pid_t keeper)
{
    struct pollfd entry = {.events = POLLIN};

    entry.fd = (int) syscall(SYS_pidfd_open, keeper, 0);
    ck_assert_int_ge(entry.fd, 0);
    ck_assert_int_eq(procd_call("daemon.stop", NULL, NULL), 0);
    ck_assert_int_eq(poll(&entry, 1, 20000), 1);
    close_fd(entry.fd);
}

START_TEST(many_first_programs)
{
    pid_t keepers[PROGRAMS];
    int go[2], told[2];

    ck_assert_int_eq(pipe(go), 0);
    ck_assert_int_eq(pipe(told), 0);
    for (int i = 0; i < PROGRAMS; i++) {
        if (fork() == 0) {
            pid_t keeper;
            char byte;

            close_fd(go[1]);
            if (read(go[0], &byte, 1) != 0)
                _exit(1);
            keeper = (pid_t) daemon_fixture_info("pid");
            _exit(write(told[1], &keeper, sizeof keeper) != sizeof keeper);
        }
    }
    close_fd(go[0]);
    close_fd(go[1]);
    for (int i = 0; i < PROGRAMS; i++) {
        ck_assert_int_eq(read(told[0], &keepers[i], sizeof keepers[i]), sizeof keepers[i]);
        ck_assert_int_eq(keepers[i], keepers[0]);
    }
    while (wait(NULL) > 0)
        ;
    ck_assert_int_ne(getsid(keepers[0]), getsid(0));
    stop(keepers[0]);
    close_fd(told[0]);
    close_fd(told[1]);
}
END_TEST

START_TEST(next_daemon)
{
    pid_t first = (pid_t) daemon_fixture_info("pid"), second;

    stop(first);
    second = (pid_t) daemon_fixture_info("pid"); /* over what was the first one's connection */
    ck_assert_int_ne(first, second);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1);
    ck_assert_int_eq(errno, ECHILD);
    stop(second);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("lib_autostart");
    TCase *tcase = tcase_create("lib_autostart");
    SRunner *runner;
    int failed;

    procd_init(argc, argv);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, many_first_programs);
    tcase_add_test(tcase, next_daemon);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
