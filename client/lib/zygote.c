/* SPDX-License-Identifier: MIT */
/* The creator's side. */
#include "client/lib/zygote.h"

#include "client/lib/process.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#define PAUSE NSEC_PER_SEC /* one that does not live that long is not begun again sooner */

static bool has_ended(const struct procd_process *zygote)
{
    struct pollfd entry = {.fd = zygote->pidfd, .events = POLLIN};

    return poll(&entry, 1, 0) > 0;
}

static int make(struct procd_process **ret_zygote)
{
    struct procd_process *zygote = process_make();
    int r;

    if (!zygote)
        return failure_note(-ENOMEM, NULL);
    zygote->is_zygote = true;
    zygote->name = strdup("zygote");
    zygote->daemon = PROCD_DAEMON;
    zygote->stdio[0] = zygote->stdio[1] = PROCD_NULL;
    zygote->stdio[2] = PROCD_LOG;
    r = process_spawn(zygote);
    if (r == 0 && zygote->pidfd < 0)
        r = failure_note(-EPROTO, "an answer that makes no sense");
    if (r < 0)
        process_release(zygote);
    else
        *ret_zygote = zygote;
    return r;
}

/* Under its lock. Threads that start something meanwhile wait for it, as they would for their own. */
static int renew(struct library *here)
{
    struct procd_process *zygote = NULL;
    int r = make(&zygote);

    here->zygote_at = clock_monotonic();
    if (r < 0)
        return r;
    if (here->zygote)
        process_release(here->zygote);
    here->zygote = zygote;
    return 0;
}

int procd_zygote(void)
{
    struct library *here = library();
    int r = 0;

    if (!here)
        return failure_note(-ENOMEM, NULL);
    if (target_known("") < 0)
        return failure_note(-EINVAL, "procd_init was not called");
    if (library_is_remote())
        return failure_note(-EOPNOTSUPP, "no program goes to another host");
    pthread_mutex_lock(&here->zygote_lock);
    if (!here->zygote || has_ended(here->zygote))
        r = renew(here);
    pthread_mutex_unlock(&here->zygote_lock);
    return r;
}

long zygote_id(void)
{
    struct library *here = library();
    long id = 0;

    if (!here)
        return 0;
    pthread_mutex_lock(&here->zygote_lock);
    if (here->zygote && has_ended(here->zygote) && clock_monotonic() - here->zygote_at > PAUSE)
        (void) renew(here); /* without one it is only slower */
    if (here->zygote)
        id = here->zygote->id;
    pthread_mutex_unlock(&here->zygote_lock);
    return id;
}
