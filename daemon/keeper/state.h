/* SPDX-License-Identifier: MIT */
/*
 * What the keeper knows. Everything here belongs to the one thread of its loop; but for clients and
 * connections it lies in memory that was reserved at the start.
 */
#ifndef PROCD_KEEPER_STATE_H
#define PROCD_KEEPER_STATE_H

#include "daemon/base/busy_poll.h"
#include "daemon/base/clock.h"
#include "daemon/base/fdpass.h"
#include "daemon/base/shelf.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/link.h"
#include "daemon/keeper/loop.h"
#include "daemon/keeper/map.h"
#include "daemon/logs/store.h"

#include <linux/futex.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/resource.h>

#define SLOTS_MAX     (1 << 18)
#define SLOTS_RESERVE 1024 /* these only report that there was no room */

struct slot;
struct job;
struct zygote;
struct ticket;

/* ---- reports: each kind has its place in the slot; a newer stop or go replaces an older one ---- */

enum report_place { REPORT_START, REPORT_END, REPORT_STOP, REPORT_TREE, REPORT_READY, REPORT_PLACES };

struct report {
    TAILQ_ENTRY(report) order;
    uint64_t number; /* 0: not under way */
    uint32_t kind;
    enum report_place place;
};

/* ---- cgroups ---- */

/* SPARE: empty, and more than the pool needs. USED_UP: empty, and not to be used again. */
enum cgroup_state { CGROUP_UNUSED, CGROUP_EMPTY, CGROUP_TAKEN, CGROUP_ORPHAN, CGROUP_SPARE, CGROUP_USED_UP };

struct cgroup {
    TAILQ_ENTRY(cgroup) order;
    enum cgroup_state state;
    int dir;    /* open while it waits in the pool, and after that in as many as may be hot; else -1 */
    int events; /* its cgroup.events, once read, in those; else -1 */
    bool is_spoilt; /* not to be used again: killed by cgroup.kill, or changed by who was in it */
    bool hot;        /* counted as one of those in use that keep their descriptors */
};

TAILQ_HEAD(cgroup_list, cgroup);

struct cgroups {
    int base;              /* -1: do without */
    char path[512];        /* of base */
    struct cgroup *all;    /* its name is its index */
    unsigned made;
    struct cgroup_list pool, unused, orphans, spare, used_up;
    unsigned pooled, spares, used_up_count;
    unsigned hot; /* in use with their descriptors open */
    bool memory_events;
    int64_t retry_at;
    int64_t remove_at; /* no earlier is one removed that is not needed */
    int64_t tell_none_at, tell_unused_at; /* when it may be said again that none can be made, or used */
};

/* ---- processes ---- */

struct slot {
    struct node by_process, by_pid;
    TAILQ_ENTRY(slot) order;  /* of all slots in use */
    TAILQ_ENTRY(slot) linger; /* ended, and something of its tree may be left */
    TAILQ_ENTRY(slot) killing; /* it has had SIGKILL, and the rest of its tree will: see killing.h */
    int64_t kill_asked;
    struct watch exit;        /* its pidfd */
    struct job *job;          /* until its exec or its failure */
    struct cgroup *cgroup;    /* NULL: its tree is its session */
    struct zygote *zygote;    /* by which others become copies of it (zygote.h), or NULL */
    struct ticket *ticket;    /* by which it can begin again, or NULL */
    TAILQ_ENTRY(slot) respawn; /* of those that are to, once their trees are gone */
    struct watch notify;      /* its NOTIFY_SOCKET */
    TAILQ_ENTRY(slot) mute;   /* of those that have said too much */
    struct report reports[REPORT_PLACES];
    TAILQ_ENTRY(slot) touched; /* the ledger does not have all of it yet */
    TAILQ_ENTRY(slot) apart;   /* of the young ones (store.h), or of those that fade (adopted.h) */
    bool is_touched, is_young, is_fading;
    uint64_t process, creator, creator_process;
    uint64_t spawn_order; /* the number of the order */
    int pidfd; /* -1 once reaped */
    int notify_fd; /* -1: none */
    pid_t pid; /* the number cannot come again before `reaped` */
    int64_t pid_seen; /* when the number was surely its, CLOCK_BOOTTIME */
    uid_t uid;
    gid_t gid;
    uint32_t flags;
    bool failed;     /* the spawn was reported as failed: nothing else is ever reported */
    bool ended;      /* its end is known and reported */
    bool reaped;     /* waited for: the number is free */
    bool tree_gone;
    bool tree_watched;
    bool kill_due;
    bool kill_again; /* SIGKILL may not have reached all of its tree */
    bool is_due;     /* for the signal of tree_signal_due */
    bool lingers;
    bool again;    /* it has run before: a failure is none of the process's, and its slot stays */
    bool respawns; /* it is among those that are to begin again */
    bool is_mute;
    bool adopted; /* an earlier keeper's child: others wait for it */
    bool stored;  /* its pidfd is in the store; so are: */
    bool ticket_kept, notify_kept;
    uint32_t stop_seen; /* LINK_STOPPED or LINK_CONTINUED seen before its exec was */
    int32_t error;
    uint32_t stage;
    int64_t mono, wall; /* start, or failure */
    struct link_exited end;
    uint32_t log; /* what it writes is kept there; 0: it is not */
    LIST_HEAD(, capture_pipe) pipes; /* that it, or what it has started, can still write into */
    const char *name; /* in the ledger: see ledger_name */
};

