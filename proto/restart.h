/* SPDX-License-Identifier: MIT */
/* The parameter `restart` of process.spawn: what it may be. */
#ifndef PROCD_PROTO_RESTART_H
#define PROCD_PROTO_RESTART_H

#include <jansson.h>
#include <stdbool.h>

#define RESTART_SECONDS_MAX 1e9 /* of a pause */
#define RESTART_FACTOR_MAX  1000

bool restart_valid(const json_t *json);

#endif
