/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/process_spawn.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/base/closer.h"
#include "daemon/rpc/arguments.h"
#include "daemon/rpc/identity.h"
#include "daemon/rpc/keeper_link.h"
#include "daemon/rpc/lookup_client.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/restart_policy.h"
#include "daemon/rpc/session.h"
#include "daemon/rpc/spawn_spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct outcome handle_process_spawn(struct call *call)
{
    const json_t *owner_pid = ARG(call, process_spawn, owner_pid);

    const struct lookup_answer *who = NULL;

    if (owner_pid && !call->creator)
        return identity_ask(call, (int32_t) json_integer_value(owner_pid));
    if (!call->creator && call->session->peer)
        call->creator = call->session->peer->client;
    if (!spawn_spec_needs_lookup(call))
        return process_spawn_looked_up(call, NULL);
    who = lookup_cached(call->server->lookup, call->uid);
    return who ? process_spawn_looked_up(call, who) : lookup_ask(call, call->uid);
}

static unsigned spawn_flags(const struct call *call)
{
    const json_t *is_daemon = ARG(call, process_spawn, daemon);
    unsigned flags = 0;

    if (is_daemon)
        flags |= json_is_true(is_daemon) ? REQUEST_DAEMON : REQUEST_NOT_DAEMON;
    if (call->wants_pidfd)
        flags |= REQUEST_PIDFD;
    if (ARG(call, process_spawn, stop_timeout))
        flags |= REQUEST_DEADLINE;
    if (json_is_true(ARG(call, process_spawn, notify)))
        flags |= REQUEST_NOTIFY;
    return flags;
}

/* The names of the objects that it is to have open, each with its NUL; ret_error: one is not there, or not
 * for the call. NULL without memory. */
static char *object_names(const struct call *call, size_t *ret_size, enum proto_error *ret_error)
{
    const json_t *list = ARG(call, process_spawn, objects);
    size_t index, size = 0;
    char *names;
    json_t *item;

    *ret_error = ERROR_NONE;
    json_array_foreach(list, index, item)
    {
        const struct object *object =
            core_object(call->server->core, call->uid, json_string_value(item), json_string_length(item));

        size += json_string_length(item) + 1;
        if (!object)
            *ret_error = *ret_error ? *ret_error : ERROR_NO_SUCH_OBJECT;
        else if (!object_allows(object, call->uid, call->session->gid, OBJECT_MODE_WRITE))
            *ret_error = ERROR_PERMISSION_DENIED;
    }
    names = malloc(size + 1);
    *ret_size = 0;
    json_array_foreach(list, index, item)
    {
        if (names)
            memcpy(names + *ret_size, json_string_value(item), json_string_length(item) + 1);
        *ret_size += json_string_length(item) + 1;
    }
    return names;
}

/* Each takes two descriptors of the keeper (and two pipes, which are counted there): no uid of the system's
 * daemon gets so many that none are left for others. */
static int64_t processes_limit(const struct server *server, uint32_t uid)
{
    return uid == 0 || !server->hello.system ? 0 : (int64_t) (server->files / 8);
}

static bool is_terminal(const json_t *stdio)
{
    return json_is_string(stdio) && strcmp(json_string_value(stdio), "pty") == 0;
}

static bool has_terminal(const struct call *call)
{
    return is_terminal(ARG(call, process_spawn, stdin)) || is_terminal(ARG(call, process_spawn, stdout)) ||
           is_terminal(ARG(call, process_spawn, stderr));
}

static bool is_zygote(const struct call *call)
{
    const json_t *zygote = ARG(call, process_spawn, zygote);

    return zygote && json_integer_value(zygote) == 0;
}

/* Its stdin is the keeper's, for as long as it runs once. */
static bool can_be_zygote(const struct call *call)
{
    const json_t *in = ARG(call, process_spawn, stdin), *restart = ARG(call, process_spawn, restart);
    bool is_null = !in || (json_is_string(in) && strcmp(json_string_value(in), "null") == 0);

    return is_null && restart_policy_argument(restart).policy == RESTART_POLICY_NO &&
           !json_is_true(ARG(call, process_spawn, notify));
}

struct outcome process_spawn_looked_up(struct call *call, const struct lookup_answer *who)
{
    const json_t *name = ARG(call, process_spawn, name), *stop_signal = ARG(call, process_spawn, stop_signal);
    const json_t *stop_timeout = ARG(call, process_spawn, stop_timeout);
    struct core_input input = {.kind = INPUT_SPAWN};
    CLEANUP_MEMORY char *objects = NULL;
    enum proto_error error;
    struct link_spec *head;
    size_t size;
    int r;

