/* SPDX-License-Identifier: MIT */
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
    [PROCESS_RESTARTING] = "restarting",
};

json_t *render_time(int64_t wall)
{
    /* microseconds: a double holds them exactly until the year 2255 */
    return json_real((double) (wall / 1000) / 1e6);
}

static void put_time(struct writer *writer, const char *key, int64_t wall)
{
    writer_seconds(writer, key, wall - wall % 1000); /* microseconds, as above */
}

/* ---- strings ---- */

json_t *render_text(const struct text *text)
{
    return text ? bytes_to_json(text->bytes, text->size) : json_null();
}

static void put_text(struct writer *writer, const char *key, const struct text *text)
{
    if (text)
        writer_bytes(writer, key, text->bytes, text->size);
    else
        writer_null(writer, key);
}

static void put_argv(struct writer *writer, const struct record *record)
{
    const char *at = record_argv(record);

    writer_open(writer, "argv", '[');
    for (uint32_t i = 0; i < record->argc; i++) {
        size_t size = strlen(at);

        writer_bytes(writer, NULL, at, size);
        at += size + 1;
    }
    writer_close(writer, ']');
}

static void put_labels(struct writer *writer, const struct record *record)
{
    const char *at = record_labels(record);

    writer_open(writer, "labels", '{');
    for (uint32_t i = 0; i < record->label_count; i++) {
        const char *value = at + strlen(at) + 1;

        writer_pair(writer, at, value);
        at = value + strlen(value) + 1;
    }
    writer_close(writer, '}');
}

/* ---- ends ---- */

static void put_rusage(struct writer *writer, const struct input_rusage *rusage)
{
    writer_open(writer, "rusage", '{');
    writer_seconds(writer, "utime", rusage->utime);
    writer_seconds(writer, "stime", rusage->stime);
    writer_integer(writer, "maxrss", rusage->maxrss);
    writer_integer(writer, "minflt", rusage->minflt);
    writer_integer(writer, "majflt", rusage->majflt);
    writer_integer(writer, "inblock", rusage->inblock);
    writer_integer(writer, "oublock", rusage->oublock);
    writer_integer(writer, "nvcsw", rusage->nvcsw);
    writer_integer(writer, "nivcsw", rusage->nivcsw);
    writer_close(writer, '}');
}

/* exitcode and signal: null where the end is not known. */
static void put_end(struct writer *writer, int32_t exitcode, bool known)
{
    char name[SIGNAL_NAME_MAX];

    if (known)
        writer_integer(writer, "exitcode", exitcode);
    else
        writer_null(writer, "exitcode");
    if (known && exitcode < 0)
        writer_word(writer, "signal", signal_to_name(-exitcode, name));
    else
        writer_null(writer, "signal");
}

static void put_oom(struct writer *writer, uint32_t oom)
{
    if (oom == INPUT_OOM_UNKNOWN)
        writer_null(writer, "oom");
    else
        writer_bool(writer, "oom", oom == INPUT_OOM_YES);
}

void render_join(struct writer *writer, const struct process_data *data)
{
    writer_open(writer, NULL, '{');
    writer_bool(writer, "exited", true);
    put_end(writer, data->exitcode, data->flags & PROCESS_KNOWN);
    writer_bool(writer, "core", data->flags & PROCESS_CORE);
    put_rusage(writer, &data->rusage);
    put_time(writer, "started", data->started_wall);
    put_time(writer, "ended", data->ended_wall);
    writer_close(writer, '}');
}

static void put_owner(struct writer *writer, const struct process_data *data)
{
    writer_open(writer, "owner", '{');
    writer_integer(writer, "uid", data->uid);
    writer_id(writer, "pid", (uint64_t) data->creator_pid);
    writer_close(writer, '}');
}

static void put_ended(struct writer *writer, const struct process_data *data)
{
    put_time(writer, "ended", data->ended_wall);
    put_end(writer, data->exitcode, data->flags & PROCESS_KNOWN);
    writer_bool(writer, "core", data->flags & PROCESS_CORE);
    put_oom(writer, data->oom);
    put_rusage(writer, &data->rusage);
}

static void put_not_ended(struct writer *writer)
{
    writer_null(writer, "ended");
    put_end(writer, 0, false);
    writer_bool(writer, "core", false);
    writer_null(writer, "oom");
    writer_null(writer, "rusage");
}

