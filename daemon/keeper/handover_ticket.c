/* SPDX-License-Identifier: MIT */
/* Tickets, from one program to the next: each as it is in memory, behind a head that says whose it is. */
#include "daemon/base/cleanup.h"
#include "daemon/keeper/handover_layout.h"
#include "daemon/keeper/respawn.h"
#include "daemon/keeper/spec.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/ticket.h"

#include <string.h>

static size_t aligned(size_t size)
{
    return (size + 7) & ~(size_t) 7;
}

size_t handover_ticket_size(const struct ticket *ticket)
{
    return sizeof(struct handover_ticket) + aligned(ticket_size(ticket->spec_size, ticket->group_count));
}

size_t handover_tickets_size(const struct keeper *keeper)
{
    const struct slot *slot;
    size_t size = 0;

    TAILQ_FOREACH(slot, &keeper->table.used, order)
        if (slot->ticket)
            size += handover_ticket_size(slot->ticket);
    return size;
}

void handover_put_ticket(const struct slot *slot, struct handover_ticket *to)
{
    const struct ticket *ticket = slot->ticket;
    size_t size = ticket_size(ticket->spec_size, ticket->group_count);

    *to = (struct handover_ticket){.process = slot->process, .size = handover_ticket_size(ticket)};
    memcpy(to + 1, ticket, size);
    memset((char *) (to + 1) + size, 0, to->size - sizeof *to - size);
}

void handover_put_tickets(const struct keeper *keeper, void *memory)
{
    const struct slot *slot;
    char *to = memory;

    TAILQ_FOREACH(slot, &keeper->table.used, order)
    {
        struct handover_ticket *head = (void *) to;

        if (!slot->ticket)
            continue;
        handover_put_ticket(slot, head);
        to += head->size;
    }
}

static bool limits_are_sound(const struct ticket *ticket)
{
    if (ticket->limit_count > PLAN_LIMITS_MAX)
        return false;
    for (uint32_t i = 0; i < ticket->limit_count; i++)
        if (ticket->limits[i].resource < 0 || ticket->limits[i].resource >= RLIM_NLIMITS)
            return false;
    return true;
}

static bool ticket_is_sound(const struct handover_ticket *head, const struct ticket *ticket)
{
    if (head->size < sizeof *head + sizeof *ticket || ticket->spec_size > SPEC_SIZE_MAX ||
        ticket->group_count > SPEC_GROUPS_MAX || handover_ticket_size(ticket) != head->size ||
        ticket->fd_count > FDPASS_MAX || ticket->change_identity > 1 || ticket->no_new_privs > 1)
        return false;
    for (uint32_t i = 0; i < ticket->fd_count; i++)
        if (ticket->fds[i] < 0)
            return false;
    return limits_are_sound(ticket) && spec_check(ticket->bytes, ticket->spec_size, ticket->fd_count) == 0;
}

int handover_take_ticket(struct keeper *keeper, const struct handover_ticket *head)
{
    const struct ticket *from = (const void *) (head + 1);
    struct slot *slot = slot_find(keeper, head->process);
    size_t size;

    if (!slot || slot->ticket || !ticket_is_sound(head, from))
        return -EBADMSG;
    size = ticket_size(from->spec_size, from->group_count);
    slot->ticket = malloc(size);
    if (!slot->ticket)
        return -ENOMEM;
    memcpy(slot->ticket, from, size);
    ticket_count(keeper, slot->ticket);
    return 0;
}

int handover_take_tickets(struct keeper *keeper, const void *memory, size_t size)
{
    const char *from = memory;
    int r = 0;

    while (size > 0 && r == 0) {
        const struct handover_ticket *head = (const void *) from;

        if (size < sizeof *head || head->size > size || head->size < sizeof *head || head->size % 8 != 0)
            return -EBADMSG;
        r = handover_take_ticket(keeper, head);
        from += head->size;
        size -= head->size;
    }
    return r;
}

int handover_take_respawn(struct keeper *keeper, struct slot *slot, uint32_t again, uint32_t respawns)
{
    if (again > 1 || respawns > 1 || (respawns && !slot->ended && !slot->failed))
        return -EBADMSG;
    slot->again = again;
    if (respawns)
        respawn_restore(keeper, slot);
    return 0;
}
