/* SPDX-License-Identifier: MIT */
/*
 * Is a wait without an end certain never to be served? Owners are live if they can go on by themselves, or
 * wait for something that a live owner can give; what is left when nobody more is found to be live waits for
 * ever.
 *
 * Only locks and joins count, without a time-out. Everything else that an owner waits for makes it live:
 * others can serve it. A process that is joined ends once one of its threads goes on, so it waits only if all
 * of them do.
 */
#include "daemon/core/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PASSES_MAX 64 /* an order of owners that takes more is only shown in object.graph */

/* What is known of a process that was reached, in its `number`: it is looked at once, however many join
 * it. */
enum process_known { KNOWN_NOTHING, KNOWN_STUCK, KNOWN_LIVE };

struct search {
    struct core *core;
    struct owner *asker;
    struct owner *first, *last; /* those that were reached, in the order of that */
    const struct blob *threads; /* NULL: nobody has counted; each process may have just those that wait */
    bool stuck_only; /* the second walk: only through those that are not live */
};

static void reach(struct search *search, struct owner *owner, struct owner *from, const struct waiter *by)
{
    if (owner->search == search->core->search || (search->stuck_only && owner->is_live))
        return;
    owner->search = search->core->search;
    owner->next = NULL;
    owner->from = from;
    owner->by = by;
    if (!search->stuck_only)
        owner->is_live = false;
    if (search->last)
        search->last->next = owner;
    else
        search->first = owner;
    search->last = owner;
}

static struct owner *holder_of(const struct object *object)
{
    const struct hold *hold = TAILQ_FIRST(&object->holds);

    return hold ? hold->owner : NULL;
}

/* What a wait can be certain of: the lock, or the process, that it is for. */
static const struct object *lock_of(const struct waiter *waiter)
{
    bool waits = waiter->data.kind == WAIT_RELOCK ||
                 (waiter->data.kind == WAIT_HOLD && !(waiter->data.flags & REQUEST_DEADLINE));

    return waits && waiter->object && object_is_lock(waiter->object) ? waiter->object : NULL;
}

static struct process *process_of(const struct waiter *waiter)
{
    bool waits = waiter->data.kind == WAIT_JOIN && !(waiter->data.flags & REQUEST_DEADLINE);

    return waits && waiter->link_count > 0 ? waiter->links[0].process : NULL;
}

static uint64_t threads_of(const struct search *search, const struct process *process)
{
    struct input_threads entry;

    for (size_t at = 0; at + sizeof entry <= search->threads->size; at += sizeof entry) {
        memcpy(&entry, search->threads->data + at, sizeof entry);
        if (entry.process == process->data.id)
            return entry.count;
    }
    return 0;
}

static bool process_waits(const struct search *search, const struct process *process)
{
    uint64_t waiting = process->client ? owners_waiting(process->client) : 0;

    /* the asker's own wait, which would be its next */
    if (process->client && search->asker->client == process->client && TAILQ_EMPTY(&search->asker->waits))
        waiting++;
    return waiting > 0 && (!search->threads || waiting == threads_of(search, process));
}

static void reach_process(struct search *search, struct process *process, struct owner *from,
                          const struct waiter *by)
{
    struct owner *owner, *next;

    if (!process->client || process->search == search->core->search)
        return;
    process->search = search->core->search;
    process->number = KNOWN_NOTHING;
    HASH_ITER(hh, process->client->owners, owner, next)
        if (!TAILQ_EMPTY(&owner->waits) || owner == search->asker)
            reach(search, owner, from, by);
}

static void reach_beyond(struct search *search, struct owner *owner)
{
    const struct waiter *waiter;

    TAILQ_FOREACH(waiter, &owner->waits, of_owner) {
        const struct object *lock = lock_of(waiter);
        struct process *process = process_of(waiter);

        if (lock && holder_of(lock))
            reach(search, holder_of(lock), owner, waiter);
        else if (process)
            reach_process(search, process, owner, waiter);
    }
}

/* ---- who can go on ---- */

static bool has_live_thread(const struct search *search, const struct process *process)
{
    struct owner *owner, *next;

    HASH_ITER(hh, process->client->owners, owner, next)
        if ((!TAILQ_EMPTY(&owner->waits) || owner == search->asker) && owner->is_live)
            return true;
    return false;
}

