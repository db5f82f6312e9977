/* SPDX-License-Identifier: MIT */
/*
 * barrier.wait, done, reset and abort. A generation: `waiters` arrive (`value` counts them), the last one
 * lets all go, or runs the action first while who comes meanwhile is kept in `later`, for the next
 * generation.
 */
#include "daemon/core/objects.h"

/* Numbers begin at 0, in the order of arrival. */
static void answer_index(struct core *core, struct waiter *waiter, uint64_t index)
{
    waiter->reply.kind = REPLY_INDEX;
    waiter->reply.sync.number = index;
    waiter_answer(core, waiter);
}

static void begin_anew(struct object *barrier)
{
    barrier->data.generation++;
    barrier->data.value = 0;
    barrier->data.flags &= ~(uint32_t) (OBJECT_ACTION | OBJECT_REPEATED);
}

static void let_go(struct core *core, struct object *barrier)
{
    struct waiter *waiter;
    uint64_t index = 0;

    begin_anew(barrier);
    while ((waiter = TAILQ_FIRST(&barrier->waiters)))
        answer_index(core, waiter, index++);
}

static void break_generation(struct core *core, struct object *barrier)
{
    begin_anew(barrier);
    wait_fail_all(core, &barrier->waiters, ERROR_BROKEN_BARRIER);
}

void barrier_break(struct core *core, struct object *barrier)
{
    if (!(barrier->data.flags & OBJECT_BROKEN))
        event_object(core, EVENT_BARRIER_BROKEN, barrier, NULL, 0);
    barrier->data.flags |= OBJECT_BROKEN;
    break_generation(core, barrier);
    wait_fail_all(core, &barrier->later, ERROR_BROKEN_BARRIER);
}

/* The last one is there, and runs the action: nobody's time-out runs meanwhile. */
static void begin_action(struct core *core, struct object *barrier, struct waiter *last)
{
    struct waiter *waiter;

    TAILQ_FOREACH(waiter, &barrier->waiters, of_object)
        heap_remove(&core->deadlines, &waiter->deadline);
    barrier->data.flags |= OBJECT_ACTION;
    barrier->data.runner = last->owner->client->data.id;
    last->reply.kind = REPLY_RUN_ACTION;
    barrier->data.bound = ++core->counters.hold; /* a grant of its own, as a hold is */
    last->reply.sync.hold = barrier->data.bound;
    if (waiter_is_repeated(last))
        barrier->data.flags |= OBJECT_REPEATED;
    if (last->absent)
        absence_grant(core, last->key, barrier->data.uid, barrier->name);
    waiter_answer(core, last);
}

/* The waiter, which is in no queue, has come to this generation. */
static void arrive(struct core *core, struct object *barrier, struct waiter *waiter)
{
    bool is_last = barrier->data.value + 1 == barrier->data.parties;

    if (is_last && waiter->data.flags & REQUEST_ACTION) {
        begin_action(core, barrier, waiter);
    } else if (is_last) {
        let_go(core, barrier);
        answer_index(core, waiter, barrier->data.parties - 1);
    } else if (waiter->data.flags & REQUEST_NO_WAIT) {
        barrier_break(core, barrier);
        waiter_fail(core, waiter, ERROR_BROKEN_BARRIER);
    } else {
        barrier->data.value++;
        wait_enqueue(core, waiter, barrier, &barrier->waiters);
    }
}

/* Who came while the action ran belongs to the generation that begins now. */
static void next_generation(struct core *core, struct object *barrier)
{
    struct waiter *waiter;

    while (!(barrier->data.flags & (OBJECT_BROKEN | OBJECT_ACTION)) &&
           (waiter = TAILQ_FIRST(&barrier->later))) {
        TAILQ_REMOVE(&barrier->later, waiter, of_object);
        waiter->object = NULL;
        waiter->left = 0;
        arrive(core, barrier, waiter);
    }
}

static void come_later(struct core *core, struct object *barrier, struct waiter *waiter)
{
    waiter->left = 1;
    waiter->object = barrier;
    waiter->data.place = ++core->counters.stamp;
    TAILQ_INSERT_TAIL(&barrier->later, waiter, of_object);
}

int step_barrier_wait(struct core *core, const struct core_input *input)
{
    struct sync sync;
    int r = sync_begin(core, input, WAIT_BARRIER, SYNC_OPEN | SYNC_OWNER, &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    wait_own(sync.waiter, sync.owner);
    sync_done(&sync);
    if (sync.object->data.flags & OBJECT_BROKEN)
        waiter_fail(core, sync.waiter, ERROR_BROKEN_BARRIER);
    else if (waiter_refused(core, sync.waiter))
        ;
    else if (sync.object->data.flags & OBJECT_ACTION)
        come_later(core, sync.object, sync.waiter);
    else
        arrive(core, sync.object, sync.waiter);
    return 0;
}

int step_barrier_done(struct core *core, const struct core_input *input)
{
    struct object *barrier;
    struct sync sync;
    bool runs;
    int r = sync_begin(core, input, WAIT_JOIN, 0, &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    barrier = sync.object;
    if (barrier->data.runner == 0 || barrier->data.runner != sync.client->data.id) {
        waiter_fail(core, sync.waiter, ERROR_NOT_OWNER);
        return 0;
    }
    runs = barrier->data.flags & OBJECT_ACTION;
    barrier->data.runner = 0;
    if (runs && input->body.request.flags & REQUEST_OK) {
        answer_index(core, sync.waiter, barrier->data.parties - 1);
        let_go(core, barrier);
        next_generation(core, barrier);
        return 0;
    }
    if (runs)
        barrier_break(core, barrier);
    waiter_fail(core, sync.waiter, ERROR_BROKEN_BARRIER);
    return 0;
}

int step_barrier_reset(struct core *core, const struct core_input *input)
{
    struct object *barrier;
    struct sync sync;
    int r = sync_begin(core, input, WAIT_JOIN, SYNC_OPEN, &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    barrier = sync.object;
    waiter_answer(core, sync.waiter);
    if (barrier->data.flags & OBJECT_ACTION || !TAILQ_EMPTY(&barrier->waiters)) {
        event_object(core, EVENT_BARRIER_BROKEN, barrier, NULL, 0);
        break_generation(core, barrier);
    }
    barrier->data.flags &= ~(uint32_t) OBJECT_BROKEN;
    next_generation(core, barrier);
    return 0;
}

int step_barrier_abort(struct core *core, const struct core_input *input)
{
    struct sync sync;
    int r = sync_begin(core, input, WAIT_JOIN, SYNC_OPEN, &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    waiter_answer(core, sync.waiter);
    barrier_break(core, sync.object);
    return 0;
}
