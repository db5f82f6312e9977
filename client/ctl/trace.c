/* SPDX-License-Identifier: MIT */
/*
 * trace: processes, holds and waits on a time line, in the format of Chrome's tracing ("Trace Event Format",
 * JSON object form), which Perfetto and about:tracing open. Each process is a track; each of its holders
 * (threads) a line in it.
 */
#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "client/ctl/watch.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct trace {
    json_t *events;  /* traceEvents */
    json_t *open;    /* what has begun: "hold TOKEN", "wait PID OBJECT HOLDER" -> the event that it becomes */
    json_t *threads; /* "PID HOLDER" -> its number in the track of its process */
    double now;      /* microseconds */
};

/* ---- time and places ---- */

static double microseconds(const json_t *seconds)
{
    return json_number_value(seconds) * 1e6;
}

static void add_metadata(struct trace *trace, const char *kind, json_int_t pid, json_int_t thread,
                         const char *name)
{
    json_t *event = json_pack("{s:s, s:s, s:I, s:I, s:{s:s}}", "ph", "M", "name", kind, "pid", pid, "tid",
                              thread, "args", "name", name);

    json_array_append_new(trace->events, event);
}

/* The number of a holder's line; told what it is called when it is first seen. 0 is the process itself. */
static json_int_t thread_of(struct trace *trace, json_int_t pid, const char *holder)
{
    CLEANUP_MEMORY char *key = NULL;
    json_int_t number;

    if (asprintf(&key, "%" JSON_INTEGER_FORMAT " %s", pid, holder) < 0)
        return 0;
    number = json_integer_value(json_object_get(trace->threads, key));
    if (number > 0)
        return number;
    number = (json_int_t) json_object_size(trace->threads) + 1;
    json_object_set_new(trace->threads, key, json_integer(number));
    add_metadata(trace, "thread_name", pid, number, *holder ? holder : "main");
    return number;
}

static const char *string_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text ? text : "";
}

/* Something that lasts. More is put into its args. */
static json_t *new_span(const char *category, const char *name, json_int_t pid, json_int_t thread,
                        double begin)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:f, s:{}}", "ph", "X", "cat", category, "name", name, "pid",
                     pid, "tid", thread, "ts", begin, "args");
}

static void add_argument(json_t *span, const char *name, const json_t *from, const char *member)
{
    json_object_set(json_object_get(span, "args"), name, json_object_get(from, member));
}

/* ---- processes ---- */

static void add_process(struct trace *trace, const json_t *info)
{
    json_int_t pid = json_integer_value(json_object_get(info, "pid"));
    const json_t *started = json_object_get(info, "started"), *ended = json_object_get(info, "ended");
    double begin = microseconds(started), end = json_is_number(ended) ? microseconds(ended) : trace->now;
    const char *name = string_of(info, "name");
    json_t *span;

    if (!json_is_number(started))
        return;
    add_metadata(trace, "process_name", pid, 0, name);
    span = new_span("process", name, pid, 0, begin);
    json_object_set_new(span, "dur", json_real(end > begin ? end - begin : 0));
    add_argument(span, "id", info, "id");
    add_argument(span, "exitcode", info, "exitcode");
    add_argument(span, "signal", info, "signal");
    json_array_append_new(trace->events, span);
}

static int add_processes(struct ctl *ctl, struct trace *trace)
{
    json_t *list = NULL;
    const json_t *info;
    size_t i;
    int status = call(ctl, "process.list", NULL, &list);

    json_array_foreach(json_object_get(list, "processes"), i, info)
        add_process(trace, info);
    json_decref(list);
    return status;
}

/* ---- holds and waits ---- */

static char *key_of(const char *what, const json_t *event)
{
    char *key;
    int length;

    if (strcmp(what, "hold") == 0)
        length = asprintf(&key, "hold %" JSON_INTEGER_FORMAT,
                          json_integer_value(json_object_get(event, "token")));
    else
        length = asprintf(&key, "wait %" JSON_INTEGER_FORMAT " %s %s",
                          json_integer_value(json_object_get(event, "pid")), string_of(event, "object"),
                          string_of(event, "holder"));
    return length < 0 ? NULL : key;
}

/* Takes it out of what is open, and writes how long it was. */
static void end_span(struct trace *trace, const char *key, double at, const char *how)
{
    json_t *span = json_incref(json_object_get(trace->open, key));
    double begin;

    if (!span)
        return;
    begin = json_number_value(json_object_get(span, "ts"));
    json_object_set_new(span, "dur", json_real(at > begin ? at - begin : 0));
    json_object_set_new(json_object_get(span, "args"), "end", json_string(how));
    json_object_del(trace->open, key);
    json_array_append_new(trace->events, span);
}

