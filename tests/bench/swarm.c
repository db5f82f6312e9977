/* SPDX-License-Identifier: MIT */
#include "tests/bench/swarm.h"

#include "tests/bench/bench.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

void swarm_send_fd(int to, int fd)
{
    char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (sendmsg(to, &message, 0) != 1)
        bench_die("handing a connection over");
}

int swarm_receive_fd(int from)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int fd;

    errno = 0;
    if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
        bench_die("taking a connection over");
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static int connect_one(const struct subject *subject)
{
    static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.ping\"}\n";
    struct wire wire;
    int fd;

    subject_connect(subject, &wire);
    wire_call(&wire, ping, sizeof ping - 1); /* it is served from now on */
    fd = dup(wire.fd);
    wire_close(&wire);
    if (fd < 0)
        bench_die("dup");
    return fd;
}

void swarm_connect(const struct subject *subject, int *fds, size_t count)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        bench_die("socketpair");
    for (size_t i = 0; i < count; i++) {
        pid_t pid = fork();

        if (pid < 0)
            bench_die("fork");
        if (pid == 0) {
            int fd;

            prctl(PR_SET_PDEATHSIG, SIGKILL);
            fd = connect_one(subject);
            swarm_send_fd(pair[1], fd);
            closefrom(3); /* all that it has from us */
            for (;;)
                pause();
        }
        fds[i] = swarm_receive_fd(pair[0]);
    }
    close(pair[0]);
    close(pair[1]);
}

void swarm_connect_alone(const struct subject *subject, int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fds[i] = connect_one(subject);
}
