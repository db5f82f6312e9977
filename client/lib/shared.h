/* SPDX-License-Identifier: MIT */
/*
 * Objects in memory that is shared with the daemon: the client's side of proto/page.h. Private to libprocd.
 *
 * Nothing here touches the memory before its caller has seen, by object_check, that this is no forked child:
 * the memory is not there in one.
 */
#ifndef PROCD_CLIENT_LIB_SHARED_H
#define PROCD_CLIENT_LIB_SHARED_H

#include "client/lib/object.h"
#include "proto/page.h"

#include <stdatomic.h>

/* What a handle knows of its object's word, or words. All zero: nothing yet. */
struct shared {
    _Atomic(struct page_word *) word; /* the first; NULL: ask the daemon */
    _Atomic uint64_t page;            /* the number of its page, in this process and its children */
    _Atomic uint64_t guess;           /* the word when it was free last, or not set; of a semaphore: any */
    _Atomic uint32_t words;           /* how many it uses: set once, before the first `word` */
    _Atomic uint32_t mask;            /* and which of them a slot tries first; with it */
    _Atomic bool is_short;            /* the object has more: it may be handed a permit in any of them */
    _Atomic uint16_t refused;         /* the daemon has no word for it: so often it is not asked for one */
    _Atomic uint8_t vain;             /* how often in a row shared_acquire_soon has looked in vain */
};

/* Whoever sees it sees the memory that it is in, and what else was known before it: also where a function has
 * looked before, and there was none. */
static inline struct page_word *shared_word(const struct shared *shared)
{
    return atomic_load_explicit(&shared->word, memory_order_acquire);
}

/* After shared_acquire has said 0. True: the word, or the calling thread's slot (which an event's word does
 * not need), was not known and is now: it is worth another try. deadline: when the daemon must have
 * answered, or CONNECTION_FOREVER. */
bool shared_map(struct shared *shared, const struct object *object, int64_t deadline);
bool shared_map_event(struct shared *shared, const struct object *object, int64_t deadline);

/* A bell by which the calling thread may wait for the lock, and its look at the word. False: it has none, or
 * could not tell a grant from what it has already, or may be given for a request before. */
bool shared_bell(const struct shared *shared, struct bell *ret_bell);
/* The same for a permit. */
bool shared_permit_bell(const struct shared *shared, struct bell *ret_bell);

/* Whose number the word has; 0: nobody's. */
uint64_t shared_owner(const struct shared *shared);

/* ---- without the daemon: in line, as a call costs as much as half of it ---- */

/* The calling thread in words. Fixed at load: to find it by a call would cost more than to take a lock. */
struct shared_self {
    uint64_t page; /* of which the slot is */
    uint64_t slot;
    bool has_given_up; /* a wait by its bell has ended without an answer, and may still be served */
    bool is_in_doubt;  /* the same of a wait for a permit, which it would not know from those that it has */
    uint16_t keeps_on; /* for so many hand-overs and looks it gives way to nobody */
    uint8_t hurries;   /* for so many give-backs it does not wait until the daemon has looked */
    int64_t way;       /* ns that it takes to give way, a mean */
    /* it has put itself into this one, and its daemon has died; perhaps another goes on with it */
    const struct page_word *unsure;
};
extern _Thread_local struct shared_self shared_self
    __attribute__((visibility("hidden"), tls_model("initial-exec")));

/* The calling thread has a number in these words. */
static inline bool shared_knows_slot(const struct shared *shared)
{
    return shared_self.page == atomic_load_explicit(&shared->page, memory_order_relaxed);
}

/* The page that a word is in, as it is mapped at a multiple of its size. */
static inline struct page *shared_page_of(const struct page_word *word)
{
    _Static_assert((sizeof(struct page) & (sizeof(struct page) - 1)) == 0, "a power of two");
    return (struct page *) ((uintptr_t) word & ~(uintptr_t) (sizeof(struct page) - 1));
}

/* The daemon has ended, or its keeper has and nobody has taken over yet: the word counts for nothing. */
static inline bool shared_has_died(const struct page_word *word)
{
    return (atomic_load(&shared_page_of(word)->life.keeper) & PAGE_DIED) != 0;
}

