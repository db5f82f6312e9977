/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/zygote.h"

#include "daemon/base/cleanup.h"
#include "daemon/keeper/table.h"

#include <string.h>
#include <sys/socket.h>

struct zygote {
    int fd;
    uint32_t uid, gid;
    bool no_new_privs;
    uint32_t group_count;
    uint32_t groups[];
};

/* It is told what to do, and has nothing to say on this one: whatever could be left there, a descriptor whose
 * close blocks for instance, would be closed with it. 0, or -errno. */
static int make_pair(int *ret_ours, int *ret_theirs)
{
    CLEANUP_FD int ours = -1, theirs = -1;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    ours = pair[0];
    theirs = pair[1];
    if (shutdown(ours, SHUT_RD) < 0)
        return -errno;
    *ret_ours = take_fd(&ours);
    *ret_theirs = take_fd(&theirs);
    return 0;
}

/* 0, or -errno. */
static int make(const struct spawn_plan *plan, struct zygote **ret_zygote, int *ret_theirs)
{
    CLEANUP_MEMORY struct zygote *zygote = malloc(sizeof *zygote + plan->group_count * sizeof *plan->groups);
    int r;

    if (!zygote)
        return -ENOMEM;
    *zygote = (struct zygote){.uid = plan->uid,
                              .gid = plan->gid,
                              .no_new_privs = plan->no_new_privs,
                              .group_count = plan->group_count};
    if (plan->group_count > 0)
        memcpy(zygote->groups, plan->groups, plan->group_count * sizeof *plan->groups);
    r = make_pair(&zygote->fd, ret_theirs);
    if (r < 0)
        return r;
    *ret_zygote = TAKE(zygote);
    return 0;
}

int zygote_begin(struct slot *slot, struct spawn_plan *plan, int *fds, size_t *count)
{
    struct link_stdio *in = (struct link_stdio *) plan->spec->stdio; /* the spec is our own copy */
    int r;

    if (!(slot->flags & LINK_SPAWN_ZYGOTE))
        return 0;
    if (in->kind != LINK_STDIO_NULL || *count >= FDPASS_MAX || slot->zygote)
        return -EINVAL;
    r = make(plan, &slot->zygote, &fds[*count]);
    if (r < 0)
        return r;
    *in = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = (uint32_t) (*count)++};
    return 0;
}

void zygote_close(struct slot *slot)
{
    if (!slot->zygote)
        return;
    shutdown(slot->zygote->fd, SHUT_WR); /* its end is seen at once: a child may have a copy */
    close_fd(slot->zygote->fd);
    free(TAKE(slot->zygote));
}

int zygote_find(const struct keeper *keeper, uint64_t process, const struct spawn_plan *plan)
{
    const struct slot *slot = process ? slot_find(keeper, process) : NULL;
    const struct zygote *zygote = slot ? slot->zygote : NULL;

    if (!zygote || slot->ended || slot->failed || zygote->uid != plan->uid || zygote->gid != plan->gid ||
        zygote->no_new_privs != (plan->no_new_privs != 0) || zygote->group_count != plan->group_count)
        return -1;
    if (plan->group_count > 0 &&
        memcmp(zygote->groups, plan->groups, plan->group_count * sizeof *plan->groups) != 0)
        return -1;
    return zygote->fd;
}
