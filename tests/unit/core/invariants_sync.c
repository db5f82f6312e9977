/* SPDX-License-Identifier: MIT */
/* What must be true of synchronisation objects at rest: the design, section 4. */
#include "tests/unit/core/invariants.h"
#include "tests/unit/core/must.h"

#include <string.h>

/* How often each thing was met from one side; the other side must give the same numbers. */
struct met {
    uint64_t opens, holds, queued, users;
};

static struct account *account_of(const struct core *core, uint32_t uid)
{
    struct account *account = core_account(core, uid);

    must(account != NULL);
    return account;
}

/* ---- each object ---- */

static void each_object(struct core *core, struct met *met,
                        void (*one)(struct core *core, struct object *object, struct met *met))
{
    struct account *account, *next_account;
    struct object *object, *next;

    HASH_ITER(hh, core->accounts, account, next_account)
        HASH_ITER(hh, account->objects, object, next)
            one(core, object, met);
    HASH_ITER(hh, core->shared, object, next)
        one(core, object, met);
}

static bool is_lock(const struct object *object)
{
    return object->data.kind == OBJECT_LOCK || object->data.kind == OBJECT_RLOCK;
}

static bool is_semaphore(const struct object *object)
{
    return object->data.kind == OBJECT_SEMAPHORE || object->data.kind == OBJECT_BOUNDED_SEMAPHORE;
}

static void check_hold(const struct core *core, const struct object *object, const struct hold *hold)
{
    const struct client *client = hold->owner->client;
    struct owner *owner;

    must(hold->object == object);
    must(core_client(core, client->data.id) == client); /* a live one */
    HASH_FIND(hh, client->owners, hold->owner->holder->bytes, hold->owner->holder->size, owner);
    must(owner == hold->owner);
    must(hold->open->client == client && hold->open->object == object);
    must(hold->data.id > 0 && hold->data.id <= core->counters.hold);
    must(hold->data.token > 0 && hold->data.token <= core->counters.token);
    must(hold->data.count >= 1 && (hold->data.count == 1 || object->data.kind == OBJECT_RLOCK));
}

static void check_holds(struct core *core, struct object *object, struct met *met)
{
    const struct hold *hold, *last = NULL;
    uint64_t count = 0;

    TAILQ_FOREACH(hold, &object->holds, of_object)
    {
        check_hold(core, object, hold);
        must(!last || last->data.id < hold->data.id);
        must(!last || last->data.token < hold->data.token); /* tokens rise */
        last = hold;
        count++;
    }
    met->holds += count;
    must(count == 0 || is_lock(object) || is_semaphore(object));
    must(count <= 1 || is_semaphore(object)); /* one holder at most */
    must(object->data.kind != OBJECT_BOUNDED_SEMAPHORE || object->data.value + count <= object->data.bound);
    must(!is_lock(object) || object->data.abandoned <= (count == 0));
    must(!is_semaphore(object) || object->data.abandoned <= object->data.value);
}

static bool may_wait_for(const struct waiter *waiter, const struct object *object)
{
    switch ((enum wait_kind) waiter->data.kind) {
    case WAIT_HOLD:
        return is_lock(object) || is_semaphore(object);
    case WAIT_RELOCK:
        return is_lock(object);
    case WAIT_EVENT:
        return object->data.kind == OBJECT_EVENT && !(object->data.flags & OBJECT_SET);
    case WAIT_CONDITION:
        return object->data.kind == OBJECT_CONDITION;
    case WAIT_BARRIER:
        return object->data.kind == OBJECT_BARRIER;
    default:
        return false;
    }
}

/* A condition's waiter holds nothing: neither the lock, nor anything that its hold still says. */
static void check_sleeper(const struct waiter *waiter)
{
    const struct object *lock = waiter->data.kind == WAIT_RELOCK ? waiter->object : waiter->object->lock;
    const struct hold *hold;

    must(lock != NULL);
    must(waiter->hold->data.count >= 1);
    TAILQ_FOREACH(hold, &lock->holds, of_object)
        must(hold->owner != waiter->owner || hold->data.id > waiter->hold->data.id);
    must(waiter->deadline.index == 0 || waiter->data.kind == WAIT_CONDITION);
}

static bool opens(const struct object *object, const struct client *client)
{
    const struct open *open;

    LIST_FOREACH(open, &object->opens, of_object)
        if (open->client == client)
            return true;
    return false;
}

