/* SPDX-License-Identifier: MIT */
/*
 * The core: processes, clients, waits, keys, quotas and events as data, and one step function. No system
 * call, no clock, no library, no randomness; nothing depends on addresses or on the order of a table. The
 * same inputs lead to the same state (core_hash) in every run.
 *
 * The broker's turn: core_step, commit the input to the journal, then deliver the outputs in their order.
 */
#ifndef PROCD_CORE_CORE_H
#define PROCD_CORE_CORE_H

#include "daemon/base/heap.h"
#include "daemon/core/input.h"
#include "daemon/core/sync.h"


/*
 * Limits, each counted per uid unless its text says otherwise. root has ROOT_RESERVE more of each.
 *
 * QUOTA(identifier, "name in LimitExceeded", value)
 */
#define CORE_QUOTAS(X)                                    \
    X(CONNECTIONS, "connections", 16384)                  \
    X(PROCESSES, "processes", 32768)                      \
    X(STARTING, "processes being started", 2048)          \
    X(WAITERS, "waiting requests", 65536)                 \
    X(BYTES, "bytes of arguments and labels", 64 << 20)   \
    X(OBJECTS, "objects", 65536)                          \
    X(OPENS, "open objects", 262144)                      \
    X(HOLDS, "holds", 131072)                             \
    X(RESTARTS, "restart policies", 4096)                 \
    X(KEPT_BYTES, "bytes of restart policies", 64 << 20)  \
    X(KEPT_FDS, "descriptors of restart policies and readiness", 4096)

enum core_quota {
#define X(identifier, name, value) QUOTA_##identifier,
    CORE_QUOTAS(X)
#undef X
    QUOTA_COUNT
};

#define QUOTA_ROOT_RESERVE 1024
#define ENDED_KEPT_MAX     10000 /* ended processes of one uid: the oldest go first */
#define KEYS_KEPT_MAX      1024  /* answered keys of one client */
#define EVENTS_KEPT_MAX    16384 /* events that can still be asked for; a power of two */
#define STOP_GRACE_DEFAULT (INT64_C(10) * 1000000000)
#define RESTART_GOOD_RUN   (INT64_C(10) * 1000000000) /* then tries and delay begin anew; as docker has it */
#define ABSENCE_MAX        (INT64_C(5) * 1000000000) /* of who waits with a key, after a new broker's start */
#define ABSENCE_LATE       (INT64_C(1) * 1000000000) /* noticed so late, nobody could come back: once more */

const char *quota_name(enum core_quota quota);
int64_t quota_limit(enum core_quota quota, uint32_t uid);

/* ---- entities ---- */

/* One uid that has something here. */
struct account {
    uint32_t uid;
    uint32_t ended;             /* ended processes kept */
    int64_t used[QUOTA_COUNT];
    uint32_t clients;
    struct object *objects; /* private ones, by name */
    struct words *words;    /* of its page; NULL: none was issued */
    TAILQ_HEAD(ended_list, process) ended_list; /* oldest first */
    UT_hash_handle hh;
};

struct connection_data {
    uint64_t id, client;
    uint64_t ordinal; /* the N of the default holder #N: the client's how-manieth it is */
    uint32_t uid;     /* frozen at accept; of the connection, as a process may change its own */
    uint32_t unused;
};

struct connection {
    struct connection_data data;
    struct client *client;
    bool is_closing; /* what ends with it has nobody to be answered to */
    TAILQ_HEAD(connection_waiters, waiter) waiters;
    LIST_ENTRY(connection) of_client;
    UT_hash_handle hh;
};

struct client_data {
    uint64_t id, process; /* the managed process that it is, or 0 */
    uint64_t connections; /* ever */
    uint64_t spawned;     /* successful spawns: the numbers of default names */
    int32_t pid;
    uint32_t uid;
};

TAILQ_HEAD(absent_waiters, waiter);
TAILQ_HEAD(unasked_keys, key);

/* A process that connected, or is an owner_pid. Lives until its death. */
struct client {
    struct client_data data;
    LIST_HEAD(client_connections, connection) connections;
    LIST_HEAD(client_children, process) children; /* those that it created and that have not ended */
    TAILQ_HEAD(client_keys, key) keys;            /* oldest first */
    struct key *key_table;
    uint32_t key_count;
    struct absent_waiters absent; /* what it had asked with a key when a broker died, oldest first */
    struct unasked_keys unasked;  /* what was granted to it since, and it has not asked for, oldest first */
    struct process *self; /* the managed process that it is, or NULL */
    struct owner *owners; /* its threads that hold or wait, by holder */
    struct open_list opens;
    TAILQ_HEAD(client_mappings, mapping) mappings;
    struct wait_queue waits; /* of its owners, on whatever connection */
    uint32_t wait_count, wait_mark; /* how many; 0, or where their words are looked at. In no state */
    struct order *forget; /* made with the client, so that its burial needs no memory */
    UT_hash_handle hh;
};

