/* SPDX-License-Identifier: MIT */
/*
 * Synchronisation objects as data: the objects, who has them open, who holds, and who would hold (protocol
 * section 4, sync objects). The rules that hold between steps are those of the design, section 4.
 */
#ifndef PROCD_CORE_SYNC_H
#define PROCD_CORE_SYNC_H

#include "proto/ids.h"
#include "proto/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define uthash_fatal(message) ((void) 0) /* see HASH_NONFATAL_OOM: never reached */
#define HASH_NONFATAL_OOM 1
#define HASH_INITIAL_NUM_BUCKETS      4U /* many tables are made and emptied with each request */
#define HASH_INITIAL_NUM_BUCKETS_LOG2 2U
#include <uthash.h>

struct account;
struct client;
struct process;
struct waiter;
struct mapping;

/* Bytes that several things name: an object's name, a holder, a cycle. Immutable; NUL behind them. */
struct text {
    uint32_t refs, size;
    char bytes[];
};

enum object_flags {
    OBJECT_PERSIST = 1 << 0,
    OBJECT_TRACE = 1 << 1,
    OBJECT_SHARED = 1 << 2,    /* a name with '/': of all uids */
    OBJECT_OWN_LOCK = 1 << 3,  /* condition: made its lock, which persists no longer than itself */
    OBJECT_SET = 1 << 4,       /* event */
    OBJECT_BROKEN = 1 << 5,    /* barrier */
    OBJECT_ACTION = 1 << 6,    /* barrier: all are there, and one of them runs the action */
    OBJECT_GONE = 1 << 7,      /* unlinked, and about to be freed */
    OBJECT_REPEATED = 1 << 8,  /* barrier: more than one answer has told who runs the action */
};

#define OBJECT_MODE_READ  4 /* of each class, as in a file's mode: look at it */
#define OBJECT_MODE_WRITE 2 /* use it */
#define OBJECT_MODE_DEFAULT 0600

struct object_data {
    uint64_t id;
    int64_t created;     /* wall clock, ns */
    uint64_t value;      /* semaphores: free permits */
    uint64_t bound;      /* bounded_semaphore; barrier: the grant to run the action, among the holds' ids */
    uint64_t abandoned;  /* how much of what is free was taken from the dead: the next to hold it is told */
    uint64_t generation; /* barrier: rises each time all are there */
    uint64_t runner;     /* barrier: the client that runs the action, until it says barrier.done */
    uint32_t uid, gid;   /* of its maker */
    uint32_t kind;       /* object_kind */
    uint32_t flags;      /* object_flags */
    uint32_t mode;       /* of shared ones */
    uint32_t parties;    /* barrier */
};

TAILQ_HEAD(wait_queue, waiter);
TAILQ_HEAD(hold_list, hold);

struct object {
    struct object_data data;
    struct text *name;
    struct account *account;
    struct object *lock;                   /* condition: NULL once that is unlinked */
    LIST_HEAD(object_users, object) users; /* lock: the conditions that use it */
    LIST_ENTRY(object) of_lock;
    LIST_HEAD(object_opens, open) opens;
    struct hold_list holds;    /* oldest first */
    struct wait_queue waiters; /* in the order in which they are served */
    struct wait_queue later;   /* barrier: came while the action runs, and belong to the next generation */
    struct word *word;         /* what it has in a shared page, the first of a semaphore's, or NULL */
    UT_hash_handle hh;         /* by name, of its account, or of all uids */
};

/* An object that a client has open, or a managed process from its start. */
struct open {
    struct object *object;
    struct client *client;   /* one of these two is NULL */
    struct process *process;
    struct hold_list holds; /* of that client, oldest first */
    struct mapping *mapping; /* of that client and the object's words, or NULL */
    LIST_ENTRY(open) of_object;
    TAILQ_ENTRY(open) of_owner; /* client or process */
    struct open_key {
        uint64_t owner, object; /* ids; owners that are processes are told apart by `kind` */
        uint64_t kind;
    } key;
    UT_hash_handle hh;
};

TAILQ_HEAD(open_list, open);

