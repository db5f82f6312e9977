/* SPDX-License-Identifier: MIT */
/*
 * Objects of a snapshot back into a core, in the sequence of save_sync.c.
 */
#include "daemon/core/reader.h"

#include <errno.h>

/* ---- owners ---- */

/* The loader's own references keep them until what refers to them is read. */
static void take_owners(struct in *in, struct client *client)
{
    for (uint64_t count = in_number(in); count > 0 && !in->error; count--) {
        struct blob holder = in_blob(in);
        bool bad = holder.size > PROTO_NAME_MAX || owner_find(client, &holder);

        if (!in_failed(in, bad, -EBADMSG))
            in_failed(in, !owner_get(client, &holder), -ENOMEM);
    }
}

static void let_go_of_owners(struct core *core)
{
    struct client *client, *next_client;
    struct owner *owner, *next;

    HASH_ITER(hh, core->clients, client, next_client)
        HASH_ITER(hh, client->owners, owner, next)
            owner_unref(owner);
}

static struct owner *in_owner(struct in *in, struct client *client)
{
    struct blob holder = in_blob(in);
    struct owner *owner = client && !in->error ? owner_find(client, &holder) : NULL;

    in_failed(in, !owner, -EBADMSG);
    return owner;
}

/* ---- objects ---- */

static struct blob in_name(struct in *in)
{
    struct blob name = in_number(in) ? in_blob(in) : (struct blob){"", 0};

    in_failed(in, name.size == 0 || name.size > PROTO_NAME_MAX, -EBADMSG);
    return name;
}

static struct object *in_object(struct core *core, struct in *in)
{
    uint32_t uid = (uint32_t) in_number(in);
    struct blob name = in_name(in);
    struct object *object = in->error ? NULL : core_object(core, uid, name.data, name.size);

    in_failed(in, !object, -EBADMSG);
    return object;
}

static void take_object(struct core *core, struct in *in, bool shared)
{
    struct object_data data;
    struct account *account;
    struct object *object;
    struct blob name;

    in_take(in, &data, sizeof data);
    name = in_name(in);
    if (in->error ||
        in_failed(in, data.kind >= OBJECT_KIND_COUNT || shared != (name.data[0] == '/'), -EBADMSG) ||
        in_failed(in, shared != ((data.flags & OBJECT_SHARED) != 0) || data.flags & OBJECT_GONE, -EBADMSG) ||
        in_failed(in, core_object(core, data.uid, name.data, name.size) != NULL, -EBADMSG))
        return;
    account = account_get(core, data.uid);
    object = account ? object_new(core, account, &name, (enum object_kind) data.kind) : NULL;
    if (!in_failed(in, !object, -ENOMEM))
        object->data = data;
}

static void take_table(struct core *core, struct in *in, bool shared)
{
    for (uint64_t count = in_number(in); count > 0 && !in->error; count--)
        take_object(core, in, shared);
}

static void take_opens(struct core *core, struct in *in, struct client *client, struct process *process)
{
    for (uint64_t count = in_number(in); count > 0 && !in->error; count--) {
        struct object *object = in_object(core, in);
        bool is_new = true;

        if (object)
            in_failed(in, !open_get(core, object, client, process, &is_new), -ENOMEM);
        in_failed(in, !is_new, -EBADMSG);
    }
}

/* ---- words ---- */

static void take_mappings(struct core *core, struct in *in, struct word *word)
{
    uint64_t count = in_number(in);

    in_failed(in, word->data.first != word->data.index ? count > 0 : !word->object && count == 0,
              -EBADMSG); /* nothing keeps it, or not this one */
    for (; count > 0 && !in->error; count--) {
        struct client *client = core_client(core, in_number(in));
        struct open *open = client && word->object ? open_find(core, word->object, client, NULL) : NULL;

        if (!in_failed(in, !client || client->data.uid != word->account->uid, -EBADMSG) &&
            !in_failed(in, word->object && (!open || open->mapping), -EBADMSG))
            in_failed(in, !word_add_mapping(word, client, open), -ENOMEM);
    }
}

/* The one before it, where it is not the first of its object's: those have been read. */
static struct word *word_before(const struct account *account, const struct word_data *data,
                                const struct object *object)
{
    struct word *before = account->words ? account->words->word[data->index - 1] : NULL;

    if (!before || before->data.first != data->first || before->object != object ||
        data->index - data->first >= PAGE_PERMITS)
        return NULL;
    return before;
}

static bool word_is_sound(const struct account *account, const struct word_data *data,
                          const struct object *object)
{
    bool is_alone = !object || object_is_lock(object) || object->data.kind == OBJECT_EVENT;

    if (data->index == 0 || data->index >= PAGE_WORDS || data->order > WORD_ORDER_MAX ||
        (account->words && account->words->word[data->index]))
        return false;
    if (!object)
        return data->state == WORD_STATE_CLOSED;
    return data->state <= (is_alone ? WORD_STATE_OFFERED : WORD_STATE_TAKEN) && object->account == account &&
           object_can_have_word(object) && (data->first == data->index ? !object->word : !is_alone);
}

