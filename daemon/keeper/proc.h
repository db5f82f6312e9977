/* SPDX-License-Identifier: MIT */
/*
 * What /proc tells of processes. Numbers may be reused between two looks: a process is (pid, start).
 */
#ifndef PROCD_KEEPER_PROC_H
#define PROCD_KEEPER_PROC_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_entry {
    pid_t pid, parent, session;
    int threads;
    char state;     /* as in proc_pid_stat(5): Z and X have ended */
    bool began_program; /* since it was forked: it has come through an exec */
    uint64_t start; /* clock ticks since boot */
};

/* Did a look at a process fail for a reason of our own, as the want of descriptors? Then it may be there. */
static inline bool tells_nothing(ssize_t r)
{
    return r < 0 && r != -ENOENT && r != -ESRCH && r != -EINVAL && r != -EACCES && r != -EPERM;
}

/* One process. 0, or -errno (-ENOENT, -ESRCH: there is none). */
int proc_read(pid_t pid, struct proc_entry *ret_entry);

/* All processes that we can see, into memory that the next scan uses again. Returns how many, or -errno: some
 * could not be looked at (tells_nothing). */
ssize_t proc_scan(struct proc_entry **ret_entries);

/* The effective uid of a process, and whether it and we share a pid namespace. 0, or -errno. */
int proc_identity(pid_t pid, uid_t *ret_uid, bool *ret_same_namespace);

/* Has the process not ended? What /proc told of its number before was about it, then. */
bool pidfd_alive(int pidfd);
/* Of the process that had this number at `seen` (CLOCK_BOOTTIME, ns): whoever has come to it since is
 * younger. One that has ended and was not waited for counts. Its descriptor, or -ESRCH, -errno. */
int pidfd_open_seen(pid_t pid, int64_t seen);
/* Of a process that was waited for, by whomever: 0 and what wait(2) returned. -EAGAIN: nobody has waited for
 * it yet; -ENOSYS: the kernel does not tell (before Linux 6.15). */
int pidfd_status(int pidfd, int *ret_status);
/* Its number here; -ESRCH once it was waited for. */
pid_t pidfd_number(int pidfd);
int pidfd_open_process(pid_t pid); /* -errno: -ESRCH there is none */
int pidfd_signal(int pidfd, int signal); /* 0, or -errno: -ESRCH it has ended */

#endif
