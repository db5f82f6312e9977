/* SPDX-License-Identifier: MIT */
/*
 * The words of a semaphore (proto/page.h): each that is open is one permit, free or somebody's. The record
 * may have more of them than there are words, and holds of which no word can tell: these are had and given
 * back by asking.
 *
 * A hold stays in the word that it is met in, or laid out in, until it ends. So the hold that each word has
 * with it, for the next owner that is met there, is not in use when that one comes.
 */
#include "daemon/core/objects.h"

/* Says nothing, and is the same as long as none is open or offered. */
#define NO_PERMIT (WORD_CLOSED | WORD_KNOWN | WORD_OWNER_MAX)

#define HOLDS_LOOKED_AT (4 * PAGE_PERMITS)

static void put_in(struct word *word, struct hold *hold)
{
    word->permit = hold;
    hold->word = word;
}

/* The owner that is met gets it as one does who asks and says nothing of undo. */
void permit_take_news(struct core *core, struct word *word, uint64_t value)
{
    struct object *semaphore = word->object;
    struct hold *hold = word->permit;

    if (hold && value & WORD_KNOWN && word_slot_of(hold) == word_owner(value))
        return;
    if (hold) {
        hold_end(core, hold, HOLD_RELEASED);
        semaphore->data.value++;
    }
    hold = word_begin_hold(core, word, value);
    if (!hold)
        return;
    put_in(word, hold);
    if (semaphore->data.kind == OBJECT_BOUNDED_SEMAPHORE)
        hold->data.flags |= HOLD_UNDO;
}

bool permits_name(const struct object *semaphore, uint32_t slot)
{
    for (const struct word *word = semaphore->word; word; word = word->next)
        if (word->permit && word_slot_of(word->permit) == slot)
            return true;
    return false;
}

/* ---- what was offered ---- */

/* Who has been served, by places in the queue. */
struct served {
    uint32_t chain[CORE_CHAIN_MAX];
    size_t chain_count;
    struct word *words[CORE_CHAIN_MAX]; /* whose permit each has; NULL: it has given it back */
    size_t count;
};

/* CORE_CHAIN_MAX: no place */
static size_t place_of(const struct served *served, uint64_t slot)
{
    for (size_t i = 0; i < served->chain_count; i++)
        if (served->chain[i] == slot)
            return i;
    return CORE_CHAIN_MAX;
}

/* Has its permit gone to one of the queue, or back? What else a word says is not of a hand-over. */
static bool has_moved(struct served *served, struct word *word)
{
    uint64_t owner = word_owner(word->data.stored), giver = word_next(word->data.stored);
    size_t place = place_of(served, owner > 0 ? owner : giver);

    if (place == CORE_CHAIN_MAX)
        return owner == 0 && giver > 0 && giver == word_slot_of(word->permit);
    if (owner > 0 && served->words[place])
        return false;
    if (owner > 0)
        served->words[place] = word;
    if (place >= served->count)
        served->count = place + 1;
    return true;
}

static void end_moved(struct core *core, struct object *semaphore, struct served *served)
{
    served->chain_count = core_word_chain(semaphore->word, served->chain, NULL);
    for (struct word *word = semaphore->word; word; word = word->next) {
        bool is_news = word->data.state == WORD_STATE_TAKEN && word->permit;

        word->data.state = WORD_STATE_CLOSED;
        if (is_news && has_moved(served, word)) {
            hold_end(core, word->permit, HOLD_RELEASED);
            semaphore->data.value++;
        }
    }
}

/* word: NULL: it has had a permit and given it back. */
static void serve(struct core *core, struct object *semaphore, struct word *word)
{
    struct waiter *next = TAILQ_FIRST(&semaphore->waiters);
    struct hold *hold = next->hold;

    if (word && word_depth(word->data.stored) == 0)
        wait_grant(core, next, semaphore);
    else
        wait_has_taken(core, next, semaphore);
    if (word) {
        put_in(word, hold);
    } else {
        hold_end(core, hold, HOLD_RELEASED);
        semaphore->data.value++;
    }
}

