/* SPDX-License-Identifier: MIT */
/* The outputs of a step, in their order: answers to sessions, orders to the keeper. Events are told at the
 * turn's end. */
#ifndef PROCD_RPC_DELIVER_H
#define PROCD_RPC_DELIVER_H

#include "daemon/rpc/server.h"

void deliver(struct server *server);

/* Sends an order (again). */
void deliver_order(struct server *server, const struct order_data *order);

#endif
