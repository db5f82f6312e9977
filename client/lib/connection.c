/* SPDX-License-Identifier: MIT */
#include "client/lib/connection_state.h"
#include "client/lib/forks.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/time_types.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define OPEN_MAX_TIME   (10 * NSEC_PER_SEC)
#define REMOTE_MAX_TIME (120 * NSEC_PER_SEC) /* ssh may ask for a password */

static int64_t earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* Forked, or gone. */
static int check(const struct connection *connection)
{
    if (!forks_is(connection->generation))
        return -EINVAL;
    return connection->failed;
}

static int make(struct connection **ret_connection)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (!connection)
        return -ENOMEM;
    connection->fd = -1;
    connection->generation = forks_generation();
    if (connection->generation == 0) {
        free(connection);
        return -ENOMEM;
    }
    *ret_connection = connection;
    return 0;
}

static int copy_options(struct connection *connection, const struct endpoint_options *options)
{
    if (!options)
        return 0;
    connection->options.no_autostart = options->no_autostart;
    connection->options.first = options->first;
    connection->host = options->host ? strdup(options->host) : NULL;
    connection->socket = options->socket ? strdup(options->socket) : NULL;
    connection->program = options->program ? strdup(options->program) : NULL;
    if ((options->host && !connection->host) || (options->socket && !connection->socket) ||
        (options->program && !connection->program))
        return -ENOMEM;
    connection->options.host = connection->host;
    connection->options.socket = connection->socket;
    connection->options.program = connection->program;
    return 0;
}

int connection_open(const struct endpoint_options *options, struct connection **ret_connection)
{
    struct connection *connection;
    int r = make(&connection);

    if (r < 0)
        return r;
    r = copy_options(connection, options);
    if (r == 0)
        r = connection_attach(connection, false,
                              clock_monotonic() +
                                  (endpoint_host(&connection->options) ? REMOTE_MAX_TIME : OPEN_MAX_TIME));
    if (r < 0) {
        connection_free(connection);
        return r;
    }
    *ret_connection = connection;
    return 0;
}

int connection_adopt(int fd, struct connection **ret_connection)
{
    struct connection *connection;
    int r = make(&connection);

    if (r < 0) {
        close_fd(fd);
        return r;
    }
    connection->is_adopted = true;
    connection->fd = fd;
    r = connection_say_hello(connection, clock_monotonic() + OPEN_MAX_TIME);
    if (r < 0) {
        connection_free(connection);
        return r;
    }
    *ret_connection = connection;
    return 0;
}

struct connection *connection_free(struct connection *connection)
{
    struct incoming incoming;

    if (!connection)
        return NULL;
    connection_disconnect(connection);
    while (connection_queue_take(connection, 0, &incoming))
        incoming_done(&incoming);
    pending_clear(&connection->pending);
    pending_free(connection->spent);
    subscriptions_clear(&connection->subscriptions);
    json_decref(connection->hello);
    free(connection->host);
    free(connection->socket);
    free(connection->program);
    free(connection);
    return NULL;
}

int connection_fd(const struct connection *connection)
{
    return connection->fd;
}

short connection_poll_events(const struct connection *connection)
{
    for (const struct pending *pending = connection->pending.head; pending; pending = pending->next)
        if (pending->sent < pending->length)
            return POLLIN | POLLOUT;
    return POLLIN;
}

const struct endpoint *connection_endpoint(const struct connection *connection)
{
    return &connection->endpoint;
}

const char *connection_epoch(const struct connection *connection)
{
    const char *epoch = json_string_value(json_object_get(connection->hello, "epoch"));

    return epoch ? epoch : "";
}

json_t *connection_hello(const struct connection *connection)
{
    return connection->hello;
}

/* The caller's number of a stream may not be the present broker's. */
static json_t *translate_unsubscribe(struct connection *connection, const struct connection_request *request)
{
    json_int_t number = json_integer_value(json_object_get(request->params, "subscription"));
    struct subscription *subscription;
    json_t *params;

    if (strcmp(request->method, "events.unsubscribe") != 0)
        return json_incref(request->params);
    subscription = subscriptions_find(connection->subscriptions, number);
    if (!subscription || subscription->current == subscription->number)
        params = json_incref(request->params);
    else
        params = json_pack("{s:I}", "subscription", (json_int_t) subscription->current);
    subscriptions_remove(&connection->subscriptions, number);
    return params;
}

int connection_send(struct connection *connection, const struct connection_request *request, int64_t *ret_id)
{
    struct connection_request translated = *request;
    struct pending *pending;
    int r = check(connection);

    if (r < 0)
        return r;
    if (request->fd_count > 0 && connection->endpoint.host[0])
        return -EOPNOTSUPP;
    if (request->epoch && connection->fd >= 0 && strcmp(request->epoch, connection_epoch(connection)) != 0)
        return -ESTALE;
    connection->spent = pending_free(connection->spent);
    translated.params = translate_unsubscribe(connection, request);
    r = pending_add(&connection->pending, &translated, &pending);
    json_decref(translated.params);
    if (r < 0)
        return r;
    if (ret_id)
        *ret_id = pending->id;
    if (connection->fd >= 0)
        pending_flush(&connection->pending, connection->fd); /* a peer that is gone shows when we read */
    return 0;
}