/* A process's name, and its place among the generations ("3:1"), from which the default names of its children
 * are made. Shared by the process and its events. Sizes are without the NUL. */
struct title {
    uint32_t refs, name_size, path_size, name_room;
    char name[]; /* name_room bytes, then the path; each with its NUL */
};

const char *title_path(const struct title *title);

/* What never changes about a process, shared by the process and recorded answers: argv (argc strings with
 * their NUL), cwd (and a NUL), labels (label_count pairs of strings with their NUL). Charged to its account
 * while it lives. */
struct record {
    uint32_t refs;
    uint32_t argc, label_count;
    uint32_t argv_size, cwd_size, labels_size, charged;
    uint32_t saved, unused; /* save.c's alone: its place among those that are written, 0: not yet */
    struct title *title;
    struct account *account;
    char bytes[];
};

const char *record_argv(const struct record *record);
const char *record_cwd(const struct record *record);
const char *record_labels(const struct record *record);

/* RESTARTING: it has ended, and is to be started again */
enum process_state {
    PROCESS_STARTING,
    PROCESS_RUNNING,
    PROCESS_STOPPED,
    PROCESS_EXITED,
    PROCESS_RESTARTING
};

enum process_flags {
    PROCESS_DAEMON = 1 << 0,   /* ends with its creator */
    PROCESS_ORPHANED = 1 << 1, /* the creator is gone */
    PROCESS_STOPPING = 1 << 2, /* asked to stop: SIGKILL at the deadline */
    PROCESS_TREE_GONE = 1 << 3, /* nothing of its tree is left */
    PROCESS_WATCHED = 1 << 4,  /* the keeper was asked to tell when its tree is gone */
    PROCESS_READ = 1 << 5,     /* somebody has seen its end */
    PROCESS_KNOWN = 1 << 6,    /* the exit code is known */
    PROCESS_CORE = 1 << 7,
    PROCESS_UNTOLD = 1 << 8,   /* the keeper has not sent the signal of its stop yet: no grace has begun */
    PROCESS_RESPAWNED = 1 << 9, /* RESTARTING: the keeper has been told to start it again */
    PROCESS_NOTIFY = 1 << 10,    /* it says when it is ready */
    PROCESS_READY = 1 << 11,    /* it has said so since its last start */
};

struct process_data {
    uint64_t id;
    uint64_t creator;  /* client */
    uint64_t parent;   /* the managed process that the creator is, or 0 */
    uint64_t seq;      /* the event that told its present state */
    int64_t started_mono, started_wall, ended_mono, ended_wall;
    int64_t stop_span; /* ns */
    int32_t pid, creator_pid;
    uint32_t uid;
    uint32_t state; /* process_state */
    uint32_t flags; /* process_flags */
    int32_t stop_signal;
    int32_t exitcode;
    uint32_t oom; /* input_oom */
    struct input_rusage rusage;
    uint32_t restarts; /* ever */
    uint32_t unused;
};

/* The restart policy of a process. */
struct restart_data {
    struct input_restart plan; /* policy: RESTART_POLICY_NO where there is none, or no more */
    int64_t next;              /* ns; the delay before the next start */
    uint32_t tries;            /* starts since the last good run */
    uint32_t unused;
};

/* An order to the keeper, kept until the keeper has executed it: sent again to a keeper that has not. */
struct order_data {
    uint64_t number;
    uint64_t subject; /* process, or client */
    uint32_t kind;    /* order_kind */
    int32_t signal;
    uint32_t tree;
    uint32_t grace;      /* signal: 1 where a grace begins with it, whose span is in `ticket`, ns */
    uint64_t connection; /* spawn: whose credentials */
    uint64_t ticket;     /* spawn: whose descriptors; the spec and descriptors are the broker's */
};

