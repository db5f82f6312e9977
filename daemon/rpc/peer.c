/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/peer.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/base/hangup.h"
#include "daemon/base/log.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/keeper_link.h"

#include <stdio.h>
#include <stdlib.h>

struct peer *peer_find(const struct server *server, uint64_t client)
{
    struct peer *peer;

    HASH_FIND(hh, server->peers, &client, sizeof client, peer);
    return peer;
}

struct peer *peer_of_process(const struct server *server, uint64_t process)
{
    const struct process *entry = core_process(server->core, process);

    return entry && entry->client ? peer_find(server, entry->client->data.id) : NULL;
}

static void on_death(evutil_socket_t fd, short what, void *context)
{
    struct peer *peer = context;
    struct core_input input = {.kind = INPUT_CLIENT_DEAD, .body.number = peer->client};

    (void) fd;
    (void) what;
    peer_drain(peer);
    (void) server_step(peer->server, &input);
    peer_bury(peer);
}

/* Takes the pidfd over, also on failure; one that is watched already, or cannot be, is left as it is. 0 or
 * -ENOMEM. */
static int peer_watch(struct peer *peer, int pidfd)
{
    struct event *death;

    if (peer->death || pidfd < 0) {
        close_fd(pidfd);
        return 0;
    }
    death = event_new(peer->server->base, pidfd, EV_READ, on_death, peer);
    if (!death || event_add(death, NULL) < 0) {
        if (death)
            event_free(death);
        close_fd(pidfd);
        return -ENOMEM;
    }
    peer->death = death;
    peer->pidfd = pidfd;
    return 0;
}

struct peer *peer_new(struct server *server, uint64_t client, uint64_t process, int pidfd)
{
    struct peer *peer = calloc(1, sizeof *peer);

    if (!peer) {
        close_fd(pidfd);
        return NULL;
    }
    peer->server = server;
    peer->client = client;
    peer->process = process;
    peer->pidfd = -1;
    LIST_INIT(&peer->sessions);
    if (peer_watch(peer, pidfd) < 0)
        goto fail;
    HASH_ADD(hh, server->peers, client, sizeof peer->client, peer);
    if (!peer->hh.tbl)
        goto fail;
    return peer;
fail:
    if (peer->death)
        event_free(peer->death);
    close_fd(peer->pidfd);
    free(peer);
    return NULL;
}

int peer_meet(struct server *server, const struct input_connect *who, int pidfd)
{
    struct core_input input = {.kind = INPUT_CLIENT, .body.connect = *who};
    struct peer *peer = peer_find(server, who->client);
    int r;

    if (peer)
        return peer_watch(peer, pidfd);
    r = server_step(server, &input);
    if (r < 0) {
        close_fd(pidfd);
        return r;
    }
    return peer_new(server, who->client, who->process, pidfd) ? 0 : -ENOMEM;
}

void peer_drain(struct peer *peer)
{
    struct session *session, *next;

    for (session = LIST_FIRST(&peer->sessions); session; session = next) {
        next = LIST_NEXT(session, of_peer);
        session_drain(session);
    }
}

void peer_bury(struct peer *peer)
{
    struct session *session;

    while ((session = LIST_FIRST(&peer->sessions))) {
        LIST_REMOVE(session, of_peer);
        session->peer = NULL;
        session_kill(session);
    }
    HASH_DEL(peer->server->peers, peer);
    if (peer->death)
        event_free(peer->death);
    close_fd(peer->pidfd);
    free(peer);
}

/* ---- connections ---- */

static void tell_closed(struct server *server, uint64_t connection)
{
    struct link_connection_ref message = {.connection = connection};

    keeper_link_send(server->link, LINK_CLOSE_CONNECTION, 0, &message, sizeof message, NULL, 0);
}

void peer_disconnect(struct session *session)
{
    struct core_input input = {.kind = INPUT_DISCONNECT, .body.number = session->connection};

    if (session->flags & SESSION_DISCONNECTED)
        return;
    session->flags |= SESSION_DISCONNECTED;
    /* the core has buried the connections of a dead client with it */
    if (core_connection(session->server->core, session->connection))
        (void) server_step(session->server, &input);
    tell_closed(session->server, session->connection);
}

/* Each takes a descriptor of ours, and its client one here and one in the keeper, which has the same limit:
 * no uid of the system daemon gets so many that none are left for others. */
