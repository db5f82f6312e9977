/* SPDX-License-Identifier: MIT */
/* daemon/core/lock.c, the part of semaphores: permits, bounds, undo. */
#include "tests/unit/core/world.h"

static struct world *world;
static uint64_t mine, me, other, them;

#define CREATE(of, ...)                                                      \
    ASK(world, OBJECT_CREATE, .connection = other, .name = "s", .object = (of), __VA_ARGS__)
#define ACQUIRE(from, ...)                                                   \
    ASK(world, ACQUIRE, .connection = (from), .name = "s", .object = OBJECT_SEMAPHORE, __VA_ARGS__)
#define RELEASE(from, ...)                                                   \
    ASK(world, RELEASE, .connection = (from), .name = "s", .object = OBJECT_SEMAPHORE, __VA_ARGS__)

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
    world_free(world);
}

static void must_have(uint64_t value)
{
    ck_assert_uint_eq(world_object(world, "s")->data.value, value);
}

static uint64_t holds(void)
{
    const struct hold *hold;
    uint64_t count = 0;

    TAILQ_FOREACH(hold, &world_object(world, "s")->holds, of_object)
        count++;
    return count;
}

START_TEST(so_many_permits)
{
    uint64_t waits;

    CREATE(OBJECT_SEMAPHORE, .value = 2);
    must_get(world, ACQUIRE(mine, 0));
    must_get(world, ACQUIRE(mine, 0));
    must_not_get(world, ACQUIRE(other, .flags = REQUEST_NO_WAIT));
    waits = ACQUIRE(other, 0);
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must_get(world, waits);
    must_have(0);
}
END_TEST

START_TEST(none_at_first)
{
    uint64_t first, second;

    CREATE(OBJECT_SEMAPHORE, .value = 0);
    first = ACQUIRE(mine, 0);
    second = ACQUIRE(mine, .holder = "t2");
    must_reply(world, RELEASE(other, 0), REPLY_EMPTY); /* a signal */
    must_get(world, first);
    must_wait(world, second);
}
END_TEST

START_TEST(n_at_once)
{
    uint64_t first, second, third;

    CREATE(OBJECT_SEMAPHORE, .value = 0);
    first = ACQUIRE(mine, 0);
    second = ACQUIRE(mine, .holder = "t2");
    third = ACQUIRE(mine, .holder = "t3");
    must_reply(world, RELEASE(other, .value = 2), REPLY_EMPTY);
    must_get(world, first);
    must_get(world, second);
    must_wait(world, third);
    must_reply(world, RELEASE(other, .value = 3), REPLY_EMPTY);
    must_get(world, third);
    must_have(2);
}
END_TEST

START_TEST(beyond_the_bound_all_or_nothing)
{
    CREATE(OBJECT_BOUNDED_SEMAPHORE, .value = 2);
    must_answer(world, RELEASE(mine, 0), ERROR_TOO_MANY_RELEASES);
    ACQUIRE(mine, 0);
    must_answer(world, RELEASE(mine, .value = 2), ERROR_TOO_MANY_RELEASES);
    must_have(1);
    ck_assert_uint_eq(holds(), 1);
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must_have(2);
}
END_TEST

START_TEST(an_unbounded_one_has_a_bound_too)
{
    CREATE(OBJECT_SEMAPHORE, .value = PROTO_INTEGER_MAX);
    must_answer(world, RELEASE(mine, 0), ERROR_TOO_MANY_RELEASES);
    ACQUIRE(mine, 0);
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must_answer(world, RELEASE(mine, .value = PROTO_INTEGER_MAX), ERROR_TOO_MANY_RELEASES);
}
END_TEST

/* ends the releaser's own oldest holds, else the oldest of anybody, else none */
START_TEST(whose_hold_a_release_ends)
{
    uint64_t own;

    CREATE(OBJECT_SEMAPHORE, .value = 3);
    must_get(world, ACQUIRE(other, 0));
    own = must_get(world, ACQUIRE(mine, 0))->reply.sync.hold;
    must_get(world, ACQUIRE(other, 0));
    RELEASE(mine, 0);
    ck_assert_uint_eq(holds(), 2);
    ck_assert_uint_ne(TAILQ_FIRST(&world_object(world, "s")->holds)->data.id, own);
    RELEASE(mine, 0); /* no own one is left: the oldest of anybody */
    ck_assert_uint_eq(holds(), 1);
    ck_assert_uint_gt(TAILQ_FIRST(&world_object(world, "s")->holds)->data.id, own);
    RELEASE(mine, .value = 5);
    ck_assert_uint_eq(holds(), 0);
    must_have(7);
}
END_TEST

