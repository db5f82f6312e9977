/* SPDX-License-Identifier: MIT */
#include "client/lib/arguments.h"

#include "client/lib/memory.h"
#include "daemon/base/cleanup.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

int arguments_write(const char *text)
{
    return memory_share("procd-arguments", text, strlen(text));
}

/* From its front, whoever read before. */
static int load_memory(int fd, json_t **ret_arguments)
{
    struct stat info;
    void *bytes;

    if (fstat(fd, &info) < 0)
        return -errno;
    if (info.st_size <= 0)
        return -EBADMSG;
    bytes = mmap(NULL, (size_t) info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return -errno;
    *ret_arguments = json_loadb(bytes, (size_t) info.st_size, 0, NULL);
    munmap(bytes, (size_t) info.st_size);
    return 0;
}

static int load(const char *marker, json_t **ret_arguments)
{
    CLEANUP_FD int fd = -1;
    char *rest;
    long number;

    if (*marker == '{') {
        *ret_arguments = json_loads(marker, 0, NULL);
        return 0;
    }
    number = strtol(marker, &rest, 10);
    if (rest == marker || *rest || number < 3 || number > INT32_MAX)
        return -EINVAL;
    fd = (int) number;
    return load_memory(fd, ret_arguments);
}

int arguments_read(const char *marker, json_t **ret_arguments)
{
    json_t *arguments = NULL;
    int r = load(marker, &arguments);

    if (r < 0)
        return r;
    if (!json_is_object(arguments)) {
        json_decref(arguments);
        return -EBADMSG;
    }
    *ret_arguments = arguments;
    return 0;
}
