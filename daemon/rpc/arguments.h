/* SPDX-License-Identifier: MIT */
/* Checked arguments as the core wants them. */
#ifndef PROCD_RPC_ARGUMENTS_H
#define PROCD_RPC_ARGUMENTS_H

#include "daemon/core/input.h"

#include <jansson.h>
#include <stdint.h>

/* ns of a span in seconds; what does not fit is as long as can be. */
int64_t seconds_to_ns(double seconds);

/* 1..64. */
int signal_argument(const json_t *signal);

/* An optional count of at least 1; 1 where it is absent. */
uint64_t count_argument(const json_t *count);

/* `timeout` of a waiting request: sets span and REQUEST_DEADLINE or REQUEST_NO_WAIT. NULL: for ever. */
void timeout_argument(const json_t *timeout, struct input_request *request);

#endif
