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

int main(void)
{
    Suite *suite = suite_create("notify");
    TCase *tcase = tcase_create("notify");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, the_manager_hears);
    tcase_add_test(tcase, no_manager);
    tcase_add_test(tcase, the_watchdog);
    return RUN_SUITE(suite);
}
