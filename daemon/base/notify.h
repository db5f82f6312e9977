/*
 * What the service manager is told, and asks for (sd_notify(3), sd_watchdog_enabled(3)). Without libsystemd, or
 * without such a manager, nothing happens.
 */
#ifndef PROCD_BASE_NOTIFY_H
#define PROCD_BASE_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", ... */
void notify_send(const char *state);

/* The manager's patience without WATCHDOG=1, ns; 0: it does not watch. */
int64_t notify_watchdog(void);

#endif
