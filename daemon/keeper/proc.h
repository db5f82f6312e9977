/* SPDX-License-Identifier: MIT */
/*
 * What /proc tells of processes. Numbers may be reused between two looks: a process is (pid, start).
 */
#ifndef PROCD_KEEPER_PROC_H
#define PROCD_KEEPER_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_entry {
    pid_t pid, parent, session;
    int threads;
    char state;     /* as in proc_pid_stat(5): Z and X have ended */
    uint64_t start; /* clock ticks since boot */
};

/* One process. 0, or -errno (-ENOENT, -ESRCH: there is none). */
int proc_read(pid_t pid, struct proc_entry *ret_entry);

/* All processes that we can see, into memory that the next scan uses again. Returns how many, or -errno. */
ssize_t proc_scan(struct proc_entry **ret_entries);

/* The effective uid of a process, and whether it and we share a pid namespace. 0, or -errno. */
int proc_identity(pid_t pid, uid_t *ret_uid, bool *ret_same_namespace);

/* Has the process not ended? What /proc told of its number before was about it, then. */
bool pidfd_alive(int pidfd);
int pidfd_open_process(pid_t pid); /* -errno: -ESRCH there is none */
int pidfd_signal(int pidfd, int signal); /* 0, or -errno: -ESRCH it has ended */

#endif
