/* SPDX-License-Identifier: MIT */
/*
 * Questions to the keeper that a call waits for: who is owner_pid, and a pidfd for a process that runs
 * already.
 */
#ifndef PROCD_RPC_IDENTITY_H
#define PROCD_RPC_IDENTITY_H

#include "daemon/rpc/call.h"

/* Asks who pid is, in the call's place. The call is parked; dispatch_identified goes on with it. */
struct outcome identity_ask(struct call *call, int32_t pid);
void identity_answered(struct server *server, const struct link_identity *message, int pidfd);

/* Answers the call with result and a pidfd of the process, which the keeper is asked for. result is taken
 * over. */
struct outcome pidfd_ask(struct call *call, uint64_t process, char *result);
void pidfd_answered(struct server *server, const struct link_pidfd *message, int pidfd);

#endif
