/* SPDX-License-Identifier: MIT */
#include "tests/unit/client/one_word.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct page *page;
struct shared handle;

void one_word_begin(void)
{
    page = aligned_alloc(sizeof *page, sizeof *page);
    ck_assert_ptr_nonnull(page);
    memset(page, 0, sizeof *page);
}

void one_word_end(void)
{
    free(page);
}

void have(uint64_t value)
{
    handle = (struct shared){.word = &page->words[3], .page = 1, .words = 1, .guess = ORDER};
    shared_self = (struct shared_self){.page = 1, .slot = 9};
    atomic_store(&page->words[3].value, value);
}

uint64_t word(unsigned index)
{
    return atomic_load(&page->words[index].value);
}
