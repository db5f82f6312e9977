/* SPDX-License-Identifier: MIT */
/*
 * top, stats: processes with what they use, and objects with who holds them and waits.
 */
#include "client/ctl/top.h"

#include "client/ctl/calls.h"
#include "client/ctl/object.h"
#include "client/ctl/output.h"
#include "client/ctl/record.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define INTERVAL 2.0                       /* seconds */
#define FIRST    (500 * NSEC_PER_MSEC)     /* between the two looks of --once */
#define PATIENCE (10 * NSEC_PER_SEC)       /* with the daemon's answer */

const struct table_column top_process_columns[TOP_PROCESS_COLUMNS] = {
    [TOP_ID] = {"ID", 1, SCOLS_FL_RIGHT},
    [TOP_NAME] = {"NAME", 1, 0},
    [TOP_PID] = {"PID", 1, SCOLS_FL_RIGHT},
    [TOP_STATE] = {"STATE", 1, 0},
    [TOP_CPU] = {"CPU%", 1, SCOLS_FL_RIGHT},
    [TOP_MEMORY] = {"MEM", 1, SCOLS_FL_RIGHT},
    [TOP_THREADS] = {"THR", 1, SCOLS_FL_RIGHT},
    [TOP_TIME] = {"TIME", 1, SCOLS_FL_RIGHT},
    [TOP_RESTARTS] = {"RESTARTS", 1, SCOLS_FL_RIGHT},
    [TOP_COMMAND] = {"COMMAND", 0.5, SCOLS_FL_TRUNC},
};

const struct table_column top_object_columns[TOP_OBJECT_COLUMNS] = {
    [TOP_OBJECT_NAME] = {"NAME", 1, 0},
    [TOP_OBJECT_KIND] = {"KIND", 1, 0},
    [TOP_OBJECT_STATE] = {"STATE", 1, 0},
    [TOP_OBJECT_HOLDER] = {"HOLDER", 0.3, SCOLS_FL_TRUNC},
    [TOP_OBJECT_WAITERS] = {"WAITERS", 1, SCOLS_FL_RIGHT},
};

const char *top_process_cells(const struct monitor_process *process, char *cells[TOP_PROCESS_COLUMNS])
{
    const json_t *info = process->info;

    cells[TOP_ID] = text_of_json(json_object_get(info, "id"));
    cells[TOP_NAME] = text_of_json(json_object_get(info, "name"));
    cells[TOP_PID] = text_of_json(json_object_get(info, "pid"));
    cells[TOP_STATE] = text_of_json(json_object_get(info, "state"));
    cells[TOP_CPU] = monitor_cpu(process);
    cells[TOP_MEMORY] = monitor_memory(process);
    cells[TOP_THREADS] = monitor_threads(process);
    cells[TOP_TIME] = record_time(info);
    cells[TOP_RESTARTS] = text_of_json(json_object_get(info, "restarts"));
    cells[TOP_COMMAND] = text_of_argv(json_object_get(info, "argv"));
    return record_color(info);
}

const char *top_object_cells(const json_t *info, char *cells[TOP_OBJECT_COLUMNS])
{
    const char *color;

    cells[TOP_OBJECT_NAME] = text_of_json(json_object_get(info, "name"));
    cells[TOP_OBJECT_KIND] = text_of_json(json_object_get(info, "kind"));
    cells[TOP_OBJECT_STATE] = object_state(info, &color);
    cells[TOP_OBJECT_HOLDER] = record_holder(info);
    cells[TOP_OBJECT_WAITERS] = record_waiters(info);
    return color;
}

/* ---- once ---- */

static int update(struct ctl *ctl, struct monitor *monitor)
{
    CLEANUP_MEMORY char *why = NULL;
    int r = monitor_update(monitor, ctl, clock_monotonic() + PATIENCE, &why);

    if (r == 0)
        return CTL_OK;
    complain(ctl, "%s", why);
    print_failure(ctl, "Failed", why);
    return CTL_FAILED;
}

static void pause_for(int64_t span)
{
    struct timespec time = {.tv_sec = span / NSEC_PER_SEC, .tv_nsec = span % NSEC_PER_SEC};

    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time) == EINTR)
        ;
}

/* What is used between two looks takes two. */
static int update_twice(struct ctl *ctl, struct monitor *monitor)
{
    int status = update(ctl, monitor);

    if (status != 0)
        return status;
    pause_for(FIRST);
    return update(ctl, monitor);
}

static int print_processes(const struct ctl *ctl, const struct monitor *monitor)
{
    struct libscols_table *table = table_new(top_process_columns, TOP_PROCESS_COLUMNS);
    bool is_fine = table;

    for (size_t i = 0; is_fine && i < monitor->count; i++) {
        char *cells[TOP_PROCESS_COLUMNS];
        const char *color = top_process_cells(&monitor->processes[i], cells);

        is_fine = table_add(table, cells, TOP_STATE, color);
    }
    return table_print(ctl, table, is_fine);
}