static struct word *place_word(struct core *core, struct in *in, struct account *account,
                               const struct word_data *data, struct object *object)
{
    struct word *word, *before = NULL;

    if (in->error || in_failed(in, !word_is_sound(account, data, object), -EBADMSG))
        return NULL;
    if (data->first != data->index)
        before = word_before(account, data, object);
    if (in_failed(in, !before && data->first != data->index, -EBADMSG))
        return NULL;
    word = word_new(core, account, data->index);
    if (in_failed(in, !word, -ENOMEM))
        return NULL;
    word->data = *data;
    word->object = object;
    if (before)
        before->next = word;
    else if (object)
        object->word = word;
    return word;
}

static void take_word(struct core *core, struct in *in, struct account *account)
{
    struct object *object = NULL;
    struct text *name = NULL;
    struct word_data data = {0};
    struct word *word;

    in_take(in, &data, sizeof data);
    if (in_number(in))
        object = in_object(core, in);
    else if (data.first == data.index)
        in_failed(in, !(name = in_text(in)), -EBADMSG);
    word = place_word(core, in, account, &data, object);
    if (!word) {
        text_unref(name);
        return;
    }
    word->name = name;
    take_mappings(core, in, word);
}

static void take_slot(struct core *core, struct in *in, struct account *account)
{
    uint64_t slot = in_number(in);
    struct client *client = core_client(core, in_number(in));
    struct owner *owner = in_owner(in, client);

    if (!in_failed(in, slot == 0 || slot >= WORD_OWNER_MAX || !owner || owner->slot, -EBADMSG) &&
        !in_failed(in, client->data.uid != account->uid, -EBADMSG) &&
        !in_failed(in, account->words && account->words->owner[slot], -EBADMSG))
        in_failed(in, !slot_take(account, owner, (uint32_t) slot), -ENOMEM);
}

static void take_words(struct core *core, struct in *in, struct account *account)
{
    for (uint64_t count = in_number(in); count > 0 && !in->error; count--)
        take_word(core, in, account);
    for (uint64_t count = in_number(in); count > 0 && !in->error; count--)
        take_slot(core, in, account);
}

/* Whatever is closed may have been closed for the input that comes next. */
static void decide_later(struct core *core)
{
    struct account *account, *next;

    HASH_ITER(hh, core->accounts, account, next)
        for (uint32_t i = 1, left = account->words ? account->words->word_count : 0; left > 0; i++)
            if (account->words->word[i]) {
                word_load(core, account->words->word[i]);
                left--;
            }
}

/* ---- holds and waits ---- */

/* word: whose own it may be, or NULL. */
static struct hold *in_hold(struct core *core, struct in *in, struct word *word)
{
    uint64_t which = in_number(in);
    struct hold_data data;
    struct account *account;
    struct hold *hold;

    if (which == 0)
        return NULL;
    in_take(in, &data, sizeof data);
    if (which == 2) {
        if (in_failed(in, !word || word->hold.object, -EBADMSG))
            return NULL;
        word->hold.data = data;
        return &word->hold;
    }
    account = account_get(core, (uint32_t) in_number(in));
    hold = in->error || !account ? NULL : hold_new(account);
    if (!in_failed(in, !hold, -ENOMEM))
        hold->data = data;
    return hold;
}

static bool gets_hold(const struct waiter *waiter)
{
    return waiter->data.kind == WAIT_HOLD || waiter->data.kind == WAIT_CONDITION ||
           waiter->data.kind == WAIT_RELOCK;
}

static void take_baggage(struct core *core, struct in *in)
{
    struct waiter *waiter, *next;

    HASH_ITER(hh, core->waiters, waiter, next) {
        if (in->error)
            return;
        in_take(in, &waiter->reply.sync, sizeof waiter->reply.sync);
        waiter->hold = in_hold(core, in, NULL);
        if (in_failed(in, waiter->hold && !gets_hold(waiter), -EBADMSG))
            waiter->hold = hold_free(core, waiter->hold);
    }
}

static struct waiter *in_waiter(struct core *core, struct in *in)
{
    uint64_t ticket = in_number(in);
    struct waiter *waiter = NULL;

    if (!in->error)
        HASH_FIND(hh, core->waiters, &ticket, sizeof ticket, waiter);
    in_failed(in, !waiter, -EBADMSG);
    return waiter;
}

static void take_waits_of(struct core *core, struct in *in, struct client *client)
{
    for (uint64_t count = in_number(in); count > 0 && !in->error; count--) {
        struct waiter *waiter = in_waiter(core, in);
        struct owner *owner = in_owner(in, client);

        /* who repeats a request has what the first one has only once it takes its place */
        if (!in_failed(in, !waiter || !owner || waiter->owner, -EBADMSG) &&
            !in_failed(in, waiter->data.kind == WAIT_SPAWN || waiter->data.kind == WAIT_FOLLOW, -EBADMSG))
            wait_own(waiter, owner);
    }
}

