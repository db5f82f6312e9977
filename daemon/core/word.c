/* SPDX-License-Identifier: MIT */
/*
 * The rules of a word (proto/page.h): what is learnt from one that is taken, and what is stored in it again.
 * Those of a semaphore's words: permit.c.
 *
 * A word stands beside the record of its object, and does not replace it. While it is closed the
 * record is the truth, and every rule about locks is applied to that, as for a lock without a word. While
 * it is open, or the lock is offered, the word is the truth: nothing may be decided by the record before
 * the word has been taken and its news with it. So whatever can change a lock, or depend on it, is named in
 * wanted.c.
 */
#include "daemon/core/objects.h"

#include <string.h>

/* Slots are those of one page: who acts in the place of another uid is nobody in that uid's words. */
static uint32_t slot_of(const struct hold *hold)
{
    return hold->owner->client->data.uid == hold->object->data.uid ? hold->owner->slot : 0;
}

/* ---- the record follows the word ---- */

static struct owner *owner_named(const struct word *word, uint64_t value)
{
    uint64_t slot = word_owner(value);

    return slot < PAGE_SLOTS ? word->account->words->owner[slot] : NULL;
}

/* Of what is deeper than a word can tell, the record knows how much. */
static void take_depth(struct hold *hold, uint64_t value)
{
    uint64_t depth = word_depth(value);

    if (hold->object->data.kind == OBJECT_RLOCK && depth > 0 && depth < WORD_DEPTH_MAX)
        hold->data.count = (uint32_t) depth;
}

struct hold *word_begin_hold(struct core *core, struct word *word, uint64_t value)
{
    struct object *object = word->object;
    struct owner *owner = owner_named(word, value);
    struct open *open = owner ? open_find(core, object, owner->client, NULL) : NULL;
    struct reply_sync unused;

    if (!open) /* a number that nobody was given, or who has closed the object: nobody holds it */
        return NULL;
    owner->refs++;
    hold_begin(core, &word->hold, object, owner, open, &unused);
    word->hold.data.since = 0;
    take_depth(&word->hold, value);
    return &word->hold;
}

static void take_news_of_event(struct object *event, uint64_t value)
{
    event->data.flags &= ~(uint32_t) OBJECT_SET;
    if (value & WORD_SET)
        event->data.flags |= OBJECT_SET;
}

static void take_news(struct core *core, struct word *word, uint64_t value)
{
    struct object *object = word->object;
    struct hold *hold = TAILQ_FIRST(&object->holds);

    if (object->data.kind == OBJECT_EVENT) {
        take_news_of_event(object, value);
        return;
    }
    if (!object_is_lock(object)) {
        permit_take_news(core, word, value);
        return;
    }
    if (hold && value & WORD_KNOWN && slot_of(hold) == word_owner(value)) {
        take_depth(hold, value);
        return;
    }
    if (hold)
        hold_end(core, hold, HOLD_RELEASED);
    object->data.abandoned = (value & WORD_ABANDONED) != 0;
    (void) word_begin_hold(core, word, value);
}

/* Somebody has put the first in the queue in its holder's place, and that one has taken it, or not yet. */
static void take_hand_over(struct core *core, struct word *word, bool is_taken)
{
    struct object *object = word->object;
    struct waiter *next = TAILQ_FIRST(&object->waiters);
    struct hold *hold = TAILQ_FIRST(&object->holds);

    if (!next || !hold)
        return;
    hold_end(core, hold, HOLD_RELEASED);
    object->data.abandoned = 0;
    if (is_taken)
        wait_has_taken(core, next, object);
    else
        wait_grant(core, next, object);
}

/* How many have got it one behind the other, the last of whom has it: those whom the word was offered to have
 * not moved, as it is taken before anything is done to the queue. */
static uint32_t count_hand_overs(const struct word *word, uint64_t value)
{
    const struct waiter *waiter;
    uint32_t count = 0;

    if (word_owner(value) == word_owner(word->data.stored))
        return 0;
    TAILQ_FOREACH(waiter, &word->object->waiters, of_object)
    {
        uint32_t slot = waiter_bell(waiter);

        if (slot == 0 || ++count > CORE_CHAIN_MAX)
            break;
        if (slot == word_owner(value))
            return count;
    }
    return 0;
}

/* The last of those whom it was offered to has opened it. */
static void take_opened(struct core *core, struct word *word, uint64_t value)
{
    uint32_t unused[CORE_CHAIN_MAX];
    bool is_all;
    size_t count = core_word_chain(word, unused, &is_all);

    if (!is_all) /* whoever did it had no business to */
        return;
    for (; count > 0; count--)
        take_hand_over(core, word, true);
    take_news(core, word, value);
}

