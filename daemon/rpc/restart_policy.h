/* SPDX-License-Identifier: MIT */
/* `restart` of process.spawn, checked, as the core wants it. */
#ifndef PROCD_RPC_RESTART_POLICY_H
#define PROCD_RPC_RESTART_POLICY_H

#include "daemon/core/input.h"

#include <jansson.h>

/* NULL: none. What the keeper keeps for it is not filled in. */
struct input_restart restart_policy_argument(const json_t *restart);

#endif
