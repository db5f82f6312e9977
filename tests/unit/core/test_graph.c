/* SPDX-License-Identifier: MIT */
/* daemon/core/graph.c: nodes, edges and cycles of object.graph. */
#include "daemon/core/graph.h"
#include "tests/unit/core/world.h"

#include <errno.h>
#include <stdio.h>

static struct world *world;
static struct graph graph;
static uint64_t mine, me, other, them;

#define ACQUIRE(from, of, ...) ASK(world, ACQUIRE, .connection = (from), .name = (of), __VA_ARGS__)

static void set_up(void)
{
    world = world_new();
    mine = world_connect(world, 1000);
    me = world->client;
    other = world_connect(world, 1000);
    them = world->client;
}

static void tear_down(void)
{
    core_graph_done(&graph);
    world_free(world);
}

static void draw(void)
{
    core_graph_done(&graph);
    ck_assert_int_eq(core_graph(world->core, 1000, &graph), 0);
}

static int32_t pid_of(uint64_t node)
{
    ck_assert_uint_ge(node, 1);
    ck_assert_uint_le(node, graph.node_count);
    return graph.nodes[node - 1].pid;
}

START_TEST(nobody_waits)
{
    ACQUIRE(mine, "a");
    draw();
    ck_assert_uint_eq(graph.node_count, 0);
    ck_assert_uint_eq(graph.edge_count, 0);
    ck_assert_uint_eq(graph.cycle_count, 0);
}
END_TEST

START_TEST(from_who_waits_to_who_holds)
{
    ACQUIRE(mine, "a");
    ACQUIRE(other, "a");
    draw();
    ck_assert_uint_eq(graph.node_count, 2);
    ck_assert_uint_eq(graph.edge_count, 1);
    ck_assert_int_eq(pid_of(graph.edges[0].from), (int32_t) them + 5000);
    ck_assert_int_eq(pid_of(graph.edges[0].to), (int32_t) me + 5000);
    ck_assert_ptr_eq(graph.edges[0].object, world_object(world, "a"));
    ck_assert_uint_eq(graph.cycle_count, 0);
}
END_TEST

START_TEST(each_holder_of_a_semaphore_once)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "s", .object = OBJECT_SEMAPHORE, .value = 3);
    ACQUIRE(mine, "s", .object = OBJECT_SEMAPHORE);
    ACQUIRE(other, "s", .object = OBJECT_SEMAPHORE);
    ACQUIRE(mine, "s", .object = OBJECT_SEMAPHORE);
    ACQUIRE(other, "s", .holder = "t2", .object = OBJECT_SEMAPHORE);
    draw();
    ck_assert_uint_eq(graph.edge_count, 2);
    draw(); /* and again */
    ck_assert_uint_eq(graph.edge_count, 2);
}
END_TEST

START_TEST(a_cycle_in_the_direction_of_its_edges)
{
    uint64_t third = world_connect(world, 1000);

    ACQUIRE(mine, "a");
    ACQUIRE(other, "b");
    ACQUIRE(third, "c");
    ACQUIRE(mine, "b");
    ACQUIRE(other, "c");
    ACQUIRE(third, "a", .flags = REQUEST_WAIT_ANYWAY);
    draw();
    ck_assert_uint_eq(graph.edge_count, 3);
    ck_assert_uint_eq(graph.cycle_count, 4); /* its nodes, and the 0 that ends it */
    for (int i = 0; i < 3; i++) {
        uint64_t from = graph.cycles[i], to = graph.cycles[(i + 1) % 3];
        bool found = false;

        for (size_t j = 0; j < graph.edge_count; j++)
            found |= graph.edges[j].from == from && graph.edges[j].to == to;
        ck_assert(found);
    }
    ck_assert_uint_eq(graph.cycles[3], 0);
}
END_TEST

