/* SPDX-License-Identifier: MIT */
/*
 * A hash from a number to whatever embeds a node. Its buckets are reserved once and never grow: no
 * allocation, no failure after map_open.
 */
#ifndef PROCD_KEEPER_MAP_H
#define PROCD_KEEPER_MAP_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define MAP_BITS 16

struct node {
    struct node *next;
    uint64_t key;
};

struct map {
    struct node **buckets;
};

/* Anonymous memory that costs nothing until it is touched. NULL without. */
static inline void *memory_reserve(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static inline int map_open(struct map *map)
{
    map->buckets = memory_reserve(sizeof(struct node *) << MAP_BITS);
    return map->buckets ? 0 : -ENOMEM;
}

static inline struct node **map_bucket(const struct map *map, uint64_t key)
{
    return &map->buckets[key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - MAP_BITS)];
}

static inline void map_add(struct map *map, struct node *node, uint64_t key)
{
    struct node **bucket = map_bucket(map, key);

    node->key = key;
    node->next = *bucket;
    *bucket = node;
}

/* The node that was added last under this key, or NULL. */
static inline struct node *map_find(const struct map *map, uint64_t key)
{
    struct node *node = *map_bucket(map, key);

    while (node && node->key != key)
        node = node->next;
    return node;
}

static inline void map_remove(struct map *map, struct node *node)
{
    struct node **at = map_bucket(map, node->key);

    while (*at && *at != node)
        at = &(*at)->next;
    if (*at)
        *at = node->next;
}

#endif
