/* SPDX-License-Identifier: MIT */
/* What must be true of words, slots and mappings at rest: proto/page.h, and daemon/core/mapping.c. */
#include "tests/unit/core/invariants.h"
#include "tests/unit/core/must.h"

/* What makes the daemon the one to be asked. */
static bool is_wanted(const struct object *lock)
{
    const struct hold *hold = TAILQ_FIRST(&lock->holds);
    const struct object *condition;
    bool sleeps = false, has_slot;

    LIST_FOREACH(condition, &lock->users, of_lock)
        sleeps |= !TAILQ_EMPTY(&condition->waiters);
    has_slot = hold && hold->owner->slot > 0 && hold->owner->client->data.uid == lock->data.uid;
    return sleeps || !TAILQ_EMPTY(&lock->waiters) ||
           (hold && (!has_slot || hold->data.flags & HOLD_UNASKED));
}

/* To the first in the queue, who is there, by a holder who knows that it holds. */
static bool is_offered(const struct word *word)
{
    const struct waiter *next = TAILQ_FIRST(&word->object->waiters);
    const struct hold *hold = TAILQ_FIRST(&word->object->holds);

    return next && hold && next->connection && next->data.kind == WAIT_HOLD &&
           next->data.flags & REQUEST_BELL && next->owner != hold->owner && hold->owner->slot > 0 &&
           !(hold->data.flags & HOLD_UNASKED) && next->owner->slot == word_next(word->data.stored);
}

static void check_object(const struct core *core, const struct word *word)
{
    const struct object *object = word->object;
    const struct hold *hold = TAILQ_FIRST(&object->holds);

    must(object->word == word && object->account == word->account);
    must(object->data.kind == OBJECT_LOCK || object->data.kind == OBJECT_RLOCK ||
         (object->data.kind == OBJECT_EVENT && word->data.state != WORD_STATE_OFFERED));
    must(!(object->data.flags & (OBJECT_SHARED | OBJECT_TRACE)));
    must(word->data.state != WORD_STATE_CLOSED || is_wanted(object) || word->list == &core->changed);
    must(word->data.state == WORD_STATE_CLOSED || !word->list);
    must(word->data.state != WORD_STATE_OPEN || !is_wanted(object));
    must(word->data.state != WORD_STATE_OFFERED || is_offered(word));
    must((word->hold.object != NULL) == (hold == &word->hold)); /* a word's own hold is nobody else's */
}

static uint64_t check_mappings(const struct core *core, const struct word *word)
{
    const struct mapping *mapping;
    uint64_t count = 0;

    TAILQ_FOREACH(mapping, &word->mappings, of_word)
    {
        const struct open *open = NULL;

        must(mapping->word == word && core_client(core, mapping->client->data.id) == mapping->client);
        must(mapping->client->data.uid == word->account->uid);
        count++;
        if (!word->object)
            continue;
        LIST_FOREACH(open, &word->object->opens, of_object)
            if (open->mapping == mapping)
                break;
        must(open && open->client == mapping->client);
    }
    must(word->object || count > 0); /* kept for nobody */
    return count;
}

static void check_slots(const struct account *account)
{
    const struct words *words = account->words;
    uint32_t count = 0;

    must(!words->owner[0] && !words->owner[WORD_OWNER_MAX]);
    for (uint32_t i = 1; count < words->slot_count; i++) {
        const struct owner *owner = words->owner[i];

        must(i < PAGE_SLOTS && (i >= words->slot_free || owner));
        count += owner != NULL;
        must(!owner || (owner->slot == i && owner->client->data.uid == account->uid));
    }
    must(!words->owner[words->slot_free]);
}

static uint64_t check_page(const struct core *core, const struct account *account)
{
    const struct words *words = account->words;
    uint64_t mappings = 0;
    uint32_t count = 0;

    must(!words->word[0] && !words->word[words->word_free] && words->word_count + words->slot_count > 0);
    for (uint32_t i = 1; count < words->word_count; i++) {
        const struct word *word = words->word[i];

        must(i < PAGE_WORDS && (i >= words->word_free || word));
        if (!word)
            continue;
        count++;
        must(word->data.index == i && word->account == account);
        if (word->object)
            check_object(core, word);
        else
            must(word->data.state == WORD_STATE_CLOSED && !word->hold.object);
        mappings += check_mappings(core, word);
    }
    check_slots(account);
    return mappings;
}

void check_words(struct core *core)
{
    struct account *account, *next_account;
    struct client *client, *next_client;
    const struct mapping *mapping;
    uint64_t mappings = 0;

    HASH_ITER(hh, core->accounts, account, next_account)
        if (account->words)
            mappings += check_page(core, account);
    HASH_ITER(hh, core->clients, client, next_client)
        TAILQ_FOREACH(mapping, &client->mappings, of_client)
        {
            must(mapping->client == client);
            mappings--;
        }
    must(mappings == 0);
}
