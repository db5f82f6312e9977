/* SPDX-License-Identifier: MIT */
/*
 * Restart policies. A run that ends may be followed by another one: after a pause the keeper is told to start
 * the process again from what it has kept of its spawn. To whoever waits for its end the process lives on
 * until the last run is over.
 *
 *     RUNNING --exited--> RESTARTING --pause over--> RESTARTING, RESPAWNED --spawned--> RUNNING
 *                             ^                           |
 *                             +-------spawn failed--------+
 *
 * The policy ends when it does not ask for another run, when there were too many tries, or when somebody
 * wants the process gone: process.stop, terminate and kill, the death of a daemon process's creator, and the
 * daemon's own end. A pause that is under way ends with it; where the keeper has been told already, what
 * comes of that is waited for, and stopped.
 */
#include "daemon/core/internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- what it counts for ---- */

void restart_charge(struct process *process)
{
    const struct input_restart *plan = &process->restart.plan;

    if (plan->policy == RESTART_POLICY_NO)
        return;
    quota_charge(process->account, QUOTA_RESTARTS);
    process->account->used[QUOTA_KEPT_BYTES] += plan->size;
    process->account->used[QUOTA_KEPT_FDS] += plan->fds;
}

void restart_uncharge(struct process *process)
{
    struct input_restart *plan = &process->restart.plan;

    if (plan->policy == RESTART_POLICY_NO)
        return;
    quota_release(process->account, QUOTA_RESTARTS);
    process->account->used[QUOTA_KEPT_BYTES] -= plan->size;
    process->account->used[QUOTA_KEPT_FDS] -= plan->fds;
    plan->policy = RESTART_POLICY_NO;
}

int restart_plan(struct process *process, const struct input_restart *plan)
{
    if (plan->policy == RESTART_POLICY_NO)
        return 0;
    for (int i = PROCESS_ORDERS_OF_ALL; i < PROCESS_ORDERS; i++)
        if (!(process->orders[i] = order_new()))
            return -ENOMEM;
    process->restart = (struct restart_data){.plan = *plan, .next = plan->delay};
    restart_charge(process);
    return 0;
}

/* ---- the end of a policy ---- */

static bool is_pausing(const struct process *process)
{
    return process->data.state == PROCESS_RESTARTING && !(process->data.flags & PROCESS_RESPAWNED);
}

void restart_end(struct core *core, struct process *process)
{
    struct order *order = process->orders[PROCESS_ORDER_DROP];

    if (process->restart.plan.policy == RESTART_POLICY_NO)
        return;
    restart_uncharge(process);
    process->orders[PROCESS_ORDER_DROP] = NULL;
    if (order)
        order_give(core, order, ORDER_DROP, process->data.id);
    if (!is_pausing(process))
        return;
    heap_remove(&core->deadlines, &process->deadline);
    process_finish(core, process);
}

/* ---- from run to run ---- */

/* The quotient first: the product of two large ones would not fit. */
static int64_t next_delay(const struct input_restart *plan, int64_t delay)
{
    int64_t one = (int64_t) RESTART_FACTOR_ONE, factor = (int64_t) plan->factor;

    if (delay / one >= plan->max_delay / factor)
        return delay < plan->max_delay / factor * one ? delay / one * factor : plan->max_delay;
    return delay / one * factor + delay % one * factor / one;
}

static bool is_wanted(const struct core *core, const struct process *process)
{
    const struct restart_data *restart = &process->restart;
    bool has_failed = !(process->data.flags & PROCESS_KNOWN) || process->data.exitcode != 0;

    if (restart->plan.policy == RESTART_POLICY_NO || core->counters.shutting_down)
        return false;
    if (restart->plan.policy == RESTART_POLICY_ON_FAILURE && !has_failed)
        return false;
    return restart->plan.max_tries == 0 || restart->tries < restart->plan.max_tries;
}

static void pause_begin(struct core *core, struct process *process)
{
    struct restart_data *restart = &process->restart;
    int64_t delay = restart->next;

    process->data.state = PROCESS_RESTARTING;
    process->data.flags &= ~(uint32_t) PROCESS_RESPAWNED;
    process->deadline.key = delay > INT64_MAX - core->mono ? INT64_MAX : core->mono + delay;
    process->deadline.order = ++core->counters.stamp;
    heap_insert(&core->deadlines, &process->deadline);
    process->data.seq = event_restarting(core, process, delay);
    restart->tries++;
    restart->next = next_delay(&restart->plan, delay);
}

bool restart_after_run(struct core *core, struct process *process)
{
    struct restart_data *restart = &process->restart;

    if (process->data.ended_mono - process->data.started_mono >= RESTART_GOOD_RUN) {
        restart->tries = 0;
        restart->next = restart->plan.delay;
    }
    if (!is_wanted(core, process))
        return false;
    pause_begin(core, process);
    return true;
}

void restart_due(struct core *core, struct process *process)
{
    struct order *order = process->orders[PROCESS_ORDER_RESPAWN];

    process->orders[PROCESS_ORDER_RESPAWN] = NULL;
    process->data.flags |= PROCESS_RESPAWNED;
    process->data.flags &= ~(uint32_t) PROCESS_TREE_GONE; /* that of the next run is another one */
    process->data.restarts++;
    order_give(core, order, ORDER_RESPAWN, process->data.id);
}

bool restart_executed(struct core *core, struct process *process)
{
    const struct order *order;

    if (!(process->data.flags & PROCESS_RESPAWNED))
        return false;
    STAILQ_FOREACH(order, &core->orders, pending)
        if (order->data.kind == ORDER_RESPAWN && order->data.subject == process->data.id) {
            orders_executed(core, order->data.number);
            break;
        }
    return true;
}

void restart_failed(struct core *core, struct process *process, bool final)
{
    if (final)
        restart_end(core, process);
    process->data.flags &= ~(uint32_t) PROCESS_RESPAWNED;
    if (is_wanted(core, process))
        pause_begin(core, process);
    else
        process_finish(core, process);
}