/* One turn: connects where that is due, or sends what is due, waits, and reads. */
static int progress(struct connection *connection, int64_t deadline)
{
    int r;

    if (connection->fd < 0)
        return connection_come_back(connection, deadline);
    r = pending_flush(&connection->pending, connection->fd);
    if (r < 0 && r != -EPIPE && r != -ECONNRESET)
        return connection_fail(connection, r);
    /* A peer that is gone may have answered before: that this is the end is for the read to say. */
    r = connection_receive_bytes(connection, r == 1, deadline);
    if (r == -ECONNRESET) {
        connection_disconnect(connection);
        return 0;
    }
    return r < 0 && r != -ETIMEDOUT ? connection_fail(connection, r) : r;
}

/* Waits for any message (id 0), or for the answer to one request while the others queue up. */
static int await(struct connection *connection, int64_t id, int64_t deadline, struct incoming *ret_incoming)
{
    struct incoming incoming;
    int r;

    for (;;) {
        if (connection_queue_take(connection, id, ret_incoming))
            return 0;
        if (connection->failed)
            return connection->failed;
        r = connection_take_lines(connection, &incoming);
        if (r == 1)
            r = connection_queue_put(connection, &incoming);
        else if (r == 0)
            r = progress(connection, deadline);
        else
            r = connection_fail(connection, r);
        if (r < 0)
            return r;
    }
}

int connection_receive(struct connection *connection, int64_t deadline, struct incoming *ret_incoming)
{
    if (!forks_is(connection->generation))
        return -EINVAL;
    return await(connection, 0, deadline, ret_incoming);
}

static int ask(struct connection *connection, const struct connection_request *request, int64_t deadline,
               int64_t *ret_id, struct incoming *ret_incoming)
{
    int r = connection_send(connection, request, ret_id);

    if (r < 0)
        return r;
    busy_poll_expect(&connection->busy, clock_monotonic());
    return await(connection, *ret_id, deadline, ret_incoming);
}

int connection_call(struct connection *connection, const struct connection_request *request, int64_t deadline,
                    struct incoming *ret_incoming)
{
    struct pending *pending;
    int64_t id;
    int r = ask(connection, request, deadline, &id, ret_incoming);

    if (r != -ETIMEDOUT)
        return r;
    connection_cancel(connection, id);
    pending = pending_find(&connection->pending, id);
    if (pending)
        pending->is_dropped = true;
    return r;
}

/* A grant must not get lost between our last look and the close, so the daemon is first kept from writing: it
 * learns from that, and gives the grant to somebody else. */
static int take_last(struct connection *connection, int64_t id, struct incoming *ret_incoming)
{
    struct incoming incoming;
    int r = connection->fd < 0 ? -ETIMEDOUT : 0;

    if (r == 0)
        shutdown(connection->fd, SHUT_RD);
    while (r == 0) {
        r = connection_take_lines(connection, &incoming);
        if (r == 1)
            r = connection_queue_put(connection, &incoming);
        else if (r == 0)
            r = connection_receive_bytes(connection, false, 0);
    }
    connection_fail(connection, -ETIMEDOUT);
    return connection_queue_take(connection, id, ret_incoming) ? 0 : -ETIMEDOUT;
}

int connection_call_once(struct connection *connection, const struct connection_request *request,
                         int64_t deadline, struct incoming *ret_incoming)
{
    int64_t id;
    int r = ask(connection, request, deadline, &id, ret_incoming);

    return r == -ETIMEDOUT ? take_last(connection, id, ret_incoming) : r;
}

/* ---- answers that come otherwise ---- */

/* Nobody is waited for longer than this without a look at the socket: who kills the whole daemon at once
 * kills those who would have rung. */
#define BELL_MAX (10 * NSEC_PER_SEC)

static void sleep_on_one(_Atomic uint32_t *futex, uint32_t value, int64_t until)
{
    int64_t span = until - clock_monotonic();
    struct timespec rest = {.tv_sec = span / NSEC_PER_SEC, .tv_nsec = span % NSEC_PER_SEC};

    if (span > 0)
        (void) syscall(SYS_futex, futex, FUTEX_WAIT, value, &rest, NULL, 0);
}

/* False: it cannot be done any more, as a sandbox has begun since. */
static bool sleep_on_both(const struct bell *bell, int64_t until)
{
    const struct __kernel_timespec end = {.tv_sec = until / NSEC_PER_SEC, .tv_nsec = until % NSEC_PER_SEC};
    const struct futex_waitv both[2] = {
        {.uaddr = (uintptr_t) bell->is_set, .val = 1, .flags = FUTEX_32},
        {.uaddr = (uintptr_t) bell->other, .val = bell->number, .flags = FUTEX_32},
    };

    return syscall(SYS_futex_waitv, both, 2, 0, &end, CLOCK_MONOTONIC) >= 0 || errno == EAGAIN ||
           errno == EINTR || errno == ETIMEDOUT;
}

