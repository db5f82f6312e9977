/* SPDX-License-Identifier: MIT */
/*
 * The params of process.spawn from the options that spawn and run share.
 */
#ifndef PROCD_CTL_SPAWN_REQUEST_H
#define PROCD_CTL_SPAWN_REQUEST_H

#include "client/ctl/ctl.h"

#include <jansson.h>

/* 0 and ret_params (a new object), or a status: reported. */
int spawn_request(const struct ctl *ctl, json_t **ret_params);

/* A terminal for the streams that are nowhere else, of the size of ours. */
void spawn_request_terminal(json_t *params);

#endif
