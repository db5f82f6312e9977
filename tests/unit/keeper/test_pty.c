/* SPDX-License-Identifier: MIT */
/* Terminals of children: who has one, who may attach, and what becomes of who does not come. */
#include "tests/unit/keeper/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

static struct harness harness;
static struct spec_builder spec;

static void begin_spec(const char *command)
{
    char *const argv[] = {"/bin/sh", "-c", (char *) command, NULL};

    spec_begin(&spec, argv);
    for (int i = 0; i < 3; i++)
        spec_head(&spec)->stdio[i] = (struct link_stdio){.kind = LINK_STDIO_PTY};
    spec_head(&spec)->rows = 24;
    spec_head(&spec)->columns = 80;
}

static uint64_t spawn(const char *command, uint32_t flags)
{
    uint64_t process;

    begin_spec(command);
    harness.flags = flags;
    process = harness_spawn(&harness, harness.connection, &spec, NULL, 0);
    harness.flags = 0;
    return process;
}

static void expect_spawned(void)
{
    union message message;

    harness_expect(&harness, LINK_SPAWNED, &message);
    harness_acknowledge(&harness, message.head.number);
}

/* The next message, which must be LINK_ATTACHED: its error, or 0 and two descriptors. */
static int take_attached(uint64_t tag, int ret_fds[2])
{
    union message message;
    struct link_attached attached;
    struct fdpass fds;

    harness_receive(&harness, &message, &fds);
    ck_assert_uint_eq(message.head.kind, LINK_ATTACHED);
    memcpy(&attached, &message, sizeof attached);
    ck_assert_uint_eq(attached.tag, tag);
    ck_assert_uint_eq(fds.count, attached.error ? 0 : 2);
    for (size_t i = 0; i < fds.count; i++)
        ret_fds[i] = fds.fd[i];
    return attached.error;
}

static int attach(uint64_t process, int ret_fds[2])
{
    struct link_attach ask = {
        .head = {.kind = LINK_ATTACH, .size = sizeof ask}, .process = process, .tag = 77};

    harness_send(&harness, &ask, sizeof ask, NULL, 0);
    return take_attached(77, ret_fds);
}

static void let_go(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static bool is_over(int lease)
{
    struct pollfd entry = {.fd = lease, .events = POLLIN};
    char byte;

    return poll(&entry, 1, 5000) == 1 && read(lease, &byte, 1) == 0;
}

/* Reads until the text has come. */
static void must_say(int master, const char *text)
{
    char said[4096] = "";
    size_t size = 0;

    while (!strstr(said, text)) {
        struct pollfd entry = {.fd = master, .events = POLLIN};
        ssize_t more;

        ck_assert_msg(poll(&entry, 1, 5000) == 1, "no %s in %s", text, said);
        more = read(master, said + size, sizeof said - 1 - size);
        ck_assert_msg(more > 0, "no %s in %s", text, said);
        size += (size_t) more;
        said[size] = '\0';
    }
}

START_TEST(attached_from_the_start)
{
    int fds[2], others[2];
    struct winsize size;
    uint64_t process;

    harness_start(&harness);
    process = spawn("echo on; read x; exit 3", LINK_SPAWN_ATTACH);
    ck_assert_int_eq(take_attached(0, fds), 0); /* before anything else */
    expect_spawned();
    must_say(fds[0], "on");
    ck_assert_int_eq(ioctl(fds[0], TIOCGWINSZ, &size), 0);
    ck_assert_int_eq(size.ws_row, 24);
    ck_assert_int_eq(size.ws_col, 80);
    ck_assert(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    ck_assert_int_eq(attach(process, others), EBUSY);
    ck_assert_int_eq(write(fds[0], "\n", 1), 1);
    ck_assert_int_eq(harness_exit(&harness, process), 3);
    ck_assert(is_over(fds[1]));
    ck_assert_int_eq(attach(process, others), ENOTTY);
    let_go(fds);
    harness_stop(&harness);
}
END_TEST

START_TEST(one_after_the_other)
{
    uint64_t process;
    int fds[2], copy;

    harness_start(&harness);
    process = spawn("stty -echo; while read x; do echo got $x; done; exit 4", 0);
    expect_spawned();
    for (int i = 0; i < 3; i++) {
        harness_until(attach(process, fds) == 0);
        ck_assert_int_eq(write(fds[0], "a\n", 2), 2);
        must_say(fds[0], "got a");
        copy = dup(fds[1]);
        let_go(fds);
        ck_assert_int_eq(attach(process, fds), EBUSY); /* whoever has the other end */
        close(copy);
    }
    harness_until(attach(process, fds) == 0);
    ck_assert_int_eq(write(fds[0], "\4", 1), 1);
    ck_assert_int_eq(harness_exit(&harness, process), 4);
    ck_assert(is_over(fds[1]));
    let_go(fds);
    harness_stop(&harness);
}
END_TEST

START_TEST(there_is_none)
{
    uint64_t process;
    int fds[2];

    harness_start(&harness);
    process = harness_shell(&harness, "exec sleep 1000", NULL);
    ck_assert_int_eq(attach(process, fds), ENOTTY);
    ck_assert_int_eq(attach(process + 1, fds), ENOTTY);
    ck_assert_int_eq(attach(0, fds), ENOTTY);
    harness_signal(&harness, process, SIGKILL, false);
    harness_exit(&harness, process);
    harness_stop(&harness);
}
END_TEST

/* What was sent to a broker that is dead is nobody's: the process is not stuck. */
START_TEST(a_broker_that_does_not_take_it)
{
    uint64_t process;

    harness_start(&harness);
    process = spawn("seq 20000; exit 5", LINK_SPAWN_ATTACH); /* more than fits, if nobody reads */
    harness_kill_broker(&harness);
    harness_next_broker(&harness, NULL);
    harness_ready(&harness);
    expect_spawned();
    ck_assert_int_eq(harness_exit(&harness, process), 5);
    harness_stop(&harness);
}
END_TEST

START_TEST(there_are_no_descriptors)
{
    struct rlimit limit, low;

    harness_start(&harness);
    ck_assert_int_eq(prlimit(harness.keeper, RLIMIT_NOFILE, NULL, &limit), 0);
    low = limit;
    low.rlim_cur = 3;
    ck_assert_int_eq(prlimit(harness.keeper, RLIMIT_NOFILE, &low, NULL), 0);
    begin_spec("exit 0");
    harness_fails(&harness, &spec, EMFILE, LINK_STAGE_PTY);
    ck_assert_int_eq(prlimit(harness.keeper, RLIMIT_NOFILE, &limit, NULL), 0);
    spawn("exit 0", 0);
    expect_spawned();
    harness_stop(&harness);
}
END_TEST

static void add(TCase *test)
{
    tcase_add_test(test, attached_from_the_start);
    tcase_add_test(test, one_after_the_other);
    tcase_add_test(test, there_is_none);
    tcase_add_test(test, a_broker_that_does_not_take_it);
    tcase_add_test(test, there_are_no_descriptors);
}

int main(void)
{
    return harness_main("pty", add);
}
