/* SPDX-License-Identifier: MIT */
/*
 * What the keeper hands over to its next program, as it stands in memory: see handover.h.
 *
 * HANDOVER_FORMAT is to be raised with every change of these structs, or of what their members mean. A
 * program of another number refuses them in its check.
 */
#ifndef PROCD_KEEPER_HANDOVER_LAYOUT_H
#define PROCD_KEEPER_HANDOVER_LAYOUT_H

#include "daemon/keeper/socket.h"
#include "daemon/keeper/state.h"

#include <limits.h>

#ifndef HANDOVER_FORMAT
#define HANDOVER_FORMAT 11
#endif
#define HANDOVER_LIMITS 16 /* resources of setrlimit(2) */

_Static_assert(RLIM_NLIMITS <= HANDOVER_LIMITS, "more resources");

/* The memory: this, then slots, clients, pipes, cgroups, pages, tickets. */
struct handover_head {
    char magic[16];
    uint32_t format, head_size;
    uint64_t slot_count, slots_made, client_count, pipe_count, cgroup_count, page_count, tickets_size;

    /* from the command line and the machine */
    uint32_t system, no_cgroups, idle_exit, log_level, broker_uid, broker_gid;
    uint32_t log_age, log_to_journal;
    uint64_t log_size, log_quota;
    char broker_user[64];
    char program[PATH_MAX]; /* the path that it was started from */
    char socket_path[SOCKET_PATH_MAX + 1]; /* "": the service manager's */
    uint32_t socket_for_all;
    uint64_t socket_device, socket_inode;
    uint64_t limits[HANDOVER_LIMITS][2];
    int64_t watchdog;

    /* descriptors; -1: there is none */
    int32_t listen_fd, front_fd, state_fd, ledger_fd, dead_pidfd, cgroup_base, logs_index_fd, logs_data_fd;

    int64_t started;
    char epoch[LINK_EPOCH_MAX + 1];
    uint32_t restarts, starts, told_ready, restart_due;
    uint64_t executed, last_report, last_client, last_connection;
    char cgroup_path[512], cgroup_folder[PATH_MAX];
    uint32_t memory_events;
};

/* Of a process. What is about several of them follows from it: reports that are not acknowledged stand in the
 * order of their numbers, and what has ended with something of its tree left lingers. */
struct handover_facts {
    uint64_t process, creator, creator_process, order;
    int32_t pidfd, pid, cgroup; /* cgroup -1: none */
    int32_t notify_fd;          /* -1: none */
    uint32_t uid, gid, flags, stage;
    int32_t error;
    uint32_t stop_seen, log, kill_again;
    uint8_t failed, ended, reaped, tree_gone, tree_watched, adopted, stored, again, respawns;
    uint8_t ticket_kept, notify_kept, kill_due;
    uint32_t report_kind[REPORT_PLACES]; /* of the last one */
    int64_t mono, wall, pid_seen;
    uint64_t report_number[REPORT_PLACES]; /* 0: it is acknowledged, or there was none */
    struct link_exited end;
};

struct handover_slot {
    struct handover_facts facts;
    uint64_t place; /* in the table */
    char name[LINK_NAME_MAX + 1];
};

struct handover_client {
    uint64_t client, process;
    int64_t pid_seen;
    int32_t pidfd, pid;
    uint32_t uid, place;
    uint32_t stored, unused;
};

/* Out of which a child's output comes. */
struct handover_pipe {
    uint64_t process; /* 0: it is forgotten */
    uint64_t kept;    /* its number in the store, or 0 */
    int32_t fd;
    uint32_t stream, is_open_line, is_terminal, was_shared;
    int32_t lease; /* -1: none */
};

struct handover_cgroup {
    uint32_t state, is_spoilt;
};

struct handover_page {
    uint32_t uid;
    int32_t fd;
    uint32_t stored, unused;
};

/* Followed by a struct ticket (ticket.h), which counts as one of these structs. */
struct handover_ticket {
    uint64_t process;
    uint64_t size; /* of both, a multiple of 8 */
};

/* ---- handover_ticket.c ---- */

/* Of one: struct handover_ticket and all that follows it. */
size_t handover_ticket_size(const struct ticket *ticket);
void handover_put_ticket(const struct slot *slot, struct handover_ticket *to);
/* Into its slot, which has none. `from` has as many bytes as it says. 0 or -errno. */
int handover_take_ticket(struct keeper *keeper, const struct handover_ticket *from);

/* Of all. */
size_t handover_tickets_size(const struct keeper *keeper);
void handover_put_tickets(const struct keeper *keeper, void *memory);
/* Into the slots that are there. 0 or -errno. */
int handover_take_tickets(struct keeper *keeper, const void *memory, size_t size);
int handover_take_respawn(struct keeper *keeper, struct slot *slot, uint32_t again, uint32_t respawns);

#endif
