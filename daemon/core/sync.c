/* SPDX-License-Identifier: MIT */
/*
 * What all requests about objects begin with: key, object, access, and everything that they may need later.
 */
#include "daemon/core/objects.h"

#include <errno.h>

void waiter_fail_kind(struct core *core, struct waiter *waiter, const struct object *object)
{
    waiter->reply.sync.kind = object->data.kind;
    waiter_fail(core, waiter, ERROR_WRONG_KIND);
}

/* ---- the object ---- */

static bool kind_fits(const struct object *object, uint32_t wanted, unsigned needs)
{
    return needs & SYNC_ANY_KIND || object->data.kind == wanted ||
           (wanted == OBJECT_SEMAPHORE && object->data.kind == OBJECT_BOUNDED_SEMAPHORE);
}

/* The quota that the request would exceed, or QUOTA_COUNT. */
static enum core_quota exceeds(const struct core *core, const struct core_input *input,
                               const struct object *object, const struct client *client, unsigned needs)
{
    const struct account *account = core_account(core, input->body.request.uid);
    const struct connection *connection = core_connection(core, input->body.request.connection);

    if (!object && account && quota_full(account, QUOTA_OBJECTS))
        return QUOTA_OBJECTS;
    if (needs & SYNC_HOLD && account && quota_full(account, QUOTA_HOLDS))
        return QUOTA_HOLDS;
    if (needs & SYNC_OPEN && (open_exceeds(core, object, client) ||
                              (connection && open_exceeds(core, object, connection->client))))
        return QUOTA_OPENS;
    return QUOTA_COUNT;
}

/* True: the request goes on. False: it was answered. */
static bool admit(struct core *core, const struct core_input *input, unsigned needs, struct sync *sync)
{
    const struct input_sync *body = &input->body.sync;
    const struct blob *name = &input->blob[BLOB_NAME];
    enum core_quota quota;

    sync->client = core_client(core, body->request.creator);
    sync->object = core_object(core, body->request.uid, name->data, name->size);
    if (!sync->client) {
        waiter_fail(core, sync->waiter, ERROR_NO_SUCH_PROCESS);
        return false;
    }
    if (!sync->object && !(needs & SYNC_CREATES)) {
        waiter_fail(core, sync->waiter, ERROR_NO_SUCH_OBJECT);
        return false;
    }
    if (sync->object && !object_allows(sync->object, body->request.uid, body->gid, OBJECT_MODE_WRITE)) {
        waiter_fail(core, sync->waiter, ERROR_PERMISSION_DENIED);
        return false;
    }
    if (sync->object && !kind_fits(sync->object, body->kind, needs)) {
        waiter_fail_kind(core, sync->waiter, sync->object);
        return false;
    }
    quota = exceeds(core, input, sync->object, sync->client, needs);
    if (quota == QUOTA_COUNT)
        return true;
    waiter_fail_quota(core, sync->waiter, quota);
    return false;
}

/* ---- what it needs ---- */

static int allocate(struct core *core, const struct core_input *input, unsigned needs, struct sync *sync)
{
    const struct input_sync *body = &input->body.sync;
    struct connection *connection = core_connection(core, body->request.connection);
    struct client *asker = connection ? connection->client : NULL;

    if (!sync->object) {
        sync->object =
            object_new(core, sync->waiter->account, &input->blob[BLOB_NAME], (enum object_kind) body->kind);
        if (!sync->object)
            return -ENOMEM;
        sync->object->data.gid = body->gid;
        sync->is_new_object = true;
    }
    if (needs & SYNC_OPEN &&
        !(sync->open = open_get(core, sync->object, sync->client, NULL, &sync->is_new_open)))
        return -ENOMEM;
    if (needs & SYNC_OPEN && asker && asker != sync->client &&
        !(sync->asker = open_get(core, sync->object, asker, NULL, &sync->is_new_asker)))
        return -ENOMEM;
    if (needs & SYNC_OWNER && !(sync->owner = owner_get(sync->client, &input->blob[BLOB_HOLDER])))
        return -ENOMEM;
    if (needs & SYNC_HOLD && !(sync->waiter->hold = hold_new(sync->waiter->account)))
        return -ENOMEM;
    return 0;
}

int sync_undo(struct core *core, struct sync *sync)
{
    struct key *key = sync->waiter->key;

    sync->owner = owner_unref(sync->owner);
    if (sync->open && sync->is_new_open)
        open_free(core, sync->open);
    if (sync->asker && sync->is_new_asker)
        open_free(core, sync->asker);
    if (sync->object && sync->is_new_object)
        object_undo(core, sync->object);
    sync->waiter->key = NULL;
    if (key)
        key->waiter = NULL;
    waiter_undo(core, sync->waiter);
    key_undo(core, key);
    return -ENOMEM;
}

int sync_begin(struct core *core, const struct core_input *input, enum wait_kind kind, unsigned needs,
               struct sync *ret_sync)
{
    struct key *key;
    int r = key_begin(core, input, &key);

    *ret_sync = (struct sync){.waiter = NULL};
    if (r != KEY_FRESH)
        return r < 0 ? r : SYNC_HANDLED;
    ret_sync->waiter = waiter_new(core, input, kind, 0);
    if (!ret_sync->waiter) {
        key_undo(core, key);
        return -ENOMEM;
    }
    key_attach(key, ret_sync->waiter);
    if (!admit(core, input, needs, ret_sync))
        return SYNC_HANDLED;
    if (allocate(core, input, needs, ret_sync) < 0)
        return sync_undo(core, ret_sync);
    if (ret_sync->is_new_object)
        event_object(core, EVENT_OBJECT_CREATED, ret_sync->object, NULL, 0);
    return SYNC_GO;
}

void sync_done(struct sync *sync)
{
    sync->owner = owner_unref(sync->owner);
}
