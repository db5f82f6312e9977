/* SPDX-License-Identifier: MIT */
#include "daemon/base/fdpass.h"

#include "daemon/base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
    char bytes[CMSG_SPACE(sizeof(int) * FDPASS_ROOM)];
    struct cmsghdr align;
};

ssize_t fdpass_send(int socket, const struct iovec *iov, size_t iov_count, const int *fds, size_t fd_count)
{
    union control control;
    struct msghdr message = {.msg_iov = (struct iovec *) iov, .msg_iovlen = iov_count};
    ssize_t sent;

    if (fd_count > FDPASS_MAX)
        return -EINVAL;
    if (fd_count > 0) {
        struct cmsghdr *header;

        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        memset(control.bytes, 0, message.msg_controllen);
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    do
        sent = fd_count == 0 && iov_count == 1
                   ? send(socket, iov->iov_base, iov->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
                   : sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

static void collect(struct msghdr *message, struct fdpass *fds)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        size_t count;

        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds->fd + fds->count, CMSG_DATA(header), count * sizeof(int));
        fds->count += count;
    }
    fds->truncated = message->msg_flags & MSG_CTRUNC || fds->count > FDPASS_MAX;
}

static ssize_t receive(int socket, void *buffer, size_t size, struct fdpass *ret_fds, int flags)
{
    union control control;
    struct iovec iov = {.iov_base = buffer, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t received;

    ret_fds->count = 0;
    ret_fds->truncated = false;
    do
        received = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received < 0)
        return -errno;
    collect(&message, ret_fds);
    return received;
}

ssize_t fdpass_receive(int socket, void *buffer, size_t size, struct fdpass *ret_fds)
{
    return receive(socket, buffer, size, ret_fds, MSG_DONTWAIT);
}

ssize_t fdpass_wait(int socket, void *buffer, size_t size, struct fdpass *ret_fds)
{
    return receive(socket, buffer, size, ret_fds, 0);
}

ssize_t fdpass_peek(int socket, void *buffer, size_t size, struct fdpass *ret_fds)
{
    return receive(socket, buffer, size, ret_fds, MSG_DONTWAIT | MSG_PEEK);
}

void fdpass_close(struct fdpass *fds)
{
    for (size_t i = 0; i < fds->count; i++)
        close_fd(fds->fd[i]);
    fds->count = 0;
}
