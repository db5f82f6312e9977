/* SPDX-License-Identifier: MIT */
/*
 * A wait without an end: where it is a deadlock only if processes have no more threads than wait, the keeper
 * counts them before the core decides. The counts are part of the core's input, so that a replay needs none.
 */
#ifndef PROCD_RPC_THREADS_H
#define PROCD_RPC_THREADS_H

#include "daemon/rpc/call.h"

struct thread_counts;

/* Gives the input of such a wait to the core as call_submit does; or asks the keeper first. Then the call is
 * parked, and its handler runs again with the counts. */
struct outcome threads_submit(struct call *call, struct core_input *input, const struct core_wait *wait);
void threads_answered(struct server *server, const struct link_threads *message);

#endif
