/* SPDX-License-Identifier: MIT */
#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "client/ctl/record.h"
#include "client/ctl/table.h"
#include "client/ctl/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column {
    COLUMN_ID,
    COLUMN_NAME,
    COLUMN_PID,
    COLUMN_STATE,
    COLUMN_EXIT,
    COLUMN_TIME,
    COLUMN_COMMAND,
    COLUMN_COUNT
};

static const struct table_column columns[COLUMN_COUNT] = {
    [COLUMN_ID] = {"ID", 1, SCOLS_FL_RIGHT},
    [COLUMN_NAME] = {"NAME", 1, 0},
    [COLUMN_PID] = {"PID", 1, SCOLS_FL_RIGHT},
    [COLUMN_STATE] = {"STATE", 1, 0},
    [COLUMN_EXIT] = {"EXIT", 1, SCOLS_FL_RIGHT},
    [COLUMN_TIME] = {"TIME", 1, SCOLS_FL_RIGHT},
    [COLUMN_COMMAND] = {"COMMAND", 0.5, SCOLS_FL_TRUNC},
};

static char *cell_text(const json_t *info, enum column column)
{
    switch (column) {
    case COLUMN_ID:
        return text_of_json(json_object_get(info, "id"));
    case COLUMN_NAME:
        return text_of_json(json_object_get(info, "name"));
    case COLUMN_PID:
        return text_of_json(json_object_get(info, "pid"));
    case COLUMN_STATE:
        return text_of_json(json_object_get(info, "state"));
    case COLUMN_EXIT:
        return record_exit(info);
    case COLUMN_TIME:
        return record_time(info);
    case COLUMN_COMMAND:
        return text_of_argv(json_object_get(info, "argv"));
    case COLUMN_COUNT:
        break;
    }
    return NULL;
}

static bool add_line(struct libscols_table *table, const json_t *info)
{
    char *cells[COLUMN_COUNT];

    for (enum column column = 0; column < COLUMN_COUNT; column++)
        cells[column] = cell_text(info, column);
    return table_add(table, cells, COLUMN_STATE, record_color(info));
}

static bool is_wanted(const struct ctl *ctl, const json_t *info)
{
    const char *name = json_string_value(json_object_get(info, "name"));

    for (size_t i = 0; i < ctl->arguments.word_count; i++)
        if (name && strcmp(name, ctl->arguments.words[i]) == 0)
            return true;
    return ctl->arguments.word_count == 0;
}

static int print_table(const struct ctl *ctl, const json_t *processes)
{
    struct libscols_table *table = table_new(columns, COLUMN_COUNT);
    bool is_fine = table;
    const json_t *info;
    size_t i;

    json_array_foreach(processes, i, info)
        is_fine = is_fine && add_line(table, info);
    return table_print(ctl, table, is_fine);
}

/* Leaves only those that were named. */
static void filter(const struct ctl *ctl, json_t *processes)
{
    for (size_t i = json_array_size(processes); i > 0; i--)
        if (!is_wanted(ctl, json_array_get(processes, i - 1)))
            json_array_remove(processes, i - 1);
}

static void note_none(const struct ctl *ctl)
{
    const char *of_name = ctl->arguments.word_count > 0 ? " of that name" : "";

    if (argument_given(&ctl->arguments, OPT_ALL))
        note(ctl, "no processes%s", of_name);
    else
        note(ctl, "no living processes%s; -a shows ended ones", of_name);
}

int command_ps(struct ctl *ctl)
{
    json_t *params = json_object(), *list = NULL, *processes;
    int status;

    if (!argument_given(&ctl->arguments, OPT_ALL))
        json_object_set_new(params, "alive", json_true());
    status = call(ctl, "process.list", params, &list);
    if (status != 0)
        return status;
    processes = json_object_get(list, "processes");
    filter(ctl, processes);
    if (ctl->is_json)
        print_document(json_incref(list));
    else if (json_array_size(processes) > 0)
        status = print_table(ctl, processes);
    else
        note_none(ctl);
    json_decref(list);
    return status;
}
