/* SPDX-License-Identifier: MIT */
#include "daemon/base/hangup.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/closer.h"

#include <errno.h>
#include <sys/socket.h>

#define READS_MOST 64 /* more than the usual room of a socket */

void hang_up_prepare(int socket)
{
    static const int yes = 1;

    (void) setsockopt(socket, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof yes);
}

enum left { NOTHING, BYTES, SOMETHING };

/* Takes out bytes; not what has descriptors, which a look without room for them tells: nobody may have as
 * many numbers free as they need. That the peer has gone without reading all of ours is said once, before
 * what is left. */
static enum left take_out(int socket)
{
    char buffer[4096];
    struct iovec iov = {.iov_base = buffer, .iov_len = sizeof buffer};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t size = recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT);

    if (size == 0)
        return NOTHING;
    if (size < 0)
        return errno == ECONNRESET || errno == EINTR ? BYTES : SOMETHING;
    if (message.msg_flags & MSG_CTRUNC || recv(socket, buffer, (size_t) size, MSG_DONTWAIT) != size)
        return SOMETHING;
    return BYTES;
}

void hang_up(int socket, hang_up_drop *drop, void *context)
{
    enum left left = BYTES;

    if (socket < 0)
        return;
    hang_up_prepare(socket);
    shutdown(socket, SHUT_RDWR);
    for (int i = 0; i < READS_MOST && left == BYTES; i++)
        left = take_out(socket);
    if (left == NOTHING)
        close_fd(socket);
    else if (drop)
        drop(context, &socket, 1);
    else
        closer_close(&socket, 1);
}
