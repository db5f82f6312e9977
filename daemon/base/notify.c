/* SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "daemon/base/notify.h"

#ifdef HAVE_LIBSYSTEMD

#include "daemon/base/fdpass.h"

#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#define QUEUED_MOST (64 << 10) /* bytes of a queue of 200 KiB: what is said must never find it full */

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

/* fd -1: none. */
static int say(const char *format, const char *name, int fd)
{
    char text[NOTIFY_TEXT_MAX];
    struct iovec iov = {.iov_base = text};
    int queued = 0;
    ssize_t sent;

    iov.iov_len = (size_t) snprintf(text, sizeof text, format, name);
    if (iov.iov_len >= sizeof text)
        return -EINVAL;
    if (through < 0) {
        int r = sd_pid_notify_with_fds(0, 0, text, &fd, fd >= 0);
        return r < 0 ? r : 0;
    }
    if (ioctl(through, SIOCOUTQ, &queued) == 0 && queued > QUEUED_MOST)
        return -EAGAIN;
    sent = fdpass_send(through, &iov, 1, &fd, fd >= 0);
    return sent < 0 ? (int) sent : 0;
}

int notify_keep(const char *name, int fd)
{
    return say(NOTIFY_KEEP, name, fd);
}

int notify_drop(const char *name)
{
    return say(NOTIFY_DROP, name, -1);
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

int notify_keep(const char *name, int fd)
{
    (void) name;
    (void) fd;
    return 0;
}

int notify_drop(const char *name)
{
    (void) name;
    return 0;
}

int64_t notify_watchdog(void)
{
    return 0;
}

#endif
