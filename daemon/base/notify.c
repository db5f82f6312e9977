#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "daemon/base/notify.h"

#ifdef HAVE_LIBSYSTEMD

#include <systemd/sd-daemon.h>

void notify_send(const char *state)
{
    (void) sd_notify(0, state);
}

int64_t notify_watchdog(void)
{
    uint64_t usec = 0;

    return sd_watchdog_enabled(0, &usec) > 0 && usec < INT64_MAX / 1000 ? (int64_t) usec * 1000 : 0;
}

#else

void notify_send(const char *state)
{
    (void) state;
}

int64_t notify_watchdog(void)
{
    return 0;
}

#endif
