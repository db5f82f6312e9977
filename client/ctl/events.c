#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "daemon/base/cleanup.h"
#include "proto/ids.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct watch {
    struct ctl *ctl;
    int64_t since; /* -1: not given */
    int64_t first, last; /* the oldest event that is kept, and the newest when we began */
    int64_t left;  /* events still to be printed */
    int64_t probe; /* id of the ping under way */
    bool follows;
    bool is_quiet; /* nothing has come since the ping was sent */
    bool owes_gap; /* events behind `since` are gone, and the reader has not been told */
};

static json_t *subscribe_params(const struct watch *watch)
{
    const struct arguments *arguments = &watch->ctl->arguments;
    json_t *params = json_object(), *kinds = NULL;
    const char *kind;

    for (size_t position = 0; (kind = argument_next(arguments, OPT_KIND, &position));) {
        if (!kinds)
            kinds = json_array();
        json_array_append_new(kinds, json_string(kind));
    }
    if (kinds)
        json_object_set_new(params, "kinds", kinds);
    if (watch->since >= 0)
        json_object_set_new(params, "since", json_integer(watch->since));
    return params;
}

/* "2017-09-13 14:29:51.123 17 process.spawned process=1 name=Process-1 pid=4711" */
static void print_event(const json_t *event)
{
    CLEANUP_MEMORY char *time = text_of_time(json_number_value(json_object_get(event, "time")));
    CLEANUP_MEMORY char *seq = text_of_json(json_object_get(event, "seq"));
    CLEANUP_MEMORY char *kind = text_of_json(json_object_get(event, "kind"));
    const char *member;
    json_t *value;

    printf("%s %s %s", time, seq, kind);
    json_object_foreach((json_t *) event, member, value) {
        CLEANUP_MEMORY char *name = NULL, *text = NULL;

        if (strcmp(member, "time") == 0 || strcmp(member, "seq") == 0 || strcmp(member, "kind") == 0)
            continue;
        name = text_escaped(member, strlen(member));
        text = json_is_string(value) ? text_quoted(json_string_value(value), json_string_length(value))
                                     : text_of_json(value);
        printf(" %s=%s", name, text);
    }
    putchar('\n');
}

/* Nothing is lost silently. A number beyond the last event is one of another daemon's life: then all are
 * new. */
static void print_gap(struct watch *watch)
{
    bool is_strange = watch->since > watch->last;
    json_int_t from = is_strange ? 1 : watch->since + 1, to = is_strange ? watch->last : watch->first - 1;

    if (!watch->owes_gap)
        return;
    watch->owes_gap = false;
    if (watch->ctl->is_json)
        print_line(json_pack("{s:s, s:I, s:I}", "kind", "gap", "from", from, "to", to));
    else
        note(watch->ctl, "events %lld to %lld are not told: %s", (long long) from, (long long) to,
             is_strange ? "the number is of another daemon's life" : "they are no longer kept");
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
    print_gap(watch);
    json_object_del(event, "subscription"); /* a number of our connection: of no use to a reader */
    if (watch->ctl->is_json)
        print_line(json_incref(event));
    else
        print_event(event);
    if (fflush(stdout) != 0)
        return 1;
    return --watch->left == 0 || (!watch->follows && seq == watch->last);
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

int command_events(struct ctl *ctl)
{
    struct watch watch = {.ctl = ctl, .since = -1, .left = INT64_MAX};
    json_t *answer = NULL;
    int status = value_integer(ctl, OPT_SINCE, 0, PROTO_INTEGER_MAX, &watch.since);

    if (status == 0)
        status = value_integer(ctl, OPT_COUNT, 1, INT64_MAX, &watch.left);
    if (status != 0)
        return status;
    watch.follows = argument_given(&ctl->arguments, OPT_FOLLOW);
    if (!watch.follows && watch.since < 0)
        watch.since = 0;
    status = call(ctl, "events.subscribe", subscribe_params(&watch), &answer);
    if (status != 0)
        return status;
    watch.first = json_integer_value(json_object_get(answer, "first"));
    watch.last = json_integer_value(json_object_get(answer, "last"));
    watch.owes_gap = json_is_true(json_object_get(answer, "gap")) && watch.since > 0;
    json_decref(answer);
    if (watch.since > watch.last)
        print_gap(&watch);
    if (watch.follows || watch.since < watch.last)
        status = watch_events(&watch);
    print_gap(&watch);
    return status;
}
