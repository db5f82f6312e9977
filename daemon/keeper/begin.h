/* SPDX-License-Identifier: MIT */
/*
 * How a keeper begins: with nothing, or from what an earlier one has left.
 */
#ifndef PROCD_KEEPER_BEGIN_H
#define PROCD_KEEPER_BEGIN_H

#include "daemon/keeper/state.h"

struct handover_head;

/* The rooms are open and empty. What the config's shelf holds is taken, or given up. 0, or -errno: another
 * process may do better. */
int begin(struct keeper *keeper);
/* The same after an exec of this keeper. 0, or -errno. */
int begin_again(struct keeper *keeper, const struct handover_head *head);

#endif
