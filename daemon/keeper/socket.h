/* SPDX-License-Identifier: MIT */
/*
 * The daemon's socket as a name in the file system. Who makes or removes it holds the lock beside it, so that
 * of several starters one wins and nobody unlinks another's.
 */
#ifndef PROCD_KEEPER_SOCKET_H
#define PROCD_KEEPER_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

/* The longest path that fits sockaddr_un with its NUL. */
#define SOCKET_PATH_MAX 107

struct socket_name {
    const char *path;
    bool for_all; /* mode 0666 and not 0600: who may do what is decided by the peer's credentials */
    dev_t device; /* of the one that we bound; inode 0: none */
    ino_t inode;
};

/* "<path>.lock", taken: its descriptor, or -errno. wait false: -EWOULDBLOCK where somebody has it. Closing
 * releases. */
int socket_lock(const char *path, bool wait);

/* With the lock held: a listening socket in place of a dead one. The descriptor, or -errno (-EADDRINUSE: a
 * live daemon is there; -ENAMETOOLONG; -ENOTSOCK: something else has the name). */
int socket_bind(struct socket_name *name);

/* With the lock held: removes it if it is still ours. */
void socket_unlink(struct socket_name *name);

#endif
