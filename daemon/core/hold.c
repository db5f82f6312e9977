/* SPDX-License-Identifier: MIT */
#include "daemon/core/objects.h"

#include <stdlib.h>

struct hold *hold_new(struct account *account)
{
    struct hold *hold = calloc(1, sizeof *hold);

    if (!hold)
        return NULL;
    hold->account = account;
    hold->data.count = 1;
    quota_charge(account, QUOTA_HOLDS);
    return hold;
}

struct hold *hold_free(struct core *core, struct hold *hold)
{
    if (!hold)
        return NULL;
    if (!hold->account) { /* a word's own, for the next one */
        hold->data = (struct hold_data){.count = 1};
        return NULL;
    }
    quota_release(hold->account, QUOTA_HOLDS);
    account_trim(core, hold->account);
    free(hold);
    return NULL;
}

uint64_t next_rising(const struct core *core, uint64_t *last)
{
    uint64_t clock = core->wall > 0 ? (uint64_t) core->wall / 1000 : 0;

    if (*last == 0)
        *last = clock;
    return ++*last;
}

/* Events of single holds are for objects that ask for them. */
static void trace(struct core *core, enum event_kind kind, const struct hold *hold)
{
    if (hold->object->data.flags & OBJECT_TRACE)
        event_object(core, kind, hold->object, hold->owner, hold->data.token);
}

void hold_begin(struct core *core, struct hold *hold, struct object *object, struct owner *owner,
                struct open *open, struct reply_sync *ret_reply)
{
    hold->object = object;
    hold->owner = owner;
    hold->open = open;
    hold->data.id = ++core->counters.hold;
    hold->data.token = next_rising(core, &core->counters.token);
    hold->data.since = core->wall;
    TAILQ_INSERT_TAIL(&object->holds, hold, of_object);
    TAILQ_INSERT_TAIL(&open->holds, hold, of_open);
    if (!object_is_lock(object))
        object->data.value--;
    ret_reply->token = hold->data.token;
    ret_reply->hold = hold->data.id;
    ret_reply->flag = 1;
    ret_reply->abandoned = object->data.abandoned > 0;
    hold->data.flags &= ~(uint32_t) (HOLD_TOLD | HOLD_REPEATED);
    if (object->data.abandoned > 0) {
        object->data.abandoned--;
        hold->data.flags |= HOLD_TOLD;
    }
    trace(core, EVENT_LOCK_ACQUIRED, hold);
    word_changed(core, object);
}

void hold_pause(struct core *core, struct hold *hold)
{
    trace(core, EVENT_LOCK_RELEASED, hold);
    word_changed(core, hold->object);
    TAILQ_REMOVE(&hold->object->holds, hold, of_object);
    TAILQ_REMOVE(&hold->open->holds, hold, of_open);
    if (hold->word)
        hold->word->permit = NULL;
    hold->word = NULL;
    hold->owner = owner_unref(hold->owner);
    hold->object = NULL;
    hold->open = NULL;
}

void hold_end(struct core *core, struct hold *hold, enum hold_end how)
{
    struct object *object = hold->object;
    bool is_lock = object_is_lock(object);

    if (how == HOLD_ABANDONED && is_lock) {
        object->data.abandoned = 1;
        event_object(core, EVENT_LOCK_ABANDONED, object, hold->owner, hold->data.token);
    }
    if (!is_lock && how != HOLD_RELEASED && hold->data.flags & HOLD_UNDO) {
        object->data.value++;
        object->data.abandoned += how == HOLD_ABANDONED;
    }
    hold_pause(core, hold);
    hold_free(core, hold);
}

/* The newest are the ones that can be undelivered. */
struct hold *hold_find(const struct object *object, uint64_t id)
{
    struct hold *hold;

    TAILQ_FOREACH_REVERSE(hold, &object->holds, hold_list, of_object)
        if (hold->data.id <= id)
            break;
    return hold && hold->data.id == id ? hold : NULL;
}
