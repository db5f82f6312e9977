/* SPDX-License-Identifier: MIT */
#include "daemon/core/objects.h"

static struct event_entry *event_slot(const struct core *core, uint64_t seq)
{
    return &core->events[seq % EVENTS_KEPT_MAX];
}

/* The newest event takes the place of the oldest: memory is bounded, and appending cannot fail. */
static struct event_entry *event_append(struct core *core, enum event_kind kind, uint32_t uid)
{
    struct event_entry *entry = event_slot(core, ++core->counters.seq);

    entry->title = title_unref(entry->title);
    for (int i = 0; i < 2; i++)
        entry->text[i] = text_unref(entry->text[i]);
    entry->data =
        (struct event_data){.seq = core->counters.seq, .wall = core->wall, .kind = kind, .uid = uid};
    return entry;
}

uint64_t event_process(struct core *core, enum event_kind kind, const struct process *process)
{
    struct event_entry *entry = event_append(core, kind, process->data.uid);

    entry->data.process = process->data.id;
    entry->data.pid = process->data.pid;
    entry->data.exitcode = process->data.exitcode;
    entry->data.flags = process->data.flags;
    entry->data.oom = process->data.oom;
    entry->title = title_ref(process->record->title);
    return entry->data.seq;
}

uint64_t event_restarting(struct core *core, const struct process *process, int64_t delay)
{
    uint64_t seq = event_process(core, EVENT_PROCESS_RESTARTING, process);
    struct event_entry *entry = event_slot(core, seq);

    entry->data.delay = delay;
    entry->data.restarts = process->data.restarts;
    return seq;
}

uint64_t event_spawn_failed(struct core *core, const struct process *process, int error, uint32_t stage)
{
    uint64_t seq = event_process(core, EVENT_PROCESS_SPAWN_FAILED, process);
    struct event_entry *entry = event_slot(core, seq);

    entry->data.spawn_errno = error;
    entry->data.spawn_stage = stage;
    return seq;
}

uint64_t event_client(struct core *core, enum event_kind kind, const struct client *client)
{
    struct event_entry *entry = event_append(core, kind, client->data.uid);

    entry->data.pid = client->data.pid;
    return entry->data.seq;
}

/* Who may look at a shared object may hear of it. */
uint64_t event_object(struct core *core, enum event_kind kind, const struct object *object,
                      const struct owner *owner, uint64_t token)
{
    bool for_all = object->data.flags & OBJECT_SHARED && object->data.mode & OBJECT_MODE_READ;
    struct event_entry *entry = event_append(core, kind, for_all ? EVENT_FOR_ALL : object->data.uid);

    entry->data.object_kind = object->data.kind;
    entry->data.pid = owner ? owner->client->data.pid : 0;
    entry->data.token = token;
    entry->text[0] = text_ref(object->name);
    entry->text[1] = owner ? text_ref(owner->holder) : NULL;
    return entry->data.seq;
}

uint64_t event_deadlock(struct core *core, uint32_t uid, struct text *cycle)
{
    struct event_entry *entry = event_append(core, EVENT_DEADLOCK_DETECTED, uid);

    entry->text[0] = cycle;
    return entry->data.seq;
}

uint64_t event_daemon(struct core *core, enum event_kind kind)
{
    return event_append(core, kind, EVENT_FOR_ALL)->data.seq;
}

const struct event_entry *core_event(const struct core *core, uint64_t seq)
{
    const struct event_entry *entry = event_slot(core, seq);

    return seq > 0 && entry->data.seq == seq ? entry : NULL;
}

uint64_t core_first_event(const struct core *core)
{
    uint64_t last = core->counters.seq, first = last >= EVENTS_KEPT_MAX ? last - EVENTS_KEPT_MAX + 1 : 1;

    /* an adopted state has a seq without the events before it */
    while (first <= last && !core_event(core, first))
        first++;
    return first;
}
