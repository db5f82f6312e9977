/* SPDX-License-Identifier: MIT */
#include "daemon/base/heap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

int heap_reserve(struct heap *heap, size_t more)
{
    size_t room = heap->room ? heap->room : 16;
    struct heap_node **nodes;

    while (room < heap->count + more)
        room *= 2;
    if (room == heap->room)
        return 0;
    nodes = realloc(heap->nodes, room * sizeof(*nodes));
    if (!nodes)
        return -ENOMEM;
    heap->nodes = nodes;
    heap->room = room;
    return 0;
}

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void place(struct heap *heap, struct heap_node *node, size_t at)
{
    heap->nodes[at] = node;
    node->index = at + 1;
}

static void sift_up(struct heap *heap, struct heap_node *node, size_t at)
{
    while (at > 0 && before(node, heap->nodes[(at - 1) / 2])) {
        place(heap, heap->nodes[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    place(heap, node, at);
}

static void sift_down(struct heap *heap, struct heap_node *node, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!before(heap->nodes[child], node))
            break;
        place(heap, heap->nodes[child], at);
        at = child;
    }
    place(heap, node, at);
}

void heap_insert(struct heap *heap, struct heap_node *node)
{
    heap->count++;
    sift_up(heap, node, heap->count - 1);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    struct heap_node *last;
    size_t at = node->index;

    if (at == 0)
        return;
    node->index = 0;
    last = heap->nodes[--heap->count];
    if (last == node)
        return;
    at--;
    if (at > 0 && before(last, heap->nodes[(at - 1) / 2]))
        sift_up(heap, last, at);
    else
        sift_down(heap, last, at);
}

void heap_done(struct heap *heap)
{
    free(heap->nodes);
    *heap = (struct heap){0};
}