TAILQ_HEAD(slot_list, slot);
TAILQ_HEAD(report_list, report);

struct table {
    struct slot *slots;
    unsigned made;
    struct slot_list used, unused;
    struct slot_list lingering; /* those that somebody waits for come first */
    bool unsearched;            /* something may have ended since all of them were looked at */
    int64_t search_after;       /* that has its price, too */
    struct map by_process, by_pid;
    unsigned live;     /* begun and not ended */
    unsigned sessions; /* not reaped, and the tree is the session: its number must not become free unseen */
    unsigned used_count;
    struct report_list reports; /* by number, not acknowledged */
    uint64_t last_report;
    int dead_pidfd; /* of a process that is gone, for those who ask too late */
};

/* ---- what they write, see capture.h ---- */

struct capture_pipe {
    TAILQ_ENTRY(capture_pipe) order; /* of all in use */
    LIST_ENTRY(capture_pipe) of_slot; /* or of those that are not in use */
    struct slot *slot; /* NULL: it is forgotten, and what comes is thrown away */
    uint64_t kept; /* its number in the store; 0: it is not there */
    int fd;
    enum logs_stream stream;
    bool is_open_line; /* since the last end of a line that we have said there is, bytes came */
    bool is_terminal;  /* fd is the master of one, see pty.h; then, or -1: */
    bool was_shared;   /* somebody else has, or had, it too */
    int slave;         /* so that it is never hung up */
    int lease;         /* somebody is attached, who reads it, until the other end is closed */
    int offer;         /* that end, of who asked to be from the start, until it is sent */
};

struct capture {
    struct logs logs;
    struct watch watch;  /* of `epoll`, in which all the pipes are */
    int epoll, bell;     /* an eventfd that the broker has, too */
    struct capture_pipe *pipes; /* all of them */
    unsigned pipes_made, pipe_count;
    TAILQ_HEAD(, capture_pipe) all;
    LIST_HEAD(, capture_pipe) unused;
    int64_t round_at;  /* when pipes were emptied last */
    int64_t share_at;  /* since when share_used is counted */
    uint64_t share_used;
    int64_t resume_at; /* paused until then; INT64_MAX: not */
    int64_t age_at;    /* when to look for what is too old */
};

/* ---- who may ask ---- */

struct client {
    struct node by_client, by_pid;
    TAILQ_ENTRY(client) order;
    uint64_t client;
    int pidfd;
    pid_t pid;
    int64_t pid_seen; /* when the number was surely its, CLOCK_BOOTTIME; 0: never */
    uid_t uid;
    uint64_t process;
    uint32_t place; /* in the ledger */
    bool stored;
    unsigned connections;
    unsigned jobs; /* spawns that have not come to their exec */
    bool forgotten;
};

