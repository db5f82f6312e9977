/* SPDX-License-Identifier: MIT */
/*
 * The words of a semaphore (proto/page.h): taking permits, giving them back, and handing them to those who
 * wait.
 */
#include "client/lib/shared.h"

/* More than there are swaps in one order, each of which is somebody's progress. */
#define TRIES_MOST 64

static uint32_t count_of(const struct shared *shared)
{
    return atomic_load_explicit(&shared->words, memory_order_relaxed);
}

/* ---- taking ---- */

static bool take_one(struct shared *shared, struct page_word *word)
{
    uint64_t seen = atomic_load_explicit(&word->value, memory_order_relaxed);

    while (!(seen & WORD_CLOSED) && word_owner(seen) == 0)
        if (shared_take_word(word, &seen)) {
            atomic_store_explicit(&shared->guess, seen & WORD_KEPT_MASK, memory_order_relaxed);
            return true;
        }
    return false;
}

/* Where a thread looks on, round to where it has begun. */
static uint32_t round_on(uint32_t at, uint32_t count)
{
    return at + 1 < count ? at + 1 : 0;
}

static uint32_t own_index(const struct shared *shared, struct page_word *words)
{
    return (uint32_t) (shared_own_word(shared, words) - words);
}

bool shared_take_seen(struct shared *shared)
{
    struct page_word *words = shared_word(shared);
    uint32_t count = count_of(shared), at;

    if (!words || !shared_knows_slot(shared))
        return false;
    at = own_index(shared, words);
    for (uint32_t i = 0; i < count && !shared_is_unsure(shared); i++, at = round_on(at, count))
        if (take_one(shared, words + at))
            return true;
    return false;
}

/* ---- handing over ---- */

enum go_on { GO_AGAIN, GO_DONE, GO_LOOK };

/* What is to be done for a permit that was given in a word, where the head is at that: it goes to the first,
 * unless that has had it, and may have given it back itself; and the head goes on. The look at the word is of
 * what was so while the head was there, as it still is behind the look; and each value that a giver leaves
 * comes once in an order. *first: whom the caller is to ring; nobody, once it has been rung here. */
static enum go_on finish_step(struct page_word *words, uint32_t count, uint64_t head, uint64_t *first)
{
    const struct page *page = shared_page_of(words);
    uint64_t at = head_step(head) - 1, next = head_first(head), seen, behind;
    bool is_handed = false;

    if (at >= count) /* nonsense */
        return GO_LOOK;
    seen = atomic_load(&words[at].value);
    if (atomic_load(&words->head) != head)
        return GO_AGAIN;
    if (seen & WORD_LOOKED || !head_is_of(head, seen))
        return GO_DONE; /* the daemon has taken it, and sees all that was given */
    if (permit_is_given(seen) && word_next(seen) != next) {
        if (!shared_swap(words + at, &seen, permit_handed(seen, next), memory_order_seq_cst))
            return GO_AGAIN;
        is_handed = true;
    }
    behind = word_behind(shared_link(words, next), head_make(head, 0), (uint64_t) (words - page->words));
    (void) atomic_compare_exchange_strong(&words->head, &head, head_make(head, behind));
    if (!is_handed)
        return GO_AGAIN;
    shared_ring(words, next);
    *first = *first == next ? 0 : *first;
    return GO_AGAIN;
}

/* One step for the permit that the calling thread has given in this word. *first: for whom it has put the
 * head at it. */
static enum go_on go_on(struct page_word *words, uint32_t count, struct page_word *word, uint64_t given,
                        uint64_t *first)
{
    uint64_t head = atomic_load(&words->head);

    if (!head_is_of(head, given))
        return GO_DONE;
    if (head_step(head) > 0)
        return finish_step(words, count, head, first);
    if (atomic_load(&word->value) != given)
        return GO_DONE;
    if (head_first(head) == 0)
        return GO_LOOK;
    if (atomic_compare_exchange_strong(&words->head, &head, head_at(head, (uint64_t) (word - words))))
        *first = head_first(head);
    return GO_AGAIN;
}