static uint64_t check_queue(struct core *core, struct object *object, const struct wait_queue *queue,
                            bool later)
{
    const struct waiter *waiter;
    uint64_t count = 0, place = 0;

    TAILQ_FOREACH(waiter, queue, of_object)
    {
        bool needs_hold = waiter->data.kind == WAIT_HOLD || waiter->data.kind == WAIT_RELOCK ||
                          waiter->data.kind == WAIT_CONDITION;

        must(waiter->object == object && waiter->left == later);
        must(may_wait_for(waiter, object));
        must(waiter->data.place > place); /* first come, first served */
        place = waiter->data.place;
        must(waiter->owner && core_client(core, waiter->owner->client->data.id) == waiter->owner->client);
        must((waiter->hold != NULL) == needs_hold);
        must(!waiter->hold || !waiter->hold->object);
        must(opens(object, waiter->owner->client));
        if (waiter->data.kind == WAIT_RELOCK || waiter->data.kind == WAIT_CONDITION)
            check_sleeper(waiter);
        count++;
    }
    return count;
}

static void check_barrier(const struct core *core, const struct object *object, uint64_t waiting)
{
    const struct object_data *data = &object->data;
    const struct client *runner = core_client(core, data->runner);
    const struct waiter *waiter;
    bool acts = data->flags & OBJECT_ACTION;

    must(data->parties > 0 && data->value == waiting && waiting < data->parties);
    must(!(data->flags & OBJECT_BROKEN) || (waiting == 0 && !acts)); /* a broken generation has no waiter */
    must(!acts || (waiting + 1 == data->parties && data->runner > 0));
    must(data->runner == 0 || (runner && opens(object, runner)));
    must(acts || TAILQ_EMPTY(&object->later));
    TAILQ_FOREACH(waiter, &object->waiters, of_object)
        must(!acts || waiter->deadline.index == 0); /* nobody's time-out runs meanwhile */
    TAILQ_FOREACH(waiter, &object->later, of_object)
        must(waiter->deadline.index == 0);
}

static bool is_free(const struct object *object)
{
    return is_lock(object) ? TAILQ_EMPTY(&object->holds) : object->data.value > 0;
}

static void check_object(struct core *core, struct object *object, struct met *met)
{
    const struct object_data *data = &object->data;
    const struct object *user;
    const struct open *open;
    uint64_t waiting = check_queue(core, object, &object->waiters, false);

    must(data->id > 0 && data->id <= core->counters.object);
    must(!(data->flags & OBJECT_GONE));
    must(object->account == account_of(core, data->uid));
    must(((data->flags & OBJECT_SHARED) != 0) == (object->name->bytes[0] == '/'));
    must(core_object(core, data->uid, object->name->bytes, object->name->size) == object);
    check_holds(core, object, met);
    met->queued += waiting + check_queue(core, object, &object->later, true);
    if (is_lock(object) || is_semaphore(object))
        must(!is_free(object) || waiting == 0); /* never at rest */
    if (data->kind == OBJECT_BARRIER)
        check_barrier(core, object, waiting);
    LIST_FOREACH(open, &object->opens, of_object)
    {
        must(open->object == object && (open->client == NULL) != (open->process == NULL));
        met->opens++;
    }
    LIST_FOREACH(user, &object->users, of_lock)
    {
        must(user->lock == object && user->data.kind == OBJECT_CONDITION && is_lock(object));
        met->users++;
    }
    must(data->flags & OBJECT_PERSIST || !LIST_EMPTY(&object->opens) || !LIST_EMPTY(&object->users));
}

/* ---- who has them open, holds and waits ---- */

static uint64_t check_opens(const struct core *core, const struct open_list *list,
                            const struct client *client, const struct process *process, uint64_t *holds)
{
    const struct open *open;
    const struct hold *hold, *last;
    uint64_t count = 0;

    TAILQ_FOREACH(open, list, of_owner)
    {
        struct open *found;

        must(open->client == client && open->process == process);
        HASH_FIND(hh, core->opens, &open->key, sizeof open->key, found);
        must(found == open && open->key.object == open->object->data.id);
        last = NULL;
        TAILQ_FOREACH(hold, &open->holds, of_open)
        {
            must(hold->open == open && hold->object == open->object);
            must(!last || last->data.id < hold->data.id); /* the oldest first */
            last = hold;
            ++*holds;
        }
        count++;
    }
    return count;
}

