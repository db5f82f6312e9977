/* SPDX-License-Identifier: MIT */
/*
 * The keeper's end of the link: what comes in. Each message is checked as coming from an enemy.
 */
#ifndef PROCD_KEEPER_ORDERS_H
#define PROCD_KEEPER_ORDERS_H

#include "daemon/keeper/state.h"

/* Reads and executes what is there, up to a fair number of messages. */
void orders_read(struct keeper *keeper);
/* The other end is closed: executes what the broker left behind, then takes the link down. */
void orders_drain(struct keeper *keeper);

#endif