/* What was given goes to who is first. */
static enum shared_given hand_on(struct shared *shared, struct page_word *word, uint64_t given)
{
    struct page_word *words = shared_word(shared);
    enum go_on r = GO_AGAIN;
    uint64_t first = 0;

    for (int i = 0; i < TRIES_MOST && r == GO_AGAIN; i++)
        r = go_on(words, count_of(shared), word, given, &first);
    if (first > 0) /* whoever has put it in its word may have died before it rang */
        shared_ring(words, first);
    return r == GO_DONE ? SHARED_GIVEN : SHARED_GIVEN_UNSEEN;
}

/* ---- giving ---- */

/* Is anybody first in the queue of that order, once what has been begun is done? */
static bool is_waited_for(const struct shared *shared, uint64_t seen)
{
    struct page_word *words = shared_word(shared);
    enum go_on r = GO_AGAIN;
    uint64_t unused = 0;

    for (int i = 0; i < TRIES_MOST && r == GO_AGAIN; i++) {
        uint64_t head = atomic_load(&words->head);

        if (!head_is_of(head, seen))
            return false;
        if (head_step(head) == 0)
            return head_first(head) > 0;
        r = finish_step(words, count_of(shared), head, &unused);
    }
    return false;
}

static enum shared_given give_one(struct shared *shared, struct page_word *word)
{
    uint64_t seen = atomic_load_explicit(&word->value, memory_order_relaxed);

    for (;;) {
        if (permit_can_be_given(seen, shared_self.slot)) {
            uint64_t given = permit_given(seen);

            if (!is_waited_for(shared, seen))
                return SHARED_NOT_GIVEN;
            if (shared_swap(word, &seen, given, memory_order_seq_cst))
                return hand_on(shared, word, given);
        } else if (!(seen & WORD_CLOSED) && word_owner(seen) == shared_self.slot) {
            if (shared_swap(word, &seen, seen & WORD_KEPT_MASK, memory_order_release))
                return SHARED_GIVEN;
        } else {
            return SHARED_NOT_GIVEN;
        }
    }
}

enum shared_given shared_give_seen(struct shared *shared)
{
    struct page_word *words = shared_word(shared);
    enum shared_given r = SHARED_NOT_GIVEN;
    uint32_t count = count_of(shared), at;

    if (!words || !shared_knows_slot(shared) || shared_self.is_in_doubt || shared_has_died(words))
        return SHARED_NOT_GIVEN;
    at = own_index(shared, words);
    for (uint32_t i = 0; i < count && r == SHARED_NOT_GIVEN && !shared_is_unsure(shared); i++) {
        r = give_one(shared, words + at);
        at = round_on(at, count);
    }
    return r;
}

/* ---- waiting ---- */

static bool take_handed(void *context)
{
    struct shared *shared = context;
    struct page_word *words = shared_word(shared);
    uint32_t count = count_of(shared);

    if (shared_is_unsure(shared))
        return !shared_has_died(words) && shared_settle() > 0;
    for (uint32_t i = 0; i < count; i++)
        if (shared_take_handed(words + i))
            return true;
    return false;
}

/* Has it none? */
static bool is_in_none(const struct page_word *words, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (word_owner(atomic_load(&words[i].value)) == shared_self.slot)
            return false;
    return true;
}

bool shared_permit_bell(const struct shared *shared, struct bell *ret_bell)
{
    const struct page_word *words = shared_word(shared);

    if (!words || shared_has_died(words) || !shared_knows_slot(shared) || shared_self.is_in_doubt ||
        atomic_load_explicit(&shared->is_short, memory_order_relaxed) || !is_in_none(words, count_of(shared)))
        return false;
    *ret_bell = shared_bell_of(words, take_handed, (void *) shared);
    return true;
}
