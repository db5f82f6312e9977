/* SPDX-License-Identifier: MIT */
/* daemon/base/notify.c: what the service manager hears. Without libsystemd nothing happens. */
#include "daemon/base/notify.h"
#include "tests/unit/core/must.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef HAVE_LIBSYSTEMD
#define HEARD true
#else
#define HEARD false
#endif

static char folder[] = "/tmp/procd-notify-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int manager;

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(manager, (struct sockaddr *) &address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
}

static void tear_down(void)
{
    unlink(address.sun_path);
    rmdir(folder);
}

static void must_hear(const char *text)
{
    char heard[256];
    ssize_t size = recv(manager, heard, sizeof heard - 1, 0);

    if (!text) {
        ck_assert_int_eq(size, -1);
        ck_assert_int_eq(errno, EAGAIN);
        return;
    }
    ck_assert_int_ge(size, 0);
    heard[size] = '\0';
    ck_assert_str_eq(heard, text);
}

START_TEST(the_manager_hears)
{
    notify_send("READY=1");
    must_hear(HEARD ? "READY=1" : NULL);
    notify_send("STOPPING=1\nSTATUS=x");
    must_hear(HEARD ? "STOPPING=1\nSTATUS=x" : NULL);
    ck_assert_ptr_nonnull(getenv("NOTIFY_SOCKET")); /* for the next word */
}
END_TEST

START_TEST(no_manager)
{
    unsetenv("NOTIFY_SOCKET");
    notify_send("READY=1");
    must_hear(NULL);
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    notify_send("READY=1");
    must_hear(NULL);
}
END_TEST

START_TEST(the_watchdog)
{
    char pid[16];

    unsetenv("WATCHDOG_USEC");
    ck_assert_int_eq(notify_watchdog(), 0);
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("WATCHDOG_PID", pid, 1);
    setenv("WATCHDOG_USEC", "2500000", 1);
    ck_assert_int_eq(notify_watchdog(), HEARD ? INT64_C(2500000000) : 0);
    setenv("WATCHDOG_USEC", "18446744073709551614", 1); /* does not fit: no watchdog */
    ck_assert_int_eq(notify_watchdog(), 0);
    setenv("WATCHDOG_USEC", "soon", 1);
    ck_assert_int_eq(notify_watchdog(), 0);
    setenv("WATCHDOG_USEC", "2500000", 1);
    setenv("WATCHDOG_PID", "1", 1); /* meant for another process */
    ck_assert_int_eq(notify_watchdog(), 0);
}
END_TEST

START_TEST(what_is_kept)
{
    int pair[2], fd;
    char text[256], name[64];

    /* to the manager itself; the descriptor goes with it */
    ck_assert_int_eq(notify_keep("a-name", 0), 0);
    must_hear(HEARD ? "FDSTORE=1\nFDNAME=a-name\nFDPOLL=0" : NULL);
    ck_assert_int_eq(notify_drop("a-name"), 0);
    must_hear(HEARD ? "FDSTOREREMOVE=1\nFDNAME=a-name" : NULL);
    if (!HEARD)
        return;
    /* and through a socket, on which words come first */
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    notify_through(pair[0]);
    for (fd = 0; notify_keep("a-name", 0) == 0; fd++)
        ck_assert_int_lt(fd, 10000);
    ck_assert_int_eq(notify_keep("a-name", 0), -EAGAIN);
    ck_assert_int_eq(notify_drop("a-name"), -EAGAIN);
    for (int i = 0; i < 20; i++)
        notify_send("READY=1");
    for (int i = 0; i < fd; i++) {
        text[recv(pair[1], text, sizeof text - 1, 0)] = '\0';
        ck_assert_int_eq(sscanf(text, NOTIFY_KEEP_READ, name), 1);
        ck_assert_str_eq(name, "a-name");
        ck_assert_int_eq(sscanf(text, NOTIFY_DROP_READ, name), 0);
    }
    for (int i = 0; i < 20; i++) {
        text[recv(pair[1], text, sizeof text - 1, 0)] = '\0';
        ck_assert_str_eq(text, "READY=1");
    }
    ck_assert_int_eq(notify_drop("another"), 0);
    text[recv(pair[1], text, sizeof text - 1, 0)] = '\0';
    ck_assert_int_eq(sscanf(text, NOTIFY_DROP_READ, name), 1);
    ck_assert_str_eq(name, "another");
    notify_through(-1);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify");
    TCase *tcase = tcase_create("notify");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, the_manager_hears);
    tcase_add_test(tcase, no_manager);
    tcase_add_test(tcase, the_watchdog);
    tcase_add_test(tcase, what_is_kept);
    return RUN_SUITE(suite);
}
