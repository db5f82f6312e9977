/* SPDX-License-Identifier: MIT */
#include "tests/unit/proto/pieces.h"

#include "tests/unit/core/must.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT_MAX 253

void pieces_send(int socket, const char *bytes, size_t size, const int *fds, size_t count)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * COUNT_MAX)];
        struct cmsghdr align;
    } control = {.align = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec iov = {.iov_base = (char *)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    must(count <= COUNT_MAX);
    if (count > 0) {
        control.align.cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * count);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    }
    must(sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size);
}

void pieces_send_copies(int socket, const char *text, int fd, size_t count)
{
    int fds[COUNT_MAX];

    for (size_t i = 0; i < count; i++)
        fds[i] = fd;
    pieces_send(socket, text, strlen(text), fds, count);
}

ino_t pieces_file(int fd)
{
    struct stat st;

    must(fstat(fd, &st) == 0);
    return st.st_ino;
}

void pieces_files(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        must((fds[i] = memfd_create("file", MFD_CLOEXEC)) >= 0);
}

void pieces_close(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}
