/* SPDX-License-Identifier: MIT */
#include "client/lib/arguments.h"

#include "daemon/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

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

int arguments_write(const json_t *arguments)
{
    CLEANUP_MEMORY char *bytes = json_dumps(arguments, JSON_COMPACT);
    CLEANUP_FD int fd = memfd_create("procd-arguments", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r;

    if (!bytes)
        return -EINVAL;
    if (fd < 0)
        return -errno;
    r = write_all(fd, bytes, strlen(bytes));
    if (r < 0)
        return r;
    /* What the child reads is what was meant, whoever else gets hold of it. */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return -errno;
    return take_fd(&fd);
}

int arguments_read(int fd, json_t **ret_arguments)
{
    struct stat info;
    json_t *arguments;
    void *bytes;

    if (fstat(fd, &info) < 0)
        return -errno;
    if (info.st_size <= 0)
        return -EBADMSG;
    bytes = mmap(NULL, (size_t) info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return -errno;
    arguments = json_loadb(bytes, (size_t) info.st_size, 0, NULL);
    munmap(bytes, (size_t) info.st_size);
    if (!json_is_object(arguments)) {
        json_decref(arguments);
        return -EBADMSG;
    }
    *ret_arguments = arguments;
    return 0;
}
