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
    /* the keeper's reports; `report` is their number */
    INPUT_SPAWNED,
    INPUT_SPAWN_FAILED,
    INPUT_EXITED,
    INPUT_STOPPED,
    INPUT_CONTINUED,
    INPUT_TREE_GONE,
    INPUT_EXECUTED, /* body.number: orders up to it were executed */
    INPUT_ADOPT,    /* body.adopt: a child in the keeper's table, for a core that began empty */
    INPUT_TIME,     /* deadlines up to mono have passed */
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
    REQUEST_READY = 1 << 7,     /* wait: for readiness, which a running process that does not notify has */
};

/* What all requests share. The connection's client asks; what it names was found and allowed to it. */
struct input_request {
    uint64_t ticket;     /* the caller's number for the answer; rising, never used twice */
    uint64_t connection;
    uint64_t creator;    /* spawn: the client in whose place the daemon flag and names count */
    uint64_t digest;     /* of method and params, where there is a key */
    uint64_t process;    /* of all but spawn and wait */
    int64_t span;        /* ns */
    uint32_t uid;        /* in whose place */
    uint32_t flags;      /* request_flags */
    int32_t signal;      /* signal, stop (0: the process's stop_signal); spawn: stop_signal */
    uint32_t count;      /* spawn: argv's strings; wait: processes */
    uint32_t labels;     /* spawn: pairs of strings */
    uint32_t unused;
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
    uint8_t unused[5];
    struct input_rusage rusage;
};

struct input_adopt {
    uint64_t process, creator_process;
    int64_t mono, wall;
    int32_t pid;
    uint32_t uid;
    uint32_t daemon;
    uint32_t unused;
};

/* The byte strings of an input, by kind. */
enum input_blob {
    BLOB_KEY, /* requests: the key, or empty */
    BLOB_NAME,    /* spawn, adopt */
    BLOB_ARGV,    /* spawn: `count` strings, each with its NUL */
    BLOB_CWD,     /* spawn */
    BLOB_LABELS,  /* spawn: `labels` pairs, each string with its NUL */
    BLOB_PROCESSES = BLOB_NAME, /* wait: `count` ids, uint64_t each */
    BLOB_COUNT = BLOB_LABELS + 1
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
        struct input_report report;
        struct input_adopt adopt;
    } body;
    struct blob blob[BLOB_COUNT];
};

/* Bytes that input_encode writes; a multiple of 8. */
size_t input_encoded_size(const struct core_input *input);

/* Writes the input. buffer has input_encoded_size bytes. */
void input_encode(const struct core_input *input, char *buffer);

/* Reads an input in place (its blobs point into buffer, which is 8-byte aligned). Bytes read, or -EBADMSG. */
int64_t input_decode(const char *buffer, size_t size, struct core_input *ret_input);

#endif
