/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/access.h"
#include "daemon/rpc/backlog.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/logs.h"
#include "daemon/rpc/subscription.h"
#include "proto/schema.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(EVENT_COUNT <= 64, "subscription.kinds has a bit for each kind");

static uint64_t kinds_of(const json_t *kinds)
{
    uint64_t bits = 0;
    size_t index;
    json_t *item;

    if (!kinds)
        return UINT64_MAX;
    json_array_foreach(kinds, index, item)
        for (int kind = 0; kind < EVENT_COUNT; kind++)
            if (event_kind_matches((enum event_kind) kind, json_string_value(item)))
                bits |= UINT64_C(1) << kind;
    return bits;
}

static struct subscription *subscription_new(struct call *call, uint64_t cursor, uint64_t process)
{
    const json_t *object = ARG(call, events_subscribe, object);
    struct session *session = call->session;
    struct subscription *subscription = calloc(1, sizeof *subscription);

    if (!subscription)
        return NULL;
    if (object && !(subscription->object = strdup(json_string_value(object)))) {
        free(subscription);
        return NULL;
    }
    subscription_number(subscription, ++session->subscriptions_made);
    subscription->cursor = cursor;
    subscription->uid = call->uid;
    subscription->kinds = kinds_of(ARG(call, events_subscribe, kinds));
    subscription->process = process;
    LIST_INSERT_HEAD(&session->subscriptions, subscription, of_session);
    session->server->subscription_count++;
    session->backlog->subscriptions++;
    return subscription;
}

struct outcome handle_events_subscribe(struct call *call)
{
    const struct core *core = call->server->core;
    const json_t *since = ARG(call, events_subscribe, since), *which = ARG(call, events_subscribe, process);
    const struct process *process = which ? access_process(call, which) : NULL;
    uint64_t first = core_first_event(core), last = core->counters.seq, cursor = last;
    const struct backlog *backlog = call->session->backlog;
    struct subscription *subscription;
    bool gap = false;

    if (which && !process)
        return fail_no_such_process(call);
    if (subscriptions_count(call->session) >= SUBSCRIPTIONS_MAX)
        return call_fail_limit(call, "subscriptions", SUBSCRIPTIONS_MAX);
    if (backlog->subscriptions >= backlog_subscriptions_limit(backlog))
        return call_fail_limit(call, "subscriptions", (int64_t) backlog_subscriptions_limit(backlog));
    if (since) {
        cursor = (uint64_t) json_integer_value(since);
        /* beyond the last one it is from another epoch; before the first one some are gone: then a gap comes
         * first */
        gap = cursor > last || cursor + 1 < first;
        cursor = cursor > last ? last : cursor;
    }
    subscription = subscription_new(call, cursor, process ? process->data.id : 0);
    if (!subscription)
        return call_fail_limit(call, "memory", 0);
    session_wants_flush(call->session);
    return call_reply(call,
                      json_pack("{s:I, s:I, s:I, s:b}", "subscription", (json_int_t) subscription->id,
                                "first", (json_int_t) first, "last", (json_int_t) last, "gap", (int) gap));
}

struct outcome handle_events_unsubscribe(struct call *call)
{
    uint64_t id = (uint64_t) json_integer_value(ARG(call, events_unsubscribe, subscription));
    struct subscription *subscription = subscription_find(call->session, id);
    struct log_follow *follow = log_follow_find(call->session, id);

    if (!subscription && !follow)
        return call_fail_param(call, "subscription", "the number of a subscription of this connection");
    if (subscription)
        subscription_free(call->session, subscription);
    else
        log_follow_free(follow);
    return call_reply_empty(call);
}