static inline bool shared_swap(struct page_word *word, uint64_t *seen, uint64_t value, memory_order order)
{
    return atomic_compare_exchange_strong_explicit(&word->value, seen, value, order, memory_order_relaxed);
}

/* The calling thread has put itself in the place of `before`, and then seen that its daemon has died. True:
 * there is another that knows, and it stands; false: it is undone, or the thread is unsure. */
bool shared_stands(struct page_word *word, uint64_t before);

/* Puts the calling thread in the place of `seen`, to which only it and a depth are new. */
static inline bool shared_take_word(struct page_word *word, uint64_t *seen)
{
    uint64_t before = *seen;

    if (!shared_swap(word, seen, before | shared_self.slot | WORD_DEPTH_ONE, memory_order_seq_cst))
        return false;
    if (!shared_has_died(word) || shared_stands(word, before))
        return true;
    *seen = WORD_GONE;
    return false;
}

/* The calling thread may have this lock, or a permit of this semaphore, or not: the next daemon that answers
 * it has gone on with the page by then, and the page says so, or never will. */
static inline bool shared_is_unsure(const struct shared *shared)
{
    const struct page_word *word = shared_word(shared);

    return shared_self.unsure && shared_self.unsure >= word &&
           shared_self.unsure < word + atomic_load_explicit(&shared->words, memory_order_relaxed);
}

/* Whether it has it, after an answer: 1; 2: its last owner died; or 0. It is not unsure any more. */
int shared_settle(void);
/* The same with a question before. Or a negative errno: there is no answer, and it is as unsure as before. */
int shared_ask(const struct object *object, int64_t deadline);
/* The same after r was the answer to what it wanted: that, or what it has. */
int shared_settled(int r);

/* Takes the lock, or goes a level deeper where that is allowed, where the word says `seen`. 1: it is the
 * calling thread's; 2: and its last owner died; 0: the daemon must be asked. */
int shared_acquire_seen(struct shared *shared, bool is_recursive, uint64_t seen);
/* The same, where another thread has it: looks for a moment, a millisecond at most, whether it is let go, but
 * for no more than so many seconds, of which it takes off what it has looked; where others wait only now and
 * then. It has asked nobody yet: who asks meanwhile comes first. */
int shared_acquire_soon(struct shared *shared, bool is_recursive, double *timeout);
/* Gives it back, or a level of it. False: the daemon must be asked. Where the daemon is just looking at the
 * word it waits for some microseconds until it has. */
bool shared_release_seen(struct shared *shared, bool is_recursive, uint64_t seen);

/*
 * Takes the lock if it is free and nothing has happened to it since it was last: one try. False: ret_seen is
 * what the word says instead, for shared_acquire_seen. Callers leave all else to a function that they call
 * last, so that the way that most go has no frame: that is a tenth of the cost.
 *
 * The swap tells what the word says if it does not say what it is thought to: to look first would make it
 * wait for that look, at a quarter of the whole cost (19.3 and 14.6 ns measured, with the release).
 */
static inline bool shared_acquire_guessed(struct shared *shared, uint64_t *ret_seen)
{
    struct page_word *word = shared_word(shared);
    uint64_t guess = atomic_load_explicit(&shared->guess, memory_order_relaxed);

    *ret_seen = WORD_GONE;
    if (!word || shared_self.page != atomic_load_explicit(&shared->page, memory_order_relaxed))
        return false;
    *ret_seen = guess;
    return shared_take_word(word, ret_seen);
}

/* Gives it back if nothing has happened to the word since the calling thread took it. As above. An rlock is
 * nobody's to give back who has no number in its page. */
static inline bool shared_release_guessed(struct shared *shared, bool is_recursive, uint64_t *ret_seen)
{
    struct page_word *word = shared_word(shared);
    uint64_t guess = atomic_load_explicit(&shared->guess, memory_order_relaxed);

    *ret_seen = WORD_GONE;
    if (!word || shared_has_died(word) || (is_recursive && !shared_knows_slot(shared)))
        return false;
    *ret_seen = guess | shared_self.slot | WORD_DEPTH_ONE;
    return shared_swap(word, ret_seen, guess, memory_order_release);
}

/* ---- what locks and semaphores have in common, for lib/shared.c and lib/permit.c ---- */

