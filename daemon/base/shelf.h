/* SPDX-License-Identifier: MIT */
/*
 * Descriptors by name: what a service manager keeps for us (sd_pid_notify_with_fds(3), FDSTORE=1), and our
 * own record of it. A name that systemd passes on is ASCII without ':'.
 */
#ifndef PROCD_BASE_SHELF_H
#define PROCD_BASE_SHELF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * All that we ever have kept. systemd looks through the whole store for each new one (500 cost it 50 ms
 * altogether, 8,000 would take minutes), and cannot start a service again whose store does not fit below the
 * soft limit of open files: it gives the service up, and the store is lost (status 202/FDS). With systemd 252
 * and LimitNOFILE=1024 that began at 700 descriptors, and before 690 where PID 1 had 340 others, which count,
 * too: some room is left for those. The units say the same number in FileDescriptorStoreMax=.
 */
#define SHELF_MAX 512

#define SHELF_NAME_MAX 47 /* bytes. All names together are one variable of the environment, at most 128 KiB */

/* What the names of sockets begin with that may have descriptors of clients in their queues: to close the
 * last copy of such a socket may block, as with any descriptor of a client. */
#define SHELF_TICKET "ticket"
#define SHELF_NOTIFY "notify"

struct shelf {
    size_t count;
    struct shelf_item {
        char name[SHELF_NAME_MAX + 1];
        int fd;
    } items[SHELF_MAX];
};

/* Takes fd over, in the place of one of the same name. Where there is no room, or no such name, it is closed:
 * -ENOSPC, -EINVAL. */
int shelf_put(struct shelf *shelf, const char *name, int fd);
/* Still the shelf's. -1: there is none. */
int shelf_find(const struct shelf *shelf, const char *name);
/* Now the caller's. -1: there is none. */
int shelf_take(struct shelf *shelf, const char *name);
bool shelf_may_block(const char *name);
/* Closes it. No-op without. */
void shelf_drop(struct shelf *shelf, const char *name);
void shelf_clear(struct shelf *shelf);

#endif