/* An owner lives by what it waits for, what it holds, and its slot. */
static void count_owners(struct core *core, int by)
{
    struct client *client, *next_client;
    struct waiter *waiter, *next_waiter;
    struct process *process, *next_process;
    struct account *account, *next_account;
    const struct open *open;
    const struct hold *hold;

    HASH_ITER(hh, core->clients, client, next_client)
        TAILQ_FOREACH(open, &client->opens, of_owner)
            TAILQ_FOREACH(hold, &open->holds, of_open)
                hold->owner->refs += (uint32_t) by;
    HASH_ITER(hh, core->waiters, waiter, next_waiter)
        if (waiter->owner)
            waiter->owner->refs += (uint32_t) by;
    HASH_ITER(hh, core->accounts, account, next_account)
        for (uint32_t i = 1, left = account->words ? account->words->slot_count : 0; left > 0; i++)
            if (account->words->owner[i]) {
                account->words->owner[i]->refs += (uint32_t) by;
                left--;
            }
    HASH_ITER(hh, core->processes, process, next_process)
        TAILQ_FOREACH(open, &process->opens, of_owner)
            must(TAILQ_EMPTY(&open->holds));
}

static void check_owners(struct core *core)
{
    struct client *client, *next_client;
    struct owner *owner, *next;

    count_owners(core, -1);
    HASH_ITER(hh, core->clients, client, next_client)
        HASH_ITER(hh, client->owners, owner, next)
            must(owner->client == client && owner->refs == 0);
    count_owners(core, 1);
    HASH_ITER(hh, core->clients, client, next_client)
        HASH_ITER(hh, client->owners, owner, next)
            must(owner->refs > 0);
}

static void check_waits_of(const struct client *client, uint64_t *owned)
{
    const struct waiter *waiter;
    struct owner *owner, *next;
    uint64_t count = 0;

    TAILQ_FOREACH(waiter, &client->waits, of_client)
    {
        must(waiter->owner && waiter->owner->client == client);
        count++;
    }
    *owned += count;
    HASH_ITER(hh, client->owners, owner, next)
        TAILQ_FOREACH(waiter, &owner->waits, of_owner)
        {
            must(waiter->owner == owner);
            count--;
        }
    must(count == 0);
}

static void check_persons(struct core *core, const struct met *met)
{
    struct client *client, *next_client;
    struct process *process, *next_process;
    struct waiter *waiter, *next_waiter;
    uint64_t open_count = 0, hold_count = 0, owned = 0, queued = 0;

    HASH_ITER(hh, core->clients, client, next_client) {
        open_count += check_opens(core, &client->opens, client, NULL, &hold_count);
        check_waits_of(client, &owned);
    }
    HASH_ITER(hh, core->processes, process, next_process) {
        must(!process_ended(process) || TAILQ_EMPTY(&process->opens));
        open_count += check_opens(core, &process->opens, NULL, process, &hold_count);
    }
    HASH_ITER(hh, core->waiters, waiter, next_waiter) {
        owned -= waiter->owner != NULL;
        queued += waiter->object != NULL;
    }
    must(owned == 0);
    must(queued == met->queued); /* each in one queue */
    must(open_count == met->opens && open_count == HASH_COUNT(core->opens));
    must(hold_count == met->holds);
}

static void count_users(struct core *core, struct object *object, struct met *met)
{
    (void) core;
    met->users -= object->lock != NULL;
}

void check_sync(struct core *core)
{
    struct met met = {0};

    each_object(core, &met, check_object);
    each_object(core, &met, count_users);
    must(met.users == 0);
    check_persons(core, &met);
    check_owners(core);
}

/* ---- quotas ---- */

static void count_object(struct core *core, struct object *object, int by)
{
    const struct hold *hold;
    const struct open *open;

    account_of(core, object->data.uid)->used[QUOTA_OBJECTS] += by;
    TAILQ_FOREACH(hold, &object->holds, of_object)
        if (hold->account) /* else it is the word's */
            hold->account->used[QUOTA_HOLDS] += by;
    LIST_FOREACH(open, &object->opens, of_object)
    {
        uint32_t uid = open->client ? open->client->data.uid : open->process->data.uid;

        account_of(core, uid)->used[QUOTA_OPENS] += by;
    }
}

void count_sync(struct core *core, int by)
{
    struct account *account, *next_account;
    struct object *object, *next;
    struct waiter *waiter, *next_waiter;

    HASH_ITER(hh, core->accounts, account, next_account)
        HASH_ITER(hh, account->objects, object, next)
            count_object(core, object, by);
    HASH_ITER(hh, core->shared, object, next)
        count_object(core, object, by);
    HASH_ITER(hh, core->waiters, waiter, next_waiter)
        if (waiter->hold)
            waiter->hold->account->used[QUOTA_HOLDS] += by;
}
