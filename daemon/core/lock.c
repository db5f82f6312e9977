/* SPDX-License-Identifier: MIT */
/*
 * lock, rlock, semaphore and bounded_semaphore: acquire and release.
 */
#include "daemon/core/objects.h"

#include <errno.h>

/* ---- acquire ---- */

static void answer_acquired(struct core *core, struct waiter *waiter, bool acquired)
{
    waiter->reply.kind = REPLY_ACQUIRED;
    waiter->reply.sync.flag = acquired;
    waiter_answer(core, waiter);
}

static void set_undo(struct hold *hold, const struct object *object, uint32_t flags)
{
    bool by_kind = object->data.kind == OBJECT_BOUNDED_SEMAPHORE && !(flags & REQUEST_NO_UNDO);

    if (flags & REQUEST_UNDO || by_kind)
        hold->data.flags |= HOLD_UNDO;
}

/* An owner of an rlock goes one level deeper, and keeps its token. */
static void go_deeper(struct core *core, struct waiter *waiter, struct hold *hold)
{
    hold->data.count++;
    word_changed(core, hold->object);
    waiter->reply.sync.token = hold->data.token;
    waiter->reply.sync.hold = hold->data.id;
    answer_acquired(core, waiter, true);
}

static bool is_free(const struct object *object)
{
    return object_is_lock(object) ? TAILQ_EMPTY(&object->holds) : object->data.value > 0;
}

/* A wait without an end: it must not close a cycle. 1: refused; 0: it may wait; or -ENOMEM. */
static int refuse_deadlock(struct core *core, const struct core_input *input, struct sync *sync)
{
    struct text *cycle = NULL;
    int r = deadlock_check(core, sync->owner, sync->object, NULL, &input->blob[BLOB_THREADS], &cycle);

    if (r != DEADLOCK_CERTAIN)
        return r;
    event_deadlock(core, input->body.request.uid, text_ref(cycle));
    if (input->body.request.flags & REQUEST_WAIT_ANYWAY) {
        text_unref(cycle);
        return 0;
    }
    sync->waiter->text[0] = cycle;
    waiter_fail(core, sync->waiter, ERROR_DEADLOCK);
    return 1;
}

static int acquire_later(struct core *core, const struct core_input *input, struct sync *sync)
{
    uint32_t flags = input->body.request.flags;
    int r = 0;

    if (flags & REQUEST_NO_WAIT) {
        answer_acquired(core, sync->waiter, false);
        return 0;
    }
    if (!(flags & REQUEST_DEADLINE) && object_is_lock(sync->object))
        r = refuse_deadlock(core, input, sync);
    if (r < 0)
        return r;
    if (r == 0 && !waiter_refused(core, sync->waiter)) {
        wait_own(sync->waiter, sync->owner);
        if (waiter_bell(sync->waiter) == 0) /* one that it is given later nobody rings for this wait */
            sync->waiter->data.flags &= ~(uint32_t) REQUEST_BELL;
        wait_enqueue(core, sync->waiter, sync->object, &sync->object->waiters);
    }
    return 0;
}