enum order_kind {
    ORDER_SPAWN,
    ORDER_SIGNAL,
    ORDER_WATCH_TREE,
    ORDER_FORGET_PROCESS,
    ORDER_FORGET_CLIENT,
    ORDER_RESPAWN, /* start the process again, from what the keeper has kept of its spawn */
    ORDER_DROP,    /* what was kept for that is not needed any more */
    ORDER_KIND_COUNT
};

struct order {
    struct order_data data;
    STAILQ_ENTRY(order) pending;
};

/* The orders that a process can still need are made with it, so that no end and no time-out needs memory. */
enum process_order {
    PROCESS_ORDER_STOP,
    PROCESS_ORDER_KILL,
    PROCESS_ORDER_WATCH,
    PROCESS_ORDER_FORGET,
    PROCESS_ORDERS_OF_ALL,
    /* with a restart policy; that to start again comes back when it was executed */
    PROCESS_ORDER_RESPAWN = PROCESS_ORDERS_OF_ALL,
    PROCESS_ORDER_DROP,
    PROCESS_ORDERS
};

struct process {
    struct process_data data;
    struct record *record;
    struct account *account;
    struct client *creator; /* NULL once it is gone */
    struct client *client;  /* the client that this process is, or NULL */
    struct waiter *spawner; /* the request that waits for its start */
    struct order *orders[PROCESS_ORDERS]; /* NULL once given */
    struct restart_data restart;
    struct heap_node deadline; /* SIGKILL of a stop; RESTARTING: the next start */
    TAILQ_HEAD(process_waits, wait_link) waits;
    struct open_list opens; /* the objects that it was spawned with */
    uint64_t search, number; /* of one search, see deadlock.c and graph.c */
    LIST_ENTRY(process) of_creator;
    TAILQ_ENTRY(process) of_ended;
    UT_hash_handle hh;
};

enum wait_kind {
    WAIT_SPAWN,
    WAIT_JOIN,
    WAIT_SET,
    WAIT_STOP,
    WAIT_FOLLOW, /* repeats a keyed request */
    /* in the queue of an object */
    WAIT_HOLD,      /* for a lock or a permit */
    WAIT_EVENT,
    WAIT_CONDITION, /* asleep: for a notify */
    WAIT_RELOCK,    /* woken: in the queue of the condition's lock, to get it back */
    WAIT_BARRIER,
};

struct wait_link {
    struct waiter *waiter;
    struct process *process; /* NULL: it was closed, which needs its end */
    uint64_t id;
    TAILQ_ENTRY(wait_link) of_process;
};

/* ---- answers ---- */

enum reply_kind {
    REPLY_EMPTY,   /* {} */
    REPLY_INFO,    /* the info record, as of the start */
    REPLY_JOIN,    /* exited, and how */
    REPLY_PENDING, /* exited: false */
    REPLY_DONE,    /* the ids of the waiter that have ended */
    REPLY_CREATED, /* sync.flag: made now; text: name and the condition's lock */
    REPLY_OBJECT,  /* the object of that name, as it is */
    REPLY_ACQUIRED, /* sync.flag, token */
    REPLY_SET,     /* sync.flag */
    REPLY_NOTIFIED, /* sync.flag */
    REPLY_WOKEN,   /* sync.number */
    REPLY_INDEX,   /* sync.number */
    REPLY_RUN_ACTION,
    REPLY_MAPPED, /* sync.flag; number: the first word, words: how many, token: the slot */
};

struct reply_data {
    uint32_t error; /* proto_error */
    uint32_t kind;  /* reply_kind */
    int32_t spawn_errno;
    uint32_t spawn_stage;
    uint32_t quota; /* LimitExceeded: core_quota */
    uint32_t unused;
    int64_t value;  /* LimitExceeded: the limit */
    struct process_data process; /* REPLY_INFO, REPLY_JOIN: as it was then */
    struct reply_sync sync;
};

/* A request that was made with a key, and its answer. */
struct key {
    char text[PROTO_KEY_MAX + 1];
    uint32_t answered;
    uint32_t told; /* how many answers may have been read */
    uint64_t digest;
    struct reply_data reply;
    struct record *record;   /* of reply.process */
    struct text *text_of[2]; /* the reply's */
    struct waiter *waiter;   /* the request that will answer it; NULL: undone by a restart, or answered */
    struct text *grant;      /* the object of which its client, absent, was granted something; or NULL */
    uint32_t grant_uid;      /* whose object of that name */
    TAILQ_HEAD(key_followers, waiter) followers;
    TAILQ_ENTRY(key) of_client;
    TAILQ_ENTRY(key) of_unasked;
    struct client *client;
    UT_hash_handle hh;
};