static void take_hand_overs(struct core *core, struct word *word, uint64_t value)
{
    if (value & WORD_OPENED) {
        take_opened(core, word, value);
        return;
    }
    for (uint32_t left = count_hand_overs(word, value); left > 0; left--)
        take_hand_over(core, word, left > 1 || word_depth(value) > 0);
}

static void move(struct word *word, struct word_list *list)
{
    if (word->list)
        TAILQ_REMOVE(word->list, word, of_list);
    word->list = list;
    if (list)
        TAILQ_INSERT_TAIL(list, word, of_list);
}

static void close_word(struct core *core, struct word *word, uint64_t value)
{
    enum word_state before = word->data.state;
    /* another order is of a store that did not come through: nothing has happened */
    bool is_news = word->object && word_order(value) == word->data.order;

    if (before == WORD_STATE_TAKEN) /* wanted for two reasons: it says the same */
        return;
    word->data.state = WORD_STATE_CLOSED;
    if (is_news && before == WORD_STATE_OFFERED && !object_is_lock(word->object)) {
        word->data.state = WORD_STATE_TAKEN;
        word->data.stored = value;
        move(word, &core->taken);
        return;
    }
    if (word->object)
        word_changed(core, word->object);
    if (is_news && before == WORD_STATE_OPEN)
        take_news(core, word, value);
    else if (is_news && before == WORD_STATE_OFFERED)
        take_hand_overs(core, word, value);
}

static void take_word(struct core *core, struct word *word, uint64_t value)
{
    close_word(core, word, value);
    if (word->object && !object_is_lock(word->object))
        permits_take_offers(core, word->object);
}

int step_words(struct core *core, const struct core_input *input)
{
    const struct blob *words = &input->blob[BLOB_WORDS];
    struct input_word entry;

    for (size_t at = 0; at + sizeof entry <= words->size; at += sizeof entry) {
        const struct account *account;

        memcpy(&entry, words->data + at, sizeof entry);
        account = core_account(core, entry.uid);
        if (account && account->words && entry.index < PAGE_WORDS && account->words->word[entry.index])
            take_word(core, account->words->word[entry.index], entry.value);
    }
    if (input->body.number)
        words_decide(core);
    return 0;
}

/* ---- the word follows the record ---- */

void word_load(struct core *core, struct word *word)
{
    if (word->data.state == WORD_STATE_CLOSED)
        move(word, &core->changed);
    else if (word->data.state == WORD_STATE_TAKEN)
        move(word, &core->taken);
}

void word_changed(struct core *core, struct object *object)
{
    struct word *word = object->word ? object->word : object->lock ? object->lock->word : NULL;

    for (; word; word = word->next)
        if (word->data.state == WORD_STATE_CLOSED)
            move(word, &core->changed);
}

uint32_t word_slot_of(const struct hold *hold)
{
    return hold->data.flags & HOLD_UNASKED ? 0 : slot_of(hold);
}

/* Who sleeps on its condition will wait for it without being asked. */
static bool has_sleepers(const struct object *lock)
{
    const struct object *condition;

    LIST_FOREACH(condition, &lock->users, of_lock)
        if (!TAILQ_EMPTY(&condition->waiters))
            return true;
    return false;
}

/* Does nobody need the daemon for it? */
static bool is_left_alone(const struct object *lock)
{
    const struct hold *hold = TAILQ_FIRST(&lock->holds);

    return TAILQ_EMPTY(&lock->waiters) && !has_sleepers(lock) && (!hold || word_slot_of(hold) > 0);
}

static uint64_t value_of(const struct object *lock)
{
    const struct hold *hold = TAILQ_FIRST(&lock->holds);
    uint64_t depth = hold && hold->data.count < WORD_DEPTH_MAX ? hold->data.count : WORD_DEPTH_MAX;

    if (lock->data.kind == OBJECT_EVENT)
        return lock->data.flags & OBJECT_SET ? WORD_SET : 0;
    if (!hold)
        return lock->data.abandoned ? WORD_ABANDONED : 0;
    if (word_slot_of(hold) == 0)
        return WORD_OWNER_MAX | WORD_KNOWN;
    return slot_of(hold) | depth << WORD_DEPTH_SHIFT | WORD_KNOWN |
           (hold->data.flags & HOLD_TOLD ? WORD_ABANDONED : 0);
}

