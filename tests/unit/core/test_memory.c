/* SPDX-License-Identifier: MIT */
/* What has happened needs no memory, also where tables are about to grow. test_property tries the rest. */
#include "tests/unit/core/memory.h"
#include "tests/unit/core/world.h"

#define WAITERS 600

static struct world *world;
static uint64_t connection, client;

static void set_up(void)
{
    world = world_new();
    connection = world_connect(world, 1000);
    client = world->client;
}

static void tear_down(void)
{
    world_free(world);
}

static void without_memory(enum input_kind kind, uint64_t number)
{
    struct core_input input = {.kind = kind, .body.number = number, .mono = world->mono, .wall = world->wall};
    size_t asked;

    memory_fails(1, true);
    must(core_step(world->core, &input) == 0);
    asked = memory_asked();
    memory_fails(0, false);
    ck_assert_uint_eq(asked, 0);
    core_delivered(world->core);
}

/* However full the table of waiters is: who gives up is followed by the first who asked the same. */
START_TEST(a_place_is_handed_over)
{
    uint64_t process = RUN(world, .connection = connection);
    uint64_t second = world_connect_as(world, client, 1000, 0);
    uint64_t first = ASK(world, STOP, .connection = connection, .process = process, .key = "k", .digest = 1);

    for (int i = 0; i < WAITERS; i++) {
        ASK(world, STOP, .connection = second, .process = process, .key = "k", .digest = 1);
        ASK(world, STOP, .connection = second, .process = process, .key = "k", .digest = 1);
        without_memory(INPUT_CANCEL, first++);
    }
    without_memory(INPUT_DISCONNECT, second);
    without_memory(INPUT_CLIENT_DEAD, client);
}
END_TEST

/* Who was not here before is not here after a request that failed. */
START_TEST(a_stranger_leaves_no_trace)
{
    struct core_input input = {.kind = INPUT_SPAWN, .body.request = {.connection = connection, .uid = 2000}};
    size_t which = 0;
    int r;

    do {
        input.body.request.ticket = ++world->ticket;
        memory_fails(++which, false);
        r = core_step(world->core, &input);
        memory_fails(0, false);
        must(r == 0 || !core_account(world->core, 2000));
    } while (r < 0);
    ck_assert_uint_gt(which, 5);
    core_delivered(world->core);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_place_is_handed_over);
    tcase_add_test(tcase, a_stranger_leaves_no_trace);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
