/* SPDX-License-Identifier: MIT */
/*
 * objects, unlink.
 */
#include "client/ctl/calls.h"
#include "client/ctl/each.h"
#include "client/ctl/object.h"
#include "client/ctl/output.h"
#include "client/ctl/record.h"
#include "client/ctl/table.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"

#include <stdlib.h>
#include <string.h>

enum column {
    COLUMN_NAME,
    COLUMN_KIND,
    COLUMN_STATE,
    COLUMN_HOLDER,
    COLUMN_WAITERS,
    COLUMN_AGE,
    COLUMN_COUNT
};

static const struct table_column columns[COLUMN_COUNT] = {
    [COLUMN_NAME] = {"NAME", 1, 0},
    [COLUMN_KIND] = {"KIND", 1, 0},
    [COLUMN_STATE] = {"STATE", 1, 0},
    [COLUMN_HOLDER] = {"HOLDER", 0.3, SCOLS_FL_TRUNC},
    [COLUMN_WAITERS] = {"WAITERS", 1, SCOLS_FL_RIGHT},
    [COLUMN_AGE] = {"AGE", 1, SCOLS_FL_RIGHT},
};

static bool add_line(struct libscols_table *table, const json_t *info)
{
    const char *color;
    char *cells[COLUMN_COUNT] = {
        [COLUMN_NAME] = text_of_json(json_object_get(info, "name")),
        [COLUMN_KIND] = text_of_json(json_object_get(info, "kind")),
        [COLUMN_STATE] = object_state(info, &color),
        [COLUMN_HOLDER] = record_holder(info),
        [COLUMN_WAITERS] = record_waiters(info),
        [COLUMN_AGE] = record_age(info),
    };

    return table_add(table, cells, COLUMN_STATE, color);
}

static int compare_names(const void *left, const void *right)
{
    const char *a = json_string_value(json_object_get(*(json_t *const *)left, "name"));
    const char *b = json_string_value(json_object_get(*(json_t *const *)right, "name"));

    return strcmp(a ? a : "", b ? b : "");
}

/* By name: the daemon's order says nothing. A new array. */
static json_t *sorted(const json_t *objects)
{
    size_t count = json_array_size(objects);
    CLEANUP_MEMORY json_t **list = calloc(count + 1, sizeof *list);
    json_t *result = json_array();

    for (size_t i = 0; list && i < count; i++)
        list[i] = json_array_get(objects, i);
    if (list)
        qsort(list, count, sizeof *list, compare_names);
    for (size_t i = 0; list && i < count; i++)
        json_array_append(result, list[i]);
    return result;
}

static int print_table(const struct ctl *ctl, const json_t *objects)
{
    struct libscols_table *table = table_new(columns, COLUMN_COUNT);
    bool is_fine = table;
    const json_t *info;
    size_t i;

    json_array_foreach(objects, i, info) is_fine = is_fine && add_line(table, info);
    return table_print(ctl, table, is_fine);
}

int command_objects(struct ctl *ctl)
{
    json_t *list = NULL, *objects;
    int status = call(ctl, "object.list", NULL, &list);

    if (status != 0)
        return status;
    objects = sorted(json_object_get(list, "objects"));
    json_object_set(list, "objects", objects);
    if (ctl->is_json)
        print_document(json_incref(list));
    else if (json_array_size(objects) > 0)
        status = print_table(ctl, objects);
    else
        note(ctl, "no objects");
    json_decref(objects);
    json_decref(list);
    return status;
}

int command_unlink(struct ctl *ctl)
{
    struct each each = {.method = "object.unlink", .is_object = true, .deadline = CONNECTION_FOREVER};

    return each_word(ctl, &each);
}