static int print_objects(const struct ctl *ctl, const struct monitor *monitor)
{
    const json_t *objects = json_object_get(monitor->objects, "objects");
    struct libscols_table *table = table_new(top_object_columns, TOP_OBJECT_COLUMNS);
    bool is_fine = table;

    for (size_t i = 0; is_fine && i < json_array_size(objects); i++) {
        char *cells[TOP_OBJECT_COLUMNS];
        const char *color = top_object_cells(json_array_get(objects, i), cells);

        is_fine = table_add(table, cells, TOP_OBJECT_STATE, color);
    }
    return table_print(ctl, table, is_fine);
}

static json_t *all_processes(const struct monitor *monitor)
{
    json_t *array = json_array();

    for (size_t i = 0; i < monitor->count; i++)
        json_array_append_new(array, monitor_json(&monitor->processes[i]));
    return array;
}

static int print_once(const struct ctl *ctl, const struct monitor *monitor)
{
    json_t *objects = json_object_get(monitor->objects, "objects");
    int status;

    if (ctl->is_json) {
        print_document(json_pack("{s:o, s:O}", "processes", all_processes(monitor), "objects", objects));
        return CTL_OK;
    }
    if (monitor->count == 0 && json_array_size(objects) == 0) {
        note(ctl, "no living processes, no objects");
        return CTL_OK;
    }
    status = print_processes(ctl, monitor);
    if (status != CTL_OK || json_array_size(objects) == 0)
        return status;
    putchar('\n');
    return print_objects(ctl, monitor);
}

int command_top(struct ctl *ctl)
{
    bool is_once = argument_given(&ctl->arguments, OPT_ONCE) || ctl->is_json;
    struct monitor monitor = {.with_ended = argument_given(&ctl->arguments, OPT_ALL)};
    double seconds = INTERVAL;
    int status = value_seconds(ctl, OPT_INTERVAL, &seconds);

    if (status != 0)
        return status;
    if (!is_once && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
        return usage_error(ctl, "it needs a terminal; --once prints the tables once");
    status = call_open(ctl);
    if (status == 0)
        status = is_once ? update_twice(ctl, &monitor) : top_screen(ctl, &monitor, seconds);
    if (status == 0 && is_once)
        status = print_once(ctl, &monitor);
    monitor_done(&monitor);
    return status;
}

/* ---- stats ---- */

static bool is_named(const struct ctl *ctl, const struct monitor_process *process)
{
    CLEANUP_MEMORY char *id = text_of_json(json_object_get(process->info, "id"));
    const char *name = json_string_value(json_object_get(process->info, "name"));

    for (size_t i = 0; i < ctl->arguments.word_count; i++)
        if (strcmp(ctl->arguments.words[i], id) == 0 || (name && strcmp(ctl->arguments.words[i], name) == 0))
            return true;
    return ctl->arguments.word_count == 0;
}

/* Keeps what was named, in its order. */
static void keep_named(const struct ctl *ctl, struct monitor *monitor)
{
    size_t count = 0;

    for (size_t i = 0; i < monitor->count; i++)
        if (is_named(ctl, &monitor->processes[i]))
            monitor->processes[count++] = monitor->processes[i];
    monitor->count = count;
}

static int print_stats(const struct ctl *ctl, const struct monitor *monitor)
{
    double now = (double) clock_realtime() / NSEC_PER_SEC;
    int status = CTL_OK;

    if (ctl->is_json)
        print_line(json_pack("{s:f, s:o}", "time", now, "processes", all_processes(monitor)));
    else
        status = print_processes(ctl, monitor);
    return fflush(stdout) == 0 ? status : CTL_FAILED;
}

int command_stats(struct ctl *ctl)
{
    struct monitor monitor = {.order = MONITOR_BY_ID};
    double seconds = INTERVAL;
    int64_t left = isatty(STDOUT_FILENO) ? INT64_MAX : 1;
    int status = value_integer(ctl, OPT_TIMES, 1, INT64_MAX, &left);

    if (status == 0)
        status = value_seconds(ctl, OPT_INTERVAL, &seconds);
    if (status == 0)
        status = call_open(ctl);
    if (status == 0)
        status = update_twice(ctl, &monitor);
    while (status == 0) {
        keep_named(ctl, &monitor);
        status = print_stats(ctl, &monitor);
        if (--left == 0 || status != 0)
            break;
        if (!ctl->is_json)
            putchar('\n');
        pause_for((int64_t) (seconds * NSEC_PER_SEC));
        status = update(ctl, &monitor);
    }
    monitor_done(&monitor);
    return status;
}
