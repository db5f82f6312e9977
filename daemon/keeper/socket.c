/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/socket.h"

#include "daemon/base/cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG 1024

int socket_lock(const char *path, bool wait)
{
    char name[PATH_MAX];
    CLEANUP_FD int fd = -1;
    int r;

    if (snprintf(name, sizeof name, "%s.lock", path) >= (int) sizeof name)
        return -ENAMETOOLONG;
    fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    do
        r = flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : take_fd(&fd);
}

static int address_of(const char *path, struct sockaddr_un *ret_address)
{
    size_t length = strlen(path);

    if (length > SOCKET_PATH_MAX)
        return -ENAMETOOLONG;
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, path, length + 1);
    return 0;
}

/* 0: nobody is there; a full backlog (EAGAIN) is somebody. */
static int probe(const struct sockaddr_un *address)
{
    CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *) address, sizeof *address) == 0 || errno == EAGAIN)
        return -EADDRINUSE;
    return errno == ECONNREFUSED || errno == ENOENT ? 0 : -errno;
}

static int unlink_stale(const char *path)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -ENOTSOCK;
    return unlink(path) < 0 ? -errno : 0;
}

/* The mode is right from birth: no moment in which others could connect. */
static int bind_with_mode(int fd, const struct sockaddr_un *address, bool for_all)
{
    mode_t before = umask(for_all ? 0111 : 0177);
    int r = bind(fd, (const struct sockaddr *) address, sizeof *address) < 0 ? -errno : 0;

    umask(before);
    return r;
}

int socket_bind(struct socket_name *name)
{
    CLEANUP_FD int fd = -1;
    struct sockaddr_un address;
    struct stat st;
    int r;

    if ((r = address_of(name->path, &address)) < 0 || (r = probe(&address)) < 0 ||
        (r = unlink_stale(name->path)) < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    r = bind_with_mode(fd, &address, name->for_all);
    if (r < 0)
        return r;
    if (stat(name->path, &st) < 0 || listen(fd, BACKLOG) < 0) {
        r = -errno;
        unlink(name->path);
        return r;
    }
    name->device = st.st_dev;
    name->inode = st.st_ino;
    return take_fd(&fd);
}

void socket_unlink(struct socket_name *name)
{
    struct stat st;

    if (name->inode != 0 && lstat(name->path, &st) == 0 && st.st_dev == name->device &&
        st.st_ino == name->inode)
        unlink(name->path);
    name->inode = 0;
}
