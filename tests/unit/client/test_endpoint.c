/* SPDX-License-Identifier: MIT */
/* Which socket: the rules about folders, and the order of the choices. */
#include "client/lib/endpoint.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "tests/unit/client/fake_daemon.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static char top[40], runtime[64], run_user[64], tmp[64], mine[96];
static struct endpoint endpoint;

static void begin(void)
{
    strcpy(top, "/tmp/procd-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(runtime, sizeof runtime, "%s/xdg", top);
    snprintf(run_user, sizeof run_user, "%s/user", top);
    snprintf(tmp, sizeof tmp, "%s/tmp", top);
    snprintf(mine, sizeof mine, "%s/%u", run_user, (unsigned) geteuid());
    ck_assert_int_eq(mkdir(runtime, 0700), 0);
    ck_assert_int_eq(mkdir(run_user, 0755), 0);
    ck_assert_int_eq(mkdir(tmp, 01777), 0);
    ck_assert_int_eq(mkdir(mine, 0700), 0);
}

static void end(void)
{
    rmdir(mine);
    rmdir(runtime);
    rmdir(run_user);
    rmdir(tmp);
    ck_assert_int_eq(rmdir(top), 0);
}

static void expect(const char *folder, const char *rest)
{
    char path[200];

    snprintf(path, sizeof path, "%s%s", folder, rest);
    ck_assert_str_eq(endpoint.path, path);
    ck_assert(endpoint.own);
}

static void choose(const char *runtime_dir)
{
    ck_assert_int_eq(endpoint_own(geteuid(), runtime_dir, run_user, tmp, &endpoint), 0);
}

START_TEST(own_runtime_dir_first)
{
    choose(runtime);
    expect(runtime, "/procd/procd.sock");
    choose(NULL);
    expect(mine, "/procd/procd.sock");
    choose("relative");
    expect(mine, "/procd/procd.sock");
    choose("/does/not/exist");
    expect(mine, "/procd/procd.sock");
}
END_TEST

/* sudo and su leave a foreign one behind; others could write into one that is open. */
START_TEST(foreign_or_open_folders_do_not_count)
{
    char rest[64];

    chmod(runtime, 0755);
    choose(runtime);
    expect(mine, "/procd/procd.sock");
    chmod(mine, 0770);
    choose(runtime);
    snprintf(rest, sizeof rest, "/procd-%u/procd.sock", (unsigned) geteuid());
    expect(tmp, rest);

    chmod(runtime, 0700);
    ck_assert_int_eq(endpoint_own(geteuid() + 1, runtime, run_user, tmp, &endpoint), 0);
    snprintf(rest, sizeof rest, "/procd-%u/procd.sock", (unsigned) geteuid() + 1);
    expect(tmp, rest);
}
END_TEST

START_TEST(paths_that_do_not_fit)
{
    char folder[ENDPOINT_PATH_MAX + 1], name[ENDPOINT_PATH_MAX + 1];

    memset(folder, 'x', sizeof folder);
    folder[0] = '/';
    folder[100] = '\0';
    ck_assert_int_eq(endpoint_own(geteuid(), NULL, "/nowhere", folder, &endpoint), -ENAMETOOLONG);
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    ck_assert_int_eq(endpoint_named(name, &endpoint), -ENAMETOOLONG);
    name[sizeof name - 2] = '\0';
    ck_assert_int_eq(endpoint_named(name, &endpoint), 0);
    ck_assert_str_eq(endpoint.path, name);
    ck_assert_int_eq(endpoint_named("", &endpoint), -EINVAL);
}
END_TEST

START_TEST(a_relative_path_becomes_absolute)
{
    char here[ENDPOINT_PATH_MAX];

    ck_assert_int_eq(chdir("/tmp"), 0);
    ck_assert_int_eq(endpoint_named("below/s", &endpoint), 0);
    ck_assert_str_eq(endpoint.path, "/tmp/below/s");
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(endpoint_named("s", &endpoint), 0);
    ck_assert_str_eq(endpoint.path, "/s");
    memset(here, 'x', sizeof here);
    here[sizeof here - 1] = '\0';
    ck_assert_int_eq(endpoint_named(here, &endpoint), 0);
    ck_assert_str_eq(endpoint.path, here);
}
END_TEST

static int64_t soon(void)
{
    return clock_monotonic() + NSEC_PER_SEC;
}

/* Whoever made the folder may listen in it: nothing of ours must reach a stranger. */
START_TEST(folders_of_strangers_are_not_entered)
{
    char folder[100];

    choose(runtime);
    snprintf(folder, sizeof folder, "%s/procd", runtime);
    ck_assert_int_eq(endpoint_connect(&endpoint, soon()), -ENOENT);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    ck_assert_int_eq(endpoint_connect(&endpoint, soon()), -ENOENT);
    chmod(folder, 0777);
    ck_assert_int_eq(endpoint_connect(&endpoint, soon()), -EPERM);
    rmdir(folder);
    ck_assert_int_eq(symlink(tmp, folder), 0);
    ck_assert_int_eq(endpoint_connect(&endpoint, soon()), -EPERM);
    unlink(folder);
}
END_TEST

START_TEST(named_sockets)
{
    struct endpoint_options options = {.no_autostart = true};
    struct fake fake, other;
    int fd;

    fake_begin(&other);
    fake_begin(&fake); /* $PROCD_SOCKET is this one */
    fd = endpoint_open(&options, soon(), &endpoint);
    ck_assert_int_gt(fd, 2);
    ck_assert_str_eq(endpoint.path, fake.path);
    ck_assert(!endpoint.own);
    close_fd(fd);

    options.socket = other.path;
    fd = endpoint_open(&options, soon(), &endpoint);
    ck_assert_int_gt(fd, 2);
    ck_assert_str_eq(endpoint.path, other.path);
    close_fd(fd);

    /* Where the last connection went comes first, until nobody is there. */
    endpoint_named(fake.path, &options.first);
    fd = endpoint_open(&options, soon(), &endpoint);
    ck_assert_str_eq(endpoint.path, fake.path);
    close_fd(fd);
    fake_close(&fake);
    fd = endpoint_open(&options, soon(), &endpoint);
    ck_assert_int_gt(fd, 2);
    ck_assert_str_eq(endpoint.path, other.path);
    close_fd(fd);
    fake_end(&fake);
    fake_end(&other);
}
END_TEST

/* A full backlog must not hold a caller longer than he has time. */
START_TEST(full_backlog)
{
    struct endpoint_options options = {.no_autostart = true};
    int fds[200], count = 0;
    struct fake fake;
    int64_t begun;

    fake_begin(&fake);
    ck_assert_int_eq(listen(fake.listener, 0), 0);
    for (;;) {
        begun = clock_monotonic();
        fds[count] = endpoint_open(&options, begun + 20 * NSEC_PER_MSEC, &endpoint);
        if (fds[count] < 0)
            break;
        ck_assert_int_lt(++count, 200);
    }
    ck_assert_int_eq(fds[count], -ETIMEDOUT);
    ck_assert_int_lt(clock_monotonic() - begun, 5 * NSEC_PER_SEC);
    while (count > 0)
        close_fd(fds[--count]);
    fake_end(&fake);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoint");
    TCase *tcase = tcase_create("endpoint");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, own_runtime_dir_first);
    tcase_add_test(tcase, foreign_or_open_folders_do_not_count);
    tcase_add_test(tcase, paths_that_do_not_fit);
    tcase_add_test(tcase, a_relative_path_becomes_absolute);
    tcase_add_test(tcase, folders_of_strangers_are_not_entered);
    tcase_add_test(tcase, named_sockets);
    tcase_add_test(tcase, full_backlog);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