/* What is answered, and not told, is then seen a little later. */
#define BELL_UNHEARD (NSEC_PER_SEC / 10)

static void sleep_by_bell(const struct bell *bell, int64_t deadline)
{
    int64_t now = clock_monotonic();

    deadline = earlier(deadline, now + BELL_MAX);
    if (!bell->other)
        sleep_on_one(bell->is_set, 1, deadline);
    else if (deadline > now && !sleep_on_both(bell, deadline))
        sleep_on_one(bell->other, bell->number, earlier(deadline, now + BELL_UNHEARD));
}

bool connection_has_two_bells(void)
{
    enum { UNKNOWN, NO, YES };
    static _Atomic int answer;

    if (atomic_load_explicit(&answer, memory_order_relaxed) == UNKNOWN) {
        bool has = syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) < 0 && errno == EINVAL; /* of none */

        atomic_store_explicit(&answer, has ? YES : NO, memory_order_relaxed);
    }
    return atomic_load_explicit(&answer, memory_order_relaxed) == YES;
}

static bool has_left(const struct connection *connection, int64_t id)
{
    const struct pending *pending = pending_find(&connection->pending, id);

    return connection->fd >= 0 && pending && pending->sent == pending->length;
}

/* True: it has been taken. */
static bool wait_for_grant(struct connection *connection, int64_t id, int64_t deadline,
                           const struct bell *bell)
{
    if (bell->take_grant(bell->context))
        return true;
    /* a broker that took the request will ring, or the next one, which rings all */
    if (has_left(connection, id))
        sleep_by_bell(bell, deadline);
    return bell->take_grant(bell->context);
}

/* Of an answer to what is not pending any more no note is taken. */
static void forget(struct connection *connection, int64_t id, bool is_answered)
{
    struct pending *pending = pending_find(&connection->pending, id);

    pending_drop(pending);
    if (is_answered && pending->sent == pending->length) {
        pending_remove(&connection->pending, pending);
        connection->spent = pending; /* what was, was freed when this one was sent */
    }
}

/* The bell is set before whatever could make somebody ring it: the request, and each look. */
int connection_call_by_bell(struct connection *connection, const struct connection_request *request,
                            int64_t deadline, const struct bell *bell, struct incoming *ret_incoming)
{
    /* who is always told by a word reads nothing, until there is no room for an answer */
    bool is_owed = connection->pending.head != NULL;
    int64_t id;
    int r;

    atomic_store(bell->is_set, 1);
    r = connection_send(connection, request, &id);
    if (r == 0)
        pending_lighten(pending_find(&connection->pending, id), request->own_params);
    for (; r == 0; is_owed = false) {
        if (is_owed ? bell->take_grant(bell->context) : wait_for_grant(connection, id, deadline, bell)) {
            forget(connection, id, bell->other != NULL);
            return 1;
        }
        if (clock_monotonic() >= deadline)
            return take_last(connection, id, ret_incoming);
        atomic_store(bell->is_set, 1);
        r = await(connection, id, 0, ret_incoming); /* also for a daemon that is away: in short attempts */
        if (r == 0)
            return 0;
        r = r == -ETIMEDOUT ? 0 : r;
    }
    return r;
}

bool connection_is_owed(const struct connection *connection)
{
    const struct pending *pending = connection->pending.head;

    if (!pending || connection->fd < 0 || connection->failed || connection->queue ||
        connection->subscriptions)
        return false;
    while (pending && pending->is_dropped && pending->sent == pending->length)
        pending = pending->next;
    return !pending;
}

int connection_cancel(struct connection *connection, int64_t id)
{
    struct pending *pending = pending_find(&connection->pending, id);
    json_t *params;
    struct connection_request request = {.method = "cancel", .is_notification = true};
    int r = check(connection);

    if (r < 0 || !pending || pending->is_cancelled)
        return r;
    params = json_pack("{s:I}", "id", (json_int_t) id);
    request.params = params;
    r = params ? connection_send(connection, &request, NULL) : -ENOMEM;
    json_decref(params);
    pending->is_cancelled = r == 0;
    return r;
}

bool connection_has_unread(const struct connection *connection)
{
    const struct frame_reader *reader = &connection->reader;

    return connection->queue || (reader->end > reader->start &&
                                 memchr(reader->buffer + reader->start, '\n', reader->end - reader->start));
}

bool connection_is_idle(const struct connection *connection)
{
    return connection->fd >= 0 && !connection->failed && !connection->queue && !connection->pending.head &&
           !connection->subscriptions && connection->reader.start == connection->reader.end;
}
