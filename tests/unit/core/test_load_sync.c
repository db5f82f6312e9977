/* SPDX-License-Identifier: MIT */
/* daemon/core/save_sync.c and load_sync.c: objects in a snapshot; and those that end early, or find no
 * memory. */
#include "daemon/core/save.h"
#include "tests/unit/core/memory.h"
#include "tests/unit/core/twin.h"
#include "tests/unit/core/world.h"

#include <errno.h>

static struct world *world;
static uint64_t mine, me, other, third;
static struct state state;

/* Something of everything: holders, queues, sleepers, generations, keys, what is spawned with. */
static void set_up(void)
{
    world = world_new();
    mine = world_connect(world, 1000);
    me = world->client;
    other = world_connect(world, 1000);
    third = world_connect(world, 1000);
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "c", .object = OBJECT_CONDITION);
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "w", .object = OBJECT_BARRIER, .parties = 2);
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "/s", .object = OBJECT_SEMAPHORE, .value = 1);
    RUN(world, .connection = mine, .objects = "/s");
    ASK(world, ACQUIRE, .connection = mine, .name = "c.lock", .object = OBJECT_RLOCK);
    ASK(world, CONDITION_WAIT, .connection = mine, .name = "c", .flags = REQUEST_DEADLINE, .span = SECOND);
    ASK(world, ACQUIRE, .connection = other, .name = "c.lock", .object = OBJECT_RLOCK);
    ASK(world, CONDITION_WAIT, .connection = other, .name = "c");
    ASK(world, ACQUIRE, .connection = third, .name = "c.lock", .object = OBJECT_RLOCK);
    ASK(world, CONDITION_NOTIFY, .connection = third, .name = "c");
    ASK(world, ACQUIRE, .connection = third, .name = "l", .key = "k", .digest = 1);
    ASK(world, ACQUIRE, .connection = mine, .name = "l", .holder = "t2", .key = "k", .digest = 1);
    ASK(world, ACQUIRE, .connection = mine, .name = "l", .holder = "t2", .key = "k", .digest = 1);
    ASK(world, ACQUIRE, .connection = mine, .name = "/s", .object = OBJECT_SEMAPHORE);
    ASK(world, ACQUIRE, .connection = other, .name = "/s", .object = OBJECT_SEMAPHORE, .flags = REQUEST_UNDO);
    ASK(world, BARRIER_WAIT, .connection = mine, .name = "w", .holder = "t3");
    ASK(world, BARRIER_WAIT, .connection = other, .name = "w", .flags = REQUEST_ACTION);
    ASK(world, BARRIER_WAIT, .connection = other, .name = "w", .holder = "t3");
    ASK(world, EVENT_WAIT, .connection = third, .name = "e");
    ASK(world, EVENT_WAIT, .connection = third, .name = "e", .key = "e", .digest = 2);
    state_take(&state, world->core);
}

static void tear_down(void)
{
    state_free(&state);
    world_free(world);
}

/* A wait and a grant whose client has lost its broker. */
static void lose(void)
{
    uint64_t connection;

    world_number(world, INPUT_RESTARTED, UINT64_MAX);
    connection = world_connect(world, 1000);
    ASK(world, RELEASE, .connection = connection, .name = "l");
    must(!TAILQ_EMPTY(&core_client(world->core, me)->unasked) && world->core->absences == 2);
    state_take(&state, world->core);
}

START_TEST(all_of_it)
{
    struct core *twin = twin_of(world->core);

    ck_assert_uint_gt(HASH_COUNT(twin->waiters), 6);
    core_free(twin);
}
END_TEST

/* The twin does the same with it: grants, wakes, breaks. */
START_TEST(it_goes_on)
{
    struct core *twin = twin_of(world->core);
    uint64_t seq = world->core->counters.seq;
    struct core_input input = {.kind = INPUT_CLIENT_DEAD, .body.number = me, .mono = 1, .wall = 1};

    must(core_step(world->core, &input) == 0 && core_step(twin, &input) == 0);
    must_put_out_the_same(world->core, twin, seq);
    core_delivered(world->core);
    core_delivered(twin);
    must_be_twins(world->core, twin);
    core_free(twin);
}
END_TEST

START_TEST(one_that_ends_early)
{
    size_t held;

    if (_i)
        lose();
    held = memory_held();
    for (size_t size = 0; size < state.size; size += size % 13 + 3) {
        struct core *core = NULL;

        must(core_load(state.bytes, size, &core) == -EBADMSG);
        must(!core && memory_held() == held);
    }
}
END_TEST

START_TEST(one_without_memory)
{
    size_t held;
    int r = -ENOMEM;

    if (_i)
        lose();
    held = memory_held();
    for (size_t which = 1; r != 0; which++) {
        struct core *core = NULL;

        memory_fails(which, which % 2);
        r = core_load(state.bytes, state.size, &core);
        memory_fails(0, false);
        must(r == 0 || (r == -ENOMEM && !core));
        core_free(core);
        must(memory_held() == held);
    }
}
END_TEST

/* Refused, or borne: see bear. */
START_TEST(one_bit_is_wrong)
{
    for (size_t bit = (size_t) _i; bit < state.size * 8; bit += 29 * 11) {
        struct core *core = NULL;

        state.bytes[bit / 8] = (char) (state.bytes[bit / 8] ^ (1 << bit % 8));
        must((core_load(state.bytes, state.size, &core) == 0) == (core != NULL));
        if (core)
            bear(core);
        state.bytes[bit / 8] = (char) (state.bytes[bit / 8] ^ (1 << bit % 8));
    }
}
END_TEST

/* A queue where nobody can ever be served. */
START_TEST(one_that_makes_no_sense)
{
    struct core *core = NULL;
    struct object *lock = world_object(world, "l");
    struct waiter *waiter = TAILQ_FIRST(&lock->waiters);
    struct hold *hold = waiter->hold;

    waiter->hold = NULL;
    state_take(&state, world->core);
    waiter->hold = hold;
    ck_assert_int_eq(core_load(state.bytes, state.size, &core), -EBADMSG);
    waiter->data.kind = WAIT_BARRIER;
    state_take(&state, world->core);
    waiter->data.kind = WAIT_HOLD;
    ck_assert_int_eq(core_load(state.bytes, state.size, &core), -EBADMSG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("load_sync");
    TCase *tcase = tcase_create("load_sync");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, all_of_it);
    tcase_add_test(tcase, it_goes_on);
    tcase_add_loop_test(tcase, one_that_ends_early, 0, 2);
    tcase_add_loop_test(tcase, one_without_memory, 0, 2);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, one_bit_is_wrong, 0, 29);
    tcase_add_test(tcase, one_that_makes_no_sense);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
