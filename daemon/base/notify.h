/* SPDX-License-Identifier: MIT */
/*
 * What the service manager is told, and asks for (sd_notify(3), sd_watchdog_enabled(3)). Without libsystemd,
 * or without such a manager, nothing happens.
 */
#ifndef PROCD_BASE_NOTIFY_H
#define PROCD_BASE_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Has a manager started us that wants to be told? */
bool notify_wanted(void);

/* "READY=1", "STOPPING=1", "WATCHDOG=1", ... */
void notify_send(const char *state);

/* From now on notify_send writes to this socket, one message each; -1: to the manager, as before. */
void notify_through(int socket);

/* Has the manager keep these descriptors over the end of its main process, instead of those of the same
 * name. */
void notify_store(const char *name, const int *fds, size_t count);

/* The manager's patience without WATCHDOG=1, ns; 0: it does not watch. */
int64_t notify_watchdog(void);

#endif
