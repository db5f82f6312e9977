/* SPDX-License-Identifier: MIT */
/*
 * The daemon's figures as OpenMetrics text (openmetrics.io, version 1.0.0).
 */
#ifndef PROCD_CTL_METRICS_H
#define PROCD_CTL_METRICS_H

#include "client/ctl/ctl.h"

#include <stddef.h>
#include <stdint.h>

#define METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Asks the daemon, and writes everything. deadline as in connection.h. 0 and a new string; or not 0, and a
 * new string that says why. */
int metrics_text(struct ctl *ctl, int64_t deadline, char **ret_text, size_t *ret_size);

/* Serves it on the loopback interface until a signal comes. The status: reported. */
int metrics_serve(struct ctl *ctl, uint16_t port);

#endif
