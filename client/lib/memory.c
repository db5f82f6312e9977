/* SPDX-License-Identifier: MIT */
#include "client/lib/memory.h"

#include "daemon/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);

        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            bytes += written;
            size -= (size_t) written;
        }
    }
    return 0;
}

/* Where the program has closed its stdin nothing of ours becomes that. */
static int create(const char *name)
{
    CLEANUP_FD int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int other;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd < 0 ? -errno : take_fd(&fd);
    other = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return other < 0 ? -errno : other;
}

int memory_share(const char *name, const void *bytes, size_t size)
{
    CLEANUP_FD int fd = create(name);
    int r;

    if (fd < 0)
        return fd;
    r = write_all(fd, bytes, size);
    if (r < 0)
        return r;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return -errno;
    return take_fd(&fd);
}
