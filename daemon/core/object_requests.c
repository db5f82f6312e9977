/* SPDX-License-Identifier: MIT */
/*
 * object.create, open, close, unlink and break.
 */
#include "daemon/core/objects.h"

#include <errno.h>
#include <string.h>

static const char own_lock_suffix[] = ".lock";

/* ---- create ---- */

/* A condition's lock: the one that is named, or NAME.lock, which is made where there is none. */
struct lock_choice {
    struct object *lock;
    struct blob name; /* of the one to be made, where lock is NULL */
    char room[PROTO_NAME_MAX];
};

static void set_up(struct object *object, const struct input_sync *body)
{
    bool has_permits = object->data.kind == OBJECT_SEMAPHORE || object->data.kind == OBJECT_BOUNDED_SEMAPHORE;

    object->data.gid = body->gid;
    object->data.mode = body->mode;
    object->data.flags |= (body->request.flags & REQUEST_PERSIST ? OBJECT_PERSIST : 0) |
                          (body->request.flags & REQUEST_TRACE ? OBJECT_TRACE : 0);
    object->data.value = object->data.bound = has_permits ? body->value : 0;
    object->data.parties = body->parties;
}

static void answer_created(struct core *core, struct waiter *waiter, struct object *object, bool is_new)
{
    waiter->reply.kind = REPLY_CREATED;
    waiter->reply.sync.flag = is_new;
    waiter->text[0] = text_ref(object->name);
    waiter->text[1] = object->lock ? text_ref(object->lock->name) : NULL;
    waiter_answer(core, waiter);
}

/* Is there one already? Then that is the answer, of one sort or another. */
static int create_found(struct core *core, const struct core_input *input, struct waiter *waiter,
                        struct client *client, struct object *object)
{
    const struct input_sync *body = &input->body.sync;
    bool is_new;

    if (!object_allows(object, body->request.uid, body->gid, OBJECT_MODE_WRITE)) {
        waiter_fail(core, waiter, ERROR_PERMISSION_DENIED);
    } else if (!(body->request.flags & REQUEST_EXIST_OK)) {
        waiter_fail(core, waiter, ERROR_ALREADY_EXISTS);
    } else if (object->data.kind != body->kind) {
        waiter_fail_kind(core, waiter, object);
    } else if (open_exceeds(core, object, client)) {
        waiter_fail_quota(core, waiter, QUOTA_OPENS);
    } else {
        if (!open_get(core, object, client, NULL, &is_new))
            return -ENOMEM;
        answer_created(core, waiter, object, false);
    }
    return 0;
}

/* True: there is a lock, or its name is known. False: the request was answered. */
static bool choose_lock(struct core *core, const struct core_input *input, struct waiter *waiter,
                        const struct blob *name, struct lock_choice *choice)
{
    const struct input_sync *body = &input->body.sync;
    const struct blob *asked = &input->blob[BLOB_LOCK];

    if (asked->size > 0) {
        choice->lock = core_object(core, body->request.uid, asked->data, asked->size);
        if (!choice->lock) {
            waiter_fail(core, waiter, ERROR_NO_SUCH_OBJECT);
            return false;
        }
    } else {
        /* the caller has seen to it that this fits */
        memcpy(choice->room, name->data, name->size);
        memcpy(choice->room + name->size, own_lock_suffix, sizeof own_lock_suffix - 1);
        choice->name = (struct blob){choice->room, name->size + sizeof own_lock_suffix - 1};
        choice->lock = core_object(core, body->request.uid, choice->name.data, choice->name.size);
    }
    if (!choice->lock)
        return true;
    if (!object_allows(choice->lock, body->request.uid, body->gid, OBJECT_MODE_WRITE))
        waiter_fail(core, waiter, ERROR_PERMISSION_DENIED);
    else if (!object_is_lock(choice->lock))
        waiter_fail_kind(core, waiter, choice->lock);
    else
        return true;
    return false;
}

static int make_lock(struct core *core, const struct core_input *input, struct waiter *waiter,
                     struct lock_choice *choice, struct object *condition)
{
    struct object *lock = choice->lock;

    if (!lock) {
        lock = object_new(core, waiter->account, &choice->name, OBJECT_RLOCK);
        if (!lock)
            return -ENOMEM;
        set_up(lock, &input->body.sync);
        condition->data.flags |= OBJECT_OWN_LOCK;
    }
    condition->lock = lock;
    LIST_INSERT_HEAD(&lock->users, condition, of_lock);
    return 0;
}

static int create_new(struct core *core, const struct core_input *input, struct waiter *waiter,
                      struct client *client, const struct blob *name, struct lock_choice *choice)
{
    const struct input_sync *body = &input->body.sync;
    struct object *object = object_new(core, waiter->account, name, (enum object_kind) body->kind);
    struct object *made = NULL;
    bool is_new;

    if (!object)
        return -ENOMEM;
    set_up(object, body);
    if (!open_get(core, object, client, NULL, &is_new))
        goto fail;
    if (body->kind == OBJECT_CONDITION && make_lock(core, input, waiter, choice, object) < 0) {
        open_free(core, LIST_FIRST(&object->opens));
        goto fail;
    }
    made = object->data.flags & OBJECT_OWN_LOCK ? object->lock : NULL;
    if (made)
        event_object(core, EVENT_OBJECT_CREATED, made, NULL, 0);
    event_object(core, EVENT_OBJECT_CREATED, object, NULL, 0);
    answer_created(core, waiter, object, true);
    return 0;
fail:
    object_undo(core, object);
    return -ENOMEM;
}

