/* SPDX-License-Identifier: MIT */
#include "daemon/core/internal.h"

#include <stdlib.h>

struct order *order_new(void)
{
    return calloc(1, sizeof(struct order));
}

void order_give(struct core *core, struct order *order, enum order_kind kind, uint64_t subject)
{
    order->data.kind = kind;
    order->data.subject = subject;
    order->data.number = ++core->counters.order;
    STAILQ_INSERT_TAIL(&core->orders, order, pending);
    if (!core->first_new)
        core->first_new = order;
}

void order_give_signal(struct core *core, struct order *order, uint64_t process, int signal, bool tree)
{
    order->data.signal = signal;
    order->data.tree = tree;
    order_give(core, order, ORDER_SIGNAL, process);
}

void order_drop(struct core *core, struct order *order)
{
    if (core->first_new == order)
        core->first_new = STAILQ_NEXT(order, pending);
    STAILQ_REMOVE(&core->orders, order, order, pending);
    free(order);
}

/* Where it may be needed again it goes back to its process, which then needs no memory for it. */
static void order_done(struct core *core, struct order *order)
{
    struct process *process =
        order->data.kind == ORDER_RESPAWN ? core_process(core, order->data.subject) : NULL;

    if (order->data.grace)
        process_told(core, order->data.subject, (int64_t) order->data.ticket);
    if (!process || process->orders[PROCESS_ORDER_RESPAWN]) {
        order_drop(core, order);
        return;
    }
    STAILQ_REMOVE(&core->orders, order, order, pending);
    *order = (struct order){.data.number = 0};
    process->orders[PROCESS_ORDER_RESPAWN] = order;
}

void orders_executed(struct core *core, uint64_t number)
{
    struct order *order;

    while ((order = STAILQ_FIRST(&core->orders)) && order->data.number <= number)
        order_done(core, order);
}

int step_executed(struct core *core, const struct core_input *input)
{
    orders_executed(core, input->body.number);
    return 0;
}
