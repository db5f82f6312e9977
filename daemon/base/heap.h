/* SPDX-License-Identifier: MIT */
/*
 * A binary min-heap of deadlines. Nodes are embedded in what waits; equal deadlines leave in the order of
 * their `order`, so that the sequence does not depend on the heap's history.
 */
#ifndef PROCD_BASE_HEAP_H
#define PROCD_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;   /* ns */
    uint64_t order;
    size_t index; /* 1-based place in the heap, 0: not in one */
    unsigned tag; /* the owner's: what the node is embedded in */
};

struct heap {
    struct heap_node **nodes;
    size_t count, room;
};

/* Makes room for `more` further nodes, so that heap_insert cannot fail. 0 or -ENOMEM. */
int heap_reserve(struct heap *heap, size_t more);

/* Inserts a node (not in a heap; key and order set). Needs reserved room. */
void heap_insert(struct heap *heap, struct heap_node *node);

/* Takes a node out; one that is in no heap is passed over. */
void heap_remove(struct heap *heap, struct heap_node *node);

/* The earliest node, or NULL. */
static inline struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count ? heap->nodes[0] : NULL;
}

void heap_done(struct heap *heap);

#endif
