/* SPDX-License-Identifier: MIT */
/* How objects stand in JSON: {"procd": kind, "name": name}. Further members are nobody's business. */
#include "client/lib/object.h"
#include "proto/schema.h"

#include <errno.h>
#include <string.h>

#define DEPTH_MAX JSON_PARSER_MAX_DEPTH /* no child can read what is deeper */

json_t *object_json(const struct object *object)
{
    json_t *json;

    if (object_check(object) < 0)
        return NULL;
    json = json_pack("{s:s,s:s}", "procd", object_kind_name(object->kind), "name", object->name);
    if (!json)
        failure_note(-ENOMEM, NULL);
    return json;
}

unsigned reference_read(const json_t *json, const char **ret_name)
{
    const char *kind = json_string_value(json_object_get(json, "procd")),
               *name = json_string_value(json_object_get(json, "name"));
    enum object_kind found = kind ? object_kind_find(kind) : OBJECT_KIND_COUNT;

    if (!name || found == OBJECT_KIND_COUNT)
        return 0;
    *ret_name = name;
    return 1U << found;
}

static int add_name(json_t *names, const char *name)
{
    const json_t *known;
    size_t i;

    json_array_foreach(names, i, known)
    {
        const char *text = json_string_value(known);

        if (text && strcmp(text, name) == 0)
            return 0;
    }
    return json_array_append_new(names, json_string(name)) < 0 ? -ENOMEM : 0;
}

static int find(json_t *value, json_t *names, int depth)
{
    const char *member, *name;
    json_t *item;
    size_t i;
    int r = 0;

    if (depth == DEPTH_MAX)
        return 0;
    if (reference_read(value, &name))
        r = add_name(names, name);
    json_array_foreach(value, i, item)
    {
        if (r == 0)
            r = find(item, names, depth + 1);
    }
    json_object_foreach(value, member, item)
    {
        if (r == 0)
            r = find(item, names, depth + 1);
    }
    return r;
}

int references_find(json_t *value, json_t *names)
{
    return find(value, names, 0);
}
