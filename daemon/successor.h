/* SPDX-License-Identifier: MIT */
/*
 * A keeper that takes over is of the program of the one that has died, which is kept with the rest: only who
 * has written a journal replays it. That may be another one than the front's, newer after `daemon.restart`,
 * or older where a new one was installed and both keeper and front have died. Then the process that is to be
 * the keeper becomes it, by exec; what it has is named in a text: a name, a blank and a number on each line.
 */
#ifndef PROCD_SUCCESSOR_H
#define PROCD_SUCCESSOR_H

#include "daemon/base/shelf.h"
#include "daemon/keeper/keeper.h"

/* In the process that is to be the keeper, with the command line of the front. Returns where the program is
 * ours, or it could not be done: then we go on. */
void successor_exec(const struct keeper_config *config, struct shelf *shelf, char **argv);

/* The role "successor": what that process had. Into a config that has everything else, and an empty shelf. 0,
 * or -errno. */
int successor_read(int memory, struct keeper_config *config, struct shelf *shelf);

#endif
