/* SPDX-License-Identifier: MIT */
/*
 * A connection: lines in, lines out, and the calls between. Closing only marks; the turn's end sweeps.
 */
#ifndef PROCD_RPC_SESSION_H
#define PROCD_RPC_SESSION_H

#include "daemon/rpc/server.h"
#include "proto/frame.h"

#define SESSION_LINES_PER_TURN 16          /* then others have their turn */
#define SESSION_UNSENT_MAX                                                                                   \
    (256 << 10) /* bytes; above it nothing more is read from the client, nor told to it */
#define SESSION_FDS_MAX 64 /* descriptors; above it nothing more is read from the client, nor are any sent */

struct backlog;
struct peer;
struct subscription;
struct undelivered;

/* Somebody who waits by a bell, and has been answered. */
struct session_bell {
    uint32_t uid, slot;
};

enum session_flags {
    SESSION_READY = 1 << 0,   /* in server->ready */
    SESSION_UNSENT = 1 << 1,  /* in server->unsent */
    SESSION_BLOCKED = 1 << 2, /* the socket takes no more: EV_WRITE is asked for */
    SESSION_PAUSED = 1 << 3,  /* not read: the client does not drain, or a look-up is under way */
    /* the client has shut its side: what came before is executed, then it is closed */
    SESSION_EOF = 1 << 4,
    SESSION_CLOSING = 1 << 5, /* a last answer is under way */
    SESSION_DEAD = 1 << 6,    /* in server->dead */
    SESSION_DISCONNECTED = 1 << 7, /* the core and the keeper know that it is over */
    SESSION_RESET = 1 << 8, /* the client has closed it with something left to read */
};

struct session {
    struct server *server;
    struct peer *peer;
    uint64_t connection;
    uint32_t uid;
    int32_t pid;
    uint32_t gid;
    unsigned flags;
    unsigned lookups; /* calls that wait for an answer to a question of ours: what follows is begun later */
    int fd;
    struct event *readable, *writable;
    struct frame_reader reader;
    struct frame_writer writer;
    struct backlog *backlog; /* of its uid */
    size_t counted, counted_unread; /* its bytes in there */
    size_t counted_fds;
    size_t fds_sent; /* since the client had last read all */
    TAILQ_HEAD(session_calls, call) calls;
    struct call *pending; /* those that wait, by id */
    LIST_HEAD(session_subscriptions, subscription) subscriptions;
    LIST_HEAD(, log_follow) follows;
    uint64_t subscriptions_made;
    struct session_bell *bells; /* to be rung once everything has left, or nothing will */
    size_t bell_count;
    uint64_t sent; /* bytes that have left */
    struct undelivered_list undelivered; /* grants whose answers have not */
    LIST_ENTRY(session) of_peer;
    TAILQ_ENTRY(session) of_ready;
    TAILQ_ENTRY(session) of_unsent;
    TAILQ_ENTRY(session) of_dead;
    UT_hash_handle hh;
};

/* Begins to serve a connection that the keeper accepted. Takes the descriptor over. 0; or -ENOMEM, and it is
 * still the caller's. */
int session_open(struct server *server, const struct link_connection *connection, struct peer *peer, int fd);

/* Writes bytes of an answer; descriptors (taken over) leave with its first byte. Without memory the session
 * dies. */
void session_write(struct session *session, const char *bytes, size_t size, const int *fds, size_t fd_count);
/* The same for a line of three parts; the middle may be long. */
void session_write_text(struct session *session, const char *head, const char *text, size_t size,
                        const char *tail, const int *fds, size_t fd_count);
/* The same for JSON in the middle. */
void session_write_line(struct session *session, const char *head, const json_t *json, const char *tail,
                        const int *fds, size_t fd_count);

/* No more of it: its core connection is closed, and it is swept at the turn's end. */
void session_kill(struct session *session);
/* What the dead and gone leave behind. For the turn's end. */
void session_sweep(struct server *server);

/* Executes what has come, up to SESSION_LINES_PER_TURN lines. */
void session_run(struct session *session);
/* Sends what is queued. */
void session_flush(struct session *session);
/* Reads and executes what was queued in the socket until now, as its client has died. */
void session_drain(struct session *session);
/* A look-up that it waited for is over. */
void session_resume(struct session *session);
/* Rings a bell behind what is queued now. */
void session_ring(struct session *session, uint32_t uid, uint32_t slot);
/* Marks it for session_flush at the turn's end. */
void session_wants_flush(struct session *session);

#endif
