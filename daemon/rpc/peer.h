/* SPDX-License-Identifier: MIT */
/*
 * A client process as the broker watches it: its pidfd, and its sessions. Death is the pidfd, after its
 * sockets are drained; the end of a connection is not a death.
 */
#ifndef PROCD_RPC_PEER_H
#define PROCD_RPC_PEER_H

#include "daemon/rpc/session.h"

struct peer {
    struct server *server;
    uint64_t client;
    uint64_t process; /* the managed process that it is, or 0 */
    int pidfd;
    struct event *death;
    LIST_HEAD(peer_sessions, session) sessions;
    UT_hash_handle hh;
};

/* Begins to watch a client. Takes the pidfd over, also on failure; -1: one that cannot be watched. NULL
 * without memory. */
struct peer *peer_new(struct server *server, uint64_t client, uint64_t process, int pidfd);
struct peer *peer_find(const struct server *server, uint64_t client);
/* Makes a process a client of ours without a connection (who->connection is not looked at), or begins to
 * watch one that was not watched yet. Takes the pidfd over, also on failure. 0 or -ENOMEM. */
int peer_meet(struct server *server, const struct input_connect *who, int pidfd);
/* The client that a managed process is, or NULL. */
struct peer *peer_of_process(const struct server *server, uint64_t process);

/* A connection that the keeper accepted. Takes the descriptors over. */
void peer_connected(struct server *server, const struct link_connection *connection, int socket, int pidfd);

/* Reads what its sockets still held. Before its death or its process's end is told to the core. */
void peer_drain(struct peer *peer);

/* It is dead and the core knows: its sessions go, and so does it. */
void peer_bury(struct peer *peer);

/* The core forgets the session's connection; the session may have bytes to write still. */
void peer_disconnect(struct session *session);

#endif
