/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/killing.h"

#include "daemon/keeper/ledger.h"
#include "daemon/keeper/tree.h"

#include <signal.h>

/* Since one of them has ended: as long as they do it is but a matter of time. */
#define PATIENCE  (20 * NSEC_PER_MSEC)
#define LONGEST   NSEC_PER_SEC
#define TURN_MOST 64

void killing_restore(struct keeper *keeper, struct slot *slot)
{
    slot->kill_due = true;
    slot->kill_asked = keeper->now;
    TAILQ_INSERT_TAIL(&keeper->killing, slot, killing);
}

void killing_begin(struct keeper *keeper, struct slot *slot)
{
    if (slot->kill_due)
        return;
    killing_restore(keeper, slot);
    ledger_touch(keeper, slot);
}

static void take_out(struct keeper *keeper, struct slot *slot)
{
    slot->kill_due = false;
    TAILQ_REMOVE(&keeper->killing, slot, killing);
    ledger_touch(keeper, slot);
}

bool killing_end(struct keeper *keeper, struct slot *slot)
{
    if (!slot->kill_due)
        return false;
    keeper->killed_at = keeper->now;
    take_out(keeper, slot);
    return true;
}

/* Since when nothing has come of it, or of others. */
static int64_t due_at(const struct keeper *keeper, const struct slot *slot)
{
    int64_t since = slot->kill_asked > keeper->killed_at ? slot->kill_asked : keeper->killed_at;

    return since - slot->kill_asked > LONGEST - PATIENCE ? slot->kill_asked + LONGEST : since + PATIENCE;
}

int64_t killing_tick(struct keeper *keeper)
{
    struct slot *slot;

    for (int i = 0; (slot = TAILQ_FIRST(&keeper->killing)); i++) {
        int64_t due = due_at(keeper, slot);

        if (due > keeper->now)
            return due;
        if (i == TURN_MOST)
            return keeper->now;
        take_out(keeper, slot);
        tree_signal_all(keeper, slot, SIGKILL);
    }
    return INT64_MAX;
}
