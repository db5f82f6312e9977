/* SPDX-License-Identifier: MIT */
/* daemon/base/heap.c: the earliest first, equal ones in order, and any node may leave at any time. */
#include "daemon/base/heap.h"
#include "tests/unit/core/must.h"

#include <check.h>
#include <stdlib.h>

#define NODES 64

static struct heap heap;
static struct heap_node nodes[NODES];

static void set_up(void)
{
    heap = (struct heap){0};
    for (size_t i = 0; i < NODES; i++)
        nodes[i] = (struct heap_node){.order = i};
    ck_assert_int_eq(heap_reserve(&heap, NODES), 0);
}

static void tear_down(void)
{
    heap_done(&heap);
    ck_assert_ptr_null(heap.nodes);
    heap_done(&heap); /* once more is fine */
}

/* What a heap promises, looked at from outside: places, and no child before its parent. */
static void must_be_heap(void)
{
    for (size_t i = 0; i < heap.count; i++) {
        const struct heap_node *node = heap.nodes[i], *parent = i > 0 ? heap.nodes[(i - 1) / 2] : NULL;

        must(node->index == i + 1);
        must(!parent || parent->key < node->key || (parent->key == node->key && parent->order < node->order));
    }
}

static const struct heap_node *earliest(void)
{
    const struct heap_node *first = NULL;

    for (size_t i = 0; i < NODES; i++)
        if (nodes[i].index && (!first || nodes[i].key < first->key ||
                               (nodes[i].key == first->key && nodes[i].order < first->order)))
            first = &nodes[i];
    return first;
}

START_TEST(an_empty_heap_has_no_first)
{
    ck_assert_ptr_null(heap_first(&heap));
    heap_remove(&heap, &nodes[0]); /* in no heap: passed over */
    ck_assert_uint_eq(heap.count, 0);
}
END_TEST

START_TEST(leaves_by_key)
{
    static const int64_t keys[] = {5, INT64_MAX, -3, 0, INT64_MIN, 4};

    for (size_t i = 0; i < 6; i++) {
        nodes[i].key = keys[i];
        heap_insert(&heap, &nodes[i]);
    }
    for (int64_t before = INT64_MIN; heap_first(&heap);) {
        struct heap_node *first = heap_first(&heap);

        ck_assert_int_ge(first->key, before);
        before = first->key;
        heap_remove(&heap, first);
        ck_assert_uint_eq(first->index, 0);
        ck_assert_ptr_ne(heap_first(&heap), first);
    }
}
END_TEST

START_TEST(equal_keys_leave_in_order)
{
    for (size_t i = 0; i < NODES; i++)
        heap_insert(&heap, &nodes[i * 37 % NODES]); /* 37 and 64 share no factor: each once */
    for (size_t i = 0; i < NODES; i++) {
        ck_assert_ptr_eq(heap_first(&heap), &nodes[i]);
        heap_remove(&heap, &nodes[i]);
    }
    ck_assert_ptr_null(heap_first(&heap));
}
END_TEST

START_TEST(reserve_keeps_what_is_there)
{
    struct heap_node *many = calloc(1000, sizeof *many);

    for (size_t i = 0; i < 1000; i++) {
        many[i] = (struct heap_node){.key = 1000 - (int64_t) i, .order = i};
        ck_assert_int_eq(heap_reserve(&heap, 1), 0);
        ck_assert_uint_gt(heap.room, heap.count);
        heap_insert(&heap, &many[i]);
    }
    ck_assert_ptr_eq(heap_first(&heap), &many[999]);
    must_be_heap();
    free(many);
}
END_TEST

START_TEST(any_node_may_leave)
{
    unsigned seed = 7;

    for (int round = 0; round < 100000; round++) {
        struct heap_node *node = &nodes[(unsigned) rand_r(&seed) % NODES];

        if (node->index) {
            heap_remove(&heap, node);
        } else {
            node->key = rand_r(&seed) % 16;
            heap_insert(&heap, node);
        }
        must_be_heap();
        must(heap_first(&heap) == earliest());
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heap");
    TCase *tcase = tcase_create("heap");

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, an_empty_heap_has_no_first);
    tcase_add_test(tcase, leaves_by_key);
    tcase_add_test(tcase, equal_keys_leave_in_order);
    tcase_add_test(tcase, reserve_keeps_what_is_there);
    tcase_add_test(tcase, any_node_may_leave);
    return RUN_SUITE(suite);
}
