/* SPDX-License-Identifier: MIT */
/* daemon/base/fdpass.c: bytes and descriptors over a Unix socket, one message at a time. */
#include "daemon/base/cleanup.h"
#include "daemon/base/fdpass.h"
#include "tests/unit/base/descriptors.h"
#include "tests/unit/core/must.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int ends[2];
static size_t before;

static void set_up(void)
{
    before = descriptors_count();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void tear_down(void)
{
    ends[0] = close_fd(ends[0]);
    ends[1] = close_fd(ends[1]);
    ck_assert_uint_eq(descriptors_count(), before);
}

static ssize_t send_text(const char *text, const int *fds, size_t count)
{
    struct iovec iov = {.iov_base = (char *) text, .iov_len = strlen(text)};

    return fdpass_send(ends[0], &iov, 1, fds, count);
}

/* More than fdpass_send lets through: what a stranger may send. */
static void send_raw(size_t count)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * 253)];
        struct cmsghdr align;
    } control = {.align = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec iov = {.iov_base = "x", .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * count)};

    control.align.cmsg_len = CMSG_LEN(sizeof(int) * count);
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &ends[0], sizeof(int));
    ck_assert_int_eq(sendmsg(ends[0], &message, 0), 1);
}

static bool same_file(int a, int b)
{
    struct stat first, second;

    return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

START_TEST(bytes_without_descriptors)
{
    struct fdpass fds = {.count = 9, .truncated = true};
    struct iovec parts[2] = {{.iov_base = "ab", .iov_len = 2}, {.iov_base = "cd", .iov_len = 2}};
    char buffer[8];

    ck_assert_int_eq(fdpass_send(ends[0], parts, 2, NULL, 0), 4);
    ck_assert_int_eq(fdpass_receive(ends[1], buffer, sizeof buffer, &fds), 4);
    ck_assert_mem_eq(buffer, "abcd", 4);
    ck_assert_uint_eq(fds.count, 0);
    ck_assert(!fds.truncated);
}
END_TEST

START_TEST(descriptors_arrive_in_order_and_cloexec)
{
    int sent[3] = {ends[0], STDIN_FILENO, ends[1]};
    struct fdpass fds;
    char buffer[8];

    ck_assert_int_eq(send_text("hello", sent, 3), 5);
    ck_assert_int_eq(fdpass_receive(ends[1], buffer, sizeof buffer, &fds), 5);
    ck_assert_uint_eq(fds.count, 3);
    ck_assert(!fds.truncated);
    for (size_t i = 0; i < 3; i++) {
        ck_assert(same_file(fds.fd[i], sent[i]));
        ck_assert(descriptor_open(sent[i])); /* the sender's stay the sender's */
        ck_assert_int_eq(fcntl(fds.fd[i], F_GETFD), FD_CLOEXEC);
    }
    fdpass_close(&fds);
    ck_assert_uint_eq(fds.count, 0);
    ck_assert(!descriptor_open(fds.fd[0]));
    fdpass_close(&fds); /* nothing is left to close */
}
END_TEST

/* However often: what was looked at is there for whoever looks next. */
START_TEST(looking_takes_nothing)
{
    struct fdpass fds;
    char text[8];

    ck_assert_int_eq(send_text("look", (int[]){ends[0], ends[1]}, 2), 4);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq((i < 3 ? fdpass_peek : fdpass_receive)(ends[1], text, sizeof text, &fds), 4);
        ck_assert_uint_eq(fds.count, 2);
        ck_assert(same_file(fds.fd[0], ends[0]) && same_file(fds.fd[1], ends[1]));
        ck_assert(fcntl(fds.fd[0], F_GETFD) & FD_CLOEXEC);
        fdpass_close(&fds);
    }
    ck_assert_int_eq(fdpass_peek(ends[1], text, sizeof text, &fds), -EAGAIN);
    ck_assert_uint_eq(fds.count, 0);
}
END_TEST

