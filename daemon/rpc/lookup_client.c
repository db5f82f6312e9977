/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/lookup_client.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/base/fdpass.h"
#include "daemon/base/log.h"
#include "daemon/rpc/process_spawn.h"
#include "daemon/rpc/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CACHE_SIZE 32
#define CACHE_SPAN (5 * NSEC_PER_SEC) /* as long may a change of passwd(5) take to be seen */

struct question {
    uint64_t tag; /* ticket of the call */
    uint32_t uid;
    TAILQ_ENTRY(question) next;
};

struct cached {
    int64_t until;
    struct lookup_answer *answer;
};

struct lookup_client {
    struct server *server;
    int socket;
    struct event *readable;
    TAILQ_HEAD(question_list, question) asked; /* answered in this order */
    struct question *unsent; /* the first of them that the helper has not got yet, and all behind it */
    struct cached cache[CACHE_SIZE];
    size_t oldest;
    struct lookup_answer buffer;
};

int lookup_client_new(struct server *server, struct lookup_client **ret_client)
{
    struct lookup_client *client = calloc(1, sizeof *client);

    if (!client)
        return -ENOMEM;
    client->server = server;
    client->socket = -1;
    TAILQ_INIT(&client->asked);
    *ret_client = client;
    return 0;
}

static void disconnect(struct lookup_client *client)
{
    if (client->readable)
        event_free(client->readable);
    client->readable = NULL;
    client->socket = close_fd(client->socket);
    client->unsent = TAILQ_FIRST(&client->asked);
}

struct lookup_client *lookup_client_free(struct lookup_client *client)
{
    struct question *question;

    if (!client)
        return NULL;
    disconnect(client);
    while ((question = TAILQ_FIRST(&client->asked))) {
        TAILQ_REMOVE(&client->asked, question, next);
        free(question);
    }
    for (size_t i = 0; i < CACHE_SIZE; i++)
        free(client->cache[i].answer);
    free(client);
    return NULL;
}

/* ---- the cache ---- */

const struct lookup_answer *lookup_cached(struct lookup_client *client, uint32_t uid)
{
    for (size_t i = 0; i < CACHE_SIZE; i++) {
        const struct cached *cached = &client->cache[i];

        if (cached->answer && cached->answer->uid == uid)
            return cached->until > clock_monotonic() ? cached->answer : NULL;
    }
    return NULL;
}

static void remember(struct lookup_client *client, const struct lookup_answer *answer, size_t size)
{
    struct lookup_answer *copy = calloc(1, sizeof *copy);
    struct cached *slot = NULL;

    if (!copy)
        return;
    memcpy(copy, answer, size);
    for (size_t i = 0; i < CACHE_SIZE && !slot; i++)
        if (client->cache[i].answer && client->cache[i].answer->uid == answer->uid)
            slot = &client->cache[i];
    if (!slot) {
        slot = &client->cache[client->oldest];
        client->oldest = (client->oldest + 1) % CACHE_SIZE;
    }
    free(slot->answer);
    slot->answer = copy;
    slot->until = clock_monotonic() + CACHE_SPAN;
}

/* ---- asking ---- */

/* As many as the helper takes; the rest follows its next answer. One that has none to give and takes none is
 * let go, and ends: all are asked again when there is another. */
static void send_questions(struct lookup_client *client)
{
    while (client->socket >= 0 && client->unsent) {
        struct lookup_question message = {.tag = client->unsent->tag, .uid = client->unsent->uid};
        const struct iovec iov = {&message, sizeof message};

        if (fdpass_send(client->socket, &iov, 1, NULL, 0) < 0) {
            if (client->unsent == TAILQ_FIRST(&client->asked))
                disconnect(client);
            return;
        }
        client->unsent = TAILQ_NEXT(client->unsent, next);
    }
}

struct outcome lookup_ask(struct call *call, uint32_t uid)
{
    struct lookup_client *client = call->server->lookup;
    struct question *question = calloc(1, sizeof *question);

    if (!question || call_hold(call) < 0) {
        free(question);
        return call_fail_limit(call, "memory", 0);
    }
    question->tag = call->ticket;
    question->uid = uid;
    TAILQ_INSERT_TAIL(&client->asked, question, next);
    if (!client->unsent)
        client->unsent = question;
    send_questions(client);
    return call_park(call);
}

static void go_on(struct server *server, uint64_t tag, const struct lookup_answer *answer)
{
    struct call *call = call_find(server, tag);
    struct session *session;

    if (!call)
        return;
    session = call_go_on(call);
    (void) process_spawn_looked_up(call, answer);
    session_resume(session);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct lookup_client *client = context;
    struct lookup_answer *answer = &client->buffer;
    struct question *question = TAILQ_FIRST(&client->asked);
    ssize_t size = recv((int) fd, answer, sizeof *answer, MSG_DONTWAIT);

    (void) what;
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size < (ssize_t) offsetof(struct lookup_answer, groups) || !question || question == client->unsent ||
        answer->tag != question->tag) {
        log_warning("the look-up helper is gone");
        disconnect(client);
        return;
    }
    TAILQ_REMOVE(&client->asked, question, next);
    if (answer->found)
        remember(client, answer, (size_t) size);
    send_questions(client);
    go_on(client->server, question->tag, answer);
    free(question);
}

void lookup_client_connect(struct lookup_client *client, int socket)
{
    disconnect(client);
    client->socket = socket;
    if (socket < 0)
        return;
    client->readable = event_new(client->server->base, socket, EV_READ | EV_PERSIST, on_readable, client);
    if (!client->readable || event_add(client->readable, NULL) < 0) {
        disconnect(client);
        return;
    }
    send_questions(client);
}
