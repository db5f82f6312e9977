/* SPDX-License-Identifier: MIT */
#include "client/ctl/metrics.h"

#include "client/ctl/calls.h"
#include "client/ctl/monitor.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <stdio.h>
#include <string.h>

#define PATIENCE (10 * NSEC_PER_SEC)

struct page {
    FILE *stream;
    const json_t *info; /* of the daemon */
    const struct monitor *monitor;
};

/* ---- the format ---- */

static void family(const struct page *page, const char *name, const char *type, const char *unit,
                   const char *help)
{
    fprintf(page->stream, "# TYPE procd_%s %s\n", name, type);
    if (unit)
        fprintf(page->stream, "# UNIT procd_%s %s\n", name, unit);
    fprintf(page->stream, "# HELP procd_%s %s\n", name, help);
}

/* Escaped as for a terminal first: what is no text stays no text. */
static void label(const struct page *page, const char *before, const char *name, const json_t *value)
{
    CLEANUP_MEMORY char *text = text_of_json(value);

    fprintf(page->stream, "%s%s=\"", before, name);
    for (const char *at = text; *at; at++)
        fprintf(page->stream, "%s%c", *at == '"' || *at == '\\' ? "\\" : "", *at);
    fputc('"', page->stream);
}

static double number_of(const json_t *object, const char *member)
{
    return json_number_value(json_object_get(object, member));
}

/* A family with one value, from a member of daemon.info. */
static void single(const struct page *page, const char *name, const char *type, const char *suffix,
                   const char *unit, const char *member, const char *help)
{
    family(page, name, type, unit, help);
    fprintf(page->stream, "procd_%s%s %.17g\n", name, suffix, number_of(page->info, member));
}

/* ---- the daemon ---- */

static void put_daemon(const struct page *page)
{
    const json_t *processes = json_object_get(page->info, "processes");

    family(page, "build", "info", NULL, "Which daemon answers.");
    fputs("procd_build_info", page->stream);
    label(page, "{", "version", json_object_get(page->info, "version"));
    label(page, ",", "epoch", json_object_get(page->info, "epoch"));
    fputs("} 1\n", page->stream);
    single(page, "start_time_seconds", "gauge", "", "seconds", "started", "Start of the daemon, Unix time.");
    single(page, "broker_restarts", "counter", "_total", NULL, "restarts", "Brokers before this one.");
    single(page, "broker_resident_memory_bytes", "gauge", "", "bytes", "rss", "Memory of the broker.");
    single(page, "events", "counter", "_total", NULL, "seq", "Events so far.");
    single(page, "clients", "gauge", "", NULL, "clients", "Client processes.");
    single(page, "connections", "gauge", "", NULL, "connections", "Connections.");
    single(page, "subscriptions", "gauge", "", NULL, "subscriptions", "Subscriptions to events.");
    single(page, "objects", "gauge", "", NULL, "objects", "Synchronisation objects.");
    family(page, "processes", "gauge", NULL, "Processes, by whether they have ended.");
    fprintf(page->stream, "procd_processes{state=\"running\"} %.17g\n", number_of(processes, "running"));
    fprintf(page->stream, "procd_processes{state=\"ended\"} %.17g\n", number_of(processes, "ended"));
}

/* ---- processes that live ---- */

struct process_family {
    const char *name, *type, *suffix, *unit, *help;
    /* False: nothing is known. */
    bool (*value)(const struct monitor_process *process, double *ret_value);
};

static bool cpu_of(const struct monitor_process *process, double *ret_value)
{
    *ret_value = (double) process->sample.cpu / NSEC_PER_SEC;
    return process->sample.at != 0;
}

static bool memory_of(const struct monitor_process *process, double *ret_value)
{
    *ret_value = (double) process->sample.rss;
    return process->sample.at != 0;
}

static bool threads_of(const struct monitor_process *process, double *ret_value)
{
    *ret_value = (double) process->sample.threads;
    return process->sample.at != 0;
}

static bool start_of(const struct monitor_process *process, double *ret_value)
{
    *ret_value = number_of(process->info, "started");
    return json_is_number(json_object_get(process->info, "started"));
}

static bool restarts_of(const struct monitor_process *process, double *ret_value)
{
    *ret_value = number_of(process->info, "restarts");
    return json_is_number(json_object_get(process->info, "restarts"));
}

static const struct process_family process_families[] = {
    {"process_cpu_seconds", "counter", "_total", "seconds", "Processor time of a process, user and system.",
     cpu_of},
    {"process_resident_memory_bytes", "gauge", "", "bytes", "Memory of a process.", memory_of},
    {"process_threads", "gauge", "", NULL, "Threads of a process.", threads_of},
    {"process_start_time_seconds", "gauge", "", "seconds", "Start of a process, Unix time.", start_of},
    {"process_restarts", "counter", "_total", NULL, "How often its restart policy has started it anew.",
     restarts_of},
};

