/* SPDX-License-Identifier: MIT */
#include "client/lib/connection_state.h"
#include "daemon/base/cleanup.h"

#include <errno.h>
#include <string.h>

void incoming_done(struct incoming *incoming)
{
    json_decref(incoming->message);
    for (size_t i = 0; i < incoming->fd_count; i++)
        close_fd(incoming->fds[i]);
    incoming->message = NULL;
    incoming->fd_count = 0;
}

int64_t incoming_id(const struct incoming *incoming)
{
    return json_integer_value(json_object_get(incoming->message, "id"));
}

int incoming_result(const struct incoming *incoming, json_t **ret_result, json_t **ret_error)
{
    json_t *result = json_object_get(incoming->message, "result"),
           *error = json_object_get(incoming->message, "error");
    json_int_t code = json_integer_value(json_object_get(error, "code"));

    if (result) {
        if (ret_result)
            *ret_result = result;
        return 0;
    }
    if (code >= 0 || code < INT32_MIN)
        return -EPROTO;
    if (ret_error)
        *ret_error = error;
    return (int) code;
}

int connection_queue_put(struct connection *connection, struct incoming *incoming)
{
    struct queued **end = &connection->queue, *queued = malloc(sizeof *queued);

    if (!queued) {
        incoming_done(incoming);
        return -ENOMEM;
    }
    while (*end)
        end = &(*end)->next;
    *queued = (struct queued) {.incoming = *incoming};
    *end = queued;
    return 0;
}

bool connection_queue_take(struct connection *connection, int64_t id, struct incoming *ret_incoming)
{
    struct queued **link = &connection->queue, *queued;

    while (*link && id != 0 && incoming_id(&(*link)->incoming) != id)
        link = &(*link)->next;
    queued = *link;
    if (!queued)
        return false;
    *link = queued->next;
    *ret_incoming = queued->incoming;
    free(queued);
    return true;
}

int connection_queue_answer(struct connection *connection, struct pending *pending, int error)
{
    struct incoming incoming = {.message =
                                    json_pack("{s:s,s:I}", "jsonrpc", "2.0", "id", (json_int_t) pending->id)};
    json_t *body = error ? json_pack("{s:i,s:s}", "code", error, "message", strerror(-error)) : json_object();

    pending_remove(&connection->pending, pending);
    pending_free(pending);
    if (json_object_set_new(incoming.message, error ? "error" : "result", body) < 0) {
        incoming_done(&incoming);
        return -ENOMEM;
    }
    return connection_queue_put(connection, &incoming);
}

/* What the answer has of the log comes before what follows: the last of it takes the answer's place. */
static int take_resumed_log(struct connection *connection, struct subscription *subscription,
                            struct incoming *incoming)
{
    const json_t *result = json_object_get(incoming->message, "result");
    json_t *list = subscription_log_resumed(subscription, result), *message;
    size_t count = json_array_size(list), i;
    int r = list ? count > 0 : -ENOMEM;

    if (!result)
        subscriptions_remove(&connection->subscriptions, subscription->number);
    json_array_foreach(list, i, message) {
        struct incoming earlier = {.message = json_incref(message)};

        if (i + 1 == count) {
            incoming_done(incoming);
            *incoming = earlier;
        } else if (r < 0) {
            incoming_done(&earlier);
        } else if (connection_queue_put(connection, &earlier) < 0) {
            r = -ENOMEM;
        }
    }
    json_decref(list);
    return r;
}

/* The stream goes on; the caller hears of it only if something is missing. */
static int take_resumed(struct connection *connection, int64_t number, struct incoming *incoming)
{
    struct subscription *subscription = subscriptions_find(connection->subscriptions, number);
    json_t *result = json_object_get(incoming->message, "result"), *gap;

    if (subscription && subscription->is_log)
        return take_resumed_log(connection, subscription, incoming);
    gap = subscription && result ? subscription_resumed(subscription, result) : NULL;
    if (!gap)
        return 0;
    incoming_done(incoming);
    incoming->message = gap;
    return 1;
}

/* An answer. 1: it is the caller's; 0: nobody awaits it; -EPROTO, -ENOMEM. */
static int take_answer(struct connection *connection, struct incoming *incoming)
{
    struct pending *pending = pending_find(&connection->pending, incoming_id(incoming));
    json_t *result = json_object_get(incoming->message, "result");
    int r = 1, added = 0;

    if (!pending)
        return 0;
    if (pending->subscription)
        r = take_resumed(connection, pending->subscription, incoming);
    else if (pending->is_dropped)
        r = 0;
    else if (result && subscriptions_begins(pending->method, result))
        added = subscriptions_add(&connection->subscriptions, pending->method, pending->params, result);
    pending_remove(&connection->pending, pending);
    pending_free(pending);
    return added < 0 ? added : r;
}

/* One line. 1: a message for the caller; 0: none; -EPROTO, -ENOMEM. */
static int take_line(struct connection *connection, const char *line, size_t length,
                     struct incoming *ret_incoming)
{
    CLEANUP(incoming_done)
    struct incoming incoming = {.message = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL)};
    json_t *fds = json_object_get(incoming.message, "fds"), *id = json_object_get(incoming.message, "id");
    json_int_t count = json_integer_value(fds);
    int r = 1;

    if (!json_is_object(incoming.message) || count < 0 || count > FRAME_FDS_MAX)
        return -EPROTO;
    if (frame_take_fds(&connection->reader, incoming.fds, (size_t) count) < 0)
        return -EPROTO;
    incoming.fd_count = (size_t) count;
    if (id)
        r = json_is_integer(id) ? take_answer(connection, &incoming) : -EPROTO;
    else
        subscriptions_event(&connection->subscriptions, json_object_get(incoming.message, "params"));
    if (r == 1) {
        *ret_incoming = incoming;
        incoming = (struct incoming) {0};
    }
    return r;
}

int connection_take_lines(struct connection *connection, struct incoming *ret_incoming)
{
    enum frame_result result;
    size_t length;
    char *line;
    int r = 0;

    while (r == 0 && (result = frame_next(&connection->reader, &line, &length)) != FRAME_NONE)
        r = result == FRAME_LINE ? take_line(connection, line, length, ret_incoming) : -EPROTO;
    return r;
}
