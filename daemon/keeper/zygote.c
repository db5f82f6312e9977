/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/zygote.h"

#include "daemon/base/cleanup.h"
#include "daemon/keeper/said.h"
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

static struct zygote *make(const struct spawn_plan *plan, int *ret_theirs)
{
    struct zygote *zygote = malloc(sizeof *zygote + plan->group_count * sizeof *plan->groups);
    int pair[2], yes = 1;

    if (!zygote || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        free(zygote);
        return NULL;
    }
    if (setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) < 0) { /* for said_end */
        close_fd(pair[0]);
        close_fd(pair[1]);
        free(zygote);
        return NULL;
    }
    *zygote = (struct zygote){.fd = pair[0],
                              .uid = plan->uid,
                              .gid = plan->gid,
                              .no_new_privs = plan->no_new_privs,
                              .group_count = plan->group_count};
    if (plan->group_count > 0)
        memcpy(zygote->groups, plan->groups, plan->group_count * sizeof *plan->groups);
    *ret_theirs = pair[1];
    return zygote;
}

int zygote_begin(struct slot *slot, struct spawn_plan *plan, int *fds, size_t *count)
{
    struct link_stdio *in = (struct link_stdio *) plan->spec->stdio; /* the spec is our own copy */

    if (!(slot->flags & LINK_SPAWN_ZYGOTE))
        return 0;
    if (in->kind != LINK_STDIO_NULL || *count >= FDPASS_MAX || slot->zygote)
        return -EINVAL;
    slot->zygote = make(plan, &fds[*count]);
    if (!slot->zygote)
        return errno == ENOMEM ? -ENOMEM : -errno;
    *in = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = (uint32_t) (*count)++};
    return 0;
}

void zygote_close(struct keeper *keeper, struct slot *slot)
{
    if (!slot->zygote)
        return;
    said_end(keeper, slot->zygote->fd); /* its end is seen at once */
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
