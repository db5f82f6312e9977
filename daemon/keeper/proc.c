/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/proc.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/keeper/map.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define ENTRIES_MAX (1 << 20)
#define FORKED_WITHOUT_EXEC 0x40 /* PF_FORKNOEXEC, as long as there has been a Linux 2.6 */

/* Linux 6.13 and later; the status since 6.15. Debian 12's headers do not know it. */
#define GET_INFO  _IOWR(0xff, 11, struct process_info)
#define INFO_EXIT (UINT64_C(1) << 3)

struct process_info {
    uint64_t mask; /* what is asked for, and then what there is */
    uint64_t cgroup;
    uint32_t pid, group, parent, ids[8];
    int32_t status; /* as wait(2) has it */
};

_Static_assert(sizeof(struct process_info) == 64, "its size is a part of the call's number");

static ssize_t read_file(pid_t pid, const char *file, char *text, size_t size)
{
    char path[64];
    CLEANUP_FD int fd = -1;
    ssize_t got;

    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? -1 : TEMP_FAILURE_RETRY(read(fd, text, size - 1));
    if (got < 0)
        return -errno;
    text[got] = '\0';
    return got;
}

/* The name in parentheses may hold anything: what counts begins behind the last one. */
int proc_read(pid_t pid, struct proc_entry *ret_entry)
{
    char text[1024];
    ssize_t got = read_file(pid, "stat", text, sizeof text);
    struct proc_entry entry = {.pid = pid};
    unsigned flags;
    const char *at;

    if (got < 0)
        return (int) got;
    at = strrchr(text, ')');
    if (!at || sscanf(at + 1,
                      " %c %d %*d %d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d %*d %" SCNu64,
                      &entry.state, &entry.parent, &entry.session, &flags, &entry.threads,
                      &entry.start) != 6)
        return -ESRCH;
    entry.began_program = !(flags & FORKED_WITHOUT_EXEC);
    *ret_entry = entry;
    return 0;
}

/* getdents64(2) by hand: opendir would allocate. */
struct dirent_raw {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

ssize_t proc_scan(struct proc_entry **ret_entries)
{
    static struct proc_entry *entries;
    _Alignas(struct dirent_raw) char buffer[16384];
    CLEANUP_FD int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ssize_t count = 0;
    long got;

    if (!entries)
        entries = memory_reserve(sizeof *entries * ENTRIES_MAX);
    if (fd < 0 || !entries)
        return fd < 0 ? -errno : -ENOMEM;
    while ((got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < got;) {
            const struct dirent_raw *entry = (const void *) (buffer + at);

            if (isdigit((unsigned char) entry->name[0]) && count < ENTRIES_MAX) {
                int r = proc_read(atoi(entry->name), &entries[count]);

                if (tells_nothing(r))
                    return r;
                count += r == 0;
            }
            at += entry->length;
        }
    }
    *ret_entries = entries;
    return got < 0 ? -errno : count;
}

/* The number of columns of NSpid is the depth of its pid namespace below that of /proc, which is ours. */
int proc_identity(pid_t pid, uid_t *ret_uid, bool *ret_same_namespace)
{
    char text[4096];
    ssize_t got = read_file(pid, "status", text, sizeof text);
    const char *uids, *numbers;
    unsigned uid;
    int first, second;

    if (got < 0)
        return (int) got;
    uids = strstr(text, "\nUid:");
    numbers = strstr(text, "\nNSpid:");
    if (!uids || sscanf(uids, "\nUid: %*u %u", &uid) != 1)
        return -ESRCH;
    *ret_uid = uid;
    *ret_same_namespace = !numbers || sscanf(numbers, "\nNSpid:%d%*[ \t]%d", &first, &second) != 2;
    return 0;
}

bool pidfd_alive(int pidfd)
{
    struct pollfd wait_for = {.fd = pidfd, .events = POLLIN};
    int r;

    do
        r = poll(&wait_for, 1, 0);
    while (r < 0 && errno == EINTR);
    return r == 0;
}

int pidfd_open_process(pid_t pid)
{
    long fd = syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : (int) fd;
}

int pidfd_signal(int pidfd, int signal)
{
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

/* -ESRCH is also the answer where it ends while we look: then nobody can tell any more who it was. */
int pidfd_open_seen(pid_t pid, int64_t seen)
{
    int64_t tick = NSEC_PER_SEC / sysconf(_SC_CLK_TCK);
    CLEANUP_FD int pidfd = pid > 0 ? pidfd_open_process(pid) : -ESRCH;
    struct proc_entry entry;
    int r;

    if (pidfd < 0)
        return pidfd == -EINVAL ? -ESRCH : pidfd;
    r = proc_read(pid, &entry);
    if (r < 0)
        return r == -ENOENT ? -ESRCH : r;
    return (int64_t) entry.start * tick > seen ? -ESRCH : take_fd(&pidfd);
}

int pidfd_status(int pidfd, int *ret_status)
{
    struct process_info info = {.mask = INFO_EXIT};

    if (ioctl(pidfd, GET_INFO, &info) < 0)
        return errno == ESRCH ? -ENOSYS : errno == ENOTTY || errno == EINVAL ? -ENOSYS : -errno;
    if (!(info.mask & INFO_EXIT))
        return -EAGAIN;
    *ret_status = info.status;
    return 0;
}

pid_t pidfd_number(int pidfd)
{
    char file[32], text[1024];
    ssize_t got;
    const char *at;
    int number;

    snprintf(file, sizeof file, "fdinfo/%d", pidfd);
    got = read_file(getpid(), file, text, sizeof text);
    if (got < 0)
        return (pid_t) got;
    at = strstr(text, "\nPid:");
    return at && sscanf(at, "\nPid: %d", &number) == 1 && number > 0 ? number : -ESRCH;
}
