/* SPDX-License-Identifier: MIT */
/*
 * What is added to programs for test_piecemeal.py: a kernel that gives and takes as little as it may. To and
 * from a stream socket each call moves one byte, into a file half of what was asked, and of the calls that
 * can wait a third is interrupted first. Packets come whole: the kernel cuts none, but what does not fit into
 * the reader's buffer. The linker leads our own calls here (--wrap).
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define ONCE_IN 3

/* In the order of test_piecemeal.py. */
enum call { ACCEPT4, CONNECT, EPOLL_WAIT, POLL, PPOLL, READ, RECV, RECVMSG, SEND, SENDMSG, WRITE, CALLS };

/* How often each was called, interrupted, and given less than it asked for. */
enum count { ASKED, INTERRUPTED, CUT, COUNTS };

struct piecemeal {
    uint64_t of[COUNTS][CALLS];
};

/* For the test, which finds it by its name. */
extern struct piecemeal piecemeal;
struct piecemeal piecemeal __attribute__((used));

/* For one that comes too late for that: a line in the file that the environment names. */
__attribute__((destructor)) static void tell(void)
{
    const char *path = secure_getenv("PIECEMEAL_TOLD");
    FILE *file = path ? fopen(path, "ae") : NULL;

    if (!file)
        return;
    for (size_t i = 0; i < (size_t) COUNTS * CALLS; i++)
        fprintf(file, "%llu ", (unsigned long long) piecemeal.of[i / CALLS][i % CALLS]);
    fprintf(file, "\n");
    fclose(file);
}

#define WRAPPED(type, name, ...)     \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

/* At no regular intervals, which could hit the same call of a loop for ever; and of any few in a row a third:
 * multiples of the golden ratio spread evenly. */
static bool is_interrupted(enum call call)
{
    static uint64_t all;
    uint64_t asked = __atomic_add_fetch(&all, 1, __ATOMIC_RELAXED);

    __atomic_add_fetch(&piecemeal.of[ASKED][call], 1, __ATOMIC_RELAXED);
    if (asked * UINT64_C(0x9e3779b97f4a7c15) >= UINT64_MAX / ONCE_IN)
        return false;
    __atomic_add_fetch(&piecemeal.of[INTERRUPTED][call], 1, __ATOMIC_RELAXED);
    errno = EINTR;
    return true;
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* A word that is sent alone always finds room. */
static size_t piece(enum call call, size_t size)
{
    bool cuts = size > sizeof(uint64_t);

    __atomic_add_fetch(&piecemeal.of[CUT][call], cuts, __ATOMIC_RELAXED);
    return cuts ? 1 : size;
}

/* Of which no wait is interrupted: also those of /proc. */
static bool is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* A message of which the first byte is left. */
static struct msghdr piece_of_message(enum call call, int fd, const struct msghdr *message,
                                      struct iovec *ret_iov)
{
    struct msghdr cut = *message;

    if (!is_stream(fd) || message->msg_iovlen == 0 || message->msg_iov[0].iov_len == 0)
        return cut;
    *ret_iov = message->msg_iov[0];
    ret_iov->iov_len = piece(call, ret_iov->iov_len);
    cut.msg_iov = ret_iov;
    cut.msg_iovlen = 1;
    return cut;
}

WRAPPED(ssize_t, recvmsg, int fd, struct msghdr *message, int flags)
{
    struct iovec iov;
    struct msghdr cut;
    ssize_t size;

    if (is_interrupted(RECVMSG))
        return -1;
    cut = piece_of_message(RECVMSG, fd, message, &iov);
    size = __real_recvmsg(fd, &cut, flags);
    message->msg_flags = cut.msg_flags;
    message->msg_controllen = cut.msg_controllen;
    message->msg_namelen = cut.msg_namelen;
    return size;
}

WRAPPED(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags)
{
    struct iovec iov;
    struct msghdr cut;

    if (is_interrupted(SENDMSG))
        return -1;
    cut = piece_of_message(SENDMSG, fd, message, &iov);
    return __real_sendmsg(fd, &cut, flags);
}

WRAPPED(ssize_t, recv, int fd, void *bytes, size_t size, int flags)
{
    if (is_interrupted(RECV))
        return -1;
    return __real_recv(fd, bytes, is_stream(fd) ? piece(RECV, size) : size, flags);
}

WRAPPED(ssize_t, send, int fd, const void *bytes, size_t size, int flags)
{
    if (is_interrupted(SEND))
        return -1;
    return __real_send(fd, bytes, is_stream(fd) ? piece(SEND, size) : size, flags);
}

/* Reads that are not of a socket are of something that has a size. */
WRAPPED(ssize_t, read, int fd, void *bytes, size_t size)
{
    return !is_file(fd) && is_interrupted(READ) ? -1 : __real_read(fd, bytes, size);
}

/* The log's lines are nobody's protocol, and the test reads them. */
WRAPPED(ssize_t, write, int fd, const void *bytes, size_t size)
{
    if (fd == STDERR_FILENO)
        return __real_write(fd, bytes, size);
    if (is_file(fd))
        return __real_write(fd, bytes, (size + 1) / 2);
    return is_interrupted(WRITE) ? -1 : __real_write(fd, bytes, is_stream(fd) ? piece(WRITE, size) : size);
}

WRAPPED(int, poll, struct pollfd *fds, nfds_t count, int timeout)
{
    return timeout != 0 && is_interrupted(POLL) ? -1 : __real_poll(fds, count, timeout);
}

WRAPPED(int, ppoll, struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    return is_interrupted(PPOLL) ? -1 : __real_ppoll(fds, count, timeout, mask);
}

WRAPPED(int, epoll_wait, int epoll, struct epoll_event *events, int count, int timeout)
{
    return timeout != 0 && is_interrupted(EPOLL_WAIT) ? -1 : __real_epoll_wait(epoll, events, count, timeout);
}

WRAPPED(int, accept4, int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return is_interrupted(ACCEPT4) ? -1 : __real_accept4(fd, address, size, flags);
}

WRAPPED(int, connect, int fd, const struct sockaddr *address, socklen_t size)
{
    bool may_wait = !(fcntl(fd, F_GETFL) & O_NONBLOCK);

    return may_wait && is_interrupted(CONNECT) ? -1 : __real_connect(fd, address, size);
}
