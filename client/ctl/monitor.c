/* SPDX-License-Identifier: MIT */
#include "client/ctl/monitor.h"

#include "client/ctl/calls.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"

#include <stdlib.h>
#include <string.h>

const char *const monitor_order_names[MONITOR_ORDERS] = {
    [MONITOR_BY_CPU] = "cpu",   [MONITOR_BY_MEMORY] = "memory", [MONITOR_BY_TIME] = "time",
    [MONITOR_BY_NAME] = "name", [MONITOR_BY_ID] = "id",
};

/* ---- asking ---- */

int monitor_ask(struct ctl *ctl, const char *method, json_t *params, int64_t deadline, json_t **ret_result,
                char **ret_why)
{
    struct connection_request request = {.method = method, .params = params};
    CLEANUP(incoming_done) struct incoming incoming = {0};
    json_t *error = NULL;
    int r = connection_call(ctl->connection, &request, deadline, &incoming);

    json_decref(params);
    if (r == 0)
        r = incoming_result(&incoming, ret_result, &error);
    if (r == 0)
        json_incref(*ret_result);
    else
        *ret_why = error ? error_text(ctl, error, NULL) : text_format("the daemon does not answer");
    return r;
}

static const struct monitor_process *find(const struct monitor *monitor, json_int_t id)
{
    for (size_t i = 0; i < monitor->count; i++)
        if (monitor->processes[i].id == id)
            return &monitor->processes[i];
    return NULL;
}

static void look(struct monitor_process *process, const struct monitor_process *before)
{
    json_int_t pid = json_integer_value(json_object_get(process->info, "pid"));
    bool ended = json_is_number(json_object_get(process->info, "ended"));

    process->cpu = -1;
    if (ended || !sample_read(pid, &process->sample))
        process->sample = (struct sample) {0};
    else if (before)
        process->cpu = sample_cpu(&before->sample, &process->sample);
}

static void take(struct monitor *monitor, json_t *list)
{
    const json_t *infos = json_object_get(list, "processes");
    size_t count = json_array_size(infos);
    struct monitor_process *processes = calloc(count + 1, sizeof *processes);

    for (size_t i = 0; processes && i < count; i++) {
        processes[i].info = json_array_get(infos, i);
        processes[i].id = json_integer_value(json_object_get(processes[i].info, "id"));
        look(&processes[i], find(monitor, processes[i].id));
    }
    free(monitor->processes);
    json_decref(monitor->list);
    monitor->processes = processes;
    monitor->count = processes ? count : 0;
    monitor->list = list;
    monitor_sort(monitor);
}

int monitor_update(struct monitor *monitor, struct ctl *ctl, int64_t deadline, char **ret_why)
{
    json_t *params = monitor->with_ended ? NULL : json_pack("{s:b}", "alive", 1), *list, *objects;
    int r = monitor_ask(ctl, "process.list", params, deadline, &list, ret_why);

    if (r < 0)
        return r;
    take(monitor, list);
    r = monitor_ask(ctl, "object.list", NULL, deadline, &objects, ret_why);
    if (r < 0)
        return r;
    json_decref(monitor->objects);
    monitor->objects = objects;
    return 0;
}

void monitor_done(struct monitor *monitor)
{
    free(monitor->processes);
    json_decref(monitor->list);
    json_decref(monitor->objects);
    *monitor = (struct monitor) {0};
}

/* ---- order: the most of it first; by id and name from the first on ---- */

static const struct monitor *sorted_for;

static int by_number(double left, double right)
{
    return (left > right) - (left < right);
}

static int by_name(const struct monitor_process *left, const struct monitor_process *right)
{
    const char *a = json_string_value(json_object_get(left->info, "name"));
    const char *b = json_string_value(json_object_get(right->info, "name"));

    return strcmp(a ? a : "", b ? b : "");
}

static int compare(const void *one, const void *other)
{
    const struct monitor_process *left = one, *right = other;
    int r = 0;

    switch (sorted_for->order) {
    case MONITOR_BY_CPU:
        r = by_number(right->cpu, left->cpu);
        break;
    case MONITOR_BY_MEMORY:
        r = by_number((double) right->sample.rss, (double) left->sample.rss);
        break;
    case MONITOR_BY_TIME:
        r = by_number((double) right->sample.cpu, (double) left->sample.cpu);
        break;
    case MONITOR_BY_NAME:
        r = by_name(left, right);
        break;
    case MONITOR_BY_ID:
    case MONITOR_ORDERS:
        break;
    }
    if (r == 0)
        r = by_number((double) left->id, (double) right->id);
    return sorted_for->reversed ? -r : r;
}

void monitor_sort(struct monitor *monitor)
{
    sorted_for = monitor;
    if (monitor->count > 1)
        qsort(monitor->processes, monitor->count, sizeof *monitor->processes, compare);
}

/* ---- words ---- */

char *monitor_cpu(const struct monitor_process *process)
{
    return process->cpu < 0 ? text_format("-") : text_format("%.1f", process->cpu);
}

char *monitor_memory(const struct monitor_process *process)
{
    static const char units[] = "KMGT";
    double size = (double) process->sample.rss / 1024;
    size_t unit = 0;

    if (process->sample.at == 0)
        return text_format("-");
    for (; size >= 1000 && unit + 1 < sizeof units - 1; unit++)
        size /= 1024;
    return text_format(size < 10 ? "%.1f%c" : "%.0f%c", size, units[unit]);
}

char *monitor_threads(const struct monitor_process *process)
{
    return process->sample.at == 0 ? text_format("-")
                                   : text_format("%lld", (long long) process->sample.threads);
}

json_t *monitor_json(const struct monitor_process *process)
{
    json_t *object = json_copy(process->info);
    bool is_known = process->sample.at != 0;

    json_object_set_new(object, "cpu", process->cpu < 0 ? json_null() : json_real(process->cpu));
    json_object_set_new(object, "rss", is_known ? json_integer(process->sample.rss) : json_null());
    json_object_set_new(object, "threads", is_known ? json_integer(process->sample.threads) : json_null());
    return object;
}
