/* SPDX-License-Identifier: MIT */
/*
 * How processes end, as exit statuses, and how long one waits for it.
 */
#ifndef PROCD_CTL_JOIN_H
#define PROCD_CTL_JOIN_H

#include "client/ctl/ctl.h"

#include <jansson.h>
#include <stdint.h>

/* The status of a process that has ended: its own, or 128+N after signal N. Where it is not known:
 * CTL_FAILED, said. */
int status_of_exit(const struct ctl *ctl, const json_t *result);

/* When to stop waiting for an answer of the daemon that must come in so many seconds; below 0: never. */
int64_t deadline_in(double seconds);

#endif