/* 0: it does not look at the word, and is served by the daemon. */
static uint32_t slot_of_waiter(const struct waiter *waiter)
{
    return waiter->connection && waiter->data.kind == WAIT_HOLD ? waiter_bell(waiter) : 0;
}

/* Whose the lock, or any of the permits, is by a word. */
static bool is_named(const struct object *object, uint32_t slot)
{
    const struct hold *hold = TAILQ_FIRST(&object->holds);

    return object_is_lock(object) ? hold && word_slot_of(hold) == slot : permits_name(object, slot);
}

/* Is there anything to hand on? Who has got it where somebody had died is told by an answer. */
static bool may_be_handed(const struct object *object)
{
    const struct hold *hold = TAILQ_FIRST(&object->holds);

    if (object_is_lock(object))
        return hold && word_slot_of(hold) > 0;
    for (const struct word *word = object->word; word && object->data.abandoned == 0; word = word->next)
        if (word->permit)
            return true;
    return false;
}

static bool is_among(const uint32_t *slots, size_t count, uint32_t slot)
{
    for (size_t i = 0; i < count; i++)
        if (slots[i] == slot)
            return true;
    return false;
}

/* None is there twice, who has it included: its slot tells how far it has got. */
size_t core_word_chain(const struct word *word, uint32_t slots[CORE_CHAIN_MAX], bool *ret_is_all)
{
    const struct object *object = word->object;
    const struct waiter *waiter;
    size_t count = 0;

    if (ret_is_all)
        *ret_is_all = false;
    if (!may_be_handed(object))
        return 0;
    TAILQ_FOREACH(waiter, &object->waiters, of_object)
    {
        uint32_t slot = count < CORE_CHAIN_MAX ? slot_of_waiter(waiter) : 0;

        if (slot == 0 || is_named(object, slot))
            break;
        if (is_among(slots, count, slot))
            return count;
        slots[count++] = slot;
    }
    if (ret_is_all)
        *ret_is_all = object_is_lock(object) && !waiter && !has_sleepers(object);
    return count;
}

bool core_is_offered(const struct object *object)
{
    for (const struct word *word = object->word; word; word = word->next)
        if (word->data.state == WORD_STATE_OFFERED)
            return true;
    return false;
}

void word_store(struct core *core, struct word *word, enum word_state state, uint64_t value)
{
    word->data.state = state;
    word->data.stored = value;
    word->data.order = (word->data.order + 1) & WORD_ORDER_MAX;
    word->value = value | (uint64_t) word->data.order << WORD_ORDER_SHIFT;
    move(word, &core->stores);
}

static void decide_alone(struct core *core, struct word *word)
{
    const struct object *lock = word->object;
    uint32_t chain[CORE_CHAIN_MAX];
    uint64_t value = value_of(lock), next = core_word_chain(word, chain, NULL) > 0 ? chain[0] : 0;

    if (is_left_alone(lock))
        word_store(core, word, WORD_STATE_OPEN, value);
    else if (next > 0)
        word_store(core, word, WORD_STATE_OFFERED, value | WORD_CLOSED | next << WORD_NEXT_SHIFT);
    else if ((value | WORD_CLOSED) != word->data.stored)
        word_store(core, word, WORD_STATE_CLOSED, value | WORD_CLOSED);
}

static void decide(struct core *core, struct word *word)
{
    struct object *object = word->object;

    if (!object) {
        word->value = WORD_GONE;
        move(word, &core->stores);
    } else if (object_is_lock(object) || object->data.kind == OBJECT_EVENT) {
        decide_alone(core, word);
    } else {
        permits_decide(core, object);
    }
}

void words_decide(struct core *core)
{
    struct word *word;

    while ((word = TAILQ_FIRST(&core->changed))) {
        move(word, NULL);
        decide(core, word);
    }
}

void word_forsake(struct core *core, struct word *word)
{
    bool is_mapped = !TAILQ_EMPTY(&word->mappings);

    word->name = text_ref(word->object->name);
    word_mappings_first(word);
    word->object->word = NULL;
    for (struct word *each = word; each; each = each->next) {
        each->object = NULL;
        each->data.state = WORD_STATE_CLOSED;
        move(each, is_mapped ? &core->changed : NULL);
    }
    if (!is_mapped)
        word_free(core, word);
}

void words_store_again(struct core *core)
{
    struct account *account, *next_account;
    struct object *object, *next;
    struct word *word;

    HASH_ITER(hh, core->accounts, account, next_account)
        HASH_ITER(hh, account->objects, object, next) {
            for (word = object->word; word; word = word->next)
                word->data.stored = WORD_GONE;
            word_changed(core, object);
        }
}
