/* SPDX-License-Identifier: MIT */
/*
 * procd --load: the services that files describe are started in a daemon that runs already. It is procctl
 * that reads and compares them, an ordinary client: what is in a file comes to the daemon by its socket.
 */
#ifndef PROCD_LOAD_H
#define PROCD_LOAD_H

#include "daemon/config.h"

/* Becomes procctl; returns the status to exit with where it cannot, after a message. */
int load_main(const struct config *config);

#endif