static const char *state_name(const struct process_data *data)
{
    return data->state == PROCESS_RUNNING && data->flags & PROCESS_READY ? "ready" : state_names[data->state];
}

void render_info(struct writer *writer, const char *key, const struct process_data *data,
                 const struct record *record, bool with_pidfd)
{
    writer_open(writer, key, '{');
    writer_integer(writer, "id", (int64_t) data->id);
    writer_bytes(writer, "name", record->title->name, record->title->name_size);
    writer_integer(writer, "pid", data->pid);
    writer_word(writer, "state", state_name(data));
    writer_bool(writer, "daemon", data->flags & PROCESS_DAEMON);
    put_owner(writer, data);
    writer_id(writer, "parent", data->parent);
    put_argv(writer, record);
    writer_bytes(writer, "cwd", record_cwd(record), record->cwd_size);
    put_labels(writer, record);
    put_time(writer, "started", data->started_wall);
    if (data->state == PROCESS_EXITED || data->state == PROCESS_RESTARTING)
        put_ended(writer, data);
    else
        put_not_ended(writer);
    writer_integer(writer, "restarts", data->restarts);
    writer_integer(writer, "seq", (int64_t) data->seq);
    if (with_pidfd)
        writer_integer(writer, "pidfd", 0);
    writer_close(writer, '}');
}

void render_done(struct writer *writer, const struct waiter *waiter)
{
    writer_open(writer, NULL, '{');
    writer_open(writer, "done", '[');
    for (uint32_t i = 0; i < waiter->link_count; i++)
        if (waiter->links[i].id != 0)
            writer_integer(writer, NULL, (int64_t) waiter->links[i].id);
    writer_close(writer, ']');
    writer_close(writer, '}');
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

/* What is told of a process, and of an end. */
static void put_process(struct writer *writer, const struct event_entry *entry, unsigned members)
{
    const struct event_data *data = &entry->data;
    const struct title *title = entry->title;

    if (members & EVENT_MEMBERS_PROCESS) {
        writer_integer(writer, "process", (int64_t) data->process);
        if (title && title->name_size)
            writer_bytes(writer, "name", title->name, title->name_size);
        else
            writer_null(writer, "name");
    }
    if (members & (EVENT_MEMBERS_PROCESS | EVENT_MEMBERS_CLIENT))
        writer_id(writer, "pid", (uint64_t) data->pid);
    if (members & EVENT_MEMBERS_END) {
        put_end(writer, data->exitcode, data->flags & PROCESS_KNOWN);
        writer_bool(writer, "core", data->flags & PROCESS_CORE);
        put_oom(writer, data->oom);
    }
    if (members & EVENT_MEMBERS_RESTART) {
        writer_integer(writer, "restarts", data->restarts);
        writer_seconds(writer, "delay", data->delay);
    }
}

static void put_object(struct writer *writer, const struct event_entry *entry, unsigned members)
{
    const struct event_data *data = &entry->data;

    if (members & EVENT_MEMBERS_OBJECT) {
        put_text(writer, "object", entry->text[0]);
        writer_word(writer, "object_kind", object_kind_name((enum object_kind) data->object_kind));
    }
    if (members & EVENT_MEMBERS_OWNER) {
        writer_id(writer, "pid", (uint64_t) data->pid);
        put_text(writer, "holder", entry->text[1]);
        writer_id(writer, "token", data->token);
    }
    if (members & EVENT_MEMBERS_CYCLE)
        writer_tree(writer, "cycle", render_cycle(entry->text[0]));
}

void render_event(struct writer *writer, const struct event_entry *entry)
{
    const struct event_data *data = &entry->data;
    unsigned members = event_kind_members((enum event_kind) data->kind);

    writer_integer(writer, "seq", (int64_t) data->seq);
    put_time(writer, "time", data->wall);
    writer_word(writer, "kind", event_kind_name((enum event_kind) data->kind));
    put_process(writer, entry, members);
    put_object(writer, entry, members);
    if (members & EVENT_MEMBERS_FAILURE) {
        const char *name = strerrorname_np(data->spawn_errno);

        if (name)
            writer_word(writer, "errno", name);
        else
            writer_null(writer, "errno");
        writer_word(writer, "stage", render_stage(data->spawn_stage));
    }
}
