/* SPDX-License-Identifier: MIT */
/*
 * Clean-up by attribute: a local variable frees what it owns when it leaves its scope.
 *
 *     CLEANUP_FD int fd = open(...);          closed at the end of the scope
 *     *ret_fd = take_fd(&fd);                 ownership is handed over by one word
 *
 * Every destructor takes "nothing" (NULL, -1) without complaint.
 */
#ifndef PROCD_BASE_CLEANUP_H
#define PROCD_BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Closes fd unless it is negative; keeps errno. Returns -1, so that `fd = close_fd(fd)` leaves no stale
 * number. */
static inline int close_fd(int fd)
{
    if (fd >= 0) {
        int saved = errno;
        close(fd);
        errno = saved;
    }
    return -1;
}

static inline void cleanup_fd(int *fd)
{
    *fd = close_fd(*fd);
}

static inline void cleanup_memory(void *pointer)
{
    void **memory = pointer;
    int saved = errno;
    free(*memory);
    *memory = NULL;
    errno = saved;
}

/* Hands the descriptor over: the variable owns nothing afterwards. */
static inline int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

/* Hands a pointer over: the variable owns nothing afterwards. */
#define TAKE(pointer)                             \
    __extension__({                               \
        __typeof__(pointer) taken_ = (pointer);   \
        (pointer) = NULL;                         \
        taken_;                                   \
    })

#define CLEANUP(function) __attribute__((cleanup(function)))
#define CLEANUP_FD        CLEANUP(cleanup_fd)
#define CLEANUP_MEMORY    CLEANUP(cleanup_memory)

#endif
