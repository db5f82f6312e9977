/* SPDX-License-Identifier: MIT */
/*
 * condition.wait and notify. A sleeper has given its lock back, whole; whoever is woken goes into the lock's
 * queue and is answered only once it holds the lock again, as deep as before.
 */
#include "daemon/core/objects.h"

/* The hold of the condition's lock that this owner has, or NULL. */
static struct hold *own_hold(const struct object *condition, const struct client *client,
                             const struct blob *holder)
{
    struct hold *hold = condition->lock ? TAILQ_FIRST(&condition->lock->holds) : NULL;

    return hold && hold->owner == owner_find(client, holder) ? hold : NULL;
}

void condition_wake(struct core *core, struct waiter *waiter, bool notified)
{
    struct object *condition = waiter->object, *lock = condition->lock;

    heap_remove(&core->deadlines, &waiter->deadline);
    TAILQ_REMOVE(&condition->waiters, waiter, of_object);
    waiter->data.kind = WAIT_RELOCK;
    waiter->data.place = ++core->counters.stamp;
    waiter->reply.sync.flag = notified;
    waiter->object = lock;
    TAILQ_INSERT_TAIL(&lock->waiters, waiter, of_object);
    word_changed(core, lock);
    object_settle(core, lock);
}

static void fall_asleep(struct core *core, const struct core_input *input, struct sync *sync,
                        struct hold *hold)
{
    struct object *condition = sync->object, *lock = condition->lock;
    struct waiter *waiter = sync->waiter;

    wait_own(waiter, sync->owner);
    if (hold->account) {
        hold_free(core, waiter->hold);
        waiter->hold = hold;
        hold_pause(core, hold);
    } else { /* the word needs its own for the next one */
        waiter->hold->data = hold->data;
        hold_pause(core, hold);
        hold_free(core, hold);
    }
    wait_enqueue(core, waiter, condition, &condition->waiters);
    if (input->body.request.flags & REQUEST_NO_WAIT)
        condition_wake(core, waiter, false);
    object_settle(core, lock);
}

/* False: the request was answered. */
static bool holds_lock(struct core *core, const struct core_input *input, struct sync *sync,
                       struct hold **ret_hold)
{
    *ret_hold = own_hold(sync->object, sync->client, &input->blob[BLOB_HOLDER]);
    if (*ret_hold)
        return true;
    waiter_fail(core, sync->waiter, sync->object->lock ? ERROR_NOT_HELD : ERROR_NO_SUCH_OBJECT);
    return false;
}

/* The hold of a lock that has a word may be the word's. */
static unsigned needs_hold(const struct core *core, const struct core_input *input)
{
    const struct blob *name = &input->blob[BLOB_NAME];
    const struct object *object = core_object(core, input->body.request.uid, name->data, name->size);

    return object && object->lock && object->lock->word ? SYNC_HOLD : 0;
}

int step_condition_wait(struct core *core, const struct core_input *input)
{
    struct hold *hold;
    struct sync sync;
    int r = sync_begin(core, input, WAIT_CONDITION, SYNC_OPEN | SYNC_OWNER | needs_hold(core, input), &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    if (holds_lock(core, input, &sync, &hold) && !waiter_refused(core, sync.waiter))
        fall_asleep(core, input, &sync, hold);
    sync_done(&sync);
    return 0;
}

int step_condition_notify(struct core *core, const struct core_input *input)
{
    struct waiter *sleeper;
    struct hold *hold;
    struct sync sync;
    uint64_t woken = 0;
    int r = sync_begin(core, input, WAIT_JOIN, SYNC_OPEN, &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    if (!holds_lock(core, input, &sync, &hold))
        return 0;
    for (; woken < input->body.sync.value && (sleeper = TAILQ_FIRST(&sync.object->waiters)); woken++)
        condition_wake(core, sleeper, true);
    sync.waiter->reply.kind = REPLY_WOKEN;
    sync.waiter->reply.sync.number = woken;
    waiter_answer(core, sync.waiter);
    return 0;
}
