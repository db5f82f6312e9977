/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/said.h"

#include "daemon/base/cleanup.h"
#include "daemon/keeper/drop.h"

#include <errno.h>
#include <string.h>

#define LEFT_MOST 4 /* messages: each can carry more descriptors than the closers are */

static void take_control(struct msghdr *message, struct said *said)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        size_t size = header->cmsg_len - CMSG_LEN(0);

        if (header->cmsg_level != SOL_SOCKET)
            continue;
        if (header->cmsg_type == SCM_CREDENTIALS && size == sizeof said->who)
            memcpy(&said->who, CMSG_DATA(header), sizeof said->who);
        if (header->cmsg_type != SCM_RIGHTS)
            continue;
        memcpy(said->fds, CMSG_DATA(header), size);
        said->fd_count = size / sizeof(int);
    }
}

bool said_receive(int fd, struct said *said)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * SAID_RIGHTS_MAX) + CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {.iov_base = said->text, .iov_len = sizeof said->text};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};

    said->who = (struct ucred){.pid = 0, .uid = (uid_t) -1};
    said->fd_count = 0;
    do
        said->size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (said->size < 0 && errno == EINTR);
    if (said->size < 0) {
        said->size = -errno;
        return false;
    }
    said->truncated = message.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
    take_control(&message, said);
    return true;
}

/* The end is what nobody has sent. Any other error tells nothing: one whose peer has not read all of ours
 * says so once (ECONNRESET), before what is in it. */
static bool is_empty(bool received, const struct said *said)
{
    return received ? said->who.uid == (uid_t) -1 : said->size == -EAGAIN;
}

/* Whoever has a copy of it holds nothing by that once it is empty. */
void said_end(struct keeper *keeper, int fd)
{
    static struct said said;

    shutdown(fd, SHUT_RDWR);
    for (int i = 0; i < LEFT_MOST; i++) {
        if (is_empty(said_receive(fd, &said), &said)) {
            close_fd(fd);
            return;
        }
        drop_descriptors(said.fds, said.fd_count);
    }
    drop_held(keeper, &fd, 1);
}
