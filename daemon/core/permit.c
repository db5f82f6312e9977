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

/* Says nothing, and is the same as long as none is open. */
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

void permits_decide(struct core *core, struct object *semaphore)
{
    uint64_t free_left = semaphore->data.value, more;
    bool is_open = may_be_open(semaphore), differs = false;
    struct word *word;

    for (word = semaphore->word; word; word = word->next)
        if (word->data.state != WORD_STATE_CLOSED) /* only some were looked at yet: with the others */
            return;
    if (is_open)
        lay_out_holds(semaphore);
    for (word = semaphore->word; word; word = word->next)
        word->value = is_open ? value_of(word, &free_left) : NO_PERMIT;
    more = TAILQ_EMPTY(&semaphore->waiters) && free_left > 0 ? WORD_MORE : 0;
    for (word = semaphore->word; word; word = word->next) {
        word->value |= more;
        differs |= !(word->value & WORD_CLOSED) || word->value != word->data.stored;
    }
    for (word = differs ? semaphore->word : NULL; word; word = word->next)
        word_store(core, word, word->value & WORD_CLOSED ? WORD_STATE_CLOSED : WORD_STATE_OPEN, word->value);
}

bool permits_add_up(const struct object *semaphore)
{
    uint64_t free = 0;

    for (const struct word *word = semaphore->word; word; word = word->next)
        free += word->data.state == WORD_STATE_OPEN && !word->permit;
    return free <= semaphore->data.value;
}
