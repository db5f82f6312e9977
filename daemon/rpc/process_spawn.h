/* SPDX-License-Identifier: MIT */
/* process.spawn, in the steps between which it may wait. */
#ifndef PROCD_RPC_PROCESS_SPAWN_H
#define PROCD_RPC_PROCESS_SPAWN_H

#include "daemon/rpc/call.h"

/* The uid's entry of passwd(5) is known, or that there is none. */
struct outcome process_spawn_looked_up(struct call *call, const struct lookup_answer *who);

/* The core has ordered the spawn: sends the call's spec and descriptors to the keeper. */
void process_spawn_send(struct server *server, const struct order_data *order);

#endif
