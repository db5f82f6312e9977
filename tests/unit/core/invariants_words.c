/* SPDX-License-Identifier: MIT */
/* What must be true of words, slots and mappings at rest: proto/page.h, and daemon/core/mapping.c. */
#include "tests/unit/core/invariants.h"
#include "tests/unit/core/must.h"

static bool is_semaphore(const struct object *object)
{
    return object->data.kind == OBJECT_SEMAPHORE || object->data.kind == OBJECT_BOUNDED_SEMAPHORE;
}

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
    must((word->data.round > 0) == (object->data.kind == OBJECT_EVENT));
    must(word->data.round <= core->counters.round);
    must(word->data.state != WORD_STATE_OPEN || !is_wanted(object));
    must(word->data.state != WORD_STATE_OFFERED || is_offered(word));
    must((word->hold.object != NULL) == (hold == &word->hold)); /* a word's own hold is nobody else's */
}

/* By those who have permits, to the first in the queue, who has none by a word. */
static bool is_semaphore_offered(const struct object *semaphore)
{
    const struct waiter *next = TAILQ_FIRST(&semaphore->waiters);

    if (!next || !next->connection || next->data.kind != WAIT_HOLD || !(next->data.flags & REQUEST_BELL) ||
        next->owner->slot == 0 || semaphore->data.abandoned > 0)
        return false;
    for (const struct word *word = semaphore->word; word; word = word->next)
        if (word->permit && word->permit->owner == next->owner)
            return false;
    return true;
}

static void check_value(const struct core *core, const struct word *word, bool is_left_alone)
{
    const struct hold *hold = word->permit;
    uint64_t named = hold ? hold->owner->slot | WORD_DEPTH_ONE | WORD_KNOWN : 0;

    if (word->data.state == WORD_STATE_OPEN)
        must((word->data.stored & ~WORD_MORE) == named);
    else if (word->data.state == WORD_STATE_OFFERED)
        must(hold && word->data.stored == (named | WORD_CLOSED));
    else if (word->data.state == WORD_STATE_CLOSED && word->list != &core->changed &&
             (is_left_alone || core_is_offered(word->object))) /* it is none, as there are fewer */
        must(!hold);
}

/* Of a semaphore: open only where nobody waits and nobody is to be told, and each open one is a permit. */
static void check_permits(const struct core *core, const struct word *word)
{
    const struct object *object = word->object;
    const struct hold *hold = word->permit;
    bool is_left_alone = TAILQ_EMPTY(&object->waiters) && object->data.abandoned == 0;

    must(object->account == word->account && object->word->data.index == word->data.first);
    must(!(object->data.flags & (OBJECT_SHARED | OBJECT_TRACE)));
    must((word->data.state == WORD_STATE_TAKEN) == (word->list == &core->taken));
    must(word->data.state == WORD_STATE_CLOSED || word->data.state == WORD_STATE_TAKEN || !word->list);
    must(word->data.state != WORD_STATE_OPEN || is_left_alone);
    must(word->data.state != WORD_STATE_OFFERED || is_semaphore_offered(object));
    must(!hold || (hold->word == word && hold->object == object));
    must((word->hold.object != NULL) == (hold == &word->hold));
    check_value(core, word, is_left_alone);
    must(!word->next || (word->next->data.index == word->data.index + 1 &&
                         word->next->data.first == word->data.first && word->next->object == object &&
                         word->next->data.order == word->data.order));
}

/* While a word has no permit, no permit is without a word; and, once it is decided, all say if one is. */
static void check_lay_out(const struct core *core, const struct object *semaphore)
{
    bool is_waited_for = !TAILQ_EMPTY(&semaphore->waiters), is_decided = true;
    bool is_left_alone = !is_waited_for && semaphore->data.abandoned == 0;
    uint64_t free = 0, none = 0;
    const struct word *word;

    for (word = semaphore->word; word; word = word->next) {
        free += word->data.state == WORD_STATE_OPEN && !word->permit;
        none += word->data.state == WORD_STATE_CLOSED && word->list != &core->changed;
        is_decided = is_decided && word->list != &core->changed;
    }
    must(free <= semaphore->data.value);
    must(none == 0 || !is_left_alone || free == semaphore->data.value);
    for (word = is_decided ? semaphore->word : NULL; word; word = word->next)
        must(((word->data.stored & WORD_MORE) != 0) == (!is_waited_for && free < semaphore->data.value));
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
    must(word->data.first == word->data.index ? word->object || count > 0 : count == 0); /* kept for nobody */
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
        must(words->word[word->data.first] && i - word->data.first < PAGE_PERMITS);
        if (word->object && is_semaphore(word->object))
            check_permits(core, word);
        else if (word->object)
            check_object(core, word);
        else
            must(word->data.state == WORD_STATE_CLOSED && !word->hold.object && !word->permit);
        must((word->name != NULL) == (!word->object && word->data.first == i));
        if (word->object && is_semaphore(word->object) && word->object->word == word)
            check_lay_out(core, word->object);
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
