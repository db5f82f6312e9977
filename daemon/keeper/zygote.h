/* SPDX-License-Identifier: MIT */
/*
 * Processes that can be copied: proto/zygote.h. One ends with the keeper that began it, also where that one
 * is replaced: its socket is not handed on.
 */
#ifndef PROCD_KEEPER_ZYGOTE_H
#define PROCD_KEEPER_ZYGOTE_H

#include "daemon/keeper/job.h"
#include "daemon/keeper/state.h"

/* Of a process with LINK_SPAWN_ZYGOTE: its stdin becomes a socket, added to fds. No-op for others. 0;
 * -EINVAL: its stdin is to be something; -errno. */
int zygote_begin(struct slot *slot, struct spawn_plan *plan, int *fds, size_t *count);
/* Nobody is to be a copy of it any more; it ends by that. No-op for others. */
void zygote_close(struct slot *slot);

/* The socket of the process with this number, which runs as the plan's user, group and groups, and with no
 * more or less of new privileges to come; or -1. */
int zygote_find(const struct keeper *keeper, uint64_t process, const struct spawn_plan *plan);

#endif
