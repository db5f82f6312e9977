/* SPDX-License-Identifier: MIT */
/*
 * Readiness: a process that was spawned with `notify` is ready once it has said so, any other one from its
 * start. What it has been stays with it after its end.
 */
#include "daemon/core/internal.h"

bool process_ready(const struct process *process)
{
    if (process->data.state == PROCESS_STARTING || process->data.state == PROCESS_RESTARTING)
        return false;
    return !(process->data.flags & PROCESS_NOTIFY) || process->data.flags & PROCESS_READY;
}

/* Of several any one is enough, and of all that are wanted one that will never be is. */
bool ready_is_decided(const struct waiter *waiter)
{
    uint32_t ready = 0, hopeless = 0;

    for (uint32_t i = 0; i < waiter->link_count; i++) {
        const struct process *process = waiter->links[i].process;
        bool is_ready = process && process_ready(process);

        ready += is_ready;
        hopeless += !is_ready && (!process || process_ended(process));
    }
    if (waiter->data.flags & REQUEST_ALL)
        return ready == waiter->link_count || hopeless > 0;
    return ready > 0 || hopeless == waiter->link_count;
}

int step_notified(struct core *core, const struct core_input *input)
{
    struct process *process = core_process(core, input->body.report.process);

    if (!process || (process->data.state != PROCESS_RUNNING && process->data.state != PROCESS_STOPPED) ||
        !(process->data.flags & PROCESS_NOTIFY) || process->data.flags & PROCESS_READY)
        return 0;
    process->data.flags |= PROCESS_READY;
    process->data.seq = event_process(core, EVENT_PROCESS_READY, process);
    process_wake(core, process, false);
    return 0;
}
