/* SPDX-License-Identifier: MIT */
#include "tests/bench/trees.h"

#include "daemon/keeper/rawcall.h"
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 50
#define STILL   10 /* looks that find no fewer */

static char path[PATH_MAX];
static int base = -1;
static unsigned made;
static int kept[TREES_MOST]; /* 1 and more: one less is the descriptor by which it is asked */
static _Alignas(16) char stack[16 << 10];

/* Where cgroup2 is mounted; a container's mount may show a part of it only, which is then refused below. */
static bool find_mount(char *mount, size_t size)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[4096], at[1024];
    bool found = false;

    while (file && !found && fgets(line, sizeof line, file))
        found = strstr(line, " - cgroup2 ") && sscanf(line, "%*d %*d %*s %*s %1023s", at) == 1;
    if (file)
        fclose(file);
    return found && snprintf(mount, size, "%s", at) < (int) size;
}

static bool find_own(char *own, size_t size)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    bool found = false;

    while (file && !found && fgets(own, (int) size, file))
        found = strncmp(own, "0::", 3) == 0;
    if (file)
        fclose(file);
    if (found)
        own[strcspn(own, "\n")] = '\0';
    return found;
}

static int open_one(unsigned number, const char *file, int flags)
{
    char name[64];

    snprintf(name, sizeof name, "%u%s", number, file);
    return openat(base, name, flags | O_CLOEXEC);
}

static bool make(void)
{
    char name[16];

    snprintf(name, sizeof name, "%u", made);
    if (mkdirat(base, name, 0755) < 0)
        return false;
    made++;
    return true;
}

bool trees_open(unsigned count)
{
    char mount[1024], own[1024];

    if (!find_mount(mount, sizeof mount) || !find_own(own, sizeof own) ||
        snprintf(path, sizeof path, "%s%s/procd-bench-%d", mount, own + 3, getpid()) >= (int) sizeof path ||
        mkdir(path, 0755) < 0)
        return false;
    base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    made = 0;
    while (base >= 0 && made < count && make())
        ;
    if (base >= 0 && made == count)
        return true;
    trees_close();
    return false;
}

void trees_make(void)
{
    if (!make())
        bench_die("a cgroup");
}

void trees_clear(void)
{
    char name[16];

    while (made > 0) {
        snprintf(name, sizeof name, "%u", --made);
        (void) unlinkat(base, name, AT_REMOVEDIR);
    }
}

void trees_close(void)
{
    trees_clear();
    close(base);
    base = -1;
    (void) rmdir(path);
}

static void child(void *argument)
{
    static const char *const none[] = {NULL};
    const char *const *argv = argument;

    raw0(__NR_setsid);
    raw3(__NR_close_range, 3, ~0U, CLOSE_RANGE_UNSHARE); /* as raw_start_beside_many */
    raw3(__NR_execve, argv[0], argv, none);
    for (;;)
        raw1(__NR_exit_group, 127);
}

pid_t trees_start(unsigned number, const char *const *argv, int *ret_pidfd)
{
    int cgroup = open_one(number, "", O_RDONLY | O_DIRECTORY);
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_FILES | CLONE_INTO_CGROUP,
        .pidfd = (uintptr_t) ret_pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t) stack,
        .stack_size = sizeof stack,
        .cgroup = (uint64_t) cgroup,
    };
    long pid = cgroup < 0 ? -errno : raw_clone3(&args, child, (void *) argv);

    if (pid < 0) {
        errno = (int) -pid;
        bench_die("clone3 into a cgroup");
    }
    close(cgroup);
    return (pid_t) pid;
}

static int open_events(unsigned number)
{
    int fd = open_one(number, "/cgroup.events", O_RDONLY);

    if (fd < 0)
        bench_die("cgroup.events");
    return fd;
}

void trees_keep(unsigned number)
{
    kept[number] = open_events(number) + 1;
}

void trees_await(unsigned number)
{
    char text[256] = "";

    do {
        int fd = kept[number] > 0 ? kept[number] - 1 : open_events(number);
        ssize_t got = pread(fd, text, sizeof text - 1, 0);

        if (got < 0)
            bench_die("cgroup.events");
        text[got] = '\0';
        if (kept[number] == 0)
            close(fd);
    } while (!strstr(text, "populated 0"));
}

void trees_drop(unsigned number)
{
    close(kept[number] - 1);
    kept[number] = 0;
}

/* How many have been removed and not yet been freed; 0 where that is not known. */
static long dying(void)
{
    char mount[1024], name[1100], line[256];
    FILE *file = NULL;
    long count = 0;

    if (find_mount(mount, sizeof mount)) {
        snprintf(name, sizeof name, "%s/cgroup.stat", mount);
        file = fopen(name, "re");
    }
    while (file && fgets(line, sizeof line, file))
        (void) sscanf(line, "nr_dying_descendants %ld", &count);
    if (file)
        fclose(file);
    errno = 0;
    return count;
}

/* Those that somebody else's files keep stay for ever. */
void trees_rest(void)
{
    long least = dying(), now = least;

    for (unsigned still = 0; now > 0 && still < STILL; still++) {
        poll(NULL, 0, LOOK_MS);
        now = dying();
        if (now < least) {
            least = now;
            still = 0;
        }
    }
}
