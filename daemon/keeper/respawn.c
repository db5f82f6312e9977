/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/respawn.h"

#include "daemon/base/cleanup.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/pty.h"
#include "daemon/keeper/reap.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/ticket_kept.h"
#include "daemon/keeper/tree.h"

#include <signal.h>

static void enqueue(struct keeper *keeper, struct slot *slot)
{
    ledger_touch(keeper, slot);
    slot->respawns = true;
    TAILQ_INSERT_TAIL(&keeper->respawns, slot, respawn);
}

static void dequeue(struct keeper *keeper, struct slot *slot)
{
    ledger_touch(keeper, slot);
    slot->respawns = false;
    TAILQ_REMOVE(&keeper->respawns, slot, respawn);
}

void respawn_asked(struct keeper *keeper, struct slot *slot)
{
    if ((!slot->ended && !slot->failed) || slot->respawns)
        return;
    if (!slot->ticket) {
        if (slot->flags & LINK_SPAWN_TICKET)
            spawn_cancelled(keeper, slot, ENOENT, LINK_STAGE_TICKET);
        return;
    }
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
    ticket_drop(keeper, slot);
    pty_finish(keeper, slot);
    if (!slot->respawns)
        return;
    dequeue(keeper, slot);
    tree_rank(keeper, slot);
    spawn_cancelled(keeper, slot, ECANCELED, LINK_STAGE_CLONE);
}

void respawn_drop_all(struct keeper *keeper)
{
    struct slot *slot;

    while ((slot = TAILQ_FIRST(&keeper->respawns))) {
        dequeue(keeper, slot);
        tree_rank(keeper, slot);
    }
    TAILQ_FOREACH(slot, &keeper->table.used, order)
    {
        ticket_drop(keeper, slot);
        pty_finish(keeper, slot);
    }
}

void respawn_adopted(struct keeper *keeper, struct slot *slot)
{
    if (!slot->respawns || slot->ticket)
        return;
    dequeue(keeper, slot);
    tree_rank(keeper, slot);
    spawn_cancelled(keeper, slot, ENOENT, LINK_STAGE_TICKET);
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
