/* SPDX-License-Identifier: MIT */
/*
 * Messages with descriptors over Unix sockets (unix(7), SCM_RIGHTS). Received descriptors are CLOEXEC from
 * birth.
 */
#ifndef PROCD_BASE_FDPASS_H
#define PROCD_BASE_FDPASS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#define FDPASS_MAX  72  /* that one message of ours has: the 64 of a request and a few of our own */
#define FDPASS_ROOM 253 /* the kernel's own limit. What has no room the kernel closes, and that may block. */

struct fdpass {
    int fd[FDPASS_ROOM];
    size_t count;
    bool truncated; /* these are more than FDPASS_MAX, or not all, as no number was free */
};

/* Sends once, without blocking and without SIGPIPE. Bytes sent, or -errno (-EAGAIN: full). The descriptors
 * stay ours. */
ssize_t fdpass_send(int socket, const struct iovec *iov, size_t iov_count, const int *fds, size_t fd_count);

#define FDPASS_PAUSE 10 /* ms, then one may try again what the kernel had no memory for */

/* Does this error of a send speak of the kernel's means? They come again, but nothing tells when: a socket
 * with room is no sign of it. */
static inline bool fdpass_is_short(ssize_t error)
{
    return error == -ENOBUFS || error == -ENOMEM || error == -ETOOMANYREFS;
}

/* Receives once, without blocking. Bytes received (0: end of stream), or -errno. ret_fds is always set; the
 * caller owns what it holds. */
ssize_t fdpass_receive(int socket, void *buffer, size_t size, struct fdpass *ret_fds);

/* The same, and waits for a message. */
ssize_t fdpass_wait(int socket, void *buffer, size_t size, struct fdpass *ret_fds);

/* The same as fdpass_receive, and it stays in the queue; the descriptors are copies. */
ssize_t fdpass_peek(int socket, void *buffer, size_t size, struct fdpass *ret_fds);

/* Closes what is left in it. */
void fdpass_close(struct fdpass *fds);

#endif