struct waiter_data {
    uint64_t ticket, connection;
    uint32_t kind;  /* wait_kind */
    uint32_t flags; /* request_flags */
    uint32_t uid, unused;
    int64_t since;  /* wall clock, ns */
    int64_t span;   /* ns; of its time-out, for what begins to count later */
    uint64_t place; /* its turn among all that wait: rising */
};

/* A request that waits. It carries its own answer, so that answering needs no memory. */
struct waiter {
    struct waiter_data data;
    struct connection *connection; /* NULL once that is closed */
    struct client *absent;         /* who asked and is to ask again, as its broker died; else NULL */
    struct account *account;
    struct key *key; /* whose answer it gives (or follows), or NULL */
    struct heap_node deadline;
    TAILQ_ENTRY(waiter) of_connection; /* or of the absent client */
    TAILQ_ENTRY(waiter) of_key;
    TAILQ_ENTRY(waiter) of_output;
    UT_hash_handle hh; /* by ticket */
    struct reply_data reply;
    struct record *record; /* of reply.process */
    struct text *text[2];  /* REPLY_CREATED, REPLY_OBJECT: names; Deadlock: the cycle */
    struct object *object; /* in whose queue it is, or NULL */
    struct owner *owner;   /* who waits; NULL where nothing of it shows in the graph */
    struct hold *hold;     /* what it is to get */
    bool is_told;          /* by the round of an event's word: it needs no answer (proto/page.h) */
    TAILQ_ENTRY(waiter) of_object;
    TAILQ_ENTRY(waiter) of_owner;
    TAILQ_ENTRY(waiter) of_client; /* the owner's */
    uint32_t link_count, left;
    struct wait_link links[];
};

/* ---- events ---- */

struct event_data {
    uint64_t seq;
    int64_t wall;
    uint64_t process;
    uint32_t kind; /* event_kind */
    uint32_t uid;
    int32_t pid;
    int32_t exitcode;
    uint32_t flags; /* PROCESS_KNOWN, PROCESS_CORE */
    uint32_t oom;
    int32_t spawn_errno;
    uint32_t spawn_stage;
    union {
        uint64_t token;
        int64_t delay; /* process.restarting: ns */
    };
    uint32_t object_kind;
    uint32_t restarts; /* process.restarting: so far */
};

struct event_entry {
    struct event_data data;
    struct title *title;  /* of the process, or NULL */
    struct text *text[2]; /* the object's name, or the cycle; the holder */
};

#define EVENT_FOR_ALL UINT32_MAX /* uid of an event that everybody sees */

/* ---- the whole ---- */

struct core_counters {
    uint64_t process; /* last ids given */
    uint64_t order;
    uint64_t report; /* last report applied */
    uint64_t seq;    /* last event */
    uint64_t stamp;  /* for ties of deadlines */
    uint64_t restarts;
    uint32_t shutting_down, detach;
    uint32_t adopts; /* it began empty over the keeper's children: until INPUT_RESTARTED it takes them in */
    uint32_t unused;
    uint64_t object, hold; /* last ids given */
    uint64_t word; /* how many were issued */
    /* last ones; begun at the clock's microseconds, so that they rise across a full stop */
    uint64_t token, round;
};

STAILQ_HEAD(order_list, order);
TAILQ_HEAD(output_list, waiter);

struct core {
    struct core_counters counters;
    int64_t mono, wall; /* of the input that is being stepped */
    struct account *accounts;
    struct client *clients;
    struct connection *connections;
    struct process *processes;
    struct object *shared;  /* objects of all uids, by name */
    struct open *opens;     /* by owner and object */
    uint64_t search;        /* the last search among owners; no part of the state */
    struct waiter *waiters; /* those that wait, by ticket */
    struct heap deadlines;
    struct heap_node absence; /* when nobody is waited for any longer who has not asked again */
    uint64_t absences;        /* how many there are to wait for: waits and grants */
    struct order_list orders; /* not yet executed, in the order of their numbers */
    struct order *first_new;  /* the first of them that this step gave, or NULL */
    struct output_list replies; /* answers of this step */
    struct word_list changed;   /* words that were closed, or whose locks have changed: to be decided */
    struct word_list taken;     /* words of which others of their semaphores are to be taken, too */
    struct word_list stores;    /* words that this step stores */
    struct event_entry *events; /* ring of EVENTS_KEPT_MAX, by seq */
};

