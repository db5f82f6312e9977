/* SPDX-License-Identifier: MIT */
/*
 * A look for what another thread has, for a moment, before the daemon is asked for it: most is held for less
 * than it takes to be put in line, to sleep and to be woken.
 */
#include "client/lib/give_way.h"
#include "client/lib/shared.h"
#include "daemon/base/clock.h"

#include <math.h>

/* As long as some others may have it in turn: to be put to sleep and woken takes 20 us of each turn, to ask
 * the daemon for it as much of somebody's processor. Who keeps its processor meanwhile looks for longer than
 * it takes to wake somebody who then lets go of it: else both sleep in turn. */
#define SOON        NSEC_PER_MSEC
#define SOON_KEPT   (NSEC_PER_MSEC / 10)
#define SOON_HALVED 5
#define VAIN_MOST   24

/* Seconds: some turns of others. Who has less time keeps its processor. */
#define WAY_TIMEOUT 0.05

/* One look; in full: also for what the daemon has. ret_is_over: it is not worth another. */
typedef int look(struct shared *shared, bool in_full, bool *ret_is_over);

/* In full at first, and once in a while; half as long each time that it was in vain, as where it is held for
 * long. Half of a time-out is left for a wait in line. */
static int64_t soon(struct shared *shared, uint8_t vain, int64_t span, double timeout)
{
    span >>= vain < SOON_HALVED ? vain : SOON_HALVED;
    atomic_store_explicit(&shared->vain, vain == VAIN_MOST ? 0 : vain + 1, memory_order_relaxed);
    if (timeout / 2 < (double) span / (double) NSEC_PER_SEC)
        span = (int64_t) (timeout / 2 * (double) NSEC_PER_SEC);
    return span;
}

/* A look in full goes on where the daemon has the word. Else threads that sleep in turn, each woken by the
 * one before, would never find it open, however short a time each has it. Between two looks its processor is
 * there for the owner, and for others who want to run. Who keeps it looks in vain where the owner is to run
 * there, too, and would give a short time-out to others: it does not look. */
static int look_soon(struct shared *shared, look *once, double *timeout)
{
    uint8_t vain = atomic_load_explicit(&shared->vain, memory_order_relaxed);
    int64_t begun, now, span, way, longest = 0;
    bool gives_way, is_over;
    int r;

    if (!shared_word(shared) || !shared_knows_slot(shared) || shared_is_unsure(shared))
        return 0;
    gives_way = *timeout >= WAY_TIMEOUT && way_may_be_given();
    span = soon(shared, vain, gives_way ? SOON : SOON_KEPT, *timeout);
    if (!gives_way && vain > 0 && way_is_confined())
        return 0;
    begun = now = clock_monotonic();
    for (;;) {
        r = once(shared, vain == 0, &is_over);
        if (is_over || now >= begun + span)
            break;
        if (gives_way) {
            now = way_give(now, &way);
            longest = way > longest ? way : longest;
        } else {
            way_pause();
            now = clock_monotonic();
        }
    }
    if (longest > 0)
        way_note(longest);
    if (r > 0)
        atomic_store_explicit(&shared->vain, 0, memory_order_relaxed);
    *timeout = fmax(*timeout - (double) (now - begun) / (double) NSEC_PER_SEC, 0);
    return r;
}

static int look_for(struct shared *shared, bool is_recursive, bool in_full, bool *ret_is_over)
{
    const struct page_word *word = shared_word(shared);
    uint64_t seen = atomic_load_explicit(&word->value, memory_order_relaxed);
    int r = shared_acquire_seen(shared, is_recursive, seen);

    *ret_is_over = r > 0 || word_is_gone(seen) || (seen & WORD_CLOSED && !in_full) ||
                   word_owner(seen) == shared_self.slot || shared_has_died(word);
    return r;
}

static int look_for_lock(struct shared *shared, bool in_full, bool *ret_is_over)
{
    return look_for(shared, false, in_full, ret_is_over);
}

static int look_for_rlock(struct shared *shared, bool in_full, bool *ret_is_over)
{
    return look_for(shared, true, in_full, ret_is_over);
}

int shared_acquire_soon(struct shared *shared, bool is_recursive, double *timeout)
{
    return look_soon(shared, is_recursive ? look_for_rlock : look_for_lock, timeout);
}

/* Only the word of another owner is to become free while this one looks; and none where others are free that
 * only the daemon can give. */
static int look_for_permit(struct shared *shared, bool in_full, bool *ret_is_over)
{
    const struct page_word *words = shared_word(shared);
    uint32_t count = atomic_load_explicit(&shared->words, memory_order_relaxed);
    bool is_hope = false, is_more = false;
    int r = shared_take_seen(shared);

    for (uint32_t i = 0; r == 0 && i < count; i++) {
        uint64_t seen = atomic_load_explicit(&words[i].value, memory_order_relaxed);

        is_more = is_more || word_is_gone(seen) || seen & WORD_MORE;
        is_hope = is_hope || (seen & WORD_CLOSED ? in_full : word_owner(seen) != shared_self.slot);
    }
    *ret_is_over = !is_hope || is_more || shared_is_unsure(shared) || shared_has_died(words);
    return r;
}

bool shared_take_soon(struct shared *shared, double *timeout)
{
    return look_soon(shared, look_for_permit, timeout);
}