static int create(struct core *core, const struct core_input *input, struct waiter *waiter)
{
    const struct input_sync *body = &input->body.sync;
    char made[OBJECT_MADE_NAME_MAX];
    struct blob name = input->blob[BLOB_NAME];
    struct client *client = core_client(core, body->request.creator);
    struct object *found = name.size > 0 ? core_object(core, body->request.uid, name.data, name.size) : NULL;
    struct lock_choice choice = {.lock = NULL};

    if (!client) {
        waiter_fail(core, waiter, ERROR_NO_SUCH_PROCESS);
        return 0;
    }
    if (found)
        return create_found(core, input, waiter, client, found);
    /* one more for the condition's own lock */
    if (waiter->account->used[QUOTA_OBJECTS] + (body->kind == OBJECT_CONDITION) >=
        quota_limit(QUOTA_OBJECTS, waiter->account->uid)) {
        waiter_fail_quota(core, waiter, QUOTA_OBJECTS);
        return 0;
    }
    if (open_exceeds(core, NULL, client)) {
        waiter_fail_quota(core, waiter, QUOTA_OPENS);
        return 0;
    }
    if (name.size == 0)
        name = object_make_name(core, body->request.uid, made);
    if (body->kind == OBJECT_CONDITION && !choose_lock(core, input, waiter, &name, &choice))
        return 0;
    return create_new(core, input, waiter, client, &name, &choice);
}

int step_object_create(struct core *core, const struct core_input *input)
{
    struct sync sync = {.waiter = NULL};
    struct key *key;
    int r = key_begin(core, input, &key);

    if (r != KEY_FRESH)
        return r < 0 ? r : 0;
    sync.waiter = waiter_new(core, input, WAIT_JOIN, 0);
    if (!sync.waiter) {
        key_undo(core, key);
        return -ENOMEM;
    }
    key_attach(key, sync.waiter);
    return create(core, input, sync.waiter) < 0 ? sync_undo(core, &sync) : 0;
}

/* ---- open and close ---- */

int step_object_open(struct core *core, const struct core_input *input)
{
    struct sync sync;
    int r = sync_begin(core, input, WAIT_JOIN, SYNC_ANY_KIND | SYNC_OPEN, &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    sync.waiter->reply.kind = REPLY_OBJECT;
    sync.waiter->text[0] = text_ref(sync.object->name);
    waiter_answer(core, sync.waiter);
    return 0;
}

/* A thread of it waits for the object, or will for the lock of the condition that it sleeps on: then it
 * stays open. */
static bool client_waits(const struct client *client, const struct object *object)
{
    const struct waiter *waiter;

    TAILQ_FOREACH(waiter, &client->waits, of_client)
        if (waiter->object && (waiter->object == object || waiter->object->lock == object))
            return true;
    return false;
}

static void close_for(struct core *core, struct open *open, struct client *client)
{
    struct object *object = open->object;
    struct hold *hold;

    if (!client || !client_waits(client, object)) {
        open_close(core, open, false);
        return;
    }
    while ((hold = TAILQ_FIRST(&open->holds)))
        hold_end(core, hold, HOLD_CLOSED);
    object_settle(core, object);
}

int step_object_close(struct core *core, const struct core_input *input)
{
    struct sync sync;
    struct open *own, *given = NULL;
    struct client *client = core_client(core, input->body.request.creator);
    int r = sync_begin(core, input, WAIT_JOIN, SYNC_ANY_KIND, &sync);

    if (r >= 0 && sync.waiter && client) /* not once more, by its key */
        words_close(core, client, input->body.request.uid, &input->blob[BLOB_NAME]);
    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    own = open_find(core, sync.object, sync.client, NULL);
    if (sync.client->self)
        given = open_find(core, sync.object, NULL, sync.client->self);
    waiter_answer(core, sync.waiter);
    /* the one that it was spawned with first: the object may go with the other */
    if (own)
        word_unmap(core, own);
    if (given && own)
        open_free(core, given);
    else if (given)
        open_close(core, given, false);
    if (own)
        close_for(core, own, sync.client);
    return 0;
}

/* ---- unlink and break ---- */

static bool may_remove(const struct object *object, uint32_t uid)
{
    return uid == 0 || object->data.uid == uid;
}

int step_object_unlink(struct core *core, const struct core_input *input)
{
    struct sync sync;
    int r = sync_begin(core, input, WAIT_JOIN, SYNC_ANY_KIND, &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    if (!may_remove(sync.object, input->body.request.uid)) {
        waiter_fail(core, sync.waiter, ERROR_PERMISSION_DENIED);
        return 0;
    }
    waiter_answer(core, sync.waiter);
    object_remove(core, sync.object);
    return 0;
}

int step_object_break(struct core *core, const struct core_input *input)
{
    struct hold *hold;
    struct sync sync;
    int r = sync_begin(core, input, WAIT_JOIN, SYNC_ANY_KIND, &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    if (!object_is_lock(sync.object)) {
        waiter_fail_kind(core, sync.waiter, sync.object);
        return 0;
    }
    waiter_answer(core, sync.waiter);
    hold = TAILQ_FIRST(&sync.object->holds);
    if (hold)
        hold_end(core, hold, HOLD_ABANDONED);
    object_settle(core, sync.object);
    object_trim(core, sync.object);
    return 0;
}
