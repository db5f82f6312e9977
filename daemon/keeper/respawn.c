/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/respawn.h"

#include "daemon/base/cleanup.h"
#include "daemon/keeper/reap.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/ticket.h"
#include "daemon/keeper/tree.h"

#include <signal.h>

static void enqueue(struct keeper *keeper, struct slot *slot)
{
    slot->respawns = true;
    TAILQ_INSERT_TAIL(&keeper->respawns, slot, respawn);
}

static void dequeue(struct keeper *keeper, struct slot *slot)
{
    slot->respawns = false;
    TAILQ_REMOVE(&keeper->respawns, slot, respawn);
}

void respawn_asked(struct keeper *keeper, struct slot *slot)
{
    if (!slot->ticket || (!slot->ended && !slot->failed) || slot->respawns)
        return;
    enqueue(keeper, slot);
    if (slot->tree_gone)
        return;
    tree_signal(keeper, slot, SIGKILL);
    tree_rank(keeper, slot);
    reap_request_sweep(keeper);
}

void respawn_restore(struct keeper *keeper, struct slot *slot)
{
    enqueue(keeper, slot);
}

void respawn_drop(struct keeper *keeper, struct slot *slot)
{
    slot->ticket = ticket_free(keeper, slot->ticket);
    if (!slot->respawns)
        return;
    dequeue(keeper, slot);
    tree_rank(keeper, slot);
    spawn_cancelled(keeper, slot);
}

void respawn_drop_all(struct keeper *keeper)
{
    struct slot *slot;

    while ((slot = TAILQ_FIRST(&keeper->respawns))) {
        dequeue(keeper, slot);
        tree_rank(keeper, slot);
    }
    TAILQ_FOREACH(slot, &keeper->table.used, order)
        slot->ticket = ticket_free(keeper, slot->ticket);
}

/* A try before this one may have left a child that is being killed. */
static bool may_begin(const struct slot *slot)
{
    return slot->tree_gone && slot->reaped && !slot->job;
}

void respawn_tick(struct keeper *keeper)
{
    struct slot *slot, *next;

    if (keeper->state != STATE_RUNNING)
        return;
    for (slot = TAILQ_FIRST(&keeper->respawns); slot; slot = next) {
        next = TAILQ_NEXT(slot, respawn);
        if (!may_begin(slot))
            continue;
        dequeue(keeper, slot);
        slot->again = true;
        slot->pidfd = close_fd(slot->pidfd);
        reports_forget(keeper, slot);
        spawn_again(keeper, slot);
    }
}
