/* SPDX-License-Identifier: MIT */
/*
 * The private protocol between keeper and broker: one SOCK_SEQPACKET pair, fixed binary structs, descriptors
 * by SCM_RIGHTS. Both ends are the same binary, so there is no versioning but LINK_VERSION in the hello; a
 * newer binary is spoken to in LINK_CHECK alone.
 *
 * Trust: the keeper treats each message of the broker as hostile (sizes, indices, NULs, numbers); the broker
 * trusts the keeper.
 *
 * Two streams are numbered, and survive the death of a broker:
 *   orders broker -> keeper. Numbers rise by one and are given by the core (they are part of its state). The
 *   keeper
 *            executes each once: a number that is not above the last executed one is passed over. The hello
 *            tells a new
 *            broker the last one; what is above it is sent again.
 *   reports keeper -> broker. Numbers rise; a report is sent again to each new broker until LINK_ACK_REPORTS
 *   covers
 *            it; the core applies a number once.
 * Everything else is about this broker alone and is forgotten with it.
 *
 * Start of a broker: LINK_HELLO, then LINK_PAGE for each page kept, LINK_CLIENT for each client kept,
 * LINK_CHILD for each child kept (a spawn that failed is none), LINK_LOGS, LINK_TABLE_END, then the reports
 * that were not acknowledged. The broker answers LINK_READY when it serves; only then does the keeper accept
 * connections for it.
 */
#ifndef PROCD_KEEPER_LINK_H
#define PROCD_KEEPER_LINK_H

#include "proto/spec.h"

#include <stdint.h>
#include <sys/types.h>

#define LINK_VERSION      9
#define LINK_FD           3          /* the broker's end, in the broker */
#define LINK_MESSAGE_MAX  (96 << 10) /* bytes of one message */
#define LINK_SPEC_INLINE  (64 << 10) /* a larger spawn spec travels in a sealed memfd */
#define LINK_NAME_MAX     255        /* bytes of a process's name */
#define LINK_EPOCH_MAX    36
#define LINK_THREADS_MAX  64         /* processes of one count */

enum link_kind {
    /* numbered orders, broker -> keeper */
    /* link_spawn, spec; descriptors: [memfd of the spec], then those the spec refers to */
    LINK_SPAWN = 1,
    LINK_SIGNAL,          /* link_signal */
    LINK_WATCH_TREE,      /* link_process: report LINK_TREE_GONE once nothing of the process's tree is left */
    /* link_process: the core has dropped the ended process; the slot may be used again */
    LINK_FORGET_PROCESS,
    LINK_FORGET_CLIENT,   /* link_client_ref: the core has buried the client; drop its pidfd */
    /* link_process: a process with a ticket, which has ended, begins again as its client had asked, once
     * nothing of its last run's tree is left: what lives is killed. Answered by LINK_SPAWNED or
     * LINK_SPAWN_FAILED */
    LINK_RESPAWN,
    /* link_process: its ticket is not needed any more. A respawn that has not begun fails with ECANCELED */
    LINK_DROP,

    /* not numbered, broker -> keeper */
    LINK_READY = 64,      /* link_head: the broker serves; begin to accept */
    LINK_ACK_REPORTS,     /* link_head: every report up to head.number is committed */
    LINK_CLOSE_CONNECTION,/* link_connection_ref: its credentials are no longer needed */
    LINK_IDENTIFY,        /* link_identify: make pid a client (owner_pid) on behalf of a connection */
    LINK_GET_PIDFD,       /* link_get_pidfd: a descriptor for a child */
    LINK_PONG,            /* link_head: answer to LINK_PING */
    LINK_LEAVE,           /* link_leave: the daemon ends (daemon.stop, idle); again: detached, now stopped */
    /* link_head: daemon.restart: the program whose check was passed takes over, now that this broker ends */
    LINK_REPLACE,
    LINK_COUNT_THREADS,   /* link_threads: how many threads these children have */
    /* link_head; descriptor: a copy of the state. Can the file that now has the program's name go on from it?
     * The same goes to that file, in the role "check", with a copy of the keeper's own as well */
    LINK_CHECK,
    LINK_FOLLOW_LOG,      /* link_log_follow: ring when there is something new in a log, or no more */
    LINK_KEEP_PAGE,       /* link_page; descriptor: its memory, to be kept for the brokers that follow */
    LINK_ATTACH,          /* link_attach: the terminal of a child */
    LINK_DROP_PAGE,       /* link_page: nobody needs it any more */

