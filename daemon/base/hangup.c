/* SPDX-License-Identifier: MIT */
#include "daemon/base/hangup.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/closer.h"
#include "daemon/base/fdpass.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#define LEFT_MOST 1024 /* reads; more than can be in a socket of the usual size, each with descriptors */

void hang_up_prepare(int socket)
{
    static const int yes = 1;

    (void) setsockopt(socket, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof yes);
}

/* That the peer has gone without reading all of ours is said once, before what is left. */
static bool take_out(int socket, hang_up_drop *drop, void *context)
{
    char buffer[4096];
    struct fdpass left;
    ssize_t size = fdpass_receive(socket, buffer, sizeof buffer, &left);

    if (drop)
        drop(context, left.fd, left.count);
    else
        closer_close(left.fd, left.count);
    return size > 0 || size == -ECONNRESET;
}

void hang_up(int socket, hang_up_drop *drop, void *context)
{
    if (socket < 0)
        return;
    hang_up_prepare(socket);
    shutdown(socket, SHUT_RDWR);
    for (int i = 0; i < LEFT_MOST; i++) {
        if (!take_out(socket, drop, context)) {
            close_fd(socket);
            return;
        }
    }
    if (drop)
        drop(context, &socket, 1);
    else
        closer_close(&socket, 1);
}
