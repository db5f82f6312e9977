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
 * name, until what they refer to hangs up. */
void notify_store(const char *name, const int *fds, size_t count);

#define NOTIFY_TEXT_MAX 128
/* Of a message with which something is kept, or no longer: the name goes where %s is. */
#define NOTIFY_KEEP "FDSTORE=1\nFDNAME=%s\nFDPOLL=0"
#define NOTIFY_DROP "FDSTOREREMOVE=1\nFDNAME=%s"
/* The same for sscanf(3), into SHELF_NAME_MAX + 1 bytes. */
#define NOTIFY_KEEP_READ "FDSTORE=1\nFDNAME=%47[^\n]"
#define NOTIFY_DROP_READ "FDSTOREREMOVE=1\nFDNAME=%47[^\n]"

/* Has the manager keep one more, whatever becomes of what it refers to: a process that has ended, too.
 * Through a socket it goes only where there is much room left for words: 0, or -errno (-EAGAIN: later). */
int notify_keep(const char *name, int fd);
/* Whatever is kept under this name no longer is. 0, or -errno as above. */
int notify_drop(const char *name);

/* The manager's patience without WATCHDOG=1, ns; 0: it does not watch. */
int64_t notify_watchdog(void);

#endif
