/* SPDX-License-Identifier: MIT */
#include "client/ctl/watch.h"

#include "client/ctl/calls.h"
#include "proto/ids.h"

#include <string.h>

static json_t *subscribe_params(const struct watch *watch)
{
    json_t *params = json_object();

    if (watch->kinds)
        json_object_set_new(params, "kinds", watch->kinds);
    if (watch->since >= 0)
        json_object_set_new(params, "since", json_integer(watch->since));
    return params;
}

/* Nothing is lost silently. A number beyond the last event is one of another daemon's life: then all are
 * new. */
static void tell_gap(struct watch *watch)
{
    bool is_strange = watch->since > watch->last;

    if (!watch->owes_gap)
        return;
    watch->owes_gap = false;
    if (is_strange)
        watch->gap(watch, 1, watch->last, true);
    else
        watch->gap(watch, watch->since + 1, watch->first - 1, false);
}

/* 1: that was all. */
static int take_event(struct watch *watch, const json_t *message)
{
    json_t *event = json_object_get(message, "params");
    int64_t seq = json_integer_value(json_object_get(event, "seq"));
    const char *kind = json_string_value(json_object_get(event, "kind"));

    watch->is_quiet = false;
    if (!watch->follows && seq > watch->last)
        return 1;
    if (strcmp(kind ? kind : "", "gap") == 0)
        watch->owes_gap = false; /* it is told here */
    tell_gap(watch);
    json_object_del(event, "subscription"); /* a number of our connection: of no use to a reader */
    return !watch->take(watch, event) || (!watch->follows && seq == watch->last);
}

/* The last event may be one that a filter, or another user, hides. The daemon hands out what it keeps turn by
 * turn; a turn that answers a ping and has no event for us has no more to give. */
static int probe(struct watch *watch)
{
    struct connection_request request = {.method = "daemon.ping"};

    watch->is_quiet = true;
    return connection_send(watch->ctl->connection, &request, &watch->probe);
}

/* 1: finished; 0: go on; -errno. */
static int take_message(struct watch *watch, const struct incoming *incoming)
{
    if (incoming_id(incoming) == 0)
        return take_event(watch, incoming->message);
    if (watch->follows || incoming_id(incoming) != watch->probe)
        return 0;
    return watch->is_quiet ? 1 : probe(watch);
}

static int watch_events(struct watch *watch)
{
    int state = watch->follows ? 0 : probe(watch);

    /* The first answer may overtake the events: only a second one without any is believed. */
    watch->is_quiet = false;
    while (state == 0) {
        struct incoming incoming = {0};

        state = connection_receive(watch->ctl->connection, CONNECTION_FOREVER, &incoming);
        if (state == 0)
            state = take_message(watch, &incoming);
        incoming_done(&incoming);
    }
    return state < 0 ? report_connection(watch->ctl, state) : CTL_OK;
}

int watch_run(struct watch *watch)
{
    json_t *answer = NULL;
    int status;

    if (!watch->follows && watch->since < 0)
        watch->since = 0;
    status = call(watch->ctl, "events.subscribe", subscribe_params(watch), &answer);
    if (status != 0)
        return status;
    watch->first = json_integer_value(json_object_get(answer, "first"));
    watch->last = json_integer_value(json_object_get(answer, "last"));
    watch->owes_gap = json_is_true(json_object_get(answer, "gap")) && watch->since > 0;
    json_decref(answer);
    if (watch->since > watch->last)
        tell_gap(watch);
    if (watch->follows || watch->since < watch->last)
        status = watch_events(watch);
    tell_gap(watch);
    return status;
}