START_TEST(a_cycle_through_a_semaphore_and_a_time_out)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "s", .object = OBJECT_SEMAPHORE, .value = 1);
    ACQUIRE(mine, "s", .object = OBJECT_SEMAPHORE);
    ACQUIRE(other, "b");
    ACQUIRE(mine, "b", .flags = REQUEST_DEADLINE, .span = SECOND);
    ACQUIRE(other, "s", .object = OBJECT_SEMAPHORE);
    draw();
    ck_assert_uint_eq(graph.cycle_count, 3);
}
END_TEST

START_TEST(ones_own_lock)
{
    ACQUIRE(mine, "a");
    ACQUIRE(mine, "a", .flags = REQUEST_WAIT_ANYWAY);
    draw();
    ck_assert_uint_eq(graph.node_count, 1);
    ck_assert_uint_eq(graph.cycle_count, 2);
    ck_assert_uint_eq(graph.cycles[0], 1);
}
END_TEST

START_TEST(joins)
{
    uint64_t process = RUN(world, .connection = mine), own;

    ASK(world, JOIN, .connection = other, .process = process);
    draw();
    ck_assert_uint_eq(graph.node_count, 2);
    ck_assert_ptr_null(graph.nodes[graph.edges[0].to - 1].owner); /* the process as such */
    ck_assert_int_eq(pid_of(graph.edges[0].to), (int32_t) process + 10000);
    ck_assert_uint_eq(graph.edges[0].process, process);
    own = world_connect_as(world, 500, 1000, process);
    ACQUIRE(other, "a");
    ACQUIRE(own, "a");
    draw();
    ck_assert_uint_eq(graph.edge_count, 2);
    ck_assert_uint_eq(graph.cycle_count, 3);
    ck_assert_int_eq(pid_of(graph.edges[0].to), 5500);
}
END_TEST

/* A thousand that wait for each of a thousand are a million edges. */
START_TEST(no_more_than_anybody_could_read)
{
    char holder[16];

    world->unchecked = true;
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "s", .object = OBJECT_SEMAPHORE, .value = 1000);
    for (int i = 0; i < 2000; i++) {
        snprintf(holder, sizeof holder, "t%d", i);
        ACQUIRE(mine, "s", .holder = holder, .object = OBJECT_SEMAPHORE);
    }
    ck_assert_int_eq(core_graph(world->core, 1000, &graph), -ENOMEM);
    graph = (struct graph){.nodes = NULL};
}
END_TEST

START_TEST(another_uids_are_not_shown)
{
    uint64_t stranger = world_connect(world, 1001);

    ACQUIRE(stranger, "a");
    ACQUIRE(stranger, "a", .holder = "t2");
    draw();
    ck_assert_uint_eq(graph.node_count, 0);
}
END_TEST

START_TEST(whoever_sleeps_waits_for_nobody)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "c", .object = OBJECT_CONDITION);
    ACQUIRE(mine, "c.lock", .object = OBJECT_RLOCK);
    ASK(world, CONDITION_WAIT, .connection = mine, .name = "c");
    ACQUIRE(other, "c.lock", .object = OBJECT_RLOCK);
    draw();
    ck_assert_uint_eq(graph.edge_count, 0);
    ASK(world, CONDITION_NOTIFY, .connection = other, .name = "c");
    draw();
    ck_assert_uint_eq(graph.edge_count, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("graph");
    TCase *tcase = tcase_create("graph");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, nobody_waits);
    tcase_add_test(tcase, from_who_waits_to_who_holds);
    tcase_add_test(tcase, each_holder_of_a_semaphore_once);
    tcase_add_test(tcase, a_cycle_in_the_direction_of_its_edges);
    tcase_add_test(tcase, a_cycle_through_a_semaphore_and_a_time_out);
    tcase_add_test(tcase, ones_own_lock);
    tcase_add_test(tcase, joins);
    tcase_add_test(tcase, no_more_than_anybody_could_read);
    tcase_add_test(tcase, another_uids_are_not_shown);
    tcase_add_test(tcase, whoever_sleeps_waits_for_nobody);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
