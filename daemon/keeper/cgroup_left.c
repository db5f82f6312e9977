/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/cgroup_left.h"

#include "daemon/base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* So many directories of others are removed at a start, which they must not hold up for long. */
#define LEFT_MAX  32
#define BELOW_MAX 256 /* of those that one child has made; the rest at the next try */
#define DEPTH_MAX 128

static void cleanup_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/* Is it one of a keeper that is not there any more? Neither alone can tell: another keeper goes on with what
 * has the name of one before it, and for a moment one that is new has not locked its own. */
static bool is_left(int parent, const char *name, int *ret_fd)
{
    CLEANUP_FD int fd = -1;
    int pid, end = 0;

    if (sscanf(name, "procd-%d.%*u%n", &pid, &end) != 1 || end == 0 || name[end] || pid <= 0 ||
        kill(pid, 0) == 0 || errno != ESRCH)
        return false;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return false;
    *ret_fd = take_fd(&fd);
    return true;
}

/* What is below it, where nobody is in it, as far as there is `budget` for. Takes the descriptor. */
static void remove_below(int fd, int depth, int *budget)
{
    CLEANUP(cleanup_dir) DIR *dir = fdopendir(fd);
    const struct dirent *entry;

    if (!dir) {
        close_fd(fd);
        return;
    }
    while ((entry = readdir(dir))) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        if ((*budget)-- <= 0)
            return;
        if (unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) == 0 || depth == 0)
            continue;
        remove_below(openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                     depth - 1, budget);
        (void) unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
    }
}

void cgroup_left_below(int parent, const char *name)
{
    int budget = BELOW_MAX;

    remove_below(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), DEPTH_MAX, &budget);
}

void cgroup_left_remove(const char *folder)
{
    const char *end = strrchr(folder, '/');
    CLEANUP(cleanup_dir) DIR *dir = NULL;
    char parent[PATH_MAX];
    const struct dirent *entry;
    int fd, budget;

    snprintf(parent, sizeof parent, "%.*s", end ? (int) (end - folder) : 0, folder);
    dir = opendir(parent);
    for (int left = 0; dir && left < LEFT_MAX && (entry = readdir(dir));) {
        if (!is_left(dirfd(dir), entry->d_name, &fd))
            continue;
        budget = INT_MAX;
        remove_below(fd, DEPTH_MAX, &budget);
        (void) unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
        left++;
    }
}
