/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/access.h"
#include "daemon/rpc/arguments.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/identity.h"
#include "daemon/rpc/object_request.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/render.h"
#include "daemon/rpc/threads.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- waiting ---- */

struct outcome handle_process_join(struct call *call)
{
    struct process *process = access_process(call, ARG(call, process_join, process));
    const json_t *on_deadlock = ARG(call, process_join, on_deadlock);
    struct core_wait wait = {.process = process};
    struct core_input input = {.kind = INPUT_JOIN};
    char holder[HOLDER_DEFAULT_MAX];

    if (!process)
        return fail_no_such_process(call);
    input.body.request.process = process->data.id;
    input.body.request.creator = call->session->peer ? call->session->peer->client : 0;
    timeout_argument(ARG(call, process_join, timeout), &input.body.request);
    input.blob[BLOB_HOLDER] = holder_argument(call, ARG(call, process_join, holder), NULL, holder);
    if (on_deadlock && strcmp(json_string_value(on_deadlock), "wait") == 0)
        input.body.request.flags |= REQUEST_WAIT_ANYWAY;
    if (process_ended(process) || input.body.request.flags & (REQUEST_NO_WAIT | REQUEST_DEADLINE))
        return call_submit(call, &input);
    wait.client = input.body.request.creator;
    wait.holder = input.blob[BLOB_HOLDER];
    return threads_submit(call, &input, &wait);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *) a, right = *(const uint64_t *) b;

    return left < right ? -1 : left > right;
}

/* The ids that a list names, each once. SIZE_MAX: one is missing. */
static size_t collect_ids(const struct call *call, const json_t *list, uint64_t *ids)
{
    size_t index, count = 0, unique = 0;
    json_t *item;

    json_array_foreach(list, index, item)
    {
        const struct process *process = access_process(call, item);

        if (!process)
            return SIZE_MAX;
        ids[count++] = process->data.id;
    }
    qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || ids[i] != ids[i - 1])
            ids[unique++] = ids[i];
    return unique;
}

#define WAIT_PROCESSES_MAX 16384

struct outcome handle_process_wait(struct call *call)
{
    const json_t *list = ARG(call, process_wait, processes), *mode = ARG(call, process_wait, mode);
    const json_t *for_what = ARG(call, process_wait, for);
    struct core_input input = {.kind = INPUT_WAIT};
    struct outcome outcome;
    uint64_t *ids;
    size_t count;

    if (json_array_size(list) > WAIT_PROCESSES_MAX)
        return call_fail_limit(call, "processes of one wait", WAIT_PROCESSES_MAX);
    ids = calloc(json_array_size(list) + 1, sizeof *ids);
    if (!ids)
        return call_fail_limit(call, "memory", 0);
    count = collect_ids(call, list, ids);
    if (count == SIZE_MAX) {
        free(ids);
        return fail_no_such_process(call);
    }
    timeout_argument(ARG(call, process_wait, timeout), &input.body.request);
    if (mode && strcmp(json_string_value(mode), "all") == 0)
        input.body.request.flags |= REQUEST_ALL;
    if (for_what && strcmp(json_string_value(for_what), "ready") == 0)
        input.body.request.flags |= REQUEST_READY;
    input.body.request.count = (uint32_t) count;
    input.blob[BLOB_PROCESSES] = (struct blob){(const char *) ids, count * sizeof *ids};
    outcome = call_submit(call, &input);
    free(ids);
    return outcome;
}

/* ---- signals ---- */

static struct outcome send_signal(struct call *call, const json_t *argument, int signal, unsigned flags)
{
    const struct process *process = access_process(call, argument);
    struct core_input input = {.kind = INPUT_SIGNAL};

    /* with a key the recorded answer counts, though the process may be gone */
    if (!process && !call->request.key)
        return fail_no_such_process(call);
    input.body.request.process = process ? process->data.id : 0;
    input.body.request.signal = signal;
    input.body.request.flags = flags;
    return call_submit(call, &input);
}

static unsigned tree_argument(const json_t *argument, bool otherwise)
{
    return (argument ? json_is_true(argument) : otherwise) ? REQUEST_TREE : 0;
}

/* Whoever says so wants it gone, and not another run of it; a signal is only a signal. */

struct outcome handle_process_terminate(struct call *call)
{
    return send_signal(call, ARG(call, process_terminate, process), SIGTERM,
                       REQUEST_FINAL | tree_argument(ARG(call, process_terminate, tree), true));
}