START_TEST(a_bounded_ones_permits_come_back_from_the_dead)
{
    uint64_t waits;

    CREATE(OBJECT_BOUNDED_SEMAPHORE, .value = 2);
    ACQUIRE(mine, 0);
    ACQUIRE(mine, 0);
    waits = ACQUIRE(other, 0);
    world_number(world, INPUT_CLIENT_DEAD, me);
    ck_assert_uint_eq(must_get(world, waits)->reply.sync.abandoned, 1);
    ck_assert_uint_eq(must_get(world, ACQUIRE(other, 0))->reply.sync.abandoned, 1); /* the other one */
    RELEASE(other, 0);
    ck_assert_uint_eq(must_get(world, ACQUIRE(other, 0))->reply.sync.abandoned, 0);
}
END_TEST

START_TEST(a_semaphores_do_not)
{
    CREATE(OBJECT_SEMAPHORE, .value = 1);
    ACQUIRE(mine, 0);
    world_number(world, INPUT_CLIENT_DEAD, me);
    must_have(0);
    ck_assert_uint_eq(holds(), 0);
}
END_TEST

START_TEST(undo_as_it_was_asked)
{
    CREATE(OBJECT_SEMAPHORE, .value = 2);
    ACQUIRE(mine, .flags = REQUEST_UNDO);
    ACQUIRE(mine, 0);
    world_number(world, INPUT_CLIENT_DEAD, me);
    must_have(1);
    ASK(world, OBJECT_UNLINK, .connection = other, .name = "s");
    CREATE(OBJECT_BOUNDED_SEMAPHORE, .value = 2);
    mine = world_connect(world, 1000);
    ACQUIRE(mine, .flags = REQUEST_NO_UNDO);
    world_number(world, INPUT_CLIENT_DEAD, world->client);
    must_have(1);
    must_reply(world, RELEASE(other, 0), REPLY_EMPTY); /* by hand */
    must_have(2);
}
END_TEST

START_TEST(a_release_in_anothers_place)
{
    uint64_t own;

    CREATE(OBJECT_SEMAPHORE, .value = 2);
    own = must_get(world, ACQUIRE(mine, 0))->reply.sync.hold;
    must_get(world, ACQUIRE(other, 0));
    must_reply(world, RELEASE(mine, .creator = them), REPLY_EMPTY);
    ck_assert_uint_eq(holds(), 1);
    ck_assert_uint_eq(TAILQ_FIRST(&world_object(world, "s")->holds)->data.id, own);
}
END_TEST

START_TEST(an_undelivered_permit_comes_back)
{
    struct core_input input = {.kind = INPUT_UNDELIVERED, .blob[BLOB_NAME] = {"s", 1}};
    uint64_t waits;

    CREATE(OBJECT_SEMAPHORE, .value = 1);
    input.body.sync.token = must_get(world, ACQUIRE(mine, 0))->reply.sync.hold;
    input.body.sync.request.uid = 1000;
    input.body.sync.value = 1;
    waits = ACQUIRE(other, 0);
    must(world_step(world, &input) == 0);
    must_get(world, waits);
    must_have(0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("semaphore");
    TCase *tcase = tcase_create("semaphore");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, so_many_permits);
    tcase_add_test(tcase, none_at_first);
    tcase_add_test(tcase, n_at_once);
    tcase_add_test(tcase, beyond_the_bound_all_or_nothing);
    tcase_add_test(tcase, an_unbounded_one_has_a_bound_too);
    tcase_add_test(tcase, whose_hold_a_release_ends);
    tcase_add_test(tcase, a_bounded_ones_permits_come_back_from_the_dead);
    tcase_add_test(tcase, a_semaphores_do_not);
    tcase_add_test(tcase, undo_as_it_was_asked);
    tcase_add_test(tcase, a_release_in_anothers_place);
    tcase_add_test(tcase, an_undelivered_permit_comes_back);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
