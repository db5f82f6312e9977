#include "daemon/rpc/render.h"

#include "daemon/keeper/link.h"
#include "daemon/rpc/render_object.h"
#include "proto/bytes.h"
#include "proto/schema.h"
#include "proto/signals.h"

#include <string.h>

static const char *const state_names[] = {
    [PROCESS_STARTING] = "running",
    [PROCESS_RUNNING] = "running",
    [PROCESS_STOPPED] = "stopped",
    [PROCESS_EXITED] = "exited",
};

json_t *render_time(int64_t wall)
{
    /* microseconds: a double holds them exactly until the year 2255 */
    return json_real((double) (wall / 1000) / 1e6);
}

static json_t *span(int64_t ns)
{
    return json_real((double) ns / 1e9);
}

/* ---- strings ---- */

json_t *render_text(const struct text *text)
{
    return text ? bytes_to_json(text->bytes, text->size) : json_null();
}

static json_t *render_argv(const struct record *record)
{
    json_t *list = json_array();
    const char *at = record_argv(record);

    for (uint32_t i = 0; i < record->argc; i++) {
        size_t size = strlen(at);

        if (json_array_append_new(list, bytes_to_json(at, size)) < 0) {
            json_decref(list);
            return NULL;
        }
        at += size + 1;
    }
    return list;
}

static json_t *render_labels(const struct record *record)
{
    json_t *labels = json_object();
    const char *at = record_labels(record);

    for (uint32_t i = 0; i < record->label_count; i++) {
        const char *value = at + strlen(at) + 1;

        if (json_object_set_new(labels, at, json_string(value)) < 0) {
            json_decref(labels);
            return NULL;
        }
        at = value + strlen(value) + 1;
    }
    return labels;
}

/* ---- ends ---- */

static json_t *render_rusage(const struct input_rusage *rusage)
{
    return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "utime", span(rusage->utime), "stime",
                     span(rusage->stime), "maxrss", (json_int_t) rusage->maxrss, "minflt",
                     (json_int_t) rusage->minflt, "majflt", (json_int_t) rusage->majflt, "inblock",
                     (json_int_t) rusage->inblock, "oublock", (json_int_t) rusage->oublock, "nvcsw",
                     (json_int_t) rusage->nvcsw, "nivcsw", (json_int_t) rusage->nivcsw);
}

static json_t *render_exitcode(int32_t exitcode, uint32_t flags)
{
    return flags & PROCESS_KNOWN ? json_integer(exitcode) : json_null();
}

static json_t *render_signal(int32_t exitcode, uint32_t flags)
{
    char name[SIGNAL_NAME_MAX];

    return flags & PROCESS_KNOWN && exitcode < 0 ? json_string(signal_to_name(-exitcode, name)) : json_null();
}

static json_t *render_oom(uint32_t oom)
{
    return oom == INPUT_OOM_UNKNOWN ? json_null() : json_boolean(oom == INPUT_OOM_YES);
}

json_t *render_join(const struct process_data *data)
{
    return json_pack("{s:b, s:o, s:o, s:b, s:o, s:o, s:o}", "exited", 1, "exitcode",
                     render_exitcode(data->exitcode, data->flags), "signal",
                     render_signal(data->exitcode, data->flags), "core", !!(data->flags & PROCESS_CORE),
                     "rusage", render_rusage(&data->rusage), "started", render_time(data->started_wall),
                     "ended", render_time(data->ended_wall));
}

static json_t *id_or_null(uint64_t id)
{
    return id ? json_integer((json_int_t) id) : json_null();
}