/* There is a free permit for each: one of a word that has moved is there for whom that word names; and who
 * has given it back had that of somebody who comes later, or one that is free now. */
void permits_take_offers(struct core *core, struct object *semaphore)
{
    struct served served = {.count = 0};
    bool is_any = false;

    for (const struct word *word = semaphore->word; word; word = word->next) {
        if (word->data.state == WORD_STATE_OPEN || word->data.state == WORD_STATE_OFFERED)
            return;
        is_any |= word->data.state == WORD_STATE_TAKEN;
    }
    if (!is_any)
        return;
    end_moved(core, semaphore, &served);
    for (size_t i = 0; i < served.count; i++)
        serve(core, semaphore, served.words[i]);
    word_changed(core, semaphore);
    object_settle(core, semaphore);
}

/* ---- what they are to say ---- */

/* Nobody gets past those who wait; and who is to be told that somebody has died is told by an answer, as no
 * word is sure to be the next that is taken. */
static bool may_be_open(const struct object *semaphore)
{
    return TAILQ_EMPTY(&semaphore->waiters) && semaphore->data.abandoned == 0;
}

/* The newest, while there is room: those that the last step has given are among them, and one that has very
 * many holds costs no more than another. */
static void lay_out_holds(struct object *semaphore)
{
    struct word *word = semaphore->word;
    int left = HOLDS_LOOKED_AT;
    struct hold *hold;

    TAILQ_FOREACH_REVERSE(hold, &semaphore->holds, hold_list, of_object) {
        if (left-- == 0)
            return;
        if (hold->word || word_slot_of(hold) == 0)
            continue;
        while (word && word->permit)
            word = word->next;
        if (!word)
            return;
        put_in(word, hold);
    }
}

static uint64_t value_of(const struct word *word, uint64_t *free_left)
{
    if (word->permit)
        return word_slot_of(word->permit) | WORD_DEPTH_ONE | WORD_KNOWN;
    if (*free_left == 0)
        return NO_PERMIT;
    --*free_left;
    return 0;
}

static bool is_offered(const struct object *semaphore)
{
    uint32_t unused[CORE_CHAIN_MAX];

    return core_word_chain(semaphore->word, unused, NULL) > 0;
}

/* extra: of each that has a permit. */
static void value_words(struct object *semaphore, bool are_told, uint64_t extra)
{
    uint64_t free_left = semaphore->data.value, more;
    struct word *word;

    for (word = semaphore->word; word; word = word->next)
        word->value = are_told ? value_of(word, &free_left) | extra : NO_PERMIT;
    more = TAILQ_EMPTY(&semaphore->waiters) && free_left > 0 ? WORD_MORE : 0;
    for (word = semaphore->word; word; word = word->next)
        word->value |= more;
}

static enum word_state state_of(const struct word *word)
{
    if (!(word->value & WORD_CLOSED))
        return WORD_STATE_OPEN;
    return word_owner(word->value) == WORD_OWNER_MAX ? WORD_STATE_CLOSED : WORD_STATE_OFFERED;
}

void permits_decide(struct core *core, struct object *semaphore)
{
    bool is_open = may_be_open(semaphore), differs = false;
    struct word *word;

    for (word = semaphore->word; word; word = word->next)
        if (word->data.state != WORD_STATE_CLOSED) /* only some were looked at yet: with the others */
            return;
    if (semaphore->data.abandoned == 0)
        lay_out_holds(semaphore);
    value_words(semaphore, is_open || is_offered(semaphore), is_open ? 0 : WORD_CLOSED);
    for (word = semaphore->word; word; word = word->next)
        differs |= state_of(word) != WORD_STATE_CLOSED || word->value != word->data.stored;
    for (word = differs ? semaphore->word : NULL; word; word = word->next)
        word_store(core, word, state_of(word), word->value);
}

bool permits_add_up(const struct object *semaphore)
{
    uint64_t free = 0;

    for (const struct word *word = semaphore->word; word; word = word->next)
        free += word->data.state == WORD_STATE_OPEN && !word->permit;
    return free <= semaphore->data.value;
}
