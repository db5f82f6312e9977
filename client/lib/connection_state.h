/* SPDX-License-Identifier: MIT */
/*
 * Inside of a connection: the parts that connection.c (the calls), incoming.c (what came) and reconnect.c
 * (coming and going) share.
 */
#ifndef PROCD_CLIENT_LIB_CONNECTION_STATE_H
#define PROCD_CLIENT_LIB_CONNECTION_STATE_H

#include "client/lib/connection.h"
#include "client/lib/pending.h"
#include "client/lib/subscriptions.h"
#include "daemon/base/busy_poll.h"

/* A message for connection_receive that came while connection_call waited for another, or that was made
 * here. */
struct queued {
    struct queued *next;
    struct incoming incoming;
};

struct connection {
    uint64_t generation;
    int fd;       /* -1: the broker is away */
    int failed;   /* not 0: the daemon is gone for good; what every function answers */
    int64_t lost; /* since when the broker is away; 0: it is there */
    bool is_adopted;
    struct endpoint_options options;
    char *host, *socket, *program; /* what options point to */
    struct endpoint endpoint;
    json_t *hello;
    struct frame_reader reader;
    struct busy_poll busy; /* an answer is expected soon */
    struct pending_list pending;
    struct pending *spent; /* answered; freed when the next request is sent */
    struct subscription *subscriptions;
    struct queued *queue;
};

/* ---- incoming.c ---- */

/* Takes the message over, also on failure. 0, -ENOMEM. */
int connection_queue_put(struct connection *connection, struct incoming *incoming);

/* The oldest message, or (id > 0) the answer to that request. False: it is not there. */
bool connection_queue_take(struct connection *connection, int64_t id, struct incoming *ret_incoming);

/* Answers a pending request in the daemon's place: with an empty result, or (negative) an error. 0,
 * -ENOMEM. */
int connection_queue_answer(struct connection *connection, struct pending *pending, int error);

/* The lines that were read, up to the first that is for the caller. 1: it is in ret_incoming; 0: none;
 * -EPROTO, -ENOMEM. */
int connection_take_lines(struct connection *connection, struct incoming *ret_incoming);

/* ---- reconnect.c ---- */

/* Waits until the socket is readable (with and_writable: or writable) and reads once. 0: something may
 * have come; -ETIMEDOUT; -ECONNRESET: the peer is gone; -errno. */
int connection_receive_bytes(struct connection *connection, bool and_writable, int64_t deadline);

/* Connects and says hello, and does so again while the daemon hangs up without an answer. is_bound: to the
 * same socket as before, and no daemon is started. 0 or -errno. */
int connection_attach(struct connection *connection, bool is_bound, int64_t deadline);

/* Says hello on the socket that is there. 0 or -errno; -ECONNRESET: it hung up. */
int connection_say_hello(struct connection *connection, int64_t deadline);

/* Closes the socket and forgets what belongs to it; what is pending stays. */
void connection_disconnect(struct connection *connection);

/* For good. Returns error. */
int connection_fail(struct connection *connection, int error);

/* The broker is away: finds it again and asks again. 0; -ETIMEDOUT: not yet; else it has failed for good. */
int connection_come_back(struct connection *connection, int64_t deadline);

#endif
