/* SPDX-License-Identifier: MIT */
#include "client/lib/connection_state.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "proto/ids.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define ABSENCE_MAX   (10 * NSEC_PER_SEC)   /* of a broker: the keeper's longest pause, and a start */
#define ATTEMPT_MIN   (100 * NSEC_PER_MSEC) /* what a caller in a hurry still gives us to come back */
#define ANSWER_MAX    (256u << 20)          /* bytes of a line: a list of processes is of any length */
#define RETRY_FIRST   (1 * NSEC_PER_MSEC)
#define RETRY_LAST    (100 * NSEC_PER_MSEC)

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int wait_fd(int fd, short events, int64_t deadline)
{
    for (;;) {
        struct pollfd entry = {.fd = fd, .events = events};
        int64_t rest = deadline - clock_monotonic();
        struct timespec span = {.tv_sec = rest / NSEC_PER_SEC, .tv_nsec = rest % NSEC_PER_SEC};
        int count;

        if (rest <= 0)
            span = (struct timespec) {0};
        count = ppoll(&entry, 1, deadline == CONNECTION_FOREVER ? NULL : &span, NULL);
        if (count > 0)
            return 0;
        if (count == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

void connection_disconnect(struct connection *connection)
{
    size_t none = 0;

    if (connection->lost == 0)
        connection->lost = clock_monotonic();
    connection->fd = close_fd(connection->fd);
    frame_reader_done(&connection->reader, NULL, &none);
    subscriptions_lost(connection->subscriptions);
}

int connection_fail(struct connection *connection, int error)
{
    connection_disconnect(connection);
    connection->failed = error;
    return error;
}

/* Most answers come sooner than a processor that went to sleep would wake. */
static int look(struct connection *connection)
{
    while (busy_poll_again(&connection->busy)) {
        int r = frame_receive(&connection->reader, connection->fd);

        if (r != -EAGAIN) {
            busy_poll_found(&connection->busy);
            return r;
        }
    }
    return -EAGAIN;
}

int connection_receive_bytes(struct connection *connection, bool and_writable, int64_t deadline)
{
    int r = and_writable || deadline == 0 ? -EAGAIN : look(connection);

    if (r == -EAGAIN) {
        r = wait_fd(connection->fd, and_writable ? POLLIN | POLLOUT : POLLIN, deadline);
        if (r < 0)
            return r;
        r = frame_receive(&connection->reader, connection->fd);
    }
    if (r == 0 || r == -EPIPE)
        return -ECONNRESET;
    return r > 0 || r == -EAGAIN ? 0 : r;
}

static int keep_hello(struct connection *connection, const struct incoming *answer)
{
    json_t *hello;
    int r = incoming_result(answer, &hello, NULL);

    if (r < 0)
        return r;
    if (json_integer_value(json_object_get(hello, "protocol")) != PROTO_VERSION)
        return -EPROTONOSUPPORT;
    if (!json_is_string(json_object_get(hello, "epoch")))
        return -EPROTO;
    json_incref(hello);
    json_decref(connection->hello);
    connection->hello = hello;
    return 0;
}

/* The first words on a new socket: proves that somebody serves there, and tells the epoch. */
int connection_say_hello(struct connection *connection, int64_t deadline)
{
    CLEANUP(pending_clear) struct pending_list list = {.last_id = -2}; /* id -1: never one of the caller's */
    CLEANUP(incoming_done) struct incoming answer = {0};
    json_t *params = json_pack("{s:o*}", "client", json_string(program_invocation_short_name));
    struct connection_request request = {.method = "daemon.hello", .params = params};
    struct pending *hello;
    enum frame_result result;
    size_t length;
    char *line;
    int r;

    r = pending_add(&list, &request, &hello);
    json_decref(params);
    if (r == 0)
        r = pending_flush(&list, connection->fd);
    if (r != 0)
        return r < 0 && r != -EPIPE ? r : -ECONNRESET; /* it fits into any empty socket */
    while ((result = frame_next(&connection->reader, &line, &length)) == FRAME_NONE) {
        r = connection_receive_bytes(connection, false, deadline);
        if (r < 0)
            return r;
    }
    if (result == FRAME_TOO_LONG)
        return -EPROTO;
    connection->reader.line_max = ANSWER_MAX; /* only now: it may have been no daemon */
    answer.message = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    return incoming_id(&answer) == -1 ? keep_hello(connection, &answer) : -EPROTO;
}

/* Connects and says hello; where the daemon hangs up without an answer (it is leaving, or its broker has
 * just died) again, until the deadline. */
int connection_attach(struct connection *connection, bool is_bound, int64_t deadline)
{
    struct timespec pause = {.tv_nsec = RETRY_FIRST};
    int r;

    for (;;) {
        r = is_bound ? endpoint_connect(&connection->endpoint, deadline)
                     : endpoint_open(&connection->options, deadline, &connection->endpoint);
        if (r < 0)
            return r;
        connection->fd = r;
        r = connection_say_hello(connection, deadline);
        if (r == 0) {
            connection->lost = 0;
            return 0;
        }
        connection_disconnect(connection);
        if (r == -ECONNRESET && connection->endpoint.host[0])
            return -EHOSTUNREACH; /* ssh has said why; to ask again is not for us */
        if (r != -ECONNRESET)
            return r;
        if (clock_monotonic() >= deadline)
            return -ETIMEDOUT;
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        pause.tv_nsec = pause.tv_nsec < RETRY_LAST / 2 ? pause.tv_nsec * 2 : RETRY_LAST;
    }
}

static int resume_subscription(struct connection *connection, const struct subscription *subscription)
{
    json_t *params = subscription_resume(subscription);
    struct connection_request request = {.method = subscription_method(subscription), .params = params};
    struct pending *pending;
    int r = params ? pending_add(&connection->pending, &request, &pending) : -ENOMEM;

    json_decref(params);
    if (r == 0)
        pending->subscription = subscription->number;
    return r;
}

/* What must not be asked of the new broker is answered here. */
static int settle_pending(struct connection *connection)
{
    const char *epoch = connection_epoch(connection);
    struct pending *next;
    int r = 0;

    for (struct pending *pending = connection->pending.head; pending && r == 0; pending = next) {
        next = pending->next;
        if (pending->is_single && pending->sent > 0)
            r = connection_queue_answer(connection, pending,
                                        strcmp(pending->method, "daemon.restart") == 0 ? 0 : -ECONNRESET);
        else if (pending->epoch && strcmp(pending->epoch, epoch) != 0)
            r = connection_queue_answer(connection, pending, -ESTALE);
        else if (strcmp(pending->method, "events.unsubscribe") == 0 && pending->sent > 0)
            r = connection_queue_answer(connection, pending, 0); /* it went with the connection */
    }
    return r;
}

static int ask_again(struct connection *connection)
{
    int r = settle_pending(connection);

    if (r == 0)
        r = pending_rewind(&connection->pending);
    for (struct subscription *each = connection->subscriptions; each && r == 0; each = each->next)
        r = resume_subscription(connection, each);
    return r;
}

static bool is_same_epoch(const struct connection *connection, const json_t *hello)
{
    return json_equal(json_object_get(hello, "epoch"), json_object_get(connection->hello, "epoch"));
}

/* Only the same daemon can answer what was sent: ids, locks and events belong to its epoch. */
int connection_come_back(struct connection *connection, int64_t deadline)
{
    bool is_bound = pending_is_bound(&connection->pending) || connection->subscriptions;
    int64_t patience = connection->lost + ABSENCE_MAX, attempt = clock_monotonic() + ATTEMPT_MIN;
    json_t *hello;
    int r;

    /* At another host a new link is another client: its keys are not known, and what was held is free. */
    if (connection->is_adopted || (connection->endpoint.host[0] && is_bound))
        return connection_fail(connection, -ECONNRESET);
    hello = json_incref(connection->hello);
    r = connection_attach(connection, is_bound, earlier(patience, deadline > attempt ? deadline : attempt));
    if (r == -ETIMEDOUT && clock_monotonic() < patience) {
        json_decref(hello);
        return r;
    }
    if (is_bound && (r < 0 || !is_same_epoch(connection, hello)))
        r = -ECONNRESET;
    else if (r == -ETIMEDOUT)
        r = -ECONNREFUSED;
    json_decref(hello);
    if (r == 0)
        r = ask_again(connection);
    return r < 0 ? connection_fail(connection, r) : 0;
}
