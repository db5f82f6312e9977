/*
 * What is added to procd for test_memory.py: an allocator that fails where the test wants it. The test finds
 * `starve` by its name, and reads and writes it through /proc. The libraries' allocations come by here, too.
 */
#include "config.h"

#include <errno.h>
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

/* A sanitizer has an allocator of its own. */
#ifndef HAVE_SANITIZERS

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void free(void *block);
char *strdup(const char *text);

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

void *malloc(size_t size)
{
    return refused() ? NULL : given(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return refused() ? NULL : given(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size)
{
    void *moved = refused() ? NULL : __libc_realloc(block, size);

    return block ? moved : given(moved);
}

/* The C library's own would not come by here. */
char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);

    return copy ? memcpy(copy, text, size) : NULL;
}

void free(void *block)
{
    if (block)
        __atomic_sub_fetch(&starve.held, 1, __ATOMIC_RELAXED);
    __libc_free(block);
}

/* What is not freed at an end that is none of a crash's, is the library's, or lost. */
__attribute__((destructor)) static void tell(void)
{
    dprintf(STDERR_FILENO, "<6>starve: %d holds %lld\n", getpid(), (long long) starve.held);
}

#endif
