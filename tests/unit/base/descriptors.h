/* SPDX-License-Identifier: MIT */
/* How many descriptors this process has: a test that ends with more than it began with has lost one. */
#ifndef PROCD_TESTS_UNIT_BASE_DESCRIPTORS_H
#define PROCD_TESTS_UNIT_BASE_DESCRIPTORS_H

#include "tests/unit/core/must.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>

static inline size_t descriptors_count(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    must(folder != NULL);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static inline bool descriptor_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

#endif
