/* SPDX-License-Identifier: MIT */
/*
 * What the keeper keeps of a spawn while its restart policy lasts: the checked spec, and everything that was
 * read of the client and its connection when the spawn was proven. A child that is made from it has what its
 * client had asked for and was allowed then, whoever has the client's number now.
 */
#ifndef PROCD_KEEPER_TICKET_H
#define PROCD_KEEPER_TICKET_H

#include "daemon/keeper/job.h"
#include "daemon/keeper/state.h"

#define TICKET_BYTES_MAX ((size_t) 256 << 20) /* of all */
#define TICKET_FDS_SHARE 4 /* at most this part of our descriptors: other children need theirs */

struct ticket {
    uint32_t uid, gid, group_count, limit_count;
    uint32_t change_identity, no_new_privs;
    uint32_t fd_count, spec_size;
    int fds[FDPASS_MAX]; /* what the spec speaks of; copied to each child, and never read */
    struct plan_limit limits[PLAN_LIMITS_MAX];
    /* the spec, and behind it, 8-byte aligned, the groups */
    _Alignas(8) unsigned char bytes[];
};

/* From a plan that was filled; the descriptors stay the caller's. 0; -ENOMEM, -EMFILE (too many of all), or
 * another -errno. */
int ticket_new(struct keeper *keeper, const struct spawn_plan *plan, const int *fds, size_t fd_count,
               struct ticket **ret_ticket);
/* Takes NULL; returns NULL. Descriptors go to the closer. */
struct ticket *ticket_free(struct keeper *keeper, struct ticket *ticket);

/* A job with a plan as that was, but for the descriptors. 0 or -EAGAIN. */
int ticket_plan(struct keeper *keeper, const struct ticket *ticket, struct job **ret_job);

/* Bytes of a ticket, and where the groups of one begin. */
size_t ticket_size(uint32_t spec_size, uint32_t group_count);
uint32_t *ticket_groups(const struct ticket *ticket);
/* Counts one that an earlier program had made. */
void ticket_count(struct keeper *keeper, const struct ticket *ticket);

#endif
