#include "client/lib/subscriptions.h"

#include "daemon/base/clock.h"
#include "proto/ids.h"

#include <errno.h>
#include <stdlib.h>

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

int subscriptions_add(struct subscription **list, const json_t *params, json_t *result)
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

void subscriptions_event(struct subscription *list, json_t *params)
{
    int64_t current = subscription_number(params, "subscription");
    int64_t seq = subscription_number(params, "seq");

    while (list && list->current != current)
        list = list->next;
    if (!list || current == 0)
        return;
    if (seq > list->last)
        list->last = seq;
    if (list->number != list->current)
        json_object_set_new(params, "subscription", json_integer(list->number));
}