struct connection {
    struct node by_connection;
    TAILQ_ENTRY(connection) order;
    uint64_t connection;
    struct client *client;
    uid_t uid;
    gid_t gid;
    size_t group_count;
    gid_t *groups;
    int fd;        /* until it is handed over, else -1 */
    bool is_new;   /* brings a new client */
};

TAILQ_HEAD(client_list, client);
TAILQ_HEAD(connection_list, connection);

struct clients {
    struct watch listening;
    int spare; /* given up to get rid of a connection when no descriptor is left */
    int64_t paused_until;
    int64_t tell_at; /* when it may be said again */
    struct client_list all;
    struct connection_list connections, waiting; /* waiting: not handed over yet */
    struct map by_client, by_pid, by_connection;
    uint64_t last_client, last_connection;
};

struct kept_page {
    LIST_ENTRY(kept_page) order;
    uint32_t uid;
    int fd;
    int life;    /* its number in struct lives; -1: it does not say that we live */
    bool stored; /* it outlives this keeper: always, where another one may follow */
};

#define LIVES_MAX 2000 /* the kernel looks at 2,048 of them (ROBUST_LIST_LIMIT) */

/* Pages that say that this keeper lives: see life.h. */
struct lives {
    struct robust_list_head head;
    char *room; /* NULL: there was none yet */
    bool is_taken[LIVES_MAX];
};

/* ---- what outlives us: see ledger.h and store.h ---- */

struct ledger {
    struct ledger_head *head; /* NULL: a keeper that is none has no ledger */
    struct ledger_slot *slots;
    struct ledger_client *clients;
    int fd; /* -1: the memory is ours alone */
    struct slot_list touched;
    uint32_t clients_made, clients_free;
    uint32_t *free_clients; /* places */
};

#define STORE_MAX          (SHELF_MAX - 16)
#define STORE_CHILDREN_MAX (STORE_MAX - 64)  /* the rest is for those whose absence is not made up for */

enum store_kind { STORE_CHILD, STORE_LOG, STORE_CLIENT, STORE_TICKET, STORE_NOTIFY, STORE_PAGE };

struct store {
    bool is_open; /* there is a front that has things kept */
    unsigned count, count_max;
    unsigned children, children_max; /* and pipes of logs */
    struct slot_list young; /* by age: not stored yet, or no room for them */
    struct store_place {
        uint64_t number; /* of a process or a client, or a uid and 1; 0: nobody has this place */
        enum store_kind kind;
        bool leaving; /* it is to be taken out, and the front could not be told yet */
    } places[STORE_MAX];
    unsigned leaving;
    int64_t retry_at;
    int64_t tell_at; /* when it may be said again that there is no room */
};

/* ---- who we are ---- */

#define OWN_GROUPS_MAX 64

struct identity {
    uid_t uid;
    gid_t gid;
    int group_count; /* -1: not the same throughout, or too many groups: a child's is always set */
    gid_t groups[OWN_GROUPS_MAX];
};

/* ---- the link ---- */

enum link_phase { PHASE_HELLO, PHASE_PAGES, PHASE_CLIENTS, PHASE_CHILDREN, PHASE_TABLE_END, PHASE_SERVING };

enum due {
    DUE_EXECUTED = 1 << 0,
    DUE_PING = 1 << 1,
    DUE_STOP = 1 << 2,
    DUE_RESTART = 1 << 3,
    DUE_STAYS = 1 << 4,
    DUE_LOOKUP = 1 << 5,
    DUE_CHECKED = 1 << 6,
    DUE_LOGS = 1 << 7,
};

struct link {
    struct watch socket;
    int fd; /* -1: down */
    enum link_phase phase;
    bool full;  /* until EPOLLOUT */
    bool ready; /* LINK_READY came */
    bool told_malformed;
    uint32_t due;
    struct kept_page *page_cursor;
    struct client *client_cursor;
    struct slot *slot_cursor;
    struct report *report_cursor;
    size_t answer_size; /* an answer that found the link full; nothing is read meanwhile */
    int answer_fds[2];  /* copies of ours, to be closed; -1 none */
    union {
        struct link_head head;
        struct link_identity identity;
        struct link_pidfd pidfd;
        struct link_threads threads;
        struct link_page page;
        struct link_attached attached;
    } answer;
    uint64_t executed, executed_told;
    int64_t executed_at; /* when the broker is to be told, INT64_MAX: it has been */
    int64_t retry_at; /* when the kernel may have memory for what it refused, INT64_MAX: it did not */
    _Alignas(16) unsigned char buffer[LINK_MESSAGE_MAX];
};

