/* SPDX-License-Identifier: MIT */
/*
 * The keeper: parent of every child, and of the broker. Single-threaded but for the closer.
 */
#ifndef PROCD_KEEPER_KEEPER_H
#define PROCD_KEEPER_KEEPER_H

#include "daemon/keeper/socket.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct shelf;

struct keeper_config {
    struct socket_name socket; /* path NULL: the service manager's, never unlinked */
    int listen_fd;           /* bound and listening, non-blocking; the keeper takes it over */
    int front_fd;            /* behind a front: the link to it; else 0 */
    struct shelf *shelf;     /* what an earlier keeper has had kept; the keeper empties it. NULL: nothing */
    int64_t watchdog;        /* the service manager's patience, ns; 0: it has no watchdog */
    unsigned attempts;       /* how often this program has tried to go on already */
    bool system;             /* serves every uid; else only its own and root */
    bool no_cgroups;         /* does without, though there may be some */
    uint32_t idle_exit;      /* seconds; 0: never */
    uint32_t log_level;
    bool log_to_journal; /* "log" is the system's journal, where there is one */
    uint64_t log_size, log_quota; /* bytes of the logs of a process, and of a uid; 0: as in capture.h */
    uint32_t log_age;             /* seconds; 0: as in capture.h */
    const char *broker_user; /* "" none */
    uid_t broker_uid;
    gid_t broker_gid;
    /* Starts a role with link_fd (the role's end, stays the caller's) as its LINK_FD. fresh: from the file
     * that now has the program's name, as a candidate; else from the one that is held open. 0 and the pidfd,
     * or -errno. Another than role_start is for tests. */
    int (*start)(const struct keeper_config *config, const char *role, bool fresh, int link_fd,
                 int *ret_pidfd);
    void *start_data;
};

/* Runs until the daemon leaves: 0, or -errno where it could not begin. */
int keeper_run(const struct keeper_config *config);

struct handover_head;

/* The same after an exec of itself, from what the program before has left (daemon/keeper/handover.h), which
 * is taken over. */
int keeper_resume(const struct keeper_config *config, const struct handover_head *head, int memory);

#endif