START_TEST(as_many_as_fit_and_one_more)
{
    int sent[FDPASS_MAX + 1];
    struct fdpass fds;
    char buffer[8];

    for (size_t i = 0; i < FDPASS_MAX + 1; i++)
        sent[i] = ends[0];
    ck_assert_int_eq(send_text("x", sent, FDPASS_MAX + 1), -EINVAL);
    ck_assert_int_eq(send_text("x", sent, FDPASS_MAX), 1);
    ck_assert_int_eq(fdpass_receive(ends[1], buffer, sizeof buffer, &fds), 1);
    ck_assert_uint_eq(fds.count, FDPASS_MAX);
    ck_assert(!fds.truncated);
    fdpass_close(&fds);
}
END_TEST

START_TEST(what_does_not_fit_is_told)
{
    struct fdpass fds;
    char buffer[8];

    send_raw(FDPASS_MAX + 1);
    ck_assert_int_eq(fdpass_receive(ends[1], buffer, sizeof buffer, &fds), 1);
    ck_assert(fds.truncated);
    ck_assert_uint_eq(fds.count, FDPASS_MAX + 1); /* the caller's, as their close may block */
    fdpass_close(&fds);
    send_raw(FDPASS_ROOM);
    ck_assert_int_eq(fdpass_receive(ends[1], buffer, sizeof buffer, &fds), 1);
    ck_assert(fds.truncated);
    ck_assert_uint_eq(fds.count, FDPASS_ROOM);
    fdpass_close(&fds);
}
END_TEST

START_TEST(no_number_free_is_told)
{
    struct rlimit limit, low;
    struct fdpass fds;
    int sent[4] = {0, 0, 0, 0}, next = dup(0);
    char buffer[8];

    close_fd(next);
    ck_assert_int_eq(send_text("x", sent, 4), 1);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){.rlim_cur = (rlim_t) next + 2, .rlim_max = limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    ck_assert_int_eq(fdpass_receive(ends[1], buffer, sizeof buffer, &fds), 1);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert(fds.truncated);
    ck_assert_uint_le(fds.count, 2);
    fdpass_close(&fds);
}
END_TEST

START_TEST(never_blocks)
{
    struct fdpass fds = {.count = 9, .truncated = true};
    char buffer[8];
    ssize_t sent;

    ck_assert_int_eq(fdpass_receive(ends[1], buffer, sizeof buffer, &fds), -EAGAIN);
    ck_assert_uint_eq(fds.count, 0);
    ck_assert(!fds.truncated);
    do
        sent = send_text("0123456789abcdef", NULL, 0);
    while (sent > 0);
    ck_assert_int_eq(sent, -EAGAIN);
}
END_TEST

START_TEST(the_end_of_the_stream)
{
    struct fdpass fds;
    char buffer[8];

    ends[0] = close_fd(ends[0]);
    ck_assert_int_eq(fdpass_receive(ends[1], buffer, sizeof buffer, &fds), 0);
    ends[0] = take_fd(&ends[1]);
    ck_assert_int_eq(send_text("x", NULL, 0), -EPIPE); /* and no SIGPIPE */
    ck_assert_int_eq(fdpass_receive(-1, buffer, sizeof buffer, &fds), -EBADF);
    ck_assert_uint_eq(fds.count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fdpass");
    TCase *tcase = tcase_create("fdpass");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, bytes_without_descriptors);
    tcase_add_test(tcase, descriptors_arrive_in_order_and_cloexec);
    tcase_add_test(tcase, looking_takes_nothing);
    tcase_add_test(tcase, as_many_as_fit_and_one_more);
    tcase_add_test(tcase, what_does_not_fit_is_told);
    tcase_add_test(tcase, no_number_free_is_told);
    tcase_add_test(tcase, never_blocks);
    tcase_add_test(tcase, the_end_of_the_stream);
    return RUN_SUITE(suite);
}