/* ---- broker and look-up helper ---- */

struct role {
    const char *name;
    struct watch death;
    int pidfd; /* -1: not running */
    pid_t pid; /* 0: not known, or it has been waited for */
    int end_code, end_status; /* of siginfo_t, where a sweep has waited for it; else 0 */
    bool answered;
    int64_t start_at; /* INT64_MAX: nothing planned */
    int64_t backoff;
};

/* ---- another program, see upgrade.h ---- */

/* ACCEPTED: the broker ends, and what was checked takes over. READY: it has ended. */
enum upgrade_phase { UPGRADE_NONE, UPGRADE_CHECKING, UPGRADE_PASSED, UPGRADE_ACCEPTED, UPGRADE_READY };

struct upgrade {
    enum upgrade_phase phase;
    struct watch death;
    int pidfd; /* of the check; -1: none runs */
    int answer_fd;
    int64_t check_until, leave_until, exec_until;
    struct link_checked verdict;
};

enum keeper_state { STATE_RUNNING, STATE_DETACHED, STATE_LEAVING, STATE_DONE };

struct keeper {
    const struct keeper_config *config;
    struct loop loop;
    struct busy_poll busy;
    int64_t now; /* CLOCK_MONOTONIC, read once a turn */
    int64_t started;
    bool privileged; /* euid 0: changes identities */
    struct identity own; /* that a child begins with */
    struct rlimit64 base_limits[RLIM_NLIMITS]; /* as procd was started */
    struct watch signals;
    struct watch front; /* not in the loop: there is none */
    enum keeper_state state;
    int64_t stop_at;     /* SIGTERM came: then everything is killed */
    int64_t leave_until; /* leaving, and whoever is left */
    int64_t kill_at;
    struct socket_name socket;

    struct cgroups cgroups;
    struct table table;
    struct capture capture;
    struct clients clients;
    LIST_HEAD(kept_pages, kept_page) pages;
    struct lives lives;
    struct link link;
    struct ledger ledger;
    struct store store;
    struct slot_list fading; /* adopted, and ended: see adopted.h */
    int64_t fading_at, starting_at;
    unsigned starting; /* adopted, and not come to their exec */

    TAILQ_HEAD(, job) jobs; /* outstanding spawns, oldest first */
    TAILQ_HEAD(, job) sharing; /* of those, whose child has our descriptors yet */
    size_t held_count;         /* descriptors that these keep open */
    TAILQ_HEAD(, job) copies; /* of those that a zygote was asked for, oldest first */
    unsigned copy_count;
    TAILQ_HEAD(, job) free_jobs;
    unsigned job_count;
    struct slot_list killing;
    int64_t killed_at; /* when one of those has ended last */
    struct slot_list respawns, mute;
    char notify_base[108]; /* what the names of notify sockets begin with; "": not looked for yet */
    int64_t speak_at; /* when those are listened to again, INT64_MAX: there are none */
    struct ticket_count {
        size_t bytes, fds;
        size_t kept_fds; /* in the store, see ticket_kept.h */
        int64_t tell_at; /* when it may be said again that one cannot be kept */
    } tickets;

    int64_t sweep_at, swept; /* when to look for merged SIGCHLDs; when that was done last */
    int64_t scan_cost;

    struct role broker, lookup;
    struct upgrade upgrade;
    int state_fd, lookup_fd;
    pid_t broker_pid;    /* 0: there was none yet */
    int64_t broker_seen; /* when that was its number, CLOCK_BOOTTIME */
    uint32_t restarts, starts, unready_deaths;
    bool fresh_state; /* the next broker begins with an empty core */
    bool told_ready, broker_was_ready, broker_killed, ping_open;
    int64_t watchdog, ping_at;
    char epoch[LINK_EPOCH_MAX + 1];
};

#endif
