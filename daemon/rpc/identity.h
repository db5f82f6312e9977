/* SPDX-License-Identifier: MIT */
/*
 * Questions to the keeper that a call waits for: who is owner_pid, and descriptors of a process: a pidfd
 * where it runs already, and its terminal.
 */
#ifndef PROCD_RPC_IDENTITY_H
#define PROCD_RPC_IDENTITY_H

#include "daemon/rpc/call.h"

/* Asks who pid is, in the call's place. The call is parked; dispatch_identified goes on with it. */
struct outcome identity_ask(struct call *call, int32_t pid);
void identity_answered(struct server *server, const struct link_identity *message, int pidfd);

/*
 * Answers the call with result, an object as text, and the descriptors that it wants: a pidfd, which result
 * speaks of, and with wants_terminal a terminal, of which `pty` and `lease` are put into it. What is not
 * there (pidfd -1) the keeper is asked for. result and pidfd are taken over.
 */
struct outcome descriptors_reply(struct call *call, uint64_t process, char *result, int pidfd);
void pidfd_answered(struct server *server, const struct link_pidfd *message, int pidfd);
/* The descriptors are taken over. */
void attach_answered(struct server *server, const struct link_attached *message, int master, int lease);

#endif
