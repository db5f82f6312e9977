/* SPDX-License-Identifier: MIT */
/*
 * The ledger as it stands in memory: see ledger.h. What is known of a process is what a keeper's exec hands
 * on, too (handover_layout.h), and HANDOVER_FORMAT is the format of both.
 */
#ifndef PROCD_KEEPER_LEDGER_LAYOUT_H
#define PROCD_KEEPER_LEDGER_LAYOUT_H

#include "daemon/keeper/handover_layout.h"
#include "daemon/keeper/spawn_child.h"
#include "daemon/logs/store.h"

#include <signal.h>
#include <stdatomic.h>

#define LEDGER_CLIENTS_MAX (1 << 20)

/* Everything that changes one number at a time, or none without the other. */
struct ledger_counters {
    uint64_t last_report, last_client, last_connection;
    int64_t broker_seen; /* when broker_pid was its number, CLOCK_BOOTTIME */
    int32_t broker_pid;  /* 0: there was none */
    uint32_t starts;
    uint32_t fresh_state; /* the next broker begins with an empty core */
    char epoch[LINK_EPOCH_MAX + 1];
};

/* waitid(2) writes the last two: si_pid is not 0 then. */
struct ledger_wait {
    uint64_t process;
    siginfo_t info;
    struct rusage usage;
};

/* What was read of a terminal, where it cannot be left as in a pipe until it is in the log. */
struct ledger_given {
    _Atomic uint64_t process;  /* 0: none. Set before it is read, cleared once it is in the log */
    struct logs_extent extent; /* of that log, before */
    uint64_t size;             /* 0: not noted yet. Then it goes to the last byte that is not 0 */
    char bytes[4096];          /* a terminal gives no more at once */
};

struct ledger_head {
    char magic[16]; /* the last to be written, the first to go */
    uint32_t format, head_size, slot_size;
    uint32_t attempts;
    uint32_t tag; /* a number of its own, in the names of what is in the store */
    uint32_t memory_events;
    int64_t started;
    char cgroup_path[512], cgroup_folder[PATH_MAX]; /* "": there are none */
    char socket_path[SOCKET_PATH_MAX + 1]; /* "": the service manager's */
    uint64_t socket_device, socket_inode;
    _Atomic uint64_t executed;
    _Atomic uint32_t current; /* of the counters */
    struct ledger_counters counters[2];
    struct ledger_wait wait;
    struct ledger_given given;
    uint64_t places, client_places; /* that the kernel has promised memory for */
};

struct ledger_slot {
    _Atomic uint32_t current; /* of the facts, from 1; 0: nobody has this place */
    int32_t number;           /* of the child, once it was cloned */
    int64_t number_seen;      /* when that was surely its, CLOCK_BOOTTIME; 0: nobody has looked */
    int32_t cgroup;           /* into which it was cloned; -1: none */
    struct spawn_progress progress;
    struct handover_facts facts[2];
    char name[LINK_NAME_MAX + 1];
};

struct ledger_client {
    _Atomic uint64_t client; /* 0: nobody has this place */
    uint64_t process;
    int64_t seen; /* when pid was surely its, CLOCK_BOOTTIME; 0: never */
    int32_t pid;
    uint32_t uid;
};

#define LEDGER_HEAD_SIZE (16 << 10)
#define LEDGER_SLOTS_AT  LEDGER_HEAD_SIZE
#define LEDGER_CLIENTS_AT                                                                   \
    ((LEDGER_SLOTS_AT + sizeof(struct ledger_slot) * SLOTS_MAX + 4095) / 4096 * 4096)
#define LEDGER_SIZE (LEDGER_CLIENTS_AT + sizeof(struct ledger_client) * LEDGER_CLIENTS_MAX)

_Static_assert(sizeof(struct ledger_head) <= LEDGER_HEAD_SIZE, "no room for the head");

/* What counts of a place, or NULL. */
static inline const struct handover_facts *ledger_facts(const struct ledger_slot *slot)
{
    uint32_t current = atomic_load(&slot->current);

    return current == 1 || current == 2 ? &slot->facts[current - 1] : NULL;
}

/* Those that count. */
static inline const struct ledger_counters *ledger_counters(const struct ledger_head *head)
{
    return &head->counters[atomic_load(&head->current) & 1];
}

#endif
