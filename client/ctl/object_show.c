/* SPDX-License-Identifier: MIT */
/*
 * lock show, rlock show, semaphore show; and how an object is described.
 */
#include "client/ctl/calls.h"
#include "client/ctl/object.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"

#include <stdio.h>
#include <string.h>

char *object_party(const json_t *party)
{
    CLEANUP_MEMORY char *pid = text_of_json(json_object_get(party, "pid"));
    CLEANUP_MEMORY char *holder = text_of_json(json_object_get(party, "holder"));

    return *holder ? text_format("%s (%s)", pid, holder) : text_format("%s", pid);
}

/* How deep an rlock is held; 0: it is free. */
static json_int_t depth_of(const json_t *info)
{
    const json_t *hold = json_array_get(json_object_get(info, "holders"), 0);

    return json_integer_value(json_object_get(hold, "count"));
}

static char *permits_text(const json_t *info, const char **ret_color)
{
    json_int_t value = json_integer_value(json_object_get(info, "value"));
    const json_t *bound = json_object_get(info, "bound");

    *ret_color = value == 0 ? "yellow" : NULL;
    if (json_is_integer(bound))
        return text_format("%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " free", value,
                           json_integer_value(bound));
    return text_format("%" JSON_INTEGER_FORMAT " free", value);
}

static char *barrier_text(const json_t *info, const char **ret_color)
{
    if (json_is_true(json_object_get(info, "broken"))) {
        *ret_color = "red";
        return text_format("broken");
    }
    return text_format("%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " there",
                       json_integer_value(json_object_get(info, "waiting")),
                       json_integer_value(json_object_get(info, "parties")));
}

char *object_state(const json_t *info, const char **ret_color)
{
    json_int_t depth = depth_of(info);

    *ret_color = NULL;
    if (json_object_get(info, "value"))
        return permits_text(info, ret_color);
    if (json_object_get(info, "parties"))
        return barrier_text(info, ret_color);
    if (json_object_get(info, "set"))
        return text_format(json_is_true(json_object_get(info, "set")) ? "set" : "clear");
    if (json_object_get(info, "lock"))
        return text_format("-");
    *ret_color = depth > 0 ? "yellow" : NULL;
    if (depth > 1)
        return text_format("held %" JSON_INTEGER_FORMAT " times", depth);
    return text_format(depth > 0 ? "held" : "free");
}

static void print_row(const char *member, const char *text)
{
    printf("%-13s %s\n", member, text);
}

/* "since 2017-09-13 14:29:51.123, token 17" */
static void print_parties(const char *member, const json_t *parties)
{
    const json_t *party, *token;
    size_t i;

    json_array_foreach(parties, i, party)
    {
        CLEANUP_MEMORY char *who = object_party(party);
        CLEANUP_MEMORY char *since = text_of_time(json_number_value(json_object_get(party, "since")));

        token = json_object_get(party, "token");
        printf("%-13s %s since %s", member, who, since);
        if (json_is_integer(token))
            printf(", token %" JSON_INTEGER_FORMAT, json_integer_value(token));
        putchar('\n');
    }
    if (json_array_size(parties) == 0)
        print_row(member, "-");
}

static void print_info(const json_t *info)
{
    CLEANUP_MEMORY char *name = text_of_json(json_object_get(info, "name"));
    CLEANUP_MEMORY char *kind = text_of_json(json_object_get(info, "kind"));
    CLEANUP_MEMORY char *mode = text_of_json(json_object_get(info, "mode"));
    const char *color;
    CLEANUP_MEMORY char *state = object_state(info, &color);

    print_row("name", name);
    print_row("kind", kind);
    print_row("state", state);
    print_row("mode", mode);
    print_row("persist", json_is_true(json_object_get(info, "persist")) ? "yes" : "no");
    print_parties("holder", json_object_get(info, "holders"));
    print_parties("waiter", json_object_get(info, "waiters"));
}

/* "bounded_semaphore" is a semaphore, "rlock" is no lock. */
static bool is_of_kind(const struct ctl *ctl, const char *kind)
{
    size_t length = strcspn(ctl->command->name, " ");
    const char *rest = strncmp(kind, "bounded_", strlen("bounded_")) == 0 ? kind + strlen("bounded_") : kind;

    return strlen(rest) == length && strncmp(rest, ctl->command->name, length) == 0;
}

int object_show(struct ctl *ctl)
{
    json_t *info = NULL;
    const char *kind;
    int status = call(ctl, "object.info", object_params(ctl), &info);

    if (status != 0)
        return status;
    kind = json_string_value(json_object_get(info, "kind"));
    if (!kind || !is_of_kind(ctl, kind)) {
        complain(ctl, "%s: it is a %s", ctl->arguments.words[0], kind ? kind : "-");
        print_failure(ctl, "WrongKind", "the object is of another kind");
        status = CTL_NEGATIVE;
    } else if (ctl->is_json) {
        print_document(json_incref(info));
    } else {
        print_info(info);
    }
    json_decref(info);
    return status;
}
