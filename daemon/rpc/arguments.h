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

/* `timeout` of a waiting request: sets span and REQUEST_DEADLINE or REQUEST_NO_WAIT. NULL: for ever. */
void timeout_argument(const json_t *timeout, struct input_request *request);

#endif