/* Takes what a word has been handed to the calling thread with. */
bool shared_take_handed(struct page_word *word);
/* A bell of the calling thread, in the page that the word is in. */
struct bell shared_bell_of(const struct page_word *word, bool (*take)(void *context), void *context);
/* A swap has made something another thread's: it sleeps, or is about to look. */
void shared_ring(const struct page_word *word, uint64_t slot);

/* Who comes behind that slot. One that is older or newer says itself that it is of another order. */
static inline uint64_t shared_link(const struct page_word *word, uint64_t slot)
{
    return atomic_load_explicit(&shared_page_of(word)->bells[slot].link, memory_order_relaxed);
}

/* ---- semaphores ---- */

/* The same in each word. False: the daemon must be asked. */
bool shared_take_seen(struct shared *shared);

/* Not: the daemon must be asked; that no word says that it has one. Unseen: it is given, to nobody; the
 * daemon is to look at the semaphore. */
enum shared_given { SHARED_NOT_GIVEN, SHARED_GIVEN, SHARED_GIVEN_UNSEEN };
enum shared_given shared_give_seen(struct shared *shared);
/* Looks for a moment whether one is given back, as shared_acquire_soon does. */
bool shared_take_soon(struct shared *shared, double *timeout);

/* Where a thread looks first: threads of one semaphore are to meet in no word. */
static inline struct page_word *shared_own_word(const struct shared *shared, struct page_word *words)
{
    return words + (shared_self.slot & atomic_load_explicit(&shared->mask, memory_order_relaxed));
}

/* Takes a permit: one try, as for a lock. False: for shared_take_seen. */
static inline bool shared_take_guessed(struct shared *shared)
{
    struct page_word *words = shared_word(shared);
    uint64_t seen = atomic_load_explicit(&shared->guess, memory_order_relaxed);

    if (!words || !shared_knows_slot(shared))
        return false;
    return shared_take_word(shared_own_word(shared, words), &seen);
}

/* Gives back one of those that the calling thread has taken: one try. False: for shared_give_seen. */
static inline bool shared_give_guessed(struct shared *shared)
{
    struct page_word *words = shared_word(shared);
    uint64_t guess = atomic_load_explicit(&shared->guess, memory_order_relaxed);
    uint64_t seen = guess | shared_self.slot | WORD_DEPTH_ONE;

    if (!words || !shared_knows_slot(shared) || shared_self.is_in_doubt || shared_has_died(words))
        return false;
    return shared_swap(shared_own_word(shared, words), &seen, guess, memory_order_release);
}

/* ---- events ---- */

enum { SHARED_ASK = -1 }; /* it is for the daemon to say */

/* Sets or clears it, where the word says `seen`. 0, or SHARED_ASK. */
int shared_event_put_seen(struct shared *shared, bool is_set, uint64_t seen);

/* Sets or clears it, where this changes it and nothing else has happened to it: one try, as for a lock. */
static inline bool shared_event_put_guessed(struct shared *shared, bool is_set, uint64_t *ret_seen)
{
    struct page_word *word = shared_word(shared);
    uint64_t guess = atomic_load_explicit(&shared->guess, memory_order_relaxed) | (is_set ? 0 : WORD_SET);

    *ret_seen = WORD_GONE;
    if (!word || shared_has_died(word))
        return false;
    *ret_seen = guess;
    return shared_swap(word, ret_seen, guess ^ WORD_SET, memory_order_acq_rel);
}

/* Is it set? 0, 1, or SHARED_ASK. */
static inline int shared_event_get(const struct shared *shared)
{
    struct page_word *word = shared_word(shared);
    uint64_t seen = word && !shared_has_died(word) ? atomic_load_explicit(&word->value, memory_order_acquire)
                                                   : WORD_GONE;

    return seen & WORD_CLOSED ? SHARED_ASK : (seen & WORD_SET) != 0;
}

/* What a thread has seen of an event before it waits. */
struct shared_round {
    const struct page_word *word;
    uint64_t number;
};

/* The round, to be followed by a look whether it is set; and a bell by which the calling thread is told of
 * another one: the event has been set since. ret_round lives as long as the bell. False: it has none. */
bool shared_round(const struct shared *shared, struct shared_round *ret_round, struct bell *ret_bell);
/* There is another. */
bool shared_round_is_over(const struct shared_round *round);

#endif
