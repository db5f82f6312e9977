/* SPDX-License-Identifier: MIT */
/*
 * daemon.restart. The keeper lets the file that now has the program's name read a copy of the state, in a
 * process of its own; the broker serves meanwhile. Where that file cannot go on from it, everybody is told
 * why, and nothing has changed. Else this broker takes a last snapshot, and ends.
 */
#ifndef PROCD_RPC_RESTART_H
#define PROCD_RPC_RESTART_H

#include "daemon/rpc/call.h"

/* The request; it is answered when it is known whether there will be another broker. */
struct outcome restart_asked(struct call *call);
/* The keeper was asked to, by a signal: nobody waits for the answer. */
void restart_signalled(struct server *server);
/* What the keeper says of the other file. */
void restart_checked(struct server *server, const struct link_checked *message);
/* For the turn's end: the broker ends where it may. */
void restart_turn(struct server *server);
/* The very end, after everything that was still a step: what the next one begins from. */
void restart_leave(struct server *server);

#endif
