/* SPDX-License-Identifier: MIT */
#include "daemon/base/hangup.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/closer.h"

#include <linux/sockios.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

void hang_up_prepare(int socket)
{
    static const int yes = 1;

    (void) setsockopt(socket, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof yes);
}

/* Bytes, without which no descriptor is sent by a stream. */
static bool is_empty(int socket)
{
    int left = 0;

    return ioctl(socket, SIOCINQ, &left) == 0 && left == 0;
}

void hang_up(int socket, hang_up_drop *drop, void *context)
{
    if (socket < 0)
        return;
    shutdown(socket, SHUT_RDWR);
    if (is_empty(socket))
        close_fd(socket);
    else if (drop)
        drop(context, &socket, 1);
    else
        closer_close(&socket, 1);
}
