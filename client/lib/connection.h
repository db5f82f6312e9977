/* SPDX-License-Identifier: MIT */
/*
 * A connection to the daemon that outlives brokers. Private to this package: libprocd's pool and procctl use
 * it.
 *
 * Where the broker was replaced it connects again, asks again what was pending (with the same key; a wait
 * without one with what is left of its time-out), and goes on with the subscriptions behind the last event
 * seen: the caller notices nothing. Where the *daemon* is gone (another epoch) what had been sent fails with
 * -ECONNRESET.
 *
 * One thread at a time. Blocks by polling its own descriptor only, having looked for the answer for a moment
 * (daemon/base/busy_poll.h); EINTR is no result. In a forked child
 * every function but connection_free answers -EINVAL. Deadlines are nanoseconds of CLOCK_MONOTONIC; while the
 * broker is away one that is over sooner still gives 0.1 s for coming back.
 */
#ifndef PROCD_CLIENT_LIB_CONNECTION_H
#define PROCD_CLIENT_LIB_CONNECTION_H

#include "client/lib/endpoint.h"
#include "proto/frame.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONNECTION_FOREVER INT64_MAX /* a deadline that never comes */

struct connection;

/* What is asked. Everything is borrowed: params and fds until the answer has come, the rest during the
 * call. */
struct connection_request {
    const char *method;
    json_t *params;        /* an object, or NULL; not to be changed until the answer has come */
    json_t **own_params;   /* the caller's reference to them, which a wait by a bell drops; or NULL */
    const char *key;       /* NULL: one is made where methods.def says that the method is KEYED */
    const char *epoch;     /* not NULL: the ids in params are of this epoch; -ESTALE in another one */
    const int *fds;        /* stay the caller's; sent again where a new broker has to be asked again */
    size_t fd_count;       /* <= FRAME_FDS_MAX */
    bool is_notification;  /* executed, never answered */
};

/* One message of the daemon: an answer, or a notification. */
struct incoming {
    json_t *message;
    int fds[FRAME_FDS_MAX];
    size_t fd_count;
};

/* Frees the message and closes the descriptors that are left (the others were set to -1). Takes an empty
 * one. */
void incoming_done(struct incoming *incoming);

/* The id of an answer, or 0: it is a notification. */
int64_t incoming_id(const struct incoming *incoming);

/* 0 and the result (borrowed); or the error's code (negative, PROCD_E_...) and its object (borrowed). Both
 * may be NULL. -EPROTO: it is no answer. */
int incoming_result(const struct incoming *incoming, json_t **ret_result, json_t **ret_error);

/* Chooses the socket (protocol section 1), starts the user's own daemon where allowed, and says hello. Up
 * to 10 s; at a host, where ssh may ask for a password, two minutes. options may be NULL. 0, or -errno:
 * -ENOENT, -ECONNREFUSED: no daemon; -ETIMEDOUT; -EPERM; -EHOSTUNREACH: no link to the host; ... */
int connection_open(const struct endpoint_options *options, struct connection **ret_connection);

/* The same over a socket that is connected already (taken over, also on failure). Cannot connect again. */
int connection_adopt(int fd, struct connection **ret_connection);

/* Closes it: what is pending is cancelled. NULL is fine. Returns NULL. */
struct connection *connection_free(struct connection *connection);

/* The socket, for poll: connection_receive may have something when it is readable, and always after it
 * returned something. -1 while the broker is away; changes when it was replaced. */
int connection_fd(const struct connection *connection);

/* What to poll it for: POLLIN, and POLLOUT while a request has not left altogether. */
short connection_poll_events(const struct connection *connection);

/* Whom it speaks to: the socket (path "" when adopted), the epoch, the result of daemon.hello. All
 * borrowed. */
const struct endpoint *connection_endpoint(const struct connection *connection);
const char *connection_epoch(const struct connection *connection);
json_t *connection_hello(const struct connection *connection);

/* Queues the request and sends what the socket takes. 0 and ret_id (> 0; 0 for a notification; may be
 * NULL), or -errno: -EMSGSIZE: longer than a line; -ESTALE; -EINVAL; -ENOMEM; -ECONNRESET: the daemon is
 * gone for good; -EOPNOTSUPP: descriptors, for a daemon at another host. */
int connection_send(struct connection *connection, const struct connection_request *request, int64_t *ret_id);

/* The next message, in the order of arrival. 0 and ret_incoming, or -errno: -ETIMEDOUT: nothing until the
 * deadline (0: do not wait); -ECONNRESET: the daemon is gone, and every answer awaited; -EPROTO: what came
 * makes no sense. */
int connection_receive(struct connection *connection, int64_t deadline, struct incoming *ret_incoming);

/* connection_send, then waits for its answer; other messages keep for connection_receive. As both. When
 * the deadline passes the request is cancelled, and its answer dropped should it still come. */
int connection_call(struct connection *connection, const struct connection_request *request, int64_t deadline,
                    struct incoming *ret_incoming);

/* The same for a connection that has served when the deadline passes: its socket is then shut, so that the
 * request is either answered here, however late, or can no more be answered: a lock is never granted to
 * nobody. After -ETIMEDOUT, and after an answer that came behind the deadline, the connection has failed. */
int connection_call_once(struct connection *connection, const struct connection_request *request,
                         int64_t deadline, struct incoming *ret_incoming);

/* How somebody who waits is told without the socket: proto/page.h. */
struct bell {
    _Atomic uint32_t *is_set; /* a futex; nobody else waits by it */
    bool (*take_grant)(void *context); /* true, once: what was asked for is the caller's */
    void *context;
    /* A second futex, slept on while it says `number`; or NULL. What is granted by it has no answer. */
    _Atomic uint32_t *other;
    uint32_t number;
};

/* Can this kernel sleep on both? futex_waitv(2), Linux 5.16; a sandbox may forbid it. */
bool connection_has_two_bells(void);

/* The same for a request that take_grant may take the outcome of. 1: it did; the answer, which says the same,
 * is still to come where there is no `other`, and nobody waits for it: see connection_is_owed.
 * What there is to free is freed before the sleep, or by what is sent next: who is woken has cold caches, and
 * others wait for him. */
int connection_call_by_bell(struct connection *connection, const struct connection_request *request,
                            int64_t deadline, const struct bell *bell, struct incoming *ret_incoming);

/* True when it may serve somebody else though answers are to come, which nobody waits for. */
bool connection_is_owed(const struct connection *connection);

/* Sends `cancel` for a pending request: it is answered once, by its result or by Cancelled. 0 or -errno. */
int connection_cancel(struct connection *connection, int64_t id);

/* True when connection_receive has something without a read. */
bool connection_has_unread(const struct connection *connection);

/* True when nothing is pending, subscribed or unread: the connection may serve somebody else. */
bool connection_is_idle(const struct connection *connection);

#endif