/* One thread of a client: the pair (process, holder). Lives while it holds or waits. */
struct owner {
    struct client *client;
    struct text *holder;
    uint32_t refs;
    uint32_t slot; /* by which a word names it, 0: none; one reference is the slot's */
    TAILQ_HEAD(owner_waits, waiter) waits;
    /* of one search, see deadlock.c and graph.c */
    uint64_t search, number;
    struct owner *next, *from;
    const struct waiter *by;
    bool is_live;
    UT_hash_handle hh; /* of the client, by holder */
};

enum hold_flags {
    HOLD_UNDO = 1 << 0, /* semaphores: the permit comes back when the holder dies */
    HOLD_TOLD = 1 << 1, /* its grant told that what is held was abandoned */
    HOLD_UNASKED = 1 << 2, /* granted to one that is absent and has not asked for it */
    HOLD_REPEATED = 1 << 3, /* more than one answer has told of it */
};

struct hold_data {
    uint64_t id;    /* rising */
    uint64_t token; /* rising, never repeated */
    int64_t since;  /* wall clock, ns; 0: not known, it began in a word */
    uint32_t count; /* rlock: levels; else 1 */
    uint32_t flags; /* hold_flags */
};

/* A lock that is held, or one permit of a semaphore. Made with the request that asks for it, so that a
 * grant needs no memory. */
struct hold {
    struct hold_data data;
    struct object *object; /* NULL: not granted (yet, or while its owner sleeps on a condition) */
    struct owner *owner;
    struct open *open;
    struct account *account; /* that is charged; NULL: it is a word's own */
    struct word *word;       /* semaphore: that which says who has this permit, or NULL */
    TAILQ_ENTRY(hold) of_object;
    TAILQ_ENTRY(hold) of_open;
};

/* ---- locks in shared pages, see proto/page.h and word.c ---- */

enum word_state {
    WORD_STATE_OPEN,
    WORD_STATE_CLOSED,
    WORD_STATE_OFFERED,
    WORD_STATE_TAKEN, /* of a semaphore, was offered: `stored` is what it said; others are to be taken yet */
};

struct word_data {
    uint32_t index;
    uint32_t order;  /* of the last store */
    uint32_t state;  /* word_state */
    uint32_t first;  /* the index of its object's first */
    uint64_t stored; /* what it was, without its order; WORD_STATE_TAKEN: what it says, with all */
    uint64_t round;  /* see proto/page.h; of no other word, nor before */
};

/* Lives as long as its object, or any client that may use it. Of a semaphore's, whose indices follow each
 * other, the first one has the mappings of all. */
struct word {
    struct word_data data;
    struct word *next;       /* of the same object, or NULL */
    struct object *object;   /* NULL: gone */
    struct text *name;       /* of an object that is gone; of the first word */
    struct account *account; /* whose page it is in */
    struct hold hold;        /* for an owner that is met in the word, so that this needs no memory */
    struct hold *permit;     /* semaphore: the hold that it says, or said when it was closed; NULL: none */
    uint64_t value;          /* in core->stores: what is to be stored */
    struct word_list *list;  /* core->changed, core->taken, core->stores or NULL */
    TAILQ_ENTRY(word) of_list;
    TAILQ_HEAD(word_mappings, mapping) mappings;
};

TAILQ_HEAD(word_list, word);

/* A client that may use a word: from object.map to object.close, or its death. Of a client those of objects
 * that are gone come first. */
struct mapping {
    struct word *word;
    struct client *client;
    TAILQ_ENTRY(mapping) of_word, of_client;
};

/* What one uid's page holds. No word below word_free is free, and no slot below slot_free. */
struct words {
    uint32_t word_count, slot_count, word_free, slot_free;
    struct word *word[PAGE_WORDS];
    struct owner *owner[PAGE_SLOTS];
};

/* One owner of a cycle of waits, and what it waits for: a text holds them one behind the other, the asker
 * first, each followed by holder_size bytes of the holder and name_size bytes of the object's name. */
struct cycle_entry {
    uint64_t process; /* that it joins, where it waits for no object */
    int32_t pid;
    uint32_t holder_size, name_size;
    uint32_t unused;
};

/* What an answer to a request about objects says. */
struct reply_sync {
    uint64_t token, hold; /* of a grant; hold 0: nothing was granted */
    uint64_t number;      /* woken, index */
    uint32_t flag;        /* acquired, set, notified, created */
    uint32_t abandoned;
    uint32_t kind;        /* WrongKind: what it is */
    uint32_t words;       /* mapped: how many there are */
};

#endif
