/* SPDX-License-Identifier: MIT */
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "client/ctl/watch.h"
#include "daemon/base/cleanup.h"
#include "proto/ids.h"

#include <stdio.h>
#include <string.h>

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

static void print_gap(struct watch *watch, int64_t from, int64_t to, bool is_strange)
{
    if (watch->ctl->is_json)
        print_line(json_pack("{s:s, s:I, s:I}", "kind", "gap", "from", (json_int_t) from, "to",
                             (json_int_t) to));
    else
        note(watch->ctl, "events %lld to %lld are not told: %s", (long long) from, (long long) to,
             is_strange ? "the number is of another daemon's life" : "they are no longer kept");
}

static bool print_one(struct watch *watch, json_t *event)
{
    int64_t *left = watch->context;

    if (watch->ctl->is_json)
        print_line(json_incref(event));
    else
        print_event(event);
    return fflush(stdout) == 0 && --*left != 0;
}

static json_t *wanted_kinds(const struct arguments *arguments)
{
    json_t *kinds = NULL;
    const char *kind;

    for (size_t position = 0; (kind = argument_next(arguments, OPT_KIND, &position));) {
        if (!kinds)
            kinds = json_array();
        json_array_append_new(kinds, json_string(kind));
    }
    return kinds;
}

int command_events(struct ctl *ctl)
{
    int64_t left = INT64_MAX; /* events still to be printed */
    struct watch watch = {.ctl = ctl, .since = -1, .take = print_one, .gap = print_gap, .context = &left};
    int status = value_integer(ctl, OPT_SINCE, 0, PROTO_INTEGER_MAX, &watch.since);

    if (status == 0)
        status = value_integer(ctl, OPT_COUNT, 1, INT64_MAX, &left);
    if (status != 0)
        return status;
    watch.follows = argument_given(&ctl->arguments, OPT_FOLLOW);
    watch.kinds = wanted_kinds(&ctl->arguments);
    return watch_run(&watch);
}