json_t *render_info(const struct process_data *data, const struct record *record)
{
    bool ended = data->state == PROCESS_EXITED;
    json_t *info =
        json_pack("{s:I, s:o, s:i, s:s, s:b, s:{s:I, s:o}, s:o, s:o, s:o, s:o}", "id", (json_int_t) data->id,
                  "name", bytes_to_json(record->title->name, record->title->name_size), "pid", data->pid,
                  "state", state_names[data->state], "daemon", !!(data->flags & PROCESS_DAEMON), "owner",
                  "uid", (json_int_t) data->uid, "pid", id_or_null((uint64_t) data->creator_pid), "parent",
                  id_or_null(data->parent), "argv", render_argv(record), "cwd",
                  bytes_to_json(record_cwd(record), record->cwd_size), "labels", render_labels(record));
    json_t *end = json_pack(
        "{s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:i, s:I}", "started", render_time(data->started_wall), "ended",
        ended ? render_time(data->ended_wall) : json_null(), "exitcode",
        ended ? render_exitcode(data->exitcode, data->flags) : json_null(), "signal",
        ended ? render_signal(data->exitcode, data->flags) : json_null(), "core",
        ended && data->flags & PROCESS_CORE, "oom", ended ? render_oom(data->oom) : json_null(), "rusage",
        ended ? render_rusage(&data->rusage) : json_null(), "restarts", 0, "seq", (json_int_t) data->seq);

    if (info && json_object_update(info, end) < 0) {
        json_decref(info);
        info = NULL;
    }
    json_decref(end);
    return info;
}

json_t *render_done(const struct waiter *waiter)
{
    json_t *done = json_array();

    for (uint32_t i = 0; i < waiter->link_count; i++)
        if (waiter->links[i].id != 0)
            json_array_append_new(done, json_integer((json_int_t) waiter->links[i].id));
    return json_pack("{s:o}", "done", done);
}

/* ---- events ---- */

static const char *const stage_names[] = {
#define X(id, text) text,
    LINK_STAGES(X)
#undef X
};

const char *render_stage(uint32_t stage)
{
    return stage < LINK_STAGE_COUNT ? stage_names[stage] : "spawn";
}

json_t *render_event(const struct event_entry *entry)
{
    const struct event_data *data = &entry->data;
    unsigned members = event_kind_members((enum event_kind) data->kind);
    const struct title *title = entry->title;
    json_t *event = json_pack("{s:I, s:o, s:s}", "seq", (json_int_t) data->seq, "time",
                              render_time(data->wall), "kind", event_kind_name((enum event_kind) data->kind));

    if (members & EVENT_MEMBERS_PROCESS) {
        json_object_set_new(event, "process", json_integer((json_int_t) data->process));
        json_object_set_new(event, "name",
                            title && title->name_size ? bytes_to_json(title->name, title->name_size)
                                                      : json_null());
    }
    if (members & (EVENT_MEMBERS_PROCESS | EVENT_MEMBERS_CLIENT))
        json_object_set_new(event, "pid", id_or_null((uint64_t) data->pid));
    if (members & EVENT_MEMBERS_END) {
        json_object_set_new(event, "exitcode", render_exitcode(data->exitcode, data->flags));
        json_object_set_new(event, "signal", render_signal(data->exitcode, data->flags));
        json_object_set_new(event, "core", json_boolean(data->flags & PROCESS_CORE));
        json_object_set_new(event, "oom", render_oom(data->oom));
    }
    if (members & EVENT_MEMBERS_OBJECT) {
        json_object_set_new(event, "object", render_text(entry->text[0]));
        json_object_set_new(event, "object_kind",
                            json_string(object_kind_name((enum object_kind) data->object_kind)));
    }
    if (members & EVENT_MEMBERS_OWNER) {
        json_object_set_new(event, "pid", id_or_null((uint64_t) data->pid));
        json_object_set_new(event, "holder", render_text(entry->text[1]));
        json_object_set_new(event, "token", id_or_null(data->token));
    }
    if (members & EVENT_MEMBERS_CYCLE)
        json_object_set_new(event, "cycle", render_cycle(entry->text[0]));
    if (members & EVENT_MEMBERS_FAILURE) {
        const char *name = strerrorname_np(data->spawn_errno);

        json_object_set_new(event, "errno", name ? json_string(name) : json_null());
        json_object_set_new(event, "stage", json_string(render_stage(data->spawn_stage)));
    }
    return event;
}
