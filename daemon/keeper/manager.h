/* SPDX-License-Identifier: MIT */
/*
 * A keeper that a service manager has started behind a front (daemon/front.h): what they say to each other,
 * in the words of sd_notify(3), one text a message, so that a newer front understands an older keeper.
 */
#ifndef PROCD_KEEPER_MANAGER_H
#define PROCD_KEEPER_MANAGER_H

#include "daemon/keeper/state.h"

#define MANAGER_TEXT_MAX 256

/* A new front's first words; the listening socket comes along, unless it is still the same. ns; 0: no
 * watchdog. */
#define MANAGER_ATTACH "ATTACH=1\nWATCHDOG_NSEC=%lld"
/* The keeper's answer: it leaves, or it goes on (then READY=1 follows as soon as there is a broker that
 * serves). */
#define MANAGER_STOPPING "STOPPING=1"
#define MANAGER_ATTACHED "X_PROCD_ATTACHED=1"
#define MANAGER_READY    "READY=1"

/*
 * Children of a keeper that has died are the front's (daemon/orphans.h), which tells how they end, and waits
 * for them once the keeper has said that it has this on record: number, si_code, si_status, utime and stime
 * (us), maxrss (KiB), minflt, majflt, inblock, oublock, nvcsw, nivcsw. Stops and goes on: number, si_code.
 */
#define MANAGER_ENDED    "X_PROCD_ENDED=%d %d %d %lld %lld %ld %ld %ld %ld %ld %ld %ld"
#define MANAGER_STOPPED  "X_PROCD_STOPPED=%d %d"
#define MANAGER_RECORDED "X_PROCD_RECORDED=%d"

/* From here on notify_send goes through the front. No-op where the keeper has none. 0 or -errno. */
int manager_open(struct keeper *keeper);
void manager_close(struct keeper *keeper);

#endif