static void end_what(struct trace *trace, const char *what, const json_t *event, const char *how)
{
    CLEANUP_MEMORY char *key = key_of(what, event);

    if (key)
        end_span(trace, key, microseconds(json_object_get(event, "time")), how);
}

static void begin_what(struct trace *trace, const char *what, const json_t *event)
{
    CLEANUP_MEMORY char *key = key_of(what, event), *name = NULL;
    json_int_t pid = json_integer_value(json_object_get(event, "pid"));
    json_t *span;

    if (!key || asprintf(&name, "%s %s", what, string_of(event, "object")) < 0)
        return;
    span = new_span(what, name, pid, thread_of(trace, pid, string_of(event, "holder")),
                    microseconds(json_object_get(event, "time")));
    add_argument(span, "kind", event, "object_kind");
    add_argument(span, "token", event, "token");
    json_object_set_new(trace->open, key, span);
}

/* A mark across the whole picture. */
static void add_mark(struct trace *trace, const json_t *event)
{
    json_int_t pid = json_integer_value(json_object_get(event, "pid"));
    double at = microseconds(json_object_get(event, "time"));
    json_t *mark = json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:f, s:O}", "ph", "i", "s", "g", "cat", "mark",
                             "name", string_of(event, "kind"), "pid", pid, "tid", 0, "ts", at, "args", event);

    json_array_append_new(trace->events, mark);
}

static bool take(struct watch *watch, json_t *event)
{
    struct trace *trace = watch->context;
    const char *kind = string_of(event, "kind");

    if (strcmp(kind, "lock.waiting") == 0) {
        end_what(trace, "wait", event, "given up"); /* an earlier one, of which nothing more was told */
        begin_what(trace, "wait", event);
    } else if (strcmp(kind, "lock.acquired") == 0) {
        end_what(trace, "wait", event, "granted");
        begin_what(trace, "hold", event);
    } else if (strcmp(kind, "lock.released") == 0) {
        end_what(trace, "hold", event, "released");
    } else {
        if (strcmp(kind, "lock.abandoned") == 0)
            end_what(trace, "hold", event, "abandoned");
        add_mark(trace, event);
    }
    return true;
}

static void tell_gap(struct watch *watch, int64_t from, int64_t to, bool is_strange)
{
    (void) is_strange;
    note(watch->ctl, "events %lld to %lld are no longer kept", (long long) from, (long long) to);
}

/* What still goes on does so to the end of the picture. */
static void end_all(struct trace *trace)
{
    const char *key;
    json_t *span;
    void *next;

    json_object_foreach_safe(trace->open, next, key, span)
        end_span(trace, key, trace->now, "");
}

/* ---- the file ---- */

/* Beside it, and put in its place when it is whole. */
static int write_file(const struct ctl *ctl, const char *path, const json_t *document)
{
    CLEANUP_MEMORY char *beside = NULL;
    int r = asprintf(&beside, "%s.%d", path, (int) getpid()) < 0 ? -ENOMEM : 0;
    FILE *stream = r == 0 ? fopen(beside, "wxe") : NULL;

    if (!stream) {
        complain(ctl, "%s: %s", path, strerror(errno));
        return CTL_FAILED;
    }
    errno = 0;
    if (text_put_json(stream, document, JSON_COMPACT | JSON_REAL_PRECISION(17)) < 0 || ferror(stream))
        r = errno ? -errno : -EIO;
    if (fclose(stream) != 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(beside, path) < 0)
        r = -errno;
    if (r == 0)
        return CTL_OK;
    unlink(beside);
    complain(ctl, "%s: %s", path, strerror(-r));
    return CTL_FAILED;
}

static int write_trace(const struct ctl *ctl, const struct trace *trace)
{
    const char *path = argument_value(&ctl->arguments, OPT_OUTPUT);
    json_t *document = json_pack("{s:O, s:s}", "traceEvents", trace->events, "displayTimeUnit", "ms");
    int status = CTL_OK;

    if (!path || strcmp(path, "-") == 0) {
        print_document(document);
        return CTL_OK;
    }
    status = write_file(ctl, path, document);
    json_decref(document);
    return status;
}

int command_trace(struct ctl *ctl)
{
    struct trace trace = {json_array(), json_object(), json_object(), (double) clock_realtime() / 1e3};
    json_t *kinds =
        json_pack("[s, s, s, s]", "lock.*", "barrier.broken", "deadlock.detected", "daemon.restarted");
    struct watch watch = {
        .ctl = ctl, .since = -1, .take = take, .gap = tell_gap, .context = &trace, .kinds = kinds};
    int status = watch_run(&watch);

    if (status == 0)
        status = add_processes(ctl, &trace);
    end_all(&trace);
    if (status == 0)
        status = write_trace(ctl, &trace);
    json_decref(trace.events);
    json_decref(trace.open);
    json_decref(trace.threads);
    return status;
}