enum deadline_tag { DEADLINE_WAITER, DEADLINE_PROCESS, DEADLINE_ABSENCE };

/* A new, empty core; NULL without memory. */
struct core *core_new(void);
struct core *core_free(struct core *core);

/*
 * Applies one input. 0; or -ENOMEM: nothing has changed, and the input was not applied.
 *
 * The outputs stand in core->replies, core->first_new.. of core->orders, core->stores and the events above
 * the seq before, until core_delivered. An input that is out of date (a report applied before, an unknown
 * ticket) changes nothing.
 */
int core_step(struct core *core, const struct core_input *input);

/* The outputs were delivered: forgets them. */
void core_delivered(struct core *core);

/* True once, when a shutdown is complete: the daemon is to leave. */
bool core_wants_to_leave(const struct core *core);

/* When INPUT_TIME is due, ns of the monotonic clock; INT64_MAX: never. */
int64_t core_next_deadline(const struct core *core);

/* ---- queries, which change nothing ---- */

struct process *core_process(const struct core *core, uint64_t id);
/* The newest living process of a uid with this name, else the newest ended one, else NULL. */
struct process *core_process_named(const struct core *core, uint32_t uid, const char *name, size_t size);
struct client *core_client(const struct core *core, uint64_t id);
struct connection *core_connection(const struct core *core, uint64_t id);
struct account *core_account(const struct core *core, uint32_t uid);
/* The thread of a client with this name, if it holds, waits or has a slot. */
struct owner *owner_find(const struct client *client, const struct blob *holder);
/* Is it visible (it has begun, and was not undone)? */
bool process_visible(const struct process *process);
bool process_ended(const struct process *process);
/* The object that a uid means by a name; NULL: there is none. */
struct object *core_object(const struct core *core, uint32_t uid, const char *name, size_t size);
/* May a uid and gid look at a shared object (OBJECT_MODE_READ), or use it (OBJECT_MODE_WRITE)? */
bool object_allows(const struct object *object, uint32_t uid, uint32_t gid, unsigned want);
/* A wait without an end that somebody is about to ask for. */
struct core_wait {
    uint64_t client; /* whose */
    struct blob holder;
    const struct object *object; /* a lock; NULL: a join of the process */
    struct process *process;
};
/*
 * The processes that must be found to have no more threads than wait for this to be a deadlock: their ids.
 * None: whatever their numbers are, nothing changes; or there are more than `most` (or no memory), and the
 * wait counts as none.
 */
size_t core_threads_wanted(struct core *core, const struct core_wait *wait, uint64_t *ids, size_t most);
/* The newest ticket by which a thread of this process waits, 0: none does. Where it is older than a count of
 * the threads, whoever waits has done so since before that count. */
uint64_t core_newest_wait(const struct core *core, uint64_t process);
/*
 * The words that the input may be decided by and that clients may change: they are to be taken, and given to
 * the core as INPUT_WORDS, before it; and it is asked again, as what they say may lead to others, until there
 * are none. Those that are closed are not told: what the core knows of them is all there is.
 */
typedef void core_want_word(void *context, uint32_t uid, uint32_t index);
void core_words_wanted(struct core *core, const struct core_input *input, core_want_word *want,
                       void *context);
/* The same for somebody who looks at an object. */
void core_words_of_object(const struct object *object, core_want_word *want, void *context);
/* Whom a lock's word, or a semaphore's permits, may go to, from owner to owner, before the daemon looks
 * again: the slots of the first in the queue. 0: nobody. Those of a word that is stored as offered are to be
 * in their links, and the first of a semaphore's in its head (proto/page.h). ret_is_all, or NULL: nobody else
 * waits for that lock, and the last of them may open its word. */
#define CORE_CHAIN_MAX 8
size_t core_word_chain(const struct word *word, uint32_t slots[CORE_CHAIN_MAX], bool *ret_is_all);
/* Is any word of this object stored as offered? */
bool core_is_offered(const struct object *object);
/* The event of that seq; NULL: not kept any more, or not there yet. */
const struct event_entry *core_event(const struct core *core, uint64_t seq);
/* seq of the oldest event kept (last + 1 when there is none). */
uint64_t core_first_event(const struct core *core);

/* May the daemon leave for idleness, connections aside: nothing runs, no end is unread, nobody is waited
 * for, and every object is as its first use would make it again. */
bool core_is_idle(const struct core *core);

#endif