static void put_processes(const struct page *page, const struct process_family *of)
{
    family(page, of->name, of->type, of->unit, of->help);
    for (size_t i = 0; i < page->monitor->count; i++) {
        const struct monitor_process *process = &page->monitor->processes[i];
        double value;

        if (!of->value(process, &value))
            continue;
        fprintf(page->stream, "procd_%s%s", of->name, of->suffix);
        label(page, "{", "id", json_object_get(process->info, "id"));
        label(page, ",", "name", json_object_get(process->info, "name"));
        fprintf(page->stream, "} %.17g\n", value);
    }
}

/* ---- objects ---- */

static void put_objects(const struct page *page, const char *name, const char *member, const char *help)
{
    const json_t *object;
    size_t i;

    family(page, name, "gauge", NULL, help);
    json_array_foreach(json_object_get(page->monitor->objects, "objects"), i, object) {
        fprintf(page->stream, "procd_%s", name);
        label(page, "{", "name", json_object_get(object, "name"));
        label(page, ",", "kind", json_object_get(object, "kind"));
        fprintf(page->stream, "} %zu\n", json_array_size(json_object_get(object, member)));
    }
}

/* ---- the whole ---- */

static void put_page(const struct page *page)
{
    put_daemon(page);
    for (size_t i = 0; i < sizeof process_families / sizeof *process_families; i++)
        put_processes(page, &process_families[i]);
    put_objects(page, "object_holders", "holders", "Who holds an object.");
    put_objects(page, "object_waiters", "waiters", "Who waits for an object.");
    fputs("# EOF\n", page->stream);
}

int metrics_text(struct ctl *ctl, int64_t deadline, char **ret_text, size_t *ret_size)
{
    struct monitor monitor = {.order = MONITOR_BY_ID};
    json_t *info = NULL;
    struct page page = {.monitor = &monitor};
    int r = monitor_ask(ctl, "daemon.info", NULL, deadline, &info, ret_text);

    if (r == 0)
        r = monitor_update(&monitor, ctl, deadline, ret_text);
    page.info = info;
    if (r == 0) {
        page.stream = open_memstream(ret_text, ret_size);
        if (page.stream)
            put_page(&page);
        if (!page.stream || fclose(page.stream) != 0) {
            *ret_text = text_format("no memory");
            r = -1;
        }
    }
    json_decref(info);
    monitor_done(&monitor);
    return r;
}

static int print_metrics(struct ctl *ctl)
{
    CLEANUP_MEMORY char *text = NULL;
    size_t size = 0;

    if (metrics_text(ctl, clock_monotonic() + PATIENCE, &text, &size) != 0) {
        complain(ctl, "%s", text);
        return CTL_FAILED;
    }
    fwrite(text, 1, size, stdout);
    return CTL_OK;
}

/* PORT, or as other tools write it, with the one address before it that is served: there is no password, so
 * there is no way for other machines. */
static int take_port(struct ctl *ctl, int64_t *ret_port)
{
    static const char *const own[] = {"127.0.0.1:", "localhost:"};
    const char *value = argument_value(&ctl->arguments, OPT_LISTEN), *port = NULL;
    CLEANUP_MEMORY char *wanted = NULL;

    if (!value || !strpbrk(value, ".:"))
        return value_integer(ctl, OPT_LISTEN, 1, UINT16_MAX, ret_port);
    for (size_t i = 0; !port && i < sizeof own / sizeof *own; i++)
        if (strncmp(value, own[i], strlen(own[i])) == 0)
            port = value + strlen(own[i]);
    if (!port)
        return usage_error(ctl,
                           "--listen %s: it listens on 127.0.0.1 only, at a port: ssh -L leads there from "
                           "other machines",
                           value);
    if (parse_integer(port, 1, UINT16_MAX, ret_port))
        return 0;
    wanted = wanted_integer(port, "a port", 1, UINT16_MAX);
    return usage_error(ctl, "--listen %s: %s is wanted", value, wanted);
}

int command_metrics(struct ctl *ctl)
{
    int64_t port = 0;
    int status = take_port(ctl, &port);

    if (status == 0 && ctl->is_json)
        return usage_error(ctl, "--json: metrics have a format of their own");
    if (status == 0)
        status = call_open(ctl);
    if (status != 0)
        return status;
    return port > 0 ? metrics_serve(ctl, (uint16_t) port) : print_metrics(ctl);
}
