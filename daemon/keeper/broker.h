/* SPDX-License-Identifier: MIT */
/*
 * The broker and the look-up helper: started, watched, started again.
 */
#ifndef PROCD_KEEPER_BROKER_H
#define PROCD_KEEPER_BROKER_H

#include "daemon/keeper/state.h"

#include <signal.h>

void broker_open(struct keeper *keeper);
/* A new epoch, with nothing in its state. 0 or -errno. */
int broker_begin(struct keeper *keeper);
/* The same for children that are there already: what the last state knew of them is told again. */
int broker_anew(struct keeper *keeper);
/* Starts what is due. Returns when to call again. */
int64_t broker_tick(struct keeper *keeper);
/* It answered LINK_READY, LINK_PONG. */
void broker_ready(struct keeper *keeper);
void broker_pong(struct keeper *keeper);
/* Somebody was waited for, one of the two perhaps: what it ended with is said when that is seen to. */
void broker_waited(struct keeper *keeper, const siginfo_t *info);
/* The daemon ends: waits for both for a moment, then kills them. */
void broker_close(struct keeper *keeper);

#endif
