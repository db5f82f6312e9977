/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/object_request.h"

#include "daemon/base/decimal.h"
#include "daemon/rpc/arguments.h"
#include "daemon/rpc/identity.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/session.h"
#include "daemon/rpc/threads.h"

#include <string.h>

/* ---- who ---- */

struct blob holder_argument(const struct call *call, const json_t *holder, const json_t *owner_pid,
                            char room[HOLDER_DEFAULT_MAX])
{
    const struct connection *connection = core_connection(call->server->core, call->session->connection);
    char *end = room + HOLDER_DEFAULT_MAX, *at;

    if (holder)
        return (struct blob){json_string_value(holder), json_string_length(holder)};
    if (owner_pid || !connection)
        return (struct blob){"", 0};
    at = decimal_put(end, connection->data.ordinal, 1);
    *--at = '#';
    return (struct blob){at, (size_t) (end - at)};
}

/* ---- the request ---- */

/* It is rung behind whatever the answer will be. Who has no slot there has no bell. */
static void set_bell(struct call *call, struct core_input *input)
{
    const struct client *client = core_client(call->server->core, call->creator);
    const struct owner *owner = client ? owner_find(client, &input->blob[BLOB_HOLDER]) : NULL;

    if (!owner || !owner->slot || client->data.uid != call->uid)
        return;
    call->bell = owner->slot;
    input->body.request.flags |= REQUEST_BELL;
}

/* A lock that somebody holds is waited for without an end, unless there is one. */
static struct outcome acquire(struct call *call, struct object_request *request)
{
    struct core_input *input = &request->input;
    const struct blob *name = &input->blob[BLOB_NAME];
    const struct object *object = core_object(call->server->core, call->uid, name->data, name->size);
    const struct core_wait wait = {
        .client = call->creator, .holder = input->blob[BLOB_HOLDER], .object = object};
    uint32_t *flags = &input->body.request.flags;

    if (request->on_deadlock && strcmp(json_string_value(request->on_deadlock), "wait") == 0)
        *flags |= REQUEST_WAIT_ANYWAY;
    if (!object || *flags & (REQUEST_NO_WAIT | REQUEST_DEADLINE))
        return call_submit(call, input);
    return threads_submit(call, input, &wait);
}

struct outcome object_request_submit(struct call *call, struct object_request *request)
{
    struct core_input *input = &request->input;
    char holder[HOLDER_DEFAULT_MAX];

    if (request->owner_pid && !call->creator)
        return identity_ask(call, (int32_t) json_integer_value(request->owner_pid));
    if (!call->creator && call->session->peer)
        call->creator = call->session->peer->client;
    input->body.request.creator = call->creator;
    input->body.sync.gid = call->session->gid;
    timeout_argument(request->timeout, &input->body.request);
    if (request->name)
        input->blob[BLOB_NAME] =
            (struct blob){json_string_value(request->name), json_string_length(request->name)};
    input->blob[BLOB_HOLDER] = holder_argument(call, request->holder, request->owner_pid, holder);
    if (json_is_true(request->bell))
        set_bell(call, input);
    if (input->kind == INPUT_ACQUIRE && input->body.sync.kind != OBJECT_SEMAPHORE)
        return acquire(call, request);
    if (request->round) {
        input->body.sync.value = (uint64_t) json_integer_value(request->round);
        set_bell(call, input);
    }
    return call_submit(call, input);
}
