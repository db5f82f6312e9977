/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/subscription.h"

#include "daemon/rpc/backlog.h"
#include "daemon/rpc/event_text.h"
#include "daemon/rpc/logs.h"
#include "proto/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subscription *subscription_find(struct session *session, uint64_t id)
{
    struct subscription *subscription;

    LIST_FOREACH(subscription, &session->subscriptions, of_session)
        if (subscription->id == id)
            return subscription;
    return NULL;
}

size_t subscriptions_count(const struct session *session)
{
    const struct subscription *subscription;
    const struct log_follow *follow;
    size_t count = 0;

    LIST_FOREACH(subscription, &session->subscriptions, of_session)
        count++;
    LIST_FOREACH(follow, &session->follows, of_session)
        count++;
    return count;
}

void subscription_free(struct session *session, struct subscription *subscription)
{
    LIST_REMOVE(subscription, of_session);
    session->server->subscription_count--;
    session->backlog->subscriptions--;
    free(subscription->object);
    free(subscription);
}

void subscriptions_drop(struct session *session)
{
    struct subscription *subscription;

    while ((subscription = LIST_FIRST(&session->subscriptions)))
        subscription_free(session, subscription);
}

bool subscriptions_behind(const struct session *session)
{
    const struct subscription *subscription;

    LIST_FOREACH(subscription, &session->subscriptions, of_session)
        if (subscription->cursor < session->server->core->counters.seq)
            return true;
    return false;
}

static bool wants(const struct subscription *subscription, const struct event_entry *entry)
{
    const struct event_data *event = &entry->data;
    const struct text *object = event_kind_members((enum event_kind) event->kind) & EVENT_MEMBERS_OBJECT
                                    ? entry->text[0]
                                    : NULL;

    if (event->uid != subscription->uid && event->uid != EVENT_FOR_ALL)
        return false;
    if (!(subscription->kinds & (UINT64_C(1) << event->kind)))
        return false;
    if (subscription->object && (!object || strcmp(subscription->object, object->bytes) != 0))
        return false;
    return subscription->process == 0 || subscription->process == event->process;
}

void subscription_number(struct subscription *subscription, uint64_t id)
{
    subscription->id = id;
    subscription->head_size = (size_t) snprintf(
        subscription->head, sizeof subscription->head,
        "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"subscription\":%" PRIu64, id);
}

static void tell_gap(struct session *session, struct subscription *subscription, uint64_t to)
{
    char line[512];
    int size = snprintf(
        line, sizeof line,
        "%s,\"seq\":%" PRIu64 ",\"time\":%.6f,\"kind\":\"%s\",\"from\":%" PRIu64 ",\"to\":%" PRIu64 "}}\n",
        subscription->head, to, (double) session->server->core->wall / 1e9, event_kind_name(EVENT_GAP),
        subscription->cursor + 1, to);

    session_write(session, line, (size_t) size, NULL, 0);
    subscription->cursor = to;
}

static void tell_event(struct session *session, const struct subscription *subscription,
                       const struct event_entry *entry)
{
    size_t head_size = subscription->head_size, text_size;
    const char *text = event_text(session->server, entry, &text_size);
    char *room = text ? frame_reserve(&session->writer, head_size + text_size) : NULL;

    if (!room) {
        session_kill(session); /* rather an end than a hole */
        return;
    }
    memcpy(room, subscription->head, head_size);
    memcpy(room + head_size, text, text_size);
    frame_queued(&session->writer, head_size + text_size);
}

static void tell(struct session *session, struct subscription *subscription)
{
    const struct core *core = session->server->core;
    /* as for answers: where its uid has too much to read, only a session that has nothing is told more */
    size_t most = backlog_is_full(session->backlog) ? 1 : SESSION_UNSENT_MAX;
    uint64_t first = core_first_event(core);

    if (subscription->cursor + 1 < first && core->counters.seq >= first)
        tell_gap(session, subscription, first - 1);
    while (subscription->cursor < core->counters.seq && frame_unsent(&session->writer) < most &&
           !(session->flags & SESSION_DEAD)) {
        const struct event_entry *entry = core_event(core, subscription->cursor + 1);

        if (entry && wants(subscription, entry))
            tell_event(session, subscription, entry);
        subscription->cursor++;
    }
}

void subscriptions_tell(struct session *session)
{
    struct subscription *subscription;

    if (session->flags & (SESSION_BLOCKED | SESSION_DEAD | SESSION_CLOSING))
        return;
    LIST_FOREACH(subscription, &session->subscriptions, of_session)
        tell(session, subscription);
}
