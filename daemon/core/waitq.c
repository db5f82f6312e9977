/* SPDX-License-Identifier: MIT */
/*
 * Waiting for an object: in and out of its queue. Who waits has its hold with it, so that its turn needs no
 * memory.
 */
#include "daemon/core/objects.h"

void wait_enqueue(struct core *core, struct waiter *waiter, struct object *object, struct wait_queue *queue)
{
    waiter->object = object;
    waiter->data.place = ++core->counters.stamp;
    TAILQ_INSERT_TAIL(queue, waiter, of_object);
    word_changed(core, object);
    if (object->data.flags & OBJECT_TRACE)
        event_object(core, EVENT_LOCK_WAITING, object, waiter->owner, 0);
    waiter_start(core, waiter, waiter->data.span);
}

void wait_own(struct waiter *waiter, struct owner *owner)
{
    owner->refs++;
    waiter->owner = owner;
    TAILQ_INSERT_TAIL(&owner->waits, waiter, of_owner);
    TAILQ_INSERT_TAIL(&owner->client->waits, waiter, of_client);
    owner->client->wait_count++;
}

/* Which of an object's queues a waiter is in: `left` marks those of a barrier's next generation. */
static struct wait_queue *queue_of(const struct waiter *waiter)
{
    struct object *object = waiter->object;

    return waiter->left ? &object->later : &object->waiters;
}

void wait_leave(struct core *core, struct waiter *waiter)
{
    if (waiter->object) {
        TAILQ_REMOVE(queue_of(waiter), waiter, of_object);
        word_changed(core, waiter->object);
    }
    waiter->object = NULL;
    if (waiter->owner) {
        TAILQ_REMOVE(&waiter->owner->waits, waiter, of_owner);
        TAILQ_REMOVE(&waiter->owner->client->waits, waiter, of_client);
        waiter->owner->client->wait_count--;
    }
    waiter->owner = owner_unref(waiter->owner);
    waiter->hold = hold_free(core, waiter->hold);
}

void wait_given_up(struct core *core, struct waiter *waiter)
{
    struct object *object = waiter->object;
    bool breaks = object && waiter->data.kind == WAIT_BARRIER && queue_of(waiter) == &object->waiters;

    if (!object)
        return;
    TAILQ_REMOVE(queue_of(waiter), waiter, of_object);
    waiter->object = NULL;
    word_changed(core, object);
    if (breaks)
        barrier_break(core, object);
    object_trim(core, object);
}

/* In a list, right where another one was. */
#define REPLACE(head, old, new, field)                  \
    do {                                                \
        TAILQ_INSERT_AFTER(head, old, new, field);      \
        TAILQ_REMOVE(head, old, field);                 \
    } while (0)

void wait_replace(struct core *core, struct waiter *old, struct waiter *waiter)
{
    waiter->data.since = old->data.since;
    waiter->data.span = old->data.span;
    waiter->data.place = old->data.place;
    waiter->reply.sync = old->reply.sync;
    waiter->hold = old->hold;
    old->hold = NULL;
    if (old->object) {
        REPLACE(queue_of(old), old, waiter, of_object);
        word_changed(core, old->object);
    }
    waiter->object = old->object;
    old->object = NULL;
    if (old->owner) {
        REPLACE(&old->owner->waits, old, waiter, of_owner);
        REPLACE(&old->owner->client->waits, old, waiter, of_client);
    }
    waiter->owner = old->owner;
    old->owner = NULL;
    if (old->deadline.index == 0)
        return;
    waiter->deadline.key = old->deadline.key;
    waiter->deadline.order = old->deadline.order;
    heap_remove(&core->deadlines, &old->deadline);
    heap_insert(&core->deadlines, &waiter->deadline);
}

void wait_timed_out(struct core *core, struct waiter *waiter)
{
    struct object *object = waiter->object;

    switch ((enum wait_kind) waiter->data.kind) {
    case WAIT_CONDITION:
        condition_wake(core, waiter, false);
        return;
    case WAIT_BARRIER:
        barrier_break(core, object);
        break;
    case WAIT_EVENT:
        waiter->reply.kind = REPLY_SET;
        waiter_answer(core, waiter);
        break;
    default:
        waiter->reply.kind = REPLY_ACQUIRED;
        waiter_answer(core, waiter);
    }
    object_trim(core, object);
}

static struct hold *begin_hold(struct core *core, struct waiter *waiter, struct object *object)
{
    struct owner *owner = waiter->owner;
    struct open *open = open_find(core, object, owner->client, NULL);
    struct hold *hold = waiter->hold;
    uint32_t notified = waiter->reply.sync.flag;

    waiter->hold = NULL;
    owner->refs++; /* the hold's */
    hold_begin(core, hold, object, owner, open, &waiter->reply.sync);
    if (waiter_is_repeated(waiter))
        hold->data.flags |= HOLD_REPEATED;
    waiter->reply.kind = waiter->data.kind == WAIT_RELOCK ? REPLY_NOTIFIED : REPLY_ACQUIRED;
    if (waiter->data.kind == WAIT_RELOCK)
        waiter->reply.sync.flag = notified;
    return hold;
}

void wait_grant(struct core *core, struct waiter *waiter, struct object *object)
{
    struct hold *hold = begin_hold(core, waiter, object);

    if (waiter->absent) {
        hold->data.flags |= HOLD_UNASKED;
        absence_grant(core, waiter->key, object->data.uid, object->name);
    }
    waiter_answer(core, waiter);
}

void wait_has_taken(struct core *core, struct waiter *waiter, struct object *object)
{
    begin_hold(core, waiter, object);
    waiter->reply.sync.hold = 0; /* nothing depends on its answer */
    waiter_answer(core, waiter);
}

void wait_fail_all(struct core *core, struct wait_queue *queue, enum proto_error error)
{
    struct waiter *waiter;

    while ((waiter = TAILQ_FIRST(queue)))
        waiter_fail(core, waiter, error);
}
