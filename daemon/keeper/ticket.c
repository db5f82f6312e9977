/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/ticket.h"

#include "daemon/base/cleanup.h"
#include "daemon/keeper/drop.h"
#include "daemon/keeper/plan.h"

#include <fcntl.h>
#include <string.h>

static size_t aligned(size_t size)
{
    return (size + 7) & ~(size_t) 7;
}

size_t ticket_size(uint32_t spec_size, uint32_t group_count)
{
    return sizeof(struct ticket) + aligned(spec_size) + group_count * sizeof(uint32_t);
}

uint32_t *ticket_groups(const struct ticket *ticket)
{
    return (void *) (ticket->bytes + aligned(ticket->spec_size));
}

/* ---- how many ---- */

static size_t size_of(const struct ticket *ticket)
{
    return ticket_size(ticket->spec_size, ticket->group_count);
}

static bool has_room(const struct keeper *keeper, size_t bytes, size_t fds)
{
    return keeper->tickets.bytes + bytes <= TICKET_BYTES_MAX &&
           keeper->tickets.fds + fds <= keeper->base_limits[RLIMIT_NOFILE].rlim_max / TICKET_FDS_SHARE;
}

void ticket_count(struct keeper *keeper, const struct ticket *ticket)
{
    keeper->tickets.bytes += size_of(ticket);
    keeper->tickets.fds += ticket->fd_count;
}

/* ---- making ---- */

static int copy_descriptors(struct ticket *ticket, const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ticket->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (ticket->fds[i] < 0)
            return -errno;
        ticket->fd_count++;
    }
    return 0;
}

int ticket_new(struct keeper *keeper, const struct spawn_plan *plan, const int *fds, size_t fd_count,
               struct ticket **ret_ticket)
{
    size_t size = ticket_size(plan->spec->size, plan->group_count);
    struct ticket *ticket;
    int r;

    if (!has_room(keeper, size, fd_count))
        return -EMFILE;
    ticket = calloc(1, size);
    if (!ticket)
        return -ENOMEM;
    ticket->uid = plan->uid;
    ticket->gid = plan->gid;
    ticket->group_count = plan->group_count;
    ticket->limit_count = plan->limit_count;
    ticket->change_identity = plan->change_identity;
    ticket->no_new_privs = plan->no_new_privs;
    ticket->spec_size = plan->spec->size;
    memcpy(ticket->limits, plan->limits, plan->limit_count * sizeof *plan->limits);
    memcpy(ticket->bytes, plan->spec, plan->spec->size);
    if (plan->group_count > 0)
        memcpy(ticket_groups(ticket), plan->groups, plan->group_count * sizeof *plan->groups);
    r = copy_descriptors(ticket, fds, fd_count);
    if (r < 0) {
        drop_descriptors(ticket->fds, ticket->fd_count);
        free(ticket);
        return r;
    }
    ticket_count(keeper, ticket);
    *ret_ticket = ticket;
    return 0;
}

struct ticket *ticket_free(struct keeper *keeper, struct ticket *ticket)
{
    if (!ticket)
        return NULL;
    keeper->tickets.bytes -= size_of(ticket);
    keeper->tickets.fds -= ticket->fd_count;
    drop_held(keeper, ticket->fds, ticket->fd_count);
    free(ticket);
    return NULL;
}

/* ---- using ---- */

/* What the child reads stays its job's: the ticket may be dropped meanwhile. */
int ticket_plan(struct keeper *keeper, const struct ticket *ticket, struct job **ret_job)
{
    const struct link_spec *kept = (const void *) ticket->bytes;
    size_t groups_size = ticket->group_count * sizeof(uint32_t);
    struct job *job = job_new(keeper, ticket->spec_size + groups_size + plan_arguments_room(kept));
    struct spawn_plan *plan;
    void *spec, *groups;

    if (!job)
        return -EAGAIN;
    plan = &job->plan;
    spec = job_room(job, ticket->spec_size);
    groups = job_room(job, groups_size);
    memcpy(spec, ticket->bytes, ticket->spec_size);
    if (groups_size > 0)
        memcpy(groups, ticket_groups(ticket), groups_size);
    plan->spec = spec;
    plan->strings = spec;
    plan->uid = ticket->uid;
    plan->gid = ticket->gid;
    plan->groups = groups;
    plan->group_count = ticket->group_count;
    plan->change_identity = (int) ticket->change_identity;
    plan->no_new_privs = (int) ticket->no_new_privs;
    plan->limit_count = ticket->limit_count;
    memcpy(plan->limits, ticket->limits, ticket->limit_count * sizeof *ticket->limits);
    if (plan_arguments(job) < 0) {
        job_free(keeper, job);
        return -EAGAIN;
    }
    *ret_job = job;
    return 0;
}
