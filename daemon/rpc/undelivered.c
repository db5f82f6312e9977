/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/undelivered.h"

#include "daemon/rpc/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct undelivered {
    TAILQ_ENTRY(undelivered) of_session;
    uint64_t end;  /* of its answer, in the bytes that the session ever queued */
    uint64_t hold; /* as in reply_sync */
    uint64_t levels, client;
    uint32_t uid;
    char key[PROTO_KEY_MAX + 1];
    char name[PROTO_NAME_MAX + 1];
};

/* Every grant is about the object that the request names; a condition's, about its lock. */
static const json_t *name_argument(const struct call *call)
{
    return json_object_get(call->request.params, "name");
}

static int set_name(struct undelivered *undelivered, const struct call *call, const struct reply_data *reply)
{
    const json_t *json = name_argument(call);
    const struct core *core = call->server->core;
    const char *name = json_string_value(json);
    const struct object *object =
        name ? core_object(core, undelivered->uid, name, json_string_length(json)) : NULL;

    if (object && reply->kind == REPLY_NOTIFIED)
        object = object->lock;
    if (!object)
        return -1;
    memcpy(undelivered->name, object->name->bytes, object->name->size);
    return 0;
}

struct undelivered *undelivered_new(const struct call *call, const struct reply_data *reply)
{
    struct undelivered *undelivered = call->id ? calloc(1, sizeof *undelivered) : NULL;

    if (!undelivered)
        return NULL;
    undelivered->uid = call->uid;
    undelivered->hold = reply->sync.hold;
    undelivered->levels = reply->kind == REPLY_NOTIFIED ? UINT64_MAX : 1;
    undelivered->client = call->session->peer ? call->session->peer->client : 0;
    if (call->request.key)
        strncpy(undelivered->key, call->request.key, PROTO_KEY_MAX);
    if (set_name(undelivered, call, reply) == 0)
        return undelivered;
    free(undelivered);
    return NULL;
}

void undelivered_watch(struct session *session, struct undelivered *undelivered)
{
    if (!undelivered)
        return;
    undelivered->end = session->sent + frame_unsent(&session->writer);
    TAILQ_INSERT_TAIL(&session->undelivered, undelivered, of_session);
}

/* Nothing was queued behind it. */
static bool is_last_line(const struct session *session, const struct undelivered *undelivered)
{
    return undelivered->end == session->sent + frame_unsent(&session->writer);
}

void undelivered_sent(struct session *session, size_t bytes)
{
    struct undelivered *undelivered;

    session->sent += bytes;
    while ((undelivered = TAILQ_FIRST(&session->undelivered)) && undelivered->end <= session->sent &&
           !is_last_line(session, undelivered)) {
        TAILQ_REMOVE(&session->undelivered, undelivered, of_session);
        free(undelivered);
    }
}

static void give_back(struct server *server, const struct undelivered *undelivered)
{
    struct core_input input = {.kind = INPUT_UNDELIVERED};

    input.body.sync.request.uid = undelivered->uid;
    input.body.sync.request.creator = undelivered->client;
    input.body.sync.token = undelivered->hold;
    input.body.sync.value = undelivered->levels;
    input.blob[BLOB_NAME] = (struct blob){undelivered->name, strlen(undelivered->name)};
    input.blob[BLOB_KEY] = (struct blob){undelivered->key, strlen(undelivered->key)};
    (void) server_step(server, &input);
}

/*
 * unix(7): who closes a socket with something left in it to read lets the other side read ECONNRESET. Then
 * the last line was not read, or not to its end.
 */
static bool was_reset(const struct session *session)
{
    char byte;

    return session->flags & SESSION_RESET ||
           (recv(session->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == ECONNRESET);
}

/* The kernel closes the sockets of a process that dies before it tells of the death. A hold that nobody
 * knew of ends with its process then, and is called abandoned; so its process gets the time to die. */
static void return_later(struct server *server, struct undelivered *undelivered)
{
    static const struct timeval patience = {.tv_usec = 50000};

    TAILQ_INSERT_TAIL(&server->unread, undelivered, of_session);
    if (!event_pending(server->unread_timer, EV_TIMEOUT, NULL))
        event_add(server->unread_timer, &patience);
}

void undelivered_unread(struct server *server)
{
    struct undelivered *undelivered;

    while ((undelivered = TAILQ_FIRST(&server->unread))) {
        TAILQ_REMOVE(&server->unread, undelivered, of_session);
        if (!server->done)
            give_back(server, undelivered);
        free(undelivered);
    }
}

void undelivered_return(struct session *session)
{
    struct undelivered *undelivered;

    while ((undelivered = TAILQ_FIRST(&session->undelivered))) {
        TAILQ_REMOVE(&session->undelivered, undelivered, of_session);
        if (undelivered->end > session->sent) {
            give_back(session->server, undelivered);
        } else if (was_reset(session)) {
            return_later(session->server, undelivered);
            continue;
        }
        free(undelivered);
    }
}
