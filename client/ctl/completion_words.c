/* SPDX-License-Identifier: MIT */
/*
 * What the completions offer of the daemon's: a word a line, a tab, and what it is. Words that would have to
 * be escaped are left out: nobody could type them.
 */
#include "client/ctl/calls.h"
#include "client/ctl/completion.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"

#include <stdio.h>
#include <string.h>

#define ROOM 60 /* bytes */

static void print_word(const char *word, const char *what)
{
    CLEANUP_MEMORY char *escaped = text_escaped(word, strlen(word));

    if (strcmp(word, escaped) == 0)
        printf("%s\t%s\n", word, what);
}

static bool is_living(const json_t *info)
{
    return json_is_null(json_object_get(info, "ended"));
}

/* "running, sleep 60": as much of the command line as has room, and no part of a character. */
static char *describe(const json_t *info)
{
    CLEANUP_MEMORY char *argv = text_of_argv(json_object_get(info, "argv"));
    int length = (int) strnlen(argv, ROOM);

    while (length > 0 && (argv[length] & 0xc0) == 0x80)
        length--;
    return text_format("%s, %.*s", json_string_value(json_object_get(info, "state")), length, argv);
}

/* Its id; and its name, unless that means another one. */
static void print_process(const json_t *info, json_t *names)
{
    const char *name = json_string_value(json_object_get(info, "name"));
    CLEANUP_MEMORY char *title = text_of_json(json_object_get(info, "name"));
    CLEANUP_MEMORY char *id = text_of_json(json_object_get(info, "id")), *what = describe(info);
    CLEANUP_MEMORY char *of_id = text_format("%s, %s", title, what);
    CLEANUP_MEMORY char *of_name = text_format("%s, id %s", what, id);

    print_word(id, of_id);
    if (!name || json_object_get(names, name))
        return;
    print_word(name, of_name);
    json_object_set_new(names, name, json_true());
}

/* In the order in which a name means one of several: the living before the others, the newest first. */
int print_processes(struct ctl *ctl)
{
    json_t *result = NULL, *list, *names = json_object();
    int status = call(ctl, "process.list", json_object(), &result);

    list = json_object_get(result, "processes");
    for (int living = 1; living >= 0; living--)
        for (size_t i = json_array_size(list); i > 0; i--)
            if (is_living(json_array_get(list, i - 1)) == living)
                print_process(json_array_get(list, i - 1), names);
    json_decref(names);
    json_decref(result);
    return status;
}

int print_objects(struct ctl *ctl)
{
    json_t *result = NULL, *object;
    int status = call(ctl, "object.list", json_object(), &result);
    size_t i;

    json_array_foreach(json_object_get(result, "objects"), i, object)
        print_word(json_string_value(json_object_get(object, "name")),
                   json_string_value(json_object_get(object, "kind")));
    json_decref(result);
    return status;
}