int step_acquire(struct core *core, const struct core_input *input)
{
    bool makes = input->body.sync.kind != OBJECT_SEMAPHORE;
    struct sync sync;
    struct hold *held;
    int r = sync_begin(core, input, WAIT_HOLD,
                       SYNC_OPEN | SYNC_OWNER | SYNC_HOLD | (makes ? SYNC_CREATES : 0), &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    set_undo(sync.waiter->hold, sync.object, input->body.request.flags);
    held = TAILQ_FIRST(&sync.object->holds);
    if (sync.object->data.kind == OBJECT_RLOCK && held && held->owner == sync.owner) {
        go_deeper(core, sync.waiter, held);
    } else if (is_free(sync.object)) {
        wait_own(sync.waiter, sync.owner);
        wait_grant(core, sync.waiter, sync.object);
    } else if (acquire_later(core, input, &sync) < 0) {
        return sync_undo(core, &sync);
    }
    sync_done(&sync);
    return 0;
}

/* ---- release ---- */

static void release_lock(struct core *core, const struct core_input *input, struct sync *sync)
{
    const struct input_sync *body = &input->body.sync;
    struct hold *hold = TAILQ_FIRST(&sync->object->holds);

    if (!hold) {
        waiter_fail(core, sync->waiter, ERROR_TOO_MANY_RELEASES);
    } else if (body->request.flags & REQUEST_TOKEN && body->token != hold->data.token) {
        waiter_fail(core, sync->waiter, ERROR_NOT_OWNER);
    } else {
        waiter_answer(core, sync->waiter);
        hold_end(core, hold, HOLD_RELEASED);
    }
}

static void release_rlock(struct core *core, const struct core_input *input, struct sync *sync)
{
    const struct owner *owner = owner_find(sync->client, &input->blob[BLOB_HOLDER]);
    struct hold *hold = TAILQ_FIRST(&sync->object->holds);

    if (!hold || hold->owner != owner) {
        waiter_fail(core, sync->waiter, ERROR_NOT_OWNER);
        return;
    }
    waiter_answer(core, sync->waiter);
    word_changed(core, sync->object);
    if (--hold->data.count == 0)
        hold_end(core, hold, HOLD_RELEASED);
}

/* Whose permits come back: the releaser's own oldest first, then the oldest of anybody, then nobody's. */
static void end_permits(struct core *core, struct object *object, struct open *open, uint64_t count)
{
    struct hold *hold;

    while (count > 0 && (hold = open ? TAILQ_FIRST(&open->holds) : NULL)) {
        hold_end(core, hold, HOLD_RELEASED);
        count--;
    }
    while (count > 0 && (hold = TAILQ_FIRST(&object->holds))) {
        hold_end(core, hold, HOLD_RELEASED);
        count--;
    }
}

static void release_permits(struct core *core, const struct core_input *input, struct sync *sync)
{
    struct object *object = sync->object;
    uint64_t count = input->body.sync.value;
    uint64_t most =
        object->data.kind == OBJECT_BOUNDED_SEMAPHORE ? object->data.bound : (uint64_t) PROTO_INTEGER_MAX;

    if (count > most - object->data.value) {
        waiter_fail(core, sync->waiter, ERROR_TOO_MANY_RELEASES);
        return;
    }
    waiter_answer(core, sync->waiter);
    end_permits(core, object, sync->open, count);
    object->data.value += count;
    word_changed(core, object);
}

int step_release(struct core *core, const struct core_input *input)
{
    struct sync sync;
    int r = sync_begin(core, input, WAIT_JOIN, SYNC_OPEN, &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    if (sync.object->data.kind == OBJECT_LOCK)
        release_lock(core, input, &sync);
    else if (sync.object->data.kind == OBJECT_RLOCK)
        release_rlock(core, input, &sync);
    else
        release_permits(core, input, &sync);
    object_settle(core, sync.object);
    return 0;
}

/* ---- a grant that nobody was told of ---- */

static bool runs_action(const struct object *object, uint64_t grant)
{
    return object->data.kind == OBJECT_BARRIER && object->data.flags & OBJECT_ACTION &&
           object->data.bound == grant;
}

void grant_repeat(struct object *object, uint64_t grant)
{
    struct hold *hold = hold_find(object, grant);

    if (hold)
        hold->data.flags |= HOLD_REPEATED;
    else if (runs_action(object, grant))
        object->data.flags |= OBJECT_REPEATED;
}

static bool is_repeated(const struct object *object, uint64_t grant)
{
    const struct hold *hold = hold_find(object, grant);

    return hold ? hold->data.flags & HOLD_REPEATED
                : runs_action(object, grant) && object->data.flags & OBJECT_REPEATED;
}

bool grant_take_back(struct core *core, struct object *object, uint64_t grant, uint64_t levels)
{
    struct hold *hold = hold_find(object, grant);

    if (runs_action(object, grant))
        barrier_break(core, object);
    if (!hold)
        return false;
    if (hold->data.count > levels) {
        hold->data.count -= (uint32_t) levels;
        word_changed(core, object);
        return true;
    }
    if (!object_is_lock(object))
        object->data.value++;
    if (hold->data.flags & HOLD_TOLD)
        object->data.abandoned++; /* nobody has heard of it: the next one does */
    hold_end(core, hold, HOLD_RELEASED);
    object_settle(core, object);
    return true;
}

int step_undelivered(struct core *core, const struct core_input *input)
{
    const struct input_sync *body = &input->body.sync;
    const struct blob *name = &input->blob[BLOB_NAME], *key = &input->blob[BLOB_KEY];
    struct object *object = core_object(core, body->request.uid, name->data, name->size);
    struct client *client = core_client(core, body->request.creator);

    if (!object || !key_lose_answer(client, key, body->token, is_repeated(object, body->token)))
        return 0; /* who asked again may know */
    if (grant_take_back(core, object, body->token, body->value))
        key_forget(core, client, key, body->token);
    return 0;
}
