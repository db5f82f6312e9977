/* SPDX-License-Identifier: MIT */
#include "daemon/core/objects.h"

#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

struct object *core_object(const struct core *core, uint32_t uid, const char *name, size_t size)
{
    const struct account *account = core_account(core, uid);
    struct object *object = NULL;

    if (size > 0 && name[0] == '/')
        HASH_FIND(hh, core->shared, name, size, object);
    else if (account)
        HASH_FIND(hh, account->objects, name, size, object);
    return object;
}

bool object_allows(const struct object *object, uint32_t uid, uint32_t gid, unsigned want)
{
    unsigned shift = uid == object->data.uid ? 6 : gid == object->data.gid ? 3 : 0;

    if (!(object->data.flags & OBJECT_SHARED) || uid == 0)
        return true;
    return (object->data.mode >> shift & want) == want;
}

static size_t write_number(char *to, uint64_t number)
{
    char digits[21];
    size_t count = 0;

    do
        digits[count++] = (char) ('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < count; i++)
        to[i] = digits[count - 1 - i];
    return count;
}

/* "@17" may be another's, given or made: the first that is free. */
struct blob object_make_name(struct core *core, uint32_t uid, char room[OBJECT_MADE_NAME_MAX])
{
    uint64_t number = core->counters.object + 1;
    size_t size;

    room[0] = '@';
    do
        size = 1 + write_number(room + 1, number++);
    while (core_object(core, uid, room, size));
    return (struct blob){room, size};
}

/* ---- making ---- */

bool object_is_lock(const struct object *object)
{
    return object->data.kind == OBJECT_LOCK || object->data.kind == OBJECT_RLOCK;
}

bool object_can_have_word(const struct object *object)
{
    return object_is_held(object) || object->data.kind == OBJECT_EVENT;
}

static int object_index(struct core *core, struct account *account, struct object *object)
{
    struct object **table = object->data.flags & OBJECT_SHARED ? &core->shared : &account->objects;

    HASH_ADD_KEYPTR(hh, *table, object->name->bytes, object->name->size, object);
    return object->hh.tbl ? 0 : -1;
}

struct object *object_new(struct core *core, struct account *account, const struct blob *name,
                          enum object_kind kind)
{
    struct object *object = calloc(1, sizeof *object);

    if (!object)
        return NULL;
    object->name = text_new(name->data, name->size);
    if (!object->name)
        goto fail;
    TAILQ_INIT(&object->holds);
    TAILQ_INIT(&object->waiters);
    TAILQ_INIT(&object->later);
    object->data.id = core->counters.object + 1;
    object->data.kind = kind;
    object->data.uid = account->uid;
    object->data.created = core->wall;
    object->data.mode = OBJECT_MODE_DEFAULT;
    object->data.flags = object->name->bytes[0] == '/' ? OBJECT_SHARED : 0;
    if (object_index(core, account, object) < 0)
        goto fail;
    core->counters.object++;
    object->account = account;
    quota_charge(account, QUOTA_OBJECTS);
    return object;
fail:
    text_unref(object->name);
    free(object);
    return NULL;
}

/* ---- going ---- */

/* Out of the table, and no more. Nobody waits, holds or has it open. */
static void object_free(struct core *core, struct object *object)
{
    struct account *account = object->account;

    if (object->data.flags & OBJECT_SHARED)
        HASH_DEL(core->shared, object);
    else
        HASH_DEL(account->objects, object);
    if (object->lock)
        LIST_REMOVE(object, of_lock);
    if (object->word)
        word_forsake(core, object->word);
    quota_release(account, QUOTA_OBJECTS);
    account_trim(core, account);
    text_unref(object->name);
    free(object);
}

void object_undo(struct core *core, struct object *object)
{
    core->counters.object--;
    object_free(core, object);
}

static bool is_needed(const struct object *object)
{
    return object->data.flags & OBJECT_PERSIST || !LIST_EMPTY(&object->opens) ||
           !LIST_EMPTY(&object->users) || !TAILQ_EMPTY(&object->waiters) || !TAILQ_EMPTY(&object->later) ||
           !TAILQ_EMPTY(&object->holds);
}

/* What a condition leaves behind: its lock goes, too, if nobody else needs it. One that it had made for
 * itself was to last as long as the condition, and lasts now as long as somebody has it open. */
static void let_go_of_lock(struct core *core, struct object *condition)
{
    struct object *lock = condition->lock;

    if (!lock)
        return;
    LIST_REMOVE(condition, of_lock);
    condition->lock = NULL;
    if (condition->data.flags & OBJECT_OWN_LOCK)
        lock->data.flags &= ~(uint32_t) OBJECT_PERSIST;
    object_trim(core, lock);
}

struct object *object_trim(struct core *core, struct object *object)
{
    if (!(object->data.flags & OBJECT_GONE) && !is_needed(object))
        object_remove(core, object);
    return NULL;
}

/* Whoever sleeps on a condition, or is woken by it, cannot get back a lock that is gone. */
static void forsake_users(struct core *core, struct object *lock)
{
    struct object *condition;

    while ((condition = LIST_FIRST(&lock->users))) {
        LIST_REMOVE(condition, of_lock);
        condition->lock = NULL;
        wait_fail_all(core, &condition->waiters, ERROR_OBJECT_GONE);
    }
}

void object_remove(struct core *core, struct object *object)
{
    struct hold *hold;
    struct open *open;

    if (object->data.flags & OBJECT_GONE)
        return;
    object->data.flags |= OBJECT_GONE;
    wait_fail_all(core, &object->waiters, ERROR_OBJECT_GONE);
    wait_fail_all(core, &object->later, ERROR_OBJECT_GONE);
    while ((hold = TAILQ_FIRST(&object->holds)))
        hold_end(core, hold, HOLD_RELEASED);
    while ((open = LIST_FIRST(&object->opens)))
        open_free(core, open);
    forsake_users(core, object);
    let_go_of_lock(core, object);
    event_object(core, EVENT_OBJECT_UNLINKED, object, NULL, 0);
    object_free(core, object);
}

/* ---- serving ---- */

static bool may_hold(const struct object *object)
{
    return object_is_lock(object) ? TAILQ_EMPTY(&object->holds) : object->data.value > 0;
}

bool object_is_held(const struct object *object)
{
    return object_is_lock(object) || object->data.kind == OBJECT_SEMAPHORE ||
           object->data.kind == OBJECT_BOUNDED_SEMAPHORE;
}

void object_settle(struct core *core, struct object *object)
{
    struct waiter *waiter;

    while (object_is_held(object) && may_hold(object) && (waiter = TAILQ_FIRST(&object->waiters)))
        wait_grant(core, waiter, object);
}
