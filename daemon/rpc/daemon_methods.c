/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/access.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/render.h"
#include "daemon/rpc/restart.h"
#include "daemon/rpc/session.h"
#include "daemon/rpc/subscription.h"
#include "proto/openrpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct outcome handle_rpc_discover(struct call *call)
{
    return call_reply(call, openrpc_document(call->server->version));
}

struct outcome handle_daemon_ping(struct call *call)
{
    return call_reply_empty(call);
}

/* ---- hello ---- */

static json_t *limits(uint32_t uid)
{
    json_t *json = json_pack("{s:i, s:i, s:i, s:i}", "line", (int) FRAME_LINE_MAX, "depth", PROTO_DEPTH_MAX,
                             "fds", FRAME_FDS_MAX, "subscriptions", SUBSCRIPTIONS_MAX);

    for (int quota = 0; quota < QUOTA_COUNT; quota++)
        json_object_set_new(json, quota_name((enum core_quota) quota),
                            json_integer(quota_limit((enum core_quota) quota, uid)));
    return json;
}

/* The managed process that the caller is. */
static void put_own_process(struct writer *writer, const struct call *call)
{
    const struct connection *connection = core_connection(call->server->core, call->session->connection);
    const struct process *process = connection ? connection->client->self : NULL;

    if (process && process_visible(process))
        render_info(writer, "process", &process->data, process->record, false);
    else
        writer_null(writer, "process");
}

static void put_peer(struct writer *writer, const struct session *session)
{
    writer_open(writer, "peer", '{');
    writer_integer(writer, "pid", session->pid);
    writer_integer(writer, "uid", session->uid);
    writer_integer(writer, "gid", session->gid);
    writer_close(writer, '}');
}

struct outcome handle_daemon_hello(struct call *call)
{
    const struct server *server = call->server;
    struct writer writer;

    writer_begin(&writer);
    writer_open(&writer, NULL, '{');
    writer_integer(&writer, "protocol", PROTO_VERSION);
    writer_word(&writer, "version", server->version);
    writer_word(&writer, "epoch", server->hello.epoch);
    put_peer(&writer, call->session);
    put_own_process(&writer, call);
    writer_integer(&writer, "seq", (int64_t) server->core->counters.seq);
    writer_tree(&writer, "limits", limits(call->uid));
    writer_close(&writer, '}');
    return call_reply_written(call, &writer);
}

/* ---- info ---- */

/* proc(5), statm: the second number is the resident set in pages. */
static json_int_t resident_bytes(const struct server *server)
{
    char text[128];
    ssize_t size = pread(server->statm_fd, text, sizeof text - 1, 0);
    long pages;

    if (size <= 0)
        return 0;
    text[size] = '\0';
    return sscanf(text, "%*d %ld", &pages) == 1 ? (json_int_t) pages * sysconf(_SC_PAGESIZE) : 0;
}

static json_int_t subscriptions_of(const struct server *server, uint32_t uid)
{
    struct session *session, *next;
    json_int_t count = 0;

    HASH_ITER(hh, server->sessions, session, next)
        if (session->uid == uid)
            count += (json_int_t) subscriptions_count(session);
    return count;
}

struct outcome handle_daemon_info(struct call *call)
{
    const struct server *server = call->server;
    const struct account *account = core_account(server->core, call->session->uid);
    const struct account *owner = core_account(server->core, call->uid);
    json_int_t running = owner ? owner->used[QUOTA_PROCESSES] - owner->used[QUOTA_STARTING] : 0;

    return call_reply(
        call,
        json_pack("{s:s, s:i, s:i, s:s, s:i, s:o, s:{s:I, s:I}, s:I, s:I, s:I, s:I, s:I, s:I}", "version",
                  server->version, "pid", server->hello.pid, "broker_pid", (int) getpid(), "epoch",
                  server->hello.epoch, "restarts", (int) server->hello.restarts, "started",
                  render_time(server->hello.started), "processes", "running", running, "ended",
                  (json_int_t) (owner ? owner->ended : 0), "objects",
                  (json_int_t) (owner ? owner->used[QUOTA_OBJECTS] : 0), "clients",
                  (json_int_t) (account ? account->clients : 0), "connections",
                  (json_int_t) (account ? account->used[QUOTA_CONNECTIONS] : 0), "subscriptions",
                  subscriptions_of(server, call->session->uid), "rss", resident_bytes(server), "seq",
                  (json_int_t) server->core->counters.seq));
}

/* ---- ends ---- */

struct outcome handle_daemon_stop(struct call *call)
{
    const json_t *mode = ARG(call, daemon_stop, mode);
    struct core_input input = {.kind = INPUT_SHUTDOWN};
    struct server *server = call->server;
    struct outcome outcome;

    if (!access_daemon(call))
        return call_fail(call, ERROR_PERMISSION_DENIED, "only root may stop the system's daemon");
    input.body.number = mode && strcmp(json_string_value(mode), "detach") == 0;
    outcome = call_reply_empty(call);
    (void) server_step(server, &input);
    return outcome;
}

struct outcome handle_daemon_restart(struct call *call)
{
    if (!access_daemon(call))
        return call_fail(call, ERROR_PERMISSION_DENIED, "only root may restart the system's daemon");
    return restart_asked(call);
}

/* ---- cancel ---- */

struct outcome handle_cancel(struct call *call)
{
    const struct call *pending = call_by_id(call->session, ARG(call, cancel, id));
    struct core_input input = {.kind = INPUT_CANCEL, .body.number = pending ? pending->ticket : 0};
    struct server *server = call->server;
    struct outcome outcome = call_reply_empty(call);

    if (input.body.number > 0)
        (void) server_step(server, &input);
    return outcome;
}
