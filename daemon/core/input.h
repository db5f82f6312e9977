/* SPDX-License-Identifier: MIT */
/*
 * Everything that can happen to the core, as flat data: recorded as it is, replayed as it was.
 *
 * An input is a head, a body without pointers, and a few byte strings. The time of what happened is part of
 * it; the core has no clock.
 */
#ifndef PROCD_CORE_INPUT_H
#define PROCD_CORE_INPUT_H

#include <stddef.h>
#include <stdint.h>

enum input_kind {
    INPUT_NONE,
    /* the broker's start over a state that lives on */
    INPUT_RESTARTED, /* connections are gone; body.number: the last order that the keeper executed */
    /* who is there */
    INPUT_CONNECT,
    INPUT_DISCONNECT,  /* body.number: connection */
    INPUT_CLIENT,      /* body.connect: a process that is no connection's peer, but an owner_pid */
    INPUT_CLIENT_DEAD, /* body.number: client */
    /* checked requests: body.request */
    INPUT_SPAWN,
    INPUT_JOIN,
    INPUT_WAIT,
    INPUT_SIGNAL,
    INPUT_STOP,
    INPUT_CLOSE,
    INPUT_CANCEL, /* body.number: ticket */
    INPUT_READ,   /* body.number: process whose end was shown to somebody */
    INPUT_SHUTDOWN, /* body.number: 1 detach, 0 terminate */
    /* checked requests about objects: body.sync */
    INPUT_OBJECT_CREATE,
    INPUT_OBJECT_OPEN,
    INPUT_OBJECT_CLOSE,
    INPUT_OBJECT_UNLINK,
    INPUT_OBJECT_BREAK,
    INPUT_OBJECT_MAP,
    INPUT_ACQUIRE,
    INPUT_RELEASE,
    INPUT_EVENT_SET, /* body.sync.value: 1 set, 0 clear */
    INPUT_EVENT_IS_SET,
    INPUT_EVENT_WAIT,
    INPUT_CONDITION_WAIT,
    INPUT_CONDITION_NOTIFY,
    INPUT_BARRIER_WAIT,
    INPUT_BARRIER_DONE,
    INPUT_BARRIER_RESET,
    INPUT_BARRIER_ABORT,
    INPUT_UNDELIVERED, /* a grant whose answer could not be written: body.sync */
    /* the keeper's reports; `report` is their number */
    INPUT_SPAWNED,
    INPUT_SPAWN_FAILED,
    INPUT_EXITED,
    INPUT_STOPPED,
    INPUT_CONTINUED,
    INPUT_TREE_GONE,
    INPUT_NOTIFIED, /* it has said that it is ready */
    INPUT_EXECUTED, /* body.number: orders up to it were executed */
    INPUT_ADOPT,    /* body.adopt: a child in the keeper's table, for a core that began empty */
    INPUT_TIME,     /* deadlines up to mono have passed */
    /* words of shared pages that were closed just now; body.number 1: they are not closed for an input that
     * comes next, but for somebody who only looks */
    INPUT_WORDS,
    INPUT_KIND_COUNT
};

struct input_connect {
    uint64_t connection, client;
    uint64_t process; /* the managed process that the client is, or 0 */
    int32_t pid;
    uint32_t uid;
};

enum request_flags {
    REQUEST_DAEMON = 1 << 0,    /* spawn: daemon: true */
    REQUEST_NOT_DAEMON = 1 << 1, /* spawn: daemon: false; neither: as the creator */
    REQUEST_PIDFD = 1 << 2,     /* spawn: the keeper is to send a pidfd */
    REQUEST_TREE = 1 << 3,      /* signal: the whole tree */
    REQUEST_ALL = 1 << 4,       /* wait: all of them */
    REQUEST_NO_WAIT = 1 << 5,   /* join, wait: a time-out <= 0 */
    /* `span` is given: time-out of join and wait, grace of stop, stop_timeout of spawn */
    REQUEST_DEADLINE = 1 << 6,
    REQUEST_READY = 1 << 7,     /* wait: for readiness, which one that does not notify has from its start */
    REQUEST_PERSIST = 1 << 8,   /* create */
    REQUEST_TRACE = 1 << 9,     /* create */
    REQUEST_EXIST_OK = 1 << 10, /* create */
    REQUEST_UNDO = 1 << 11,     /* acquire of a semaphore: undo: true */
    REQUEST_NO_UNDO = 1 << 12,  /* the same, false; neither: as the kind has it */
    REQUEST_WAIT_ANYWAY = 1 << 13, /* acquire, join: on_deadlock: "wait" */
    REQUEST_ACTION = 1 << 14,   /* barrier.wait: ready to run the action */
    REQUEST_OK = 1 << 15,       /* barrier.done: the action succeeded */
    REQUEST_TOKEN = 1 << 16,    /* release: only with this token */
    REQUEST_NOTIFY = 1 << 17,   /* spawn: it will say when it is ready */
    REQUEST_FINAL = 1 << 18,    /* signal: its restart policy ends, too */
    REQUEST_BELL = 1 << 19,     /* acquire of a lock, event.wait: its slot's bell is rung (proto/page.h) */
};

