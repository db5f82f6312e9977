/* SPDX-License-Identifier: MIT */
/* A page of which one word is a lock's, and a thread that has the number 9 in it; no daemon is asked. */
#ifndef PROCD_TEST_ONE_WORD_H
#define PROCD_TEST_ONE_WORD_H

#include "client/lib/shared.h"

#define ORDER       (UINT64_C(5) << WORD_ORDER_SHIFT)
#define TAKEN(slot) (ORDER | (slot) | WORD_DEPTH_ONE)
#define OTHERS      TAKEN(7)
#define NEXT(word)  ((word) + (UINT64_C(1) << WORD_ORDER_SHIFT))
#define OFFERED(to) (WORD_CLOSED | (uint64_t) (to) << WORD_NEXT_SHIFT)

extern struct page *page;
extern struct shared handle;

/* As fixtures. */
void one_word_begin(void);
void one_word_end(void);

/* The word says so, and the thread knows nothing else yet. */
void have(uint64_t value);
uint64_t word(unsigned index);

#endif