    /* numbered reports, keeper -> broker */
    LINK_SPAWNED = 128,   /* link_spawned; descriptor: a pidfd of the child where the order asked for one */
    LINK_SPAWN_FAILED,    /* link_spawn_failed */
    LINK_EXITED,          /* link_exited */
    LINK_STOPPED,         /* link_process */
    LINK_CONTINUED,       /* link_process */
    LINK_TREE_GONE,       /* link_process */
    LINK_NOTIFIED,        /* link_process: it has said on its NOTIFY_SOCKET that it is ready */

    /* not numbered, keeper -> broker */
    LINK_HELLO = 192,     /* link_hello; descriptors: the state memfd, and the look-up helper's socket */
    LINK_CLIENT,          /* link_client; descriptor: its pidfd */
    LINK_CHILD,           /* link_child */
    LINK_TABLE_END,       /* link_head */
    /* link_connection; descriptors: the socket, and the client's pidfd when client_is_new */
    LINK_CONNECTION,
    LINK_IDENTITY,        /* link_identity; descriptor: the client's pidfd when client_is_new */
    LINK_PIDFD,           /* link_pidfd; one descriptor when error is 0 */
    LINK_EXECUTED,        /* link_head: orders up to head.number were executed */
    LINK_PING,            /* link_head: answer LINK_PONG */
    LINK_LOOKUP,          /* link_head; descriptor: a new socket to the look-up helper (the old one died) */
    LINK_STOP_REQUEST,    /* link_head: SIGTERM or SIGINT: stop as daemon.stop does */
    LINK_RESTART_REQUEST, /* link_head: SIGHUP: as daemon.restart */
    /* link_head: after LINK_LEAVE with if_idle: somebody had connected, the daemon goes on */
    LINK_STAYS,
    LINK_THREADS,         /* link_threads: the answer to LINK_COUNT_THREADS, by its tag */
    LINK_CHECKED,         /* link_checked: the answer to LINK_CHECK; also from the role "check" */
    /* link_head; descriptors: index and data of what processes write (daemon/logs/layout.h), to be read, and
     * an eventfd that rings for those that are followed */
    LINK_LOGS,
    LINK_PAGE_KEPT,       /* link_page: the answer to LINK_KEEP_PAGE, by its tag */
    LINK_PAGE,            /* link_page; descriptor: its memory */
    /* link_attached: the answer to LINK_ATTACH, or of a LINK_SPAWN with LINK_SPAWN_ATTACH, before its
     * LINK_SPAWNED, by its tag; two descriptors when error is 0: the master and the lease, see pty.h */
    LINK_ATTACHED,
};

/* Each message begins so. number: of the order or report, else 0 or as said above. */
struct link_head {
    uint32_t kind;
    uint32_t size; /* of the whole message, bytes */
    uint64_t number;
};

#define LINK_WHY_MAX 240

/*
 * Between a program and a newer or older one: LINK_CHECK, LINK_CHECKED and this struct never change.
 * Programs from before it know no role "check", and end without an answer.
 */
struct link_checked {
    struct link_head head;
    uint32_t refused;
    int32_t error; /* errno of what failed before the other program could speak; else 0 */
    char why[LINK_WHY_MAX]; /* NUL-terminated, where it is refused */
};

struct link_process {
    struct link_head head;
    uint64_t process;
};

struct link_client_ref {
    struct link_head head;
    uint64_t client;
};

struct link_connection_ref {
    struct link_head head;
    uint64_t connection;
};

struct link_signal {
    struct link_head head;
    uint64_t process;
    int32_t signal; /* 1..64 */
    uint32_t tree;  /* 1: the whole tree; works after the process's own end, too */
};