static void take_users(struct core *core, struct in *in, struct object *lock)
{
    struct object *last = NULL;

    for (uint64_t count = in_number(in); count > 0 && !in->error; count--) {
        struct object *condition = in_object(core, in);
        bool bad = !condition || condition->lock || condition->data.kind != OBJECT_CONDITION ||
                   !object_is_lock(lock);

        if (in_failed(in, bad, -EBADMSG))
            return;
        condition->lock = lock;
        if (last)
            LIST_INSERT_AFTER(last, condition, of_lock);
        else
            LIST_INSERT_HEAD(&lock->users, condition, of_lock);
        last = condition;
    }
}

/* The word of a semaphore that a hold is in; NULL: in none. */
static struct word *in_place(struct in *in, const struct object *object)
{
    const struct words *words = object->account->words;
    uint64_t index = in_number(in);
    struct word *word = words && index < PAGE_WORDS ? words->word[index] : NULL;

    if (index == 0)
        return NULL;
    in_failed(in, !word || word->object != object || word->permit || object_is_lock(object), -EBADMSG);
    return in->error ? NULL : word;
}

static void take_holds(struct core *core, struct in *in, struct object *object)
{
    for (uint64_t count = in_number(in); count > 0 && !in->error; count--) {
        struct word *word = in_place(in, object);
        struct hold *hold = in_hold(core, in, object_is_lock(object) ? object->word : word);
        struct client *client = core_client(core, in_number(in));
        struct owner *owner = in_owner(in, client);
        struct open *open = client ? open_find(core, object, client, NULL) : NULL;

        if (in_failed(in, !hold || !owner || !open, -EBADMSG)) {
            hold_free(core, hold);
            return;
        }
        owner->refs++;
        hold->object = object;
        hold->owner = owner;
        hold->open = open;
        hold->word = word;
        if (word)
            word->permit = hold;
        TAILQ_INSERT_TAIL(&object->holds, hold, of_object);
        TAILQ_INSERT_TAIL(&open->holds, hold, of_open);
    }
    in_failed(in, object_is_held(object) && !object_is_lock(object) && !permits_add_up(object), -EBADMSG);
}

/* Can it be served there? */
static bool belongs(const struct core *core, const struct waiter *waiter, const struct object *object)
{
    bool is_open = waiter->owner && open_find(core, object, waiter->owner->client, NULL);

    switch ((enum wait_kind) waiter->data.kind) {
    case WAIT_HOLD:
    case WAIT_RELOCK:
        return is_open && waiter->hold && object_is_held(object);
    case WAIT_EVENT:
        return is_open && object->data.kind == OBJECT_EVENT;
    case WAIT_CONDITION:
        return is_open && waiter->hold && object->data.kind == OBJECT_CONDITION;
    case WAIT_BARRIER:
        return is_open && object->data.kind == OBJECT_BARRIER;
    case WAIT_SPAWN:
    case WAIT_JOIN:
    case WAIT_SET:
    case WAIT_STOP:
    case WAIT_FOLLOW:
        break;
    }
    return false;
}

static void take_queue(struct core *core, struct in *in, struct object *object, struct wait_queue *queue)
{
    for (uint64_t count = in_number(in); count > 0 && !in->error; count--) {
        struct waiter *waiter = in_waiter(core, in);

        if (in_failed(in, !waiter || waiter->object || !belongs(core, waiter, object), -EBADMSG) ||
            /* by which it will be found there */
            in_failed(in, (queue == &object->later) != (waiter->left > 0), -EBADMSG))
            return;
        waiter->object = object;
        TAILQ_INSERT_TAIL(queue, waiter, of_object);
    }
}

static void take_insides(struct core *core, struct in *in, struct object *table)
{
    struct object *object, *next;

    HASH_ITER(hh, table, object, next) {
        if (in->error)
            return;
        take_users(core, in, object);
        take_holds(core, in, object);
        take_queue(core, in, object, &object->waiters);
        take_queue(core, in, object, &object->later);
    }
}

bool wait_is_whole(const struct core *core, const struct waiter *waiter)
{
    const struct object *lock = waiter->object ? waiter->object->lock : NULL;

    if (waiter->data.kind != WAIT_CONDITION)
        return waiter->object;
    return lock && open_find(core, lock, waiter->owner->client, NULL);
}

void in_sync(struct core *core, struct in *in)
{
    struct account *account, *next_account;
    struct client *client, *next_client;
    struct process *process, *next_process;

    HASH_ITER(hh, core->clients, client, next_client)
        take_owners(in, client);
    HASH_ITER(hh, core->accounts, account, next_account)
        take_table(core, in, false);
    take_table(core, in, true);
    HASH_ITER(hh, core->clients, client, next_client)
        take_opens(core, in, client, NULL);
    HASH_ITER(hh, core->processes, process, next_process)
        take_opens(core, in, NULL, process);
    HASH_ITER(hh, core->accounts, account, next_account)
        take_words(core, in, account);
    take_baggage(core, in);
    HASH_ITER(hh, core->clients, client, next_client)
        take_waits_of(core, in, client);
    HASH_ITER(hh, core->accounts, account, next_account)
        take_insides(core, in, account->objects);
    take_insides(core, in, core->shared);
    decide_later(core);
    let_go_of_owners(core);
}
