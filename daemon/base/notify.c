/* SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "daemon/base/notify.h"

#ifdef HAVE_LIBSYSTEMD

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

static int through = -1;

bool notify_wanted(void)
{
    return getenv("NOTIFY_SOCKET") != NULL;
}

void notify_send(const char *state)
{
    if (through >= 0)
        (void) send(through, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        (void) sd_notify(0, state);
}

void notify_through(int socket)
{
    through = socket;
}

void notify_store(const char *name, const int *fds, size_t count)
{
    char text[64];

    (void) sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
    snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s", name);
    if (count > 0)
        (void) sd_pid_notify_with_fds(0, 0, text, fds, (unsigned) count);
}

int64_t notify_watchdog(void)
{
    uint64_t usec = 0;

    return sd_watchdog_enabled(0, &usec) > 0 && usec < INT64_MAX / 1000 ? (int64_t) usec * 1000 : 0;
}

#else

bool notify_wanted(void)
{
    return false;
}

void notify_send(const char *state)
{
    (void) state;
}

void notify_through(int socket)
{
    (void) socket;
}

void notify_store(const char *name, const int *fds, size_t count)
{
    (void) name;
    (void) fds;
    (void) count;
}

int64_t notify_watchdog(void)
{
    return 0;
}

#endif