/* Once one of its threads turns out to be live it is told so: see found_live. */
static bool process_is_live(const struct search *search, struct process *process)
{
    if (!process || process_ended(process) || !process->client)
        return true;
    if (process->number == KNOWN_NOTHING)
        process->number =
            process_waits(search, process) && !has_live_thread(search, process) ? KNOWN_STUCK : KNOWN_LIVE;
    return process->number == KNOWN_LIVE;
}

static void found_live(const struct search *search, struct owner *owner)
{
    struct process *process = owner->client->self;

    owner->is_live = true;
    if (process && process->search == search->core->search && !TAILQ_EMPTY(&owner->waits))
        process->number = process->number == KNOWN_STUCK ? KNOWN_LIVE : process->number;
}

static bool wait_is_live(const struct search *search, const struct waiter *waiter)
{
    const struct object *lock = lock_of(waiter);
    const struct owner *holder = lock ? holder_of(lock) : NULL;

    if (lock)
        return !holder || holder->is_live;
    return process_is_live(search, process_of(waiter));
}

static bool owner_is_live(const struct search *search, const struct owner *owner)
{
    const struct waiter *waiter;

    if (owner == search->asker) /* it is about to wait for what was reached from it */
        return false;
    TAILQ_FOREACH(waiter, &owner->waits, of_owner)
        if (wait_is_live(search, waiter))
            return true;
    return TAILQ_EMPTY(&owner->waits);
}

/* The last that were reached are the likeliest to be live, so that a chain takes one pass. False:
 * undecided. */
static bool find_live(struct search *search, struct owner **list, size_t count)
{
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        bool changed = false;

        for (size_t i = count; i-- > 0;) {
            if (list[i]->is_live || !owner_is_live(search, list[i]))
                continue;
            found_live(search, list[i]);
            changed = true;
        }
        if (!changed)
            return true;
    }
    return false;
}

static bool target_is_live(const struct search *search, const struct object *object, struct process *process)
{
    const struct owner *holder = object ? holder_of(object) : NULL;

    return object ? !holder || holder->is_live : process_is_live(search, process);
}

/* ---- the walk ---- */

/* From what the asker is about to wait for to whatever that waits for. Returns how many were reached. */
static size_t walk(struct search *search, const struct object *object, struct process *process)
{
    struct owner *owner;
    size_t count = 0;

    search->core->search++;
    search->first = search->last = NULL;
    if (object && holder_of(object))
        reach(search, holder_of(object), NULL, NULL);
    else if (process)
        reach_process(search, process, NULL, NULL);
    for (owner = search->first; owner; owner = owner->next, count++)
        if (owner != search->asker)
            reach_beyond(search, owner);
    return count;
}

/* ---- the cycle ---- */

static size_t entry_size(const struct owner *owner, const struct object *object)
{
    return sizeof(struct cycle_entry) + owner->holder->size + (object ? object->name->size : 0);
}

static char *put_entry(char *at, const struct owner *owner, const struct object *object,
                       const struct process *process)
{
    struct cycle_entry entry = {.process = object ? 0 : process->data.id,
                                .pid = owner->client->data.pid,
                                .holder_size = owner->holder->size,
                                .name_size = object ? object->name->size : 0};

    memcpy(at, &entry, sizeof entry);
    at += sizeof entry;
    memcpy(at, owner->holder->bytes, entry.holder_size);
    at += entry.holder_size;
    if (object)
        memcpy(at, object->name->bytes, entry.name_size);
    return at + entry.name_size;
}

/* The way back from the asker, turned round: each `next` is now the one that it waits for. */
static struct owner *turn_round(const struct owner *asker)
{
    struct owner *next = NULL, *owner;

    for (owner = asker->from; owner; owner = owner->from) {
        owner->next = next;
        next = owner;
    }
    return next;
}

/* By which of its waits an owner of the way leads to the next. */
static const struct waiter *leads(const struct owner *owner, const struct owner *asker)
{
    return owner->next ? owner->next->by : asker->by;
}

static struct text *write_cycle(struct owner *asker, const struct object *object,
                                const struct process *process)
{
    size_t size = entry_size(asker, object);
    struct owner *first = turn_round(asker), *owner;
    struct text *text;
    char *at;

    for (owner = first; owner; owner = owner->next)
        size += entry_size(owner, lock_of(leads(owner, asker)));
    text = text_new(NULL, size);
    if (!text)
        return NULL;
    at = put_entry(text->bytes, asker, object, process);
    for (owner = first; owner; owner = owner->next)
        at = put_entry(at, owner, lock_of(leads(owner, asker)), process_of(leads(owner, asker)));
    return text;
}