struct link_get_pidfd {
    struct link_head head;
    uint64_t process;
    uint64_t tag; /* comes back in LINK_PIDFD */
};

struct link_pidfd {
    struct link_head head;
    uint64_t tag;
    int32_t error; /* errno, 0: here it is. For a process that was reaped it is the pidfd of a dead one */
    uint32_t unused;
};

struct link_attach {
    struct link_head head;
    uint64_t process;
    uint64_t tag; /* comes back in LINK_ATTACHED */
};

struct link_attached {
    struct link_head head;
    uint64_t tag;
    int32_t error; /* errno. ENOTTY: it has no terminal, or none any more; EBUSY: somebody is attached */
    uint32_t unused;
};

struct link_identify {
    struct link_head head;
    /* who asks: pid must be a process of the same uid, in the daemon's pid namespace; root asks for any */
    uint64_t connection;
    uint64_t tag;
    int32_t pid;
    uint32_t unused;
};

struct link_identity {
    struct link_head head;
    uint64_t tag;
    uint64_t client; /* 0 with error */
    uint64_t process; /* the managed process that this is, or 0 */
    /* ESRCH: no such process, or it has ended; EPERM: another uid, or another pid namespace; others: it could
     * not be looked at */
    int32_t error;
    int32_t pid;
    uint32_t uid;
    uint32_t client_is_new;
};

/* The broker may see no /proc. What it asks for comes back with `threads` filled in. */
struct link_threads {
    struct link_head head;
    uint64_t tag;
    uint32_t count; /* of the first entries */
    uint32_t unused;
    struct {
        uint64_t process;
        uint64_t threads; /* 0: not known, or it has ended */
    } of[LINK_THREADS_MAX];
};

struct link_log_follow {
    struct link_head head;
    uint64_t process;
    uint32_t on;
    uint32_t unused;
};

/* What a uid's clients share with the broker: proto/page.h. */
struct link_page {
    struct link_head head;
    uint64_t tag;
    uint32_t uid;
    int32_t error; /* LINK_PAGE_KEPT: errno, 0: it outlives this broker */
};

struct link_leave {
    struct link_head head;
    uint64_t last_connection; /* the newest that the broker was told of; with a newer one it is not idle */
    uint32_t if_idle; /* 1: leave only if nobody connects meanwhile (--idle-exit) */
    uint32_t detach;  /* 1: children live on; the keeper ends after its last child */
};

/* ---- spawning ---- */

enum link_spawn_flags {
    LINK_SPAWN_PIDFD = 1 << 0,  /* LINK_SPAWNED carries a pidfd */
    LINK_SPAWN_DAEMON = 1 << 1, /* kept for the table only, as creator, creator_process and name are */
    /* The keeper keeps spec, credentials, limits and descriptors as they are now, for LINK_RESPAWN: the
     * process's number is the ticket */
    LINK_SPAWN_TICKET = 1 << 2,
    LINK_SPAWN_NOTIFY = 1 << 3, /* it gets NOTIFY_SOCKET in its environment, which says when it is ready */
    LINK_SPAWN_ATTACH = 1 << 4, /* its terminal is leased from the start: LINK_ATTACHED comes, with `tag` */
    LINK_SPAWN_ZYGOTE = 1 << 5, /* its stdin, which is to be null, becomes the socket of proto/zygote.h */
};

struct link_spawn {
    struct link_head head;
    uint64_t process;    /* its id, never used before */
    uint64_t connection; /* whose credentials and limits it gets; its client must live */
    uint64_t creator;    /* client */
    uint64_t creator_process; /* the managed process that the creator is, or 0 */
    uint64_t tag;        /* of LINK_ATTACHED */
    uint64_t zygote;     /* the process that it is to be a copy of, if that can be; 0: it is executed */
    uint32_t flags;      /* link_spawn_flags */
    uint32_t spec_size;  /* inline behind this struct; 0: the first descriptor is a sealed memfd with it */
    char name[LINK_NAME_MAX + 1];
};

