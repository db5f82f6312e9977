/* SPDX-License-Identifier: MIT */
/*
 * event.set, clear, is_set and wait.
 */
#include "daemon/core/objects.h"

static void answer_set(struct core *core, struct waiter *waiter, bool is_set)
{
    waiter->reply.kind = REPLY_SET;
    waiter->reply.sync.flag = is_set;
    waiter_answer(core, waiter);
}

/* Whoever waits with a bell is told by the round, and needs no answer. */
static void wake_all(struct core *core, struct object *event)
{
    struct waiter *waiter;

    if (event->word && !TAILQ_EMPTY(&event->waiters))
        event->word->data.round = next_rising(core, &core->counters.round);
    while ((waiter = TAILQ_FIRST(&event->waiters))) {
        waiter->is_told = waiter_bell(waiter) > 0;
        answer_set(core, waiter, true);
    }
}

int step_event_set(struct core *core, const struct core_input *input)
{
    struct sync sync;
    int r = sync_begin(core, input, WAIT_JOIN, SYNC_OPEN | SYNC_CREATES, &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    waiter_answer(core, sync.waiter);
    word_changed(core, sync.object);
    if (!input->body.sync.value) {
        sync.object->data.flags &= ~(uint32_t) OBJECT_SET;
        return 0;
    }
    sync.object->data.flags |= OBJECT_SET;
    /* answered now: a clear that follows at once does not put them to sleep again */
    wake_all(core, sync.object);
    return 0;
}

int step_event_is_set(struct core *core, const struct core_input *input)
{
    struct sync sync;
    int r = sync_begin(core, input, WAIT_JOIN, SYNC_OPEN, &sync);

    if (r == SYNC_GO)
        answer_set(core, sync.waiter, sync.object->data.flags & OBJECT_SET);
    return r < 0 ? r : 0;
}

/* It has looked at another word, or before a set. */
static bool has_seen_another(const struct object *event, const struct core_input *input)
{
    return input->body.request.flags & REQUEST_BELL &&
           (!event->word || event->word->data.round != input->body.sync.value);
}

static void queue(struct core *core, struct sync *sync)
{
    wait_own(sync->waiter, sync->owner);
    if (waiter_bell(sync->waiter) == 0)
        sync->waiter->data.flags &= ~(uint32_t) REQUEST_BELL;
    wait_enqueue(core, sync->waiter, sync->object, &sync->object->waiters);
}

int step_event_wait(struct core *core, const struct core_input *input)
{
    struct sync sync;
    int r = sync_begin(core, input, WAIT_EVENT, SYNC_OPEN | SYNC_OWNER | SYNC_CREATES, &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    if (sync.object->data.flags & OBJECT_SET || input->body.request.flags & REQUEST_NO_WAIT ||
        has_seen_another(sync.object, input))
        answer_set(core, sync.waiter, sync.object->data.flags & OBJECT_SET);
    else if (!waiter_refused(core, sync.waiter))
        queue(core, &sync);
    sync_done(&sync);
    return 0;
}
