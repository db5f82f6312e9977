/* SPDX-License-Identifier: MIT */
/* daemon/core/lock.c, the part of rlocks: owners and levels. */
#include "tests/unit/core/world.h"

static struct world *world;
static uint64_t mine, me, other;

#define ACQUIRE(from, ...)                                                   \
    ASK(world, ACQUIRE, .connection = (from), .name = "r", .object = OBJECT_RLOCK, __VA_ARGS__)
#define RELEASE(from, ...)                                                   \
    ASK(world, RELEASE, .connection = (from), .name = "r", .object = OBJECT_RLOCK, __VA_ARGS__)

static void set_up(void)
{
    world = world_new();
    mine = world_connect(world, 1000);
    me = world->client;
    other = world_connect(world, 1000);
}

static void tear_down(void)
{
    world_free(world);
}

START_TEST(its_owner_goes_deeper)
{
    uint64_t token = must_get(world, ACQUIRE(mine, 0))->reply.sync.token, waits;

    ck_assert_uint_eq(must_get(world, ACQUIRE(mine, 0))->reply.sync.token, token);
    waits = ACQUIRE(other, 0);
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must_wait(world, waits);
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    ck_assert_uint_gt(must_get(world, waits)->reply.sync.token, token);
}
END_TEST

/* Also past those who wait: it has the lock already. */
START_TEST(its_owner_goes_deeper_past_the_queue)
{
    uint64_t waits;

    must_get(world, ACQUIRE(mine, 0));
    waits = ACQUIRE(other, 0);
    must_get(world, ACQUIRE(mine, 0));
    must_wait(world, waits);
}
END_TEST

START_TEST(threads_are_told_apart)
{
    must_get(world, ACQUIRE(mine, .holder = "t1"));
    must_not_get(world, ACQUIRE(mine, .holder = "t2", .flags = REQUEST_NO_WAIT));
    must_answer(world, RELEASE(mine, .holder = "t2"), ERROR_NOT_OWNER);
    must_reply(world, RELEASE(mine, .holder = "t1"), REPLY_EMPTY);
}
END_TEST

/* holder, default #N, N the connection's number */
START_TEST(connections_are_threads_by_default)
{
    uint64_t second = world_connect_as(world, me, 1000, 0);

    must_get(world, ACQUIRE(mine, 0));
    must_answer(world, RELEASE(second, 0), ERROR_NOT_OWNER);
    must_reply(world, RELEASE(second, .holder = "#1"), REPLY_EMPTY);
}
END_TEST

START_TEST(only_its_owner_releases)
{
    must_get(world, ACQUIRE(mine, 0));
    must_answer(world, RELEASE(other, 0), ERROR_NOT_OWNER);
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must_answer(world, RELEASE(mine, 0), ERROR_NOT_OWNER);
}
END_TEST

START_TEST(a_death_ends_every_level)
{
    uint64_t waits;

    ACQUIRE(mine, 0);
    ACQUIRE(mine, 0);
    waits = ACQUIRE(other, 0);
    world_number(world, INPUT_CLIENT_DEAD, me);
    ck_assert_uint_eq(must_get(world, waits)->reply.sync.abandoned, 1);
    ck_assert_uint_eq(must_get(world, ACQUIRE(other, 0))->reply.sync.abandoned, 0); /* once */
}
END_TEST

START_TEST(an_undelivered_level)
{
    struct core_input input = {.kind = INPUT_UNDELIVERED, .blob[BLOB_NAME] = {"r", 1}};
    uint64_t waits;

    ACQUIRE(mine, 0);
    input.body.sync.token = must_get(world, ACQUIRE(mine, 0))->reply.sync.hold;
    input.body.sync.request.uid = 1000;
    input.body.sync.value = 1;
    waits = ACQUIRE(other, 0);
    must(world_step(world, &input) == 0);
    must_wait(world, waits); /* the first level stands */
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must_get(world, waits);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rlock");
    TCase *tcase = tcase_create("rlock");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, its_owner_goes_deeper);
    tcase_add_test(tcase, its_owner_goes_deeper_past_the_queue);
    tcase_add_test(tcase, threads_are_told_apart);
    tcase_add_test(tcase, connections_are_threads_by_default);
    tcase_add_test(tcase, only_its_owner_releases);
    tcase_add_test(tcase, a_death_ends_every_level);
    tcase_add_test(tcase, an_undelivered_level);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
