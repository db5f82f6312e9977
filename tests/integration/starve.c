/* SPDX-License-Identifier: MIT */
/*
 * What is added to procd for test_memory.py: an allocator that fails where the test wants it, in front of the
 * real one, be that the C library's or a sanitizer's. The test finds `starve` by its name, and reads and
 * writes it through /proc. The linker leads our own calls here (--wrap), and with them jansson's, which asks
 * us; libevent asks what it is given.
 */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct starve {
    int64_t at;    /* the how-manieth allocation from now on fails, 0: none */
    int64_t lasts; /* and all behind it */
    int64_t asked; /* since the test has set it to 0 */
    int64_t held;  /* blocks that are not freed yet */
};

extern struct starve starve;
struct starve starve __attribute__((used));

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);
char *__wrap_strdup(const char *text);

static bool refused(void)
{
    int64_t asked = __atomic_add_fetch(&starve.asked, 1, __ATOMIC_RELAXED);
    bool yes = starve.at > 0 && (asked == starve.at || (starve.lasts && asked > starve.at));

    if (yes)
        errno = ENOMEM;
    return yes;
}

static void *given(void *block)
{
    if (block)
        __atomic_add_fetch(&starve.held, 1, __ATOMIC_RELAXED);
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
    void *moved = refused() ? NULL : __real_realloc(block, size);

    return block ? moved : given(moved);
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);

    return copy ? memcpy(copy, text, size) : NULL;
}

void __wrap_free(void *block)
{
    if (block)
        __atomic_sub_fetch(&starve.held, 1, __ATOMIC_RELAXED);
    __real_free(block);
}

__attribute__((constructor)) static void give_to_libevent(void)
{
    event_set_mem_functions(__wrap_malloc, __wrap_realloc, __wrap_free);
}

/* What is not freed at an end that is none of a crash's, is the library's, or lost. */
__attribute__((destructor)) static void tell(void)
{
    dprintf(STDERR_FILENO, "<6>starve: %d holds %lld\n", getpid(), (long long) starve.held);
}
