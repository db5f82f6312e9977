/* SPDX-License-Identifier: MIT */
/*
 * Who may ask: connections with the credentials that the kernel gave at accept, and the processes behind
 * them.
 */
#ifndef PROCD_KEEPER_CLIENTS_H
#define PROCD_KEEPER_CLIENTS_H

#include "daemon/keeper/state.h"

/* Memory, and nobody in it. 0 or -ENOMEM. */
int clients_begin(struct keeper *keeper);
/* The same, and listens. 0 or -errno. */
int clients_open(struct keeper *keeper);
/* Stops listening; what is known stays. */
void clients_stop_listening(struct keeper *keeper);
/* Listens on this socket from now on, instead of the one before. */
int clients_listen(struct keeper *keeper, int fd);

/* Takes what is waiting on the socket. Returns how many connections there were. */
unsigned clients_accept(struct keeper *keeper);
/* Accepts while a broker serves and reads. Returns when to call again. */
int64_t clients_gate(struct keeper *keeper);

struct connection *connection_find(const struct keeper *keeper, uint64_t connection);
struct connection *connection_free(struct keeper *keeper, struct connection *connection);
/* The broker is gone, and all connections with it. */
void connections_free(struct keeper *keeper);
/* Sends those that wait to be handed over. False: the link is full. */
bool connections_hand_over(struct keeper *keeper);

/* The client that is this process; takes pidfd over. NULL: no memory. A process that the daemon cannot see
 * has no number (0) and is a client of its own per connection. */
struct client *client_get(struct keeper *keeper, pid_t pid, int pidfd, uid_t uid, bool *ret_is_new);
struct handover_client;

/* One that an earlier program or keeper knew. Takes its pidfd over. 0 or -ENOMEM. */
int client_restore(struct keeper *keeper, const struct handover_client *from);
bool client_alive(const struct client *client);
struct client *client_find(const struct keeper *keeper, uint64_t client);
void client_forget(struct keeper *keeper, struct client *client);
/* LINK_IDENTIFY: fills the answer. Returns the client's pidfd where it is new, else -1. */
int client_identify(struct keeper *keeper, const struct link_identify *order,
                    struct link_identity *ret_answer);

#endif
