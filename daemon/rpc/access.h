/* SPDX-License-Identifier: MIT */
/*
 * Who may touch what (protocol section 2). Another uid's process answers exactly like a missing one.
 */
#ifndef PROCD_RPC_ACCESS_H
#define PROCD_RPC_ACCESS_H

#include "daemon/rpc/call.h"

/* In whose place the call acts: its own uid, or `uid` for root; root in a user's daemon acts as that user.
 * false: it may not. */
bool access_uid(const struct call *call, uint32_t *ret_uid);

/* The process that an argument names by id or name, where the call may see it; NULL otherwise. */
struct process *access_process(const struct call *call, const json_t *argument);

/* May the call end or replace the daemon? */
bool access_daemon(const struct call *call);

/* The answer to a call that named a process that it cannot see. */
struct outcome fail_no_such_process(struct call *call);

#endif