/* ---- the check ---- */

static struct owner **list_of(const struct search *search, size_t count)
{
    struct owner **list = calloc(count + 1, sizeof(struct owner *));
    size_t i = 0;

    for (struct owner *owner = list ? search->first : NULL; owner; owner = owner->next)
        list[i++] = owner;
    return list;
}

/* DEADLOCK_CERTAIN leaves in `search` whatever the wait would lead to. */
static int check(struct search *search, const struct object *object, struct process *process)
{
    size_t count = walk(search, object, process);
    struct owner **list = list_of(search, count);
    bool decided;

    if (!list)
        return -ENOMEM;
    decided = find_live(search, list, count);
    free(list);
    if (!decided || target_is_live(search, object, process))
        return DEADLOCK_NONE;
    /* it would wait for ever; but does its wait close a cycle, or only lead to one? */
    search->stuck_only = true;
    search->asker->is_live = false;
    walk(search, object, process);
    return search->asker->search == search->core->search ? DEADLOCK_CERTAIN : DEADLOCK_NONE;
}

int deadlock_check(struct core *core, struct owner *owner, const struct object *object,
                   struct process *process, const struct blob *threads, struct text **ret_cycle)
{
    struct search search = {.core = core, .asker = owner, .threads = threads};
    int r = check(&search, object, process);

    if (r != DEADLOCK_CERTAIN)
        return r;
    *ret_cycle = write_cycle(owner, object, process);
    return *ret_cycle ? DEADLOCK_CERTAIN : -ENOMEM;
}

void deadlock_words(struct core *core, const struct object *object, struct process *process,
                    core_want_word *want, void *context)
{
    struct search search = {.core = core};
    const struct waiter *waiter;
    const struct owner *owner;

    walk(&search, object, process);
    for (owner = search.first; owner; owner = owner->next)
        TAILQ_FOREACH(waiter, &owner->waits, of_owner)
            if (waiter->object)
                core_words_of_object(waiter->object, want, context);
}

/* ---- what must be counted for it ---- */

/* Each process once. */
static size_t want_threads(struct process *process, uint64_t *ids, size_t count, size_t most)
{
    if (!process || process->number == KNOWN_STUCK)
        return count;
    process->number = KNOWN_STUCK;
    if (count < most)
        ids[count] = process->data.id;
    return count + 1;
}

static size_t processes_on_the_way(const struct search *search, struct process *process, uint64_t *ids,
                                   size_t most)
{
    size_t count = want_threads(process, ids, 0, most);
    const struct waiter *waiter;
    const struct owner *owner;

    for (owner = search->first; owner; owner = owner->next) {
        if (owner == search->asker)
            continue;
        TAILQ_FOREACH(waiter, &owner->waits, of_owner)
            count = want_threads(process_of(waiter), ids, count, most);
    }
    return count;
}

size_t core_threads_wanted(struct core *core, const struct core_wait *wait, uint64_t *ids, size_t most)
{
    struct client *client = core_client(core, wait->client);
    struct search search = {.core = core};
    size_t count = 0;

    if (!client || (wait->object && (!object_is_lock(wait->object) || TAILQ_EMPTY(&wait->object->holds))))
        return 0;
    search.asker = owner_get(client, &wait->holder);
    if (!search.asker)
        return 0;
    if (check(&search, wait->object, wait->process) == DEADLOCK_CERTAIN)
        count = processes_on_the_way(&search, wait->process, ids, most);
    owner_unref(search.asker);
    return count <= most ? count : 0;
}

uint64_t core_newest_wait(const struct core *core, uint64_t id)
{
    const struct process *process = core_process(core, id);
    struct owner *owner, *next;
    const struct waiter *waiter;
    uint64_t newest = 0;

    if (!process || !process->client)
        return 0;
    HASH_ITER(hh, process->client->owners, owner, next)
        TAILQ_FOREACH(waiter, &owner->waits, of_owner)
            newest = waiter->data.ticket > newest ? waiter->data.ticket : newest;
    return newest;
}