    objects = object_names(call, &size, &error);
    if (!objects)
        return call_fail_limit(call, "memory", 0);
    /* with a key a recorded answer counts */
    if (error == ERROR_PERMISSION_DENIED || (error && !call->request.key))
        return call_fail(call, error, "objects: %s", proto_error_message(error));
    if (!has_terminal(call) && json_is_true(ARG(call, process_spawn, attach)))
        return call_fail_param(call, "attach", "a process with a pty");
    if (!has_terminal(call) && ARG(call, process_spawn, winsize))
        return call_fail_param(call, "winsize", "a process with a pty");
    if (is_zygote(call) && !can_be_zygote(call))
        return call_fail_param(call, "zygote", "a process with stdin null, without restart and notify");
    if (call->uid != call->session->uid && call->server->hello.system && (!who || !who->found))
        return call_fail_param(call, "uid", "a user that exists");
    call->wants_pidfd = json_is_true(ARG(call, process_spawn, pidfd));
    call->wants_terminal = json_is_true(ARG(call, process_spawn, attach));
    if (ARG(call, process_spawn, env) && ARG(call, process_spawn, env_fd))
        return call_fail_param(call, "env_fd", "the environment once");
    r = spawn_spec_new(call, who, &call->spec);
    if (r == -EINVAL)
        return call_fail_param(call, "env_fd", "a sealed memfd of NAME=VALUE strings, each with its NUL");
    if (r < 0)
        return call_fail_limit(call, r == -ENOMEM ? "memory" : "descriptors", 0);
    head = (struct link_spec *) call->spec->bytes;
    input.body.request = (struct input_request){
        .creator = call->creator,
        .flags = spawn_flags(call),
        .span = stop_timeout ? seconds_to_ns(json_number_value(stop_timeout)) : 0,
        .signal = stop_signal ? signal_argument(stop_signal) : 0,
        .count = head->argc,
        .labels = (uint32_t) call->spec->label_count,
        .objects = (uint32_t) json_array_size(ARG(call, process_spawn, objects)),
    };
    input.body.spawn.most = processes_limit(call->server, call->uid);
    input.body.spawn.restart = restart_policy_argument(ARG(call, process_spawn, restart));
    if (input.body.spawn.restart.policy != RESTART_POLICY_NO) {
        input.body.spawn.restart.size = head->size;
        input.body.spawn.restart.fds = (uint32_t) call->fd_count;
    }
    input.blob[BLOB_OBJECTS] = (struct blob){objects, size};
    if (name)
        input.blob[BLOB_NAME] = (struct blob){json_string_value(name), json_string_length(name)};
    input.blob[BLOB_ARGV] = (struct blob){call->spec->bytes + head->argv, call->spec->argv_size};
    input.blob[BLOB_CWD] = (struct blob){call->spec->bytes + head->cwd, call->spec->cwd_size};
    input.blob[BLOB_LABELS] = (struct blob){call->spec->labels, call->spec->labels_size};
    return call_submit(call, &input);
}

void process_spawn_send(struct server *server, const struct order_data *order)
{
    struct call *call = call_find(server, order->ticket);
    const struct process *process = core_process(server->core, order->subject);
    struct link_spawn message = {.process = order->subject, .connection = order->connection};
    int fds[FRAME_FDS_MAX + 1];
    size_t fd_count = 0;
    bool is_inline;

    if (!call || !process || !call->spec)
        return; /* a new broker has undone it */
    is_inline = call->spec->memfd < 0;
    message.creator = process->data.creator;
    message.creator_process = process->data.parent;
    message.tag = call->ticket;
    message.zygote = call->spec->zygote;
    message.flags = (call->wants_pidfd ? LINK_SPAWN_PIDFD : 0) |
                    (call->wants_terminal ? LINK_SPAWN_ATTACH : 0) |
                    (process->data.flags & PROCESS_DAEMON ? LINK_SPAWN_DAEMON : 0) |
                    (call->spec->is_zygote ? LINK_SPAWN_ZYGOTE : 0) |
                    (process->data.flags & PROCESS_NOTIFY ? LINK_SPAWN_NOTIFY : 0) |
                    (process->restart.plan.policy != RESTART_POLICY_NO ? LINK_SPAWN_TICKET : 0);
    message.spec_size = is_inline ? (uint32_t) call->spec->size : 0;
    memcpy(message.name, process->record->title->name, process->record->title->name_size);
    if (!is_inline)
        fds[fd_count++] = call->spec->memfd;
    memcpy(fds + fd_count, call->fds, call->fd_count * sizeof *fds);
    fd_count += call->fd_count;
    keeper_link_send_with(server->link, LINK_SPAWN, order->number, &message, sizeof message,
                          call->spec->bytes, message.spec_size, fds, fd_count);
    /* they are under way: to let go of them here is not the last close */
    closer_close(call->fds, call->fd_count);
    call->fd_count = 0;
    spawn_spec_free(TAKE(call->spec));
}
