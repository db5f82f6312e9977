/* SPDX-License-Identifier: MIT */
/* daemon/base/hangup.c: the end of a connection in which something is left. */
#include "daemon/base/cleanup.h"
#include "daemon/base/fdpass.h"
#include "daemon/base/hangup.h"
#include "tests/unit/base/descriptors.h"
#include "tests/unit/core/must.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int ends[2]; /* who means no good, and ours */
static size_t before;

/* All that was dropped. */
static struct {
    size_t count;
    int last;
} dropped;

static void drop(void *context, int *fds, size_t count)
{
    ck_assert_ptr_eq(context, &dropped);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_ge(fcntl(fds[i], F_GETFD), 0);
        dropped.last = fds[i];
        close_fd(fds[i]);
    }
    dropped.count += count;
}

static void set_up(void)
{
    before = descriptors_count();
    dropped.count = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void tear_down(void)
{
    ends[0] = close_fd(ends[0]);
    ck_assert_uint_eq(descriptors_count(), before);
}

static void say(size_t fd_count, int flags)
{
    int fds[FDPASS_MAX];
    union {
        char bytes[CMSG_SPACE(sizeof fds)];
        struct cmsghdr header;
    } control = {.header = {CMSG_LEN(fd_count * sizeof *fds), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec iov = {.iov_base = "x", .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(fd_count * sizeof *fds)};

    for (size_t i = 0; i < fd_count; i++)
        fds[i] = ends[0];
    memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof *fds);
    ck_assert_int_eq(sendmsg(ends[0], &message, flags), 1);
}

START_TEST(nothing_is_left)
{
    char text[8];

    say(1, 0);
    ck_assert_int_eq(recv(ends[1], text, sizeof text, 0), 1);
    ck_assert_int_eq(send(ends[1], "bye", 3, 0), 3);
    hang_up(ends[1], drop, &dropped);
    ck_assert_uint_eq(dropped.count, 0);
    ck_assert_int_eq(recv(ends[0], text, sizeof text, 0), 3);
    ck_assert_int_eq(recv(ends[0], text, sizeof text, 0), 0);
    hang_up(-1, drop, &dropped);
}
END_TEST

START_TEST(bytes_are_left)
{
    char text[8];

    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(send(ends[0], "unread", 6, i == 10 ? MSG_OOB : 0), 6);
    hang_up(ends[1], drop, &dropped);
    ck_assert_uint_eq(dropped.count, 0);
    ck_assert_int_eq(recv(ends[0], text, sizeof text, 0), 0); /* an end, and no reset */
}
END_TEST

/* More than are taken out. */
START_TEST(many_bytes_are_left)
{
    static const int size = 16 << 20;
    static char bytes[1 << 20];

    if (setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
        return; /* nobody but root has room for so much */
    ck_assert_int_eq(send(ends[0], bytes, sizeof bytes, 0), sizeof bytes);
    hang_up(ends[1], drop, &dropped);
    ck_assert_uint_eq(dropped.count, 1);
}
END_TEST

/* The socket goes with them, and nobody can add to it. */
START_TEST(descriptors_are_left)
{
    ck_assert_int_eq(send(ends[0], "x", 1, 0), 1);
    say(2, _i == 0 ? 0 : MSG_OOB);
    hang_up(ends[1], drop, &dropped);
    ck_assert_uint_eq(dropped.count, 1);
    ck_assert_int_eq(dropped.last, ends[1]);
    ck_assert_int_lt(send(ends[0], "x", 1, MSG_NOSIGNAL), 0);
}
END_TEST

/* Also of what the peer has not read when it goes. */
START_TEST(whose_peer_has_gone)
{
    say(3, 0);
    ck_assert_int_eq(send(ends[1], "unread", 6, 0), 6);
    ends[0] = close_fd(ends[0]);
    hang_up(ends[1], drop, &dropped);
    ck_assert_uint_eq(dropped.count, 1);
}
END_TEST

START_TEST(what_comes_out_of_band)
{
    struct fdpass fds;
    char text[8];

    hang_up_prepare(ends[1]);
    say(2, MSG_OOB);
    ck_assert_int_eq(fdpass_receive(ends[1], text, sizeof text, &fds), 1);
    ck_assert_uint_eq(fds.count, 2);
    fdpass_close(&fds);
    hang_up(ends[1], drop, &dropped);
    ck_assert_uint_eq(dropped.count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hangup");
    TCase *tcase = tcase_create("hangup");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, nothing_is_left);
    tcase_add_test(tcase, bytes_are_left);
    tcase_add_test(tcase, many_bytes_are_left);
    tcase_add_loop_test(tcase, descriptors_are_left, 0, 2);
    tcase_add_test(tcase, whose_peer_has_gone);
    tcase_add_test(tcase, what_comes_out_of_band);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
