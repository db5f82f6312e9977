/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/deliver.h"

#include "daemon/base/clock.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/identity.h"
#include "daemon/rpc/keeper_link.h"
#include "daemon/rpc/backlog.h"
#include "daemon/rpc/pages.h"
#include "daemon/rpc/process_spawn.h"
#include "daemon/rpc/render.h"
#include "daemon/rpc/render_object.h"
#include "daemon/rpc/session.h"
#include "daemon/rpc/undelivered.h"
#include "proto/schema.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* ---- orders ---- */

void deliver_order(struct server *server, const struct order_data *order)
{
    struct link_process process = {.process = order->subject};
    struct link_client_ref client = {.client = order->subject};
    struct link_signal signal = {.process = order->subject, .signal = order->signal, .tree = order->tree};

    if (order->kind == ORDER_SPAWN || order->kind == ORDER_SIGNAL || order->kind == ORDER_RESPAWN)
        busy_poll_expect(&server->busy, clock_monotonic()); /* what comes of it */
    switch ((enum order_kind) order->kind) {
    case ORDER_SPAWN:
        process_spawn_send(server, order);
        break;
    case ORDER_SIGNAL:
        keeper_link_send(server->link, LINK_SIGNAL, order->number, &signal, sizeof signal, NULL, 0);
        break;
    case ORDER_WATCH_TREE:
        keeper_link_send(server->link, LINK_WATCH_TREE, order->number, &process, sizeof process, NULL, 0);
        break;
    case ORDER_FORGET_PROCESS:
        server->follows_due = true;
        keeper_link_send(server->link, LINK_FORGET_PROCESS, order->number, &process, sizeof process, NULL, 0);
        break;
    case ORDER_RESPAWN:
        keeper_link_send(server->link, LINK_RESPAWN, order->number, &process, sizeof process, NULL, 0);
        break;
    case ORDER_DROP:
        keeper_link_send(server->link, LINK_DROP, order->number, &process, sizeof process, NULL, 0);
        break;
    case ORDER_KIND_COUNT:
        break;
    case ORDER_FORGET_CLIENT:
        keeper_link_send(server->link, LINK_FORGET_CLIENT, order->number, &client, sizeof client, NULL, 0);
        break;
    }
}

/* ---- answers ---- */

#define STAGE_PATH_MAX 400 /* of the 512 bytes of a message */

/* The path that a stage is about, with a blank before it. "": none, or not one for a message, of which
 * nothing may be cut off. */
static void stage_path(const struct call *call, uint32_t stage, char path[STAGE_PATH_MAX])
{
    const json_t *subject = stage == LINK_STAGE_EXEC    ? json_array_get(ARG(call, process_spawn, argv), 0)
                            : stage == LINK_STAGE_CHDIR ? ARG(call, process_spawn, cwd)
                                                        : NULL;

    path[0] = '\0';
    if (json_is_string(subject) && json_string_length(subject) < STAGE_PATH_MAX - 1)
        snprintf(path, STAGE_PATH_MAX, " %s", json_string_value(subject));
}

/* "exec ./nope: No such file or directory" */
static void fail_spawn(struct call *call, const struct reply_data *reply)
{
    const char *stage = render_stage(reply->spawn_stage), *name = strerrorname_np(reply->spawn_errno);
    char path[STAGE_PATH_MAX];
    struct failure failure;

    stage_path(call, reply->spawn_stage, path);
    failure_set(&failure, ERROR_SPAWN_FAILED, "%s%s: %s", stage, path, strerror(reply->spawn_errno));
    (void) call_fail_with(call, &failure,
                          json_pack("{s:s, s:s}", "errno", name ? name : "EINVAL", "stage", stage));
}

/* What some errors say besides their name. */
static json_t *error_data(const struct waiter *waiter)
{
    const struct reply_data *reply = &waiter->reply;

    if (reply->error == ERROR_DEADLOCK)
        return json_pack("{s:o}", "cycle", render_cycle(waiter->text[0]));
    if (reply->error == ERROR_WRONG_KIND)
        return json_pack("{s:s}", "kind", object_kind_name((enum object_kind) reply->sync.kind));
    return NULL;
}

static void fail(struct call *call, const struct waiter *waiter)
{
    const struct reply_data *reply = &waiter->reply;
    struct failure failure;

    if (reply->error == ERROR_LIMIT_EXCEEDED) {
        (void) call_fail_limit(call, quota_name((enum core_quota) reply->quota), reply->value);
    } else if (reply->error == ERROR_SPAWN_FAILED) {
        fail_spawn(call, reply);
    } else if (reply->error == ERROR_INVALID_REQUEST) {
        (void) call_fail(call, ERROR_INVALID_REQUEST, "key: used before, for another request");
    } else {
        failure_set(&failure, (enum proto_error) reply->error, "%s",
                    proto_error_message((enum proto_error) reply->error));
        (void) call_fail_with(call, &failure, error_data(waiter));
    }
}

