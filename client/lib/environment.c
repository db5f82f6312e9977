/* SPDX-License-Identifier: MIT */
#include "client/lib/environment.h"

#include "client/lib/memory.h"
#include "proto/bytes.h"
#include "proto/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0: it is not to be passed on. */
static size_t size_of(const char *variable)
{
    const char *equals = strchr(variable, '=');

    return equals && equals != variable ? strlen(variable) + 1 : 0;
}

/*
 * The last one, as most processes of a program have the same environment, and such memory takes as long
 * to be made and given up as an exec to be asked for. Whoever closes descriptors that are not theirs may
 * close ours, so it is looked whether it still is. In a forked child it is as good; should another thread
 * have had the lock as it was forked, it makes its own each time.
 */
static struct {
    pthread_mutex_t lock;
    int fd; /* -1: there is none */
    dev_t device;
    ino_t inode;
    char *block;
    size_t size;
} last = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static bool is_ours(void)
{
    struct stat status;

    return last.fd >= 0 && fstat(last.fd, &status) == 0 && status.st_dev == last.device &&
           status.st_ino == last.inode;
}

static int duplicate(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    return copy < 0 ? -errno : copy;
}

/* In the place of the last one. The block is taken over. Without a descriptor for it nothing is kept. */
static void keep(int fd, char *block, size_t size)
{
    struct stat status = {0};

    if (is_ours())
        close(last.fd);
    free(last.block);
    last.block = block;
    last.size = size;
    last.fd = fstat(fd, &status) == 0 ? duplicate(fd) : -1;
    last.device = status.st_dev;
    last.inode = status.st_ino;
}

/* The block is taken over. */
static int share_or_reuse(char *block, size_t size)
{
    int fd;

    if (pthread_mutex_trylock(&last.lock) != 0) {
        fd = memory_share("procd-environment", block, size);
        free(block);
        return fd;
    }
    if (last.block && size == last.size && memcmp(block, last.block, size) == 0 && is_ours()) {
        fd = duplicate(last.fd);
        free(block);
    } else {
        fd = memory_share("procd-environment", block, size);
        if (fd >= 0)
            keep(fd, block, size);
        else
            free(block);
    }
    pthread_mutex_unlock(&last.lock);
    return fd;
}

int environment_write(char *const *variables)
{
    size_t room = 0, size = 0;
    char *block;

    for (char *const *variable = variables; variable && *variable; variable++)
        room += size_of(*variable);
    if (room > FRAME_LINE_MAX)
        return -EMSGSIZE;
    block = malloc(room + 1);
    if (!block)
        return -ENOMEM;
    for (; variables && *variables; variables++) {
        size_t length = size_of(*variables);

        if (size + length > room)
            break; /* somebody changes it at this moment */
        memcpy(block + size, *variables, length);
        size += length;
    }
    return share_or_reuse(block, size);
}

/* False: no memory. */
static bool pack(json_t *env, const char *variable)
{
    const char *value = strchr(variable, '=') + 1;
    char *name = strndup(variable, (size_t) (value - variable) - 1);

    if (name && !json_object_get(env, name)) /* refuses a name that is not UTF-8 */
        json_object_set_new(env, name, bytes_to_json(value, strlen(value)));
    free(name);
    return name != NULL;
}

json_t *environment_pack(char *const *variables)
{
    json_t *env = json_object();

    for (; env && variables && *variables; variables++)
        if (size_of(*variables) > 0 && !pack(env, *variables)) {
            json_decref(env);
            return NULL;
        }
    return env;
}
