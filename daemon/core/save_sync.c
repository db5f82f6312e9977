/* SPDX-License-Identifier: MIT */
/*
 * Objects in a snapshot. Each list stands in its own order, as that is the order in which its members are
 * served, or closed; load_sync.c reads the same in the same sequence.
 */
#include "daemon/core/writer.h"

_Static_assert(sizeof(struct object_data) == 80, "padding");
_Static_assert(sizeof(struct hold_data) == 32, "padding");
_Static_assert(sizeof(struct reply_sync) == 40, "padding");
_Static_assert(sizeof(struct word_data) == 32, "padding");

static void put_owners(struct out *out, const struct client *client)
{
    const struct owner *owner, *next;

    put_number(out, HASH_COUNT(client->owners));
    HASH_ITER(hh, client->owners, owner, next)
        put_blob(out, owner->holder->bytes, owner->holder->size);
}

/* Which object: names are unique in the table of a uid, or in that of all. */
static void put_object_name(struct out *out, const struct object *object)
{
    put_number(out, object->data.uid);
    put_text(out, object->name);
}

static void put_table(struct out *out, const struct object *table)
{
    const struct object *object, *next;

    put_number(out, HASH_COUNT(table));
    HASH_ITER(hh, table, object, next) {
        put(out, &object->data, sizeof object->data);
        put_text(out, object->name);
    }
}

static void put_opens(struct out *out, const struct open_list *opens)
{
    const struct open *open;
    uint64_t count = 0;

    TAILQ_FOREACH(open, opens, of_owner)
        count++;
    put_number(out, count);
    TAILQ_FOREACH(open, opens, of_owner)
        put_object_name(out, open->object);
}

/* 0: none; 1: with whom it is charged to; 2: that of its word, or of the object's only one */
static void put_hold(struct out *out, const struct hold *hold)
{
    put_number(out, !hold ? 0 : hold->account ? 1 : 2);
    if (!hold)
        return;
    put(out, &hold->data, sizeof hold->data);
    if (hold->account)
        put_number(out, hold->account->uid);
}

static void put_owner(struct out *out, const struct owner *owner)
{
    put_number(out, owner->client->data.id);
    put_blob(out, owner->holder->bytes, owner->holder->size);
}

static void put_holds(struct out *out, const struct object *object)
{
    const struct hold *hold;
    uint64_t count = 0;

    TAILQ_FOREACH(hold, &object->holds, of_object)
        count++;
    put_number(out, count);
    TAILQ_FOREACH(hold, &object->holds, of_object)
    {
        put_number(out, hold->word ? hold->word->data.index : 0);
        put_hold(out, hold);
        put_owner(out, hold->owner);
    }
}

/* In the order of their numbers. */
static void put_slots(struct out *out, const struct words *words)
{
    uint32_t left = words ? words->slot_count : 0;

    put_number(out, left);
    for (uint32_t i = 1; left > 0; i++)
        if (words->owner[i]) {
            put_number(out, i);
            put_owner(out, words->owner[i]);
            left--;
        }
}

static void put_word(struct out *out, const struct word *word)
{
    const struct mapping *mapping;
    uint64_t count = 0;

    put(out, &word->data, sizeof word->data);
    put_number(out, word->object != NULL);
    if (word->object)
        put_object_name(out, word->object);
    else if (word->data.first == word->data.index)
        put_text(out, word->name);
    TAILQ_FOREACH(mapping, &word->mappings, of_word)
        count++;
    put_number(out, count);
    TAILQ_FOREACH(mapping, &word->mappings, of_word)
        put_number(out, mapping->client->data.id);
}

static void put_words(struct out *out, const struct account *account)
{
    const struct words *words = account->words;
    uint32_t left = words ? words->word_count : 0;

    put_number(out, left);
    for (uint32_t i = 1; left > 0; i++)
        if (words->word[i]) {
            put_word(out, words->word[i]);
            left--;
        }
    put_slots(out, words);
}

static void put_users(struct out *out, const struct object *lock)
{
    const struct object *condition;
    uint64_t count = 0;

    LIST_FOREACH(condition, &lock->users, of_lock)
        count++;
    put_number(out, count);
    LIST_FOREACH(condition, &lock->users, of_lock)
        put_object_name(out, condition);
}

static void put_queue(struct out *out, const struct wait_queue *queue)
{
    const struct waiter *waiter;
    uint64_t count = 0;

    TAILQ_FOREACH(waiter, queue, of_object)
        count++;
    put_number(out, count);
    TAILQ_FOREACH(waiter, queue, of_object)
        put_number(out, waiter->data.ticket);
}

static void put_insides(struct out *out, const struct object *table)
{
    const struct object *object, *next;

    HASH_ITER(hh, table, object, next) {
        put_users(out, object);
        put_holds(out, object);
        put_queue(out, &object->waiters);
        put_queue(out, &object->later);
    }
}

/* What each waiter has with it, in the order of the table of waiters. */
static void put_baggage(struct out *out, const struct core *core)
{
    const struct waiter *waiter, *next;

    HASH_ITER(hh, core->waiters, waiter, next) {
        put(out, &waiter->reply.sync, sizeof waiter->reply.sync);
        put_hold(out, waiter->hold);
    }
}

static void put_waits_of(struct out *out, const struct client *client)
{
    const struct waiter *waiter;
    uint64_t count = 0;

    TAILQ_FOREACH(waiter, &client->waits, of_client)
        count++;
    put_number(out, count);
    TAILQ_FOREACH(waiter, &client->waits, of_client)
    {
        put_number(out, waiter->data.ticket);
        put_blob(out, waiter->owner->holder->bytes, waiter->owner->holder->size);
    }
}

void put_sync(struct out *out, const struct core *core)
{
    struct account *account, *next_account;
    struct client *client, *next_client;
    struct process *process, *next_process;

    HASH_ITER(hh, core->clients, client, next_client)
        put_owners(out, client);
    HASH_ITER(hh, core->accounts, account, next_account)
        put_table(out, account->objects);
    put_table(out, core->shared);
    HASH_ITER(hh, core->clients, client, next_client)
        put_opens(out, &client->opens);
    HASH_ITER(hh, core->processes, process, next_process)
        put_opens(out, &process->opens);
    HASH_ITER(hh, core->accounts, account, next_account)
        put_words(out, account);
    put_baggage(out, core);
    HASH_ITER(hh, core->clients, client, next_client)
        put_waits_of(out, client);
    HASH_ITER(hh, core->accounts, account, next_account)
        put_insides(out, account->objects);
    put_insides(out, core->shared);
}