static int64_t connections_limit(const struct server *server, uint32_t uid)
{
    int64_t most = quota_limit(QUOTA_CONNECTIONS, uid);

    if (uid == 0 || !server->hello.system)
        return most;
    return server->files / 4 < (uint64_t) most ? (int64_t) (server->files / 4) : most;
}

/* Says why, and lets go. The keeper tells of a new client once: it is watched though it is not served, as it
 * may come again, and as the keeper forgets it only when we do. */
static void refuse_connection(struct server *server, const struct link_connection *connection, int socket,
                              int pidfd, const char *limit)
{
    struct input_connect who = {.client = connection->client,
                                .process = connection->process,
                                .pid = connection->pid,
                                .uid = connection->uid};
    char line[256];
    struct iovec iov = {line, 0};

    iov.iov_len = (size_t) snprintf(
        line, sizeof line,
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":%d,\"message\":\"%s: %s\","
        "\"data\":{\"name\":\"%s\",\"limit\":\"%s\",\"value\":%lld}}}\n",
        proto_error_code(ERROR_LIMIT_EXCEEDED), proto_error_message(ERROR_LIMIT_EXCEEDED), limit,
        proto_error_name(ERROR_LIMIT_EXCEEDED), limit,
        (long long) connections_limit(server, connection->uid));

    if (log_again(&server->tell_refused_at, clock_monotonic()))
        log_warning("connection of uid %u refused: %s", connection->uid, limit);
    if (pidfd >= 0)
        (void) peer_meet(server, &who, pidfd);
    (void) fdpass_send(socket, &iov, 1, NULL, 0);
    hang_up(socket, NULL, NULL);
    tell_closed(server, connection->connection);
}

/* A client that nobody can watch is given up, so that the keeper tells of it anew when it comes again. */
static void forget(struct server *server, uint64_t client)
{
    struct core_input input = {.kind = INPUT_CLIENT_DEAD, .body.number = client};

    (void) server_step(server, &input);
}

/* Its socket did not reach us, or the pidfd of a client of whom we are told once: no descriptor was free. */
static void connection_lost(struct server *server, const struct input_connect *who, int socket, int pidfd)
{
    struct core_input input = {.kind = INPUT_CLIENT, .body.connect = *who};

    if (log_again(&server->tell_lost_at, clock_monotonic()))
        log_warning("a connection of uid %u is lost: no descriptor is free", who->uid);
    hang_up(socket, NULL, NULL);
    close_fd(pidfd);
    if (!peer_find(server, who->client) && server_step(server, &input) == 0)
        forget(server, who->client);
    tell_closed(server, who->connection);
}

static bool quota_allows(const struct server *server, uint32_t uid)
{
    const struct account *account = core_account(server->core, uid);

    return !account || account->used[QUOTA_CONNECTIONS] < connections_limit(server, uid);
}

void peer_connected(struct server *server, const struct link_connection *connection, int socket, int pidfd)
{
    struct core_input input = {.kind = INPUT_CONNECT,
                               .body.connect = {.connection = connection->connection,
                                                .client = connection->client,
                                                .process = connection->process,
                                                .pid = connection->pid,
                                                .uid = connection->uid}};
    struct peer *peer = peer_find(server, connection->client);

    server->last_connection = connection->connection;
    if (socket < 0 || (!peer && pidfd < 0)) {
        connection_lost(server, &input.body.connect, socket, pidfd);
        return;
    }
    if (!quota_allows(server, connection->uid)) {
        refuse_connection(server, connection, socket, pidfd, quota_name(QUOTA_CONNECTIONS));
        return;
    }
    if (server_step(server, &input) < 0) {
        refuse_connection(server, connection, socket, pidfd, "memory");
        return;
    }
    if (!peer)
        peer = peer_new(server, connection->client, connection->process, pidfd);
    else if (peer_watch(peer, pidfd) < 0) /* it was known by its pid only: identity.c */
        peer = NULL;
    if (peer && session_open(server, connection, peer, socket) == 0)
        return;
    input = (struct core_input){.kind = INPUT_DISCONNECT, .body.number = connection->connection};
    (void) server_step(server, &input);
    if (!peer && !peer_find(server, connection->client))
        forget(server, connection->client);
    refuse_connection(server, connection, socket, -1, "memory");
}
