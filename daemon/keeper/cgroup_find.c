/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/cgroup_find.h"

#include "daemon/base/cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

static char folder[PATH_MAX];

static void cleanup_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

/* proc_pid_mountinfo(5): id parent dev root mount-point options [tags] - type source options. `root` is what
 * of the hierarchy is mounted there. */
static int find_mount(char *ret_root, char *ret_mount)
{
    CLEANUP(cleanup_file) FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[PATH_MAX * 2];

    if (!file)
        return -errno;
    while (fgets(line, sizeof line, file))
        if (strstr(line, " - cgroup2 ") &&
            sscanf(line, "%*s %*s %*s %4095s %4095s", ret_root, ret_mount) == 2 && !strchr(ret_mount, '\\'))
            return 0;
    return -ENOENT;
}

static int find_own(char *ret_path)
{
    CLEANUP(cleanup_file) FILE *file = fopen("/proc/self/cgroup", "re");
    char line[PATH_MAX + 8];

    if (!file)
        return -errno;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "0::%4095[^\n]", ret_path) == 1)
            return 0;
    return -ENOENT;
}

/* The path within the hierarchy of the directory we make, and its name in the file system (into `folder`). */
static int name_folder(char *ret_path, size_t size, unsigned attempt)
{
    char root[PATH_MAX], mount[PATH_MAX], own[PATH_MAX];
    const char *below = own;
    int r;

    if ((r = find_mount(root, mount)) < 0 || (r = find_own(own)) < 0)
        return r;
    if (strcmp(own, "/") == 0)
        own[0] = '\0';
    if (strcmp(root, "/") != 0) {
        if (strncmp(own, root, strlen(root)) != 0)
            return -ENOENT;
        below = own + strlen(root);
    }
    if (snprintf(ret_path, size, "%s/procd-%d.%u", own, getpid(), attempt) >= (int) size ||
        snprintf(folder, sizeof folder, "%s%s/procd-%d.%u", mount, below, getpid(), attempt) >=
            (int) sizeof folder)
        return -ENAMETOOLONG;
    return 0;
}

/* Locked as long as we live, or it is kept for another keeper: so it can be told from what is left behind. */
static int open_folder(void)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    (void) flock(fd, LOCK_EX | LOCK_NB);
    return fd;
}

/* A directory of that name may be left from an earlier keeper that was killed, with its children in it. */
static int make_folder(char *ret_path, size_t size)
{
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        int r = name_folder(ret_path, size, attempt);

        if (r < 0)
            return r;
        if (mkdir(folder, 0755) == 0)
            return open_folder();
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

/* A child of ours in the cgroup that waits for its end. Its pidfd, or -errno. */
static int start_probe(int cgroup)
{
    int pidfd = -1;
    struct clone_args args = {.flags = CLONE_PIDFD | CLONE_INTO_CGROUP,
                              .pidfd = (uintptr_t) &pidfd,
                              .exit_signal = SIGCHLD,
                              .cgroup = (uint64_t) cgroup};
    long pid = syscall(SYS_clone3, &args, sizeof args);

    if (pid < 0)
        return -errno;
    if (pid == 0)
        for (;;)
            pause();
    return pidfd;
}

/* Whether cgroups are used is decided once: not by an interruption. */
static bool is_killed_by(int kill_file, int pidfd)
{
    struct pollfd wait_for = {.fd = pidfd, .events = POLLIN};

    return kill_file >= 0 && TEMP_FAILURE_RETRY(write(kill_file, "1", 1)) == 1 &&
           TEMP_FAILURE_RETRY(poll(&wait_for, 1, 1000)) == 1;
}

static int probe(int base, bool *ret_memory_events)
{
    CLEANUP_FD int cgroup = -1, pidfd = -1, kill_file = -1;
    siginfo_t info;

    if (mkdirat(base, "probe", 0755) < 0 ||
        (cgroup = openat(base, "probe", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -errno;
    *ret_memory_events = faccessat(cgroup, "memory.events", F_OK, 0) == 0;
    pidfd = start_probe(cgroup);
    if (pidfd < 0)
        return pidfd;
    kill_file = openat(cgroup, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    if (is_killed_by(kill_file, pidfd))
        return waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED) < 0 ? -errno : 0;
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED);
    return -EOPNOTSUPP;
}

int cgroup_find(char *ret_path, size_t size, bool *ret_memory_events)
{
    int base = make_folder(ret_path, size), r;

    if (base < 0)
        return base;
    r = probe(base, ret_memory_events);
    unlinkat(base, "probe", AT_REMOVEDIR);
    if (r < 0) {
        close_fd(base);
        cgroup_unfind();
        return r;
    }
    return base;
}

int cgroup_find_again(void)
{
    return mkdir(folder, 0755) < 0 && errno != EEXIST ? -errno : open_folder();
}

const char *cgroup_folder(void)
{
    return folder;
}

void cgroup_found(const char *name)
{
    snprintf(folder, sizeof folder, "%s", name);
}

static bool is_same(int one, int other)
{
    struct stat of_one, of_other;

    return one >= 0 && fstat(one, &of_one) == 0 && fstat(other, &of_other) == 0 &&
           of_one.st_dev == of_other.st_dev && of_one.st_ino == of_other.st_ino;
}

int cgroup_find_left(const char *name, int kept)
{
    CLEANUP_FD int locked = kept;
    CLEANUP_FD int fd = name[0] == '/' ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    struct statfs system;

    if (fd < 0 || fstatfs(fd, &system) < 0 || system.f_type != CGROUP2_SUPER_MAGIC)
        return -ENOENT;
    cgroup_found(name);
    if (is_same(locked, fd))
        return take_fd(&locked);
    (void) flock(fd, LOCK_EX | LOCK_NB);
    return take_fd(&fd);
}

void cgroup_unfind(void)
{
    rmdir(folder);
}
