/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/memory.h"

#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

static size_t asked, fails, held;
static bool lasts;

void memory_fails(size_t which, bool lasting)
{
    asked = 0;
    fails = which;
    lasts = lasting;
}

size_t memory_asked(void)
{
    return asked;
}

size_t memory_held(void)
{
    return held;
}

static bool refused(void)
{
    asked++;
    return fails != 0 && (asked == fails || (lasts && asked > fails));
}

static void *given(void *block)
{
    held += block != NULL;
    return block;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : given(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : given(__real_calloc(count, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    void *moved;

    if (refused())
        return NULL;
    moved = __real_realloc(block, size);
    return block ? moved : given(moved);
}

void __wrap_free(void *block)
{
    held -= block != NULL;
    __real_free(block);
}
