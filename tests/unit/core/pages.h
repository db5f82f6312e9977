/* SPDX-License-Identifier: MIT */
/*
 * The memory that a core's clients share with its broker, played: what the broker does with it, and what
 * clients do that keep to the rules of proto/page.h.
 */
#ifndef PROCD_TESTS_UNIT_CORE_PAGES_H
#define PROCD_TESTS_UNIT_CORE_PAGES_H

#include "daemon/core/core.h"

struct pages {
    uint64_t words[3][PAGE_WORDS]; /* of uid 0, of 1000 and of all others */
    uint64_t heads[3][PAGE_WORDS]; /* of semaphores' first words */
    uint64_t links[3][PAGE_SLOTS];
    struct input_word seen[PAGE_WORDS]; /* what the last look has closed */
    size_t seen_count, most; /* of one look; 0: all */
};

uint64_t *pages_word(struct pages *pages, uint32_t uid, uint32_t index);
uint64_t pages_head(const struct pages *pages, uint32_t uid, uint32_t first);
/* Takes what the input hangs on. False: nothing; else *ret_words tells the core, and there may be more. */
bool pages_look(struct pages *pages, struct core *core, const struct core_input *input,
                struct core_input *ret_words);
/* What the last step opens. */
void pages_store(struct pages *pages, const struct core *core);

/* A client's moves. 0: it asks the daemon; 1: done; 2: done, and the owner before had died; 3: done, and
 * handed to the first in the queue. */
int pages_acquire(uint64_t *word, uint32_t slot, bool is_recursive);
int pages_release(struct pages *pages, uint64_t *word, uint32_t slot, bool is_recursive);
/* Gives back a permit that it has taken, by its word. */
bool pages_give(uint64_t *word, uint32_t slot);
/* The steps of a hand-over of a permit, by the index of the semaphore's first word; whoever makes them.
 * False: that is not to be done now. Its owner gives it back to those who wait; */
bool pages_offer(struct pages *pages, uint32_t uid, uint32_t first, uint32_t index, uint32_t slot);
/* the head is put at a word that was given; */
bool pages_begin(struct pages *pages, uint32_t uid, uint32_t first, uint32_t index);
/* who is first is put in it: its slot, or 0; */
uint32_t pages_hand(struct pages *pages, uint32_t uid, uint32_t first);
/* and the head goes on. */
bool pages_go_on(struct pages *pages, uint32_t uid, uint32_t first);
/* Sets or clears an event. */
bool pages_event(uint64_t *word, bool is_set);
/* Who has been handed it sees that. */
bool pages_take(uint64_t *word, uint32_t slot);

#endif