/* What all requests share. The connection's client asks; what it names was found and allowed to it. */
struct input_request {
    uint64_t ticket;     /* the caller's number for the answer; rising, never used twice */
    uint64_t connection;
    /* spawn: the client in whose place the daemon flag and names count; sync, join: who waits and holds */
    uint64_t creator;
    uint64_t digest;     /* of method and params, where there is a key */
    uint64_t process;    /* of all but spawn and wait */
    int64_t span;        /* ns */
    uint32_t uid;        /* in whose place */
    uint32_t flags;      /* request_flags */
    int32_t signal;      /* signal, stop (0: the process's stop_signal); spawn: stop_signal */
    uint32_t count;      /* spawn: argv's strings; wait: processes */
    uint32_t labels;     /* spawn: pairs of strings */
    uint32_t objects;    /* spawn: names of objects */
};

struct input_sync {
    struct input_request request; /* in the same place as body.request */
    /* create: permits; release, notify: how many; undelivered: levels; wait with a bell: the round seen */
    uint64_t value;
    uint64_t token;               /* release; undelivered: the hold, or the grant to run a barrier's action */
    uint32_t kind;                /* object_kind; semaphores' methods serve both kinds as OBJECT_SEMAPHORE */
    uint32_t parties;             /* create */
    uint32_t mode;                /* create */
    uint32_t gid;                 /* who asks */
};

/* A word as it was when it was closed. */
struct input_word {
    uint32_t uid, index;
    uint64_t value;
};

enum restart_policy { RESTART_POLICY_NO, RESTART_POLICY_ON_FAILURE, RESTART_POLICY_ALWAYS };

#define RESTART_FACTOR_ONE UINT64_C(1000000)

struct input_restart {
    uint32_t policy;    /* restart_policy */
    uint32_t max_tries; /* 0: no limit */
    int64_t delay;      /* ns; 0 < delay <= max_delay */
    int64_t max_delay;
    uint64_t factor;    /* RESTART_FACTOR_ONE times what the delay is multiplied by; not less */
    uint32_t fds, size; /* descriptors, and bytes of the spec: what the keeper keeps for it */
};

struct input_spawn {
    struct input_request request; /* in the same place as body.request */
    int64_t most;                 /* living processes that the uid may have; 0: as many as its quota says */
    struct input_restart restart;
};

/* How many threads a process has, that is, how many owners must wait for it to wait; 0: not known. */
struct input_threads {
    uint64_t process, count;
};

struct input_rusage {
    int64_t utime, stime, maxrss, minflt, majflt, inblock, oublock, nvcsw, nivcsw;
};

enum input_oom { INPUT_OOM_NO, INPUT_OOM_YES, INPUT_OOM_UNKNOWN };

struct input_report {
    uint64_t process;
    int64_t mono, wall; /* when it happened */
    int32_t pid;        /* spawned */
    int32_t error;      /* spawn_failed: errno */
    uint32_t stage;     /* spawn_failed */
    int32_t exitcode;   /* exited: 0..255, -N */
    uint8_t core, oom, known;
    uint8_t final; /* spawn_failed: it cannot begin again, ever */
    uint8_t undone; /* spawn_failed: it is as if nobody had asked */
    uint8_t unused[3];
    struct input_rusage rusage;
};

struct input_adopt {
    uint64_t process, creator_process;
    int64_t mono, wall;
    int32_t pid;
    uint32_t uid;
    uint32_t daemon, notify;
};

/* The byte strings of an input, by kind. */
enum input_blob {
    BLOB_KEY, /* requests: the key, or empty */
    BLOB_NAME,    /* spawn, adopt; the object's, empty for an anonymous one */
    BLOB_ARGV,    /* spawn: `count` strings, each with its NUL */
    BLOB_CWD,     /* spawn */
    BLOB_LABELS,  /* spawn: `labels` pairs, each string with its NUL */
    BLOB_OBJECTS, /* spawn: `objects` names, each with its NUL */
    BLOB_COUNT,
    BLOB_PROCESSES = BLOB_NAME, /* wait: `count` ids, uint64_t each */
    BLOB_HOLDER = BLOB_ARGV,    /* sync, join; empty: the connection's default */
    BLOB_LOCK = BLOB_CWD,       /* create: the condition's lock; empty: one of its own */
    BLOB_THREADS = BLOB_LABELS, /* acquire, join: struct input_threads[], see core_threads_wanted */
    BLOB_WORDS = BLOB_NAME,     /* words: struct input_word[] */
};

struct blob {
    const char *data;
    size_t size;
};

struct core_input {
    uint32_t kind;
    uint32_t unused;
    uint64_t report;    /* number of a report; 0 for everything else */
    int64_t mono, wall; /* now, ns */
    union {
        uint64_t number;
        struct input_connect connect;
        struct input_request request;
        struct input_sync sync;
        struct input_spawn spawn;
        struct input_report report;
        struct input_adopt adopt;
    } body;
    struct blob blob[BLOB_COUNT];
};

/* Bytes that an input takes; a multiple of 8. */
size_t input_encoded_size(const struct core_input *input);

/* Not less than what input_encode writes, and found out faster. */
size_t input_encoded_most(const struct core_input *input);

/* Writes the input into buffer, which has input_encoded_most bytes. How many it takes; behind these there may
 * be anything. */
size_t input_encode(const struct core_input *input, char *buffer);

/* Reads an input in place (its blobs point into buffer, which is 8-byte aligned). Bytes read, or -EBADMSG. */
int64_t input_decode(const char *buffer, size_t size, struct core_input *ret_input);

#endif