/* Of a grant note is taken until its answer is written. */
static void answer_sync(struct call *call, const struct waiter *waiter)
{
    struct undelivered *undelivered = waiter->reply.sync.hold ? undelivered_new(call, &waiter->reply) : NULL;
    struct session *session = call->session;
    char text[CALL_TEXT_MAX];

    if (render_short(waiter, text))
        (void) call_reply_text(call, text);
    else
        (void) call_reply(call, render_sync(call->server->core, waiter));
    undelivered_watch(session, undelivered);
}

/* The pidfd came with the report of the start, or the keeper is asked for one. */
static void reply_with_descriptors(struct call *call, const struct process_data *process,
                                   const struct record *record)
{
    int fd = call->wants_pidfd ? call->server->fresh_pidfd : -1;
    struct writer writer;
    size_t size;
    char *info;

    writer_begin(&writer);
    render_info(&writer, NULL, process, record, call->wants_pidfd);
    info = writer_take(&writer, &size);
    fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    (void) descriptors_reply(call, process->id, info, fd);
}

/* What is answered often and has no place in CALL_TEXT_MAX. */
static void reply_written(struct call *call, const struct waiter *waiter)
{
    const struct process_data *process = &waiter->reply.process;
    struct writer writer;

    writer_begin(&writer);
    if (waiter->reply.kind == REPLY_INFO)
        render_info(&writer, NULL, process, waiter->record, false);
    else if (waiter->reply.kind == REPLY_JOIN)
        render_join(&writer, process);
    else
        render_done(&writer, waiter);
    (void) call_reply_written(call, &writer);
}

/* Who has mapped a word that it does not get to know finds it closed at worst. */
static void answer_mapped(struct call *call, const struct reply_sync *sync)
{
    bool is_mapped = sync->flag && !backlog_has_all_fds(call->session->backlog);
    int fd = is_mapped ? page_copy(call->server, call->uid) : -1;
    char text[112];

    if (fd < 0) {
        (void) call_reply_text(call, "{\"mapped\":false}");
        return;
    }
    snprintf(text, sizeof text, "{\"mapped\":true,\"word\":%llu,\"words\":%u,\"slot\":%llu,\"page\":0}",
             (unsigned long long) sync->number, sync->words, (unsigned long long) sync->token);
    (void) call_reply_with_fds(call, strdup(text), &fd, 1);
}

static void answer(struct call *call, const struct waiter *waiter)
{
    const struct reply_data *reply = &waiter->reply;

    if (reply->error) {
        fail(call, waiter);
        return;
    }
    switch ((enum reply_kind) reply->kind) {
    case REPLY_EMPTY:
        (void) call_reply_empty(call);
        break;
    case REPLY_INFO:
        if (call->wants_pidfd || call->wants_terminal)
            reply_with_descriptors(call, &reply->process, waiter->record);
        else
            reply_written(call, waiter);
        break;
    case REPLY_JOIN:
    case REPLY_DONE:
        reply_written(call, waiter);
        break;
    case REPLY_PENDING:
        (void) call_reply_text(call, "{\"exited\":false}");
        break;
    case REPLY_CREATED:
    case REPLY_OBJECT:
    case REPLY_ACQUIRED:
    case REPLY_SET:
    case REPLY_NOTIFIED:
    case REPLY_WOKEN:
    case REPLY_INDEX:
    case REPLY_RUN_ACTION:
        answer_sync(call, waiter);
        break;
    case REPLY_MAPPED:
        answer_mapped(call, &reply->sync);
        break;
    }
}

/* Of a thousand that are woken by one step the first ones need not wait for the last. */
#define ANSWERS_AT_ONCE 16

void deliver(struct server *server)
{
    unsigned answered = 0;
    const struct order *order;
    const struct waiter *waiter;

    pages_store(server);
    /* orders first: a spawn's descriptors are the call's, and an answer may free the call */
    for (order = server->core->first_new; order; order = STAILQ_NEXT(order, pending))
        deliver_order(server, &order->data);
    TAILQ_FOREACH(waiter, &server->core->replies, of_output)
    {
        struct call *call = call_find(server, waiter->data.ticket);

        if (call && waiter->is_told && call->bell > 0 && page_is_mapped(server, call->uid)) {
            /* by pages_store */
            (void) call_reply_nothing(call);
            continue;
        }
        if (call)
            answer(call, waiter);
        if (++answered % ANSWERS_AT_ONCE == 0)
            server_flush(server);
    }
    core_delivered(server->core);
}