struct outcome handle_process_kill(struct call *call)
{
    return send_signal(call, ARG(call, process_kill, process), SIGKILL,
                       REQUEST_FINAL | tree_argument(ARG(call, process_kill, tree), true));
}

struct outcome handle_process_signal(struct call *call)
{
    return send_signal(call, ARG(call, process_signal, process),
                       signal_argument(ARG(call, process_signal, signal)),
                       tree_argument(ARG(call, process_signal, tree), false));
}

struct outcome handle_process_stop(struct call *call)
{
    const struct process *process = access_process(call, ARG(call, process_stop, process));
    const json_t *signal = ARG(call, process_stop, signal), *grace = ARG(call, process_stop, grace);
    struct core_input input = {.kind = INPUT_STOP};

    if (!process && !call->request.key)
        return fail_no_such_process(call);
    input.body.request.process = process ? process->data.id : 0;
    input.body.request.signal = signal ? signal_argument(signal) : 0;
    if (grace) {
        input.body.request.flags = REQUEST_DEADLINE;
        input.body.request.span = seconds_to_ns(json_number_value(grace));
    }
    return call_submit(call, &input);
}

struct outcome handle_process_close(struct call *call)
{
    const struct process *process = access_process(call, ARG(call, process_close, process));
    struct core_input input = {.kind = INPUT_CLOSE};

    if (!process && !call->request.key)
        return fail_no_such_process(call);
    input.body.request.process = process ? process->data.id : 0;
    return call_submit(call, &input);
}

/* ---- terminals ---- */

struct outcome handle_process_attach(struct call *call)
{
    const struct process *process = access_process(call, ARG(call, process_attach, process));

    if (!process)
        return fail_no_such_process(call);
    call->wants_terminal = true;
    return descriptors_reply(call, process->data.id, strdup("{}"), -1);
}

/* ---- queries ---- */

/* Somebody has seen the end of this process: the daemon need not stay for it. */
static void mark_read(struct server *server, const struct process *process)
{
    struct core_input input = {.kind = INPUT_READ, .body.number = process->data.id};

    if (process_ended(process) && !(process->data.flags & PROCESS_READ))
        (void) server_step(server, &input);
}

struct outcome handle_process_is_alive(struct call *call)
{
    const struct process *process = access_process(call, ARG(call, process_is_alive, process));

    if (!process)
        return fail_no_such_process(call);
    return call_reply_text(call, process_ended(process) ? "{\"alive\":false}" : "{\"alive\":true}");
}

struct outcome handle_process_info(struct call *call)
{
    const struct process *process = access_process(call, ARG(call, process_info, process));
    struct writer writer;

    if (!process)
        return fail_no_such_process(call);
    mark_read(call->server, process);
    writer_begin(&writer);
    render_info(&writer, NULL, &process->data, process->record, false);
    return call_reply_written(call, &writer);
}

static const char *label_of(const struct record *record, const char *name)
{
    const char *at = record_labels(record);

    for (uint32_t i = 0; i < record->label_count; i++) {
        const char *value = at + strlen(at) + 1;

        if (strcmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

static bool labels_match(const struct record *record, const json_t *labels)
{
    const char *name, *label;
    json_t *value;

    json_object_foreach((json_t *) labels, name, value)
    {
        label = label_of(record, name);
        if (!label || strcmp(label, json_string_value(value)) != 0)
            return false;
    }
    return true;
}

static bool list_wants(const struct call *call, const struct process *process)
{
    const json_t *name = ARG(call, process_list, name), *alive = ARG(call, process_list, alive);
    const struct title *title = process->record->title;

    if (process->data.uid != call->uid || !process_visible(process))
        return false;
    if (name && (json_string_length(name) != title->name_size ||
                 memcmp(json_string_value(name), title->name, title->name_size) != 0))
        return false;
    if (alive && json_is_true(alive) == process_ended(process))
        return false;
    return labels_match(process->record, ARG(call, process_list, labels));
}

struct outcome handle_process_list(struct call *call)
{
    const struct core *core = call->server->core;
    struct process *process, *next;
    struct writer writer;

    writer_begin(&writer);
    writer_open(&writer, NULL, '{');
    writer_open(&writer, "processes", '[');
    HASH_ITER(hh, core->processes, process, next) {
        if (!list_wants(call, process))
            continue;
        mark_read(call->server, process);
        render_info(&writer, NULL, &process->data, process->record, false);
    }
    writer_close(&writer, ']');
    writer_integer(&writer, "seq", (int64_t) core->counters.seq);
    writer_close(&writer, '}');
    return call_reply_written(call, &writer);
}