struct link_spawned {
    struct link_head head;
    uint64_t process;
    int32_t pid;
    uint32_t has_pidfd;
    int64_t mono, wall; /* when the exec had succeeded, ns */
};

struct link_spawn_failed {
    struct link_head head;
    uint64_t process;
    /* errno. ETIMEDOUT: it did not get to its exec within 10 s; 0: it has not begun, and never will: told to
     * a new broker only, before it has clients, to whom it is as if they had not asked */
    int32_t error;
    uint32_t stage;
    int64_t mono, wall;
};

/* ---- ends ---- */

struct link_rusage {
    int64_t utime, stime; /* ns */
    int64_t maxrss;       /* bytes */
    int64_t minflt, majflt, inblock, oublock, nvcsw, nivcsw;
};

enum link_unknown_bool { LINK_NO, LINK_YES, LINK_UNKNOWN };

struct link_exited {
    struct link_head head;
    uint64_t process;
    int32_t exitcode; /* 0..255, or -N for signal N */
    uint8_t core;     /* a core was dumped */
    uint8_t oom;      /* link_unknown_bool: memory.events tells; LINK_UNKNOWN without a memory controller */
    uint8_t known;    /* 0: the status could not be known */
    uint8_t unused;
    int64_t mono, wall;
    struct link_rusage rusage;
};

/* ---- the table ---- */

struct link_hello {
    struct link_head head; /* number: the last order executed */
    uint32_t version;      /* LINK_VERSION */
    uint32_t restarts;     /* brokers before this one */
    uint64_t last_report;  /* number of the newest report */
    int64_t started;       /* of the keeper, wall clock, ns */
    int32_t pid;           /* the keeper's */
    uint32_t uid;          /* the daemon's effective uid */
    uint32_t system;       /* 1: serves every uid; 0: a user's own */
    uint32_t idle_exit;    /* seconds without anything after which LINK_LEAVE with if_idle is due; 0: never */
    uint32_t log_level;
    uint32_t log_to_journal; /* 1: what is not in a log may be in the system's journal */
    uint32_t fresh_state;  /* 1: begin with an empty core over this table, whatever the state memory holds */
    uint32_t is_followed;  /* 1: when the keeper has died, another one may go on from the same state */
    char broker_user[64];  /* the user the broker becomes, "" none */
    char epoch[LINK_EPOCH_MAX + 1];
    uint32_t broker_uid, broker_gid; /* of broker_user; 0: the broker stays what it is */
};

struct link_client {
    struct link_head head;
    uint64_t client;
    uint64_t process; /* the managed process that it is, or 0 */
    int32_t pid;
    uint32_t uid;
};

struct link_child {
    struct link_head head;
    uint64_t process, creator, creator_process;
    int32_t pid;        /* 0: not begun yet */
    uint32_t uid, gid;  /* it runs as */
    uint32_t flags;     /* link_spawn_flags */
    uint32_t ended;     /* 1: reaped */
    int64_t mono, wall; /* start */
    struct link_exited end; /* of one that has ended, for a core that was not there; its report may follow */
    char name[LINK_NAME_MAX + 1];
};

struct link_connection {
    struct link_head head;
    uint64_t connection; /* rising, never used twice */
    uint64_t client;
    uint64_t process; /* the managed process that the client is, or 0 */
    int32_t pid;      /* 0 where the daemon cannot see it */
    uint32_t uid, gid;
    uint32_t client_is_new;
};

/* ---- the look-up helper: SOCK_SEQPACKET, one answer per question, in order ---- */

struct lookup_question {
    uint64_t tag;
    uint32_t uid;
    uint32_t unused;
};

#define LOOKUP_GROUPS_MAX 1024

struct lookup_answer {
    uint64_t tag;
    uint32_t found;
    uint32_t uid, gid;
    uint32_t group_count;
    char user[256], home[1024], shell[1024]; /* NUL-terminated */
    uint32_t groups[LOOKUP_GROUPS_MAX];      /* only group_count of them are sent */
};

#endif
