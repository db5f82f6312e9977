/* SPDX-License-Identifier: MIT */
/* --restart of spawn and run. */
#ifndef PROCD_CTL_RESTART_OPTION_H
#define PROCD_CTL_RESTART_OPTION_H

#include "client/ctl/ctl.h"

#include <jansson.h>

/*
 * POLICY[:TRIES][,delay=SEC][,factor=N][,max-delay=SEC] as the member `restart` of params, or nothing without
 * the option. 0, or CTL_USAGE after it has said what is wrong.
 */
int restart_option(const struct ctl *ctl, json_t *params);

#endif
