/* SPDX-License-Identifier: MIT */
/*
 * The broker's side of the look-up helper: who is a uid, asked without blocking, remembered for a short
 * while.
 */
#ifndef PROCD_RPC_LOOKUP_CLIENT_H
#define PROCD_RPC_LOOKUP_CLIENT_H

#include "daemon/rpc/call.h"

struct lookup_client;

int lookup_client_new(struct server *server, struct lookup_client **ret_client);
struct lookup_client *lookup_client_free(struct lookup_client *client);

/* A (new) socket to the helper, taken over. Questions that the old one did not answer are asked again. */
void lookup_client_connect(struct lookup_client *client, int socket);

/* What is known of a uid, fresh enough; else NULL: ask. Valid until the loop's next turn. */
const struct lookup_answer *lookup_cached(struct lookup_client *client, uint32_t uid);

/* Asks for a uid. The call is parked; process_spawn_looked_up goes on with it. */
struct outcome lookup_ask(struct call *call, uint32_t uid);

#endif
