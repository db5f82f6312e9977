/* SPDX-License-Identifier: MIT */
#include "client/lib/subscriptions.h"

#include "daemon/base/clock.h"
#include "proto/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int64_t subscription_number(const json_t *object, const char *name)
{
    json_int_t number = json_integer_value(json_object_get(object, name));

    return number > 0 && number <= PROTO_INTEGER_MAX ? number : 0;
}

struct subscription *subscriptions_find(struct subscription *list, int64_t number)
{
    while (list && list->number != number)
        list = list->next;
    return list;
}

/* A new broker counts from 1 again, and may give a number that the caller has for an older stream. */
static int64_t free_number(struct subscription *list, int64_t wanted)
{
    int64_t highest = wanted;

    if (!subscriptions_find(list, wanted))
        return wanted;
    for (; list; list = list->next)
        highest = list->number > highest ? list->number : highest;
    return highest + 1;
}

bool subscriptions_begins(const char *method, const json_t *result)
{
    return strcmp(method, "events.subscribe") == 0 ||
           (strcmp(method, "process.logs") == 0 && json_object_get(result, "subscription"));
}

/* A name may be another process's by the time that the stream is taken up again. */
static void begin_log(struct subscription *subscription, const json_t *result)
{
    subscription->is_log = true;
    subscription->last = subscription_number(result, "seq");
    json_object_set(subscription->params, "process", json_object_get(result, "process"));
    json_object_del(subscription->params, "tail");
}

int subscriptions_add(struct subscription **list, const char *method, const json_t *params, json_t *result)
{
    int64_t current = subscription_number(result, "subscription");
    const json_t *since = json_object_get(params, "since");
    struct subscription *subscription;

    if (current == 0)
        return -EPROTO;
    subscription = calloc(1, sizeof *subscription);
    if (!subscription)
        return -ENOMEM;
    subscription->params = params ? json_copy((json_t *) params) : json_object();
    if (!subscription->params) {
        free(subscription);
        return -ENOMEM;
    }
    subscription->current = current;
    subscription->number = free_number(*list, subscription->current);
    subscription->last = subscription_number(result, "last");
    if (json_is_integer(since) && json_integer_value(since) < subscription->last)
        subscription->last = json_integer_value(since);
    if (strcmp(method, "process.logs") == 0)
        begin_log(subscription, result);
    if (subscription->number != subscription->current)
        json_object_set_new(result, "subscription", json_integer(subscription->number));
    subscription->next = *list;
    *list = subscription;
    return 0;
}

void subscriptions_remove(struct subscription **list, int64_t number)
{
    while (*list && (*list)->number != number)
        list = &(*list)->next;
    if (*list) {
        struct subscription *subscription = *list;

        *list = subscription->next;
        json_decref(subscription->params);
        free(subscription);
    }
}

void subscriptions_clear(struct subscription **list)
{
    while (*list)
        subscriptions_remove(list, (*list)->number);
}

void subscriptions_lost(struct subscription *list)
{
    for (; list; list = list->next)
        list->current = 0;
}

const char *subscription_method(const struct subscription *subscription)
{
    return subscription->is_log ? "process.logs" : "events.subscribe";
}

json_t *subscription_resume(const struct subscription *subscription)
{
    json_t *params = json_copy(subscription->params);

    if (params)
        json_object_set_new(params, "since", json_integer(subscription->last));
    return params;
}

json_t *subscription_gap(int64_t number, int64_t from, int64_t to)
{
    return json_pack("{s:I,s:I,s:f,s:s,s:I,s:I}", "subscription", (json_int_t) number, "seq", (json_int_t) to,
                     "time", (double) clock_realtime() / (double) NSEC_PER_SEC, "kind", "gap", "from",
                     (json_int_t) from, "to", (json_int_t) to);
}

json_t *subscription_resumed(struct subscription *subscription, const json_t *result)
{
    int64_t first = subscription_number(result, "first");
    int64_t from = subscription->last + 1, to = first > from ? first - 1 : from;

    subscription->current = subscription_number(result, "subscription");
    if (!json_is_true(json_object_get(result, "gap")))
        return NULL;
    subscription->last = to;
    return json_pack("{s:s,s:s,s:o}", "jsonrpc", "2.0", "method", "event", "params",
                     subscription_gap(subscription->number, from, to));
}

static json_t *log_notification(const struct subscription *subscription, const char *member, json_t *value)
{
    return json_pack("{s:s,s:s,s:{s:I,s:o}}", "jsonrpc", "2.0", "method", "log", "params", "subscription",
                     (json_int_t) subscription->number, member, value);
}

static json_t *line_notification(const struct subscription *subscription, json_t *line)
{
    json_object_set_new(line, "subscription", json_integer(subscription->number));
    return json_pack("{s:s,s:s,s:O}", "jsonrpc", "2.0", "method", "log", "params", line);
}

json_t *subscription_log_resumed(struct subscription *subscription, const json_t *result)
{
    json_t *lines = json_object_get(result, "lines"), *list = json_array(), *line;
    int64_t seq = subscription_number(result, "seq"), first;
    size_t i;

    subscription->current = subscription_number(result, "subscription");
    first = subscription_number(json_array_get(lines, 0), "seq");
    if (json_is_true(json_object_get(result, "gap")))
        json_array_append_new(list, log_notification(subscription, "gap",
                                                     json_pack("{s:I,s:I}", "from",
                                                               (json_int_t) subscription->last + 1, "to",
                                                               (json_int_t) (first > 0 ? first - 1 : seq))));
    json_array_foreach(lines, i, line)
        json_array_append_new(list, line_notification(subscription, line));
    if (!result)
        json_array_append_new(list, log_notification(subscription, "end", json_true()));
    subscription->last = seq > subscription->last ? seq : subscription->last;
    return list;
}

void subscriptions_event(struct subscription **list, json_t *params)
{
    int64_t current = subscription_number(params, "subscription");
    int64_t seq = subscription_number(params, "seq"), to;
    struct subscription *subscription = *list;

    while (subscription && subscription->current != current)
        subscription = subscription->next;
    if (!subscription || current == 0)
        return;
    to = subscription_number(json_object_get(params, "gap"), "to");
    if (seq > subscription->last)
        subscription->last = seq;
    if (to > subscription->last)
        subscription->last = to;
    if (subscription->number != subscription->current)
        json_object_set_new(params, "subscription", json_integer(subscription->number));
    if (json_is_true(json_object_get(params, "end")))
        subscriptions_remove(list, subscription->number);
}
