/* SPDX-License-Identifier: MIT */
/*
 * The broker and the look-up helper: started, watched, started again.
 */
#ifndef PROCD_KEEPER_BROKER_H
#define PROCD_KEEPER_BROKER_H

#include "daemon/keeper/state.h"

void broker_open(struct keeper *keeper);
/* A new epoch, with nothing in its state. 0 or -errno. */
int broker_begin(struct keeper *keeper);
/* Starts what is due. Returns when to call again. */
int64_t broker_tick(struct keeper *keeper);
/* It answered LINK_READY, LINK_PONG. */
void broker_ready(struct keeper *keeper);
void broker_pong(struct keeper *keeper);
/* The daemon ends: waits for both for a moment, then kills them. */
void broker_close(struct keeper *keeper);

#endif
