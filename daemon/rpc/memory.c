/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/memory.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"

#include <stdlib.h>

#define CALL_MOST (64 << 10) /* what a call needs besides */
#define TREE_MOST 8          /* bytes of a tree, per byte of its line */
#define LINE_KEPT (4 << 10)  /* for lines as long as this a reserve is kept: others are rare */
#define RESERVE   (CALL_MOST + TREE_MOST * LINE_KEPT)

static void *reserve;

bool memory_for(size_t length)
{
    void *volatile probe; /* volatile: not to be optimised away */
    bool there;

    if (!reserve)
        reserve = malloc(RESERVE);
    if (length <= LINE_KEPT)
        return reserve;
    probe = malloc(TREE_MOST * length + CALL_MOST);
    there = probe;
    free(probe);
    return there;
}

void *memory_or_end(size_t size)
{
    void *memory = malloc(size);

    if (!memory) {
        free(TAKE(reserve)); /* this is what it is for; the next line is refused until there is one again */
        memory = malloc(size);
    }
    if (!memory) {
        log_error("no memory for JSON: another broker takes over");
        abort();
    }
    return memory;
}
