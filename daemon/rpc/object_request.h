/* SPDX-License-Identifier: MIT */
/*
 * What the methods about objects share: who asks and in whose place, names and holders as the core wants
 * them, and grants of which nobody was told.
 */
#ifndef PROCD_RPC_OBJECT_REQUEST_H
#define PROCD_RPC_OBJECT_REQUEST_H

#include "daemon/rpc/call.h"

/* A request about an object; arguments that its method does not have are NULL. */
struct object_request {
    struct core_input input; /* kind and what is special about the method */
    const json_t *name, *timeout, *holder, *owner_pid, *on_deadlock, *bell, *round;
};

/* Completes the request and gives it to the core; asks the keeper first who owner_pid is. */
struct outcome object_request_submit(struct call *call, struct object_request *request);

/* A default holder is "#" and the number of the connection. */
#define HOLDER_DEFAULT_MAX 24

/* The holder that a call means: its argument, or the default, which is written to `room`. */
struct blob holder_argument(const struct call *call, const json_t *holder, const json_t *owner_pid,
                            char room[HOLDER_DEFAULT_MAX]);

#endif
