/* SPDX-License-Identifier: MIT */
/* daemon/core/open.c: how long an object lives, and what ends with who has it open. */
#include "tests/unit/core/world.h"

static struct world *world;
static uint64_t mine, me, other, them;

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

static void die(uint64_t client)
{
    world_number(world, INPUT_CLIENT_DEAD, client);
}

START_TEST(it_lives_as_long_as_its_maker)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "e", .object = OBJECT_EVENT);
    world_disconnect(world, mine);
    ck_assert_ptr_nonnull(world_object(world, "e"));
    die(me);
    ck_assert_ptr_null(world_object(world, "e"));
}
END_TEST

START_TEST(it_lives_as_long_as_whoever_used_it)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "e", .object = OBJECT_EVENT);
    must_flag(world, ASK(world, EVENT_IS_SET, .connection = other, .name = "e"), REPLY_SET, false);
    die(me);
    ck_assert_ptr_nonnull(world_object(world, "e"));
    die(them);
    ck_assert_ptr_null(world_object(world, "e"));
}
END_TEST

START_TEST(it_lives_as_long_as_whoever_opened_it)
{
    uint64_t open;

    ASK(world, OBJECT_CREATE, .connection = mine, .name = "s", .object = OBJECT_SEMAPHORE);
    open = ASK(world, OBJECT_OPEN, .connection = other, .name = "s");
    ck_assert_str_eq(must_reply(world, open, REPLY_OBJECT)->text[0], "s");
    die(me);
    ck_assert_ptr_nonnull(world_object(world, "s"));
    must_reply(world, ASK(world, OBJECT_CLOSE, .connection = other, .name = "s"), REPLY_EMPTY);
    ck_assert_ptr_null(world_object(world, "s"));
    must_answer(world, ASK(world, OBJECT_OPEN, .connection = other, .name = "s"), ERROR_NO_SUCH_OBJECT);
}
END_TEST

START_TEST(it_lives_as_long_as_whoever_was_spawned_with_it)
{
    uint64_t process;

    ASK(world, OBJECT_CREATE, .connection = mine, .name = "s", .object = OBJECT_SEMAPHORE);
    process = RUN(world, .connection = mine, .objects = "s");
    die(me);
    ck_assert_ptr_nonnull(world_object(world, "s"));
    world_exited(world, process, 0);
    ck_assert_ptr_null(world_object(world, "s"));
}
END_TEST

START_TEST(a_spawn_with_what_is_not_there)
{
    must_answer(world, ASK(world, SPAWN, .connection = mine, .objects = "s"), ERROR_NO_SUCH_OBJECT);
    must_order_nothing(world);
    ck_assert_ptr_null(world->core->processes);
}
END_TEST

START_TEST(a_child_closes_what_it_was_given)
{
    uint64_t process, own;

    ASK(world, OBJECT_CREATE, .connection = mine, .name = "s", .object = OBJECT_SEMAPHORE);
    process = RUN(world, .connection = mine, .objects = "s");
    own = world_connect_as(world, 500, 1000, process);
    die(me);
    must_reply(world, ASK(world, OBJECT_CLOSE, .connection = own, .name = "s"), REPLY_EMPTY);
    ck_assert_ptr_null(world_object(world, "s"));
}
END_TEST

START_TEST(a_start_that_fails_lets_go)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "s", .object = OBJECT_SEMAPHORE);
    ASK(world, SPAWN, .connection = mine, .objects = "s");
    die(me);
    ck_assert_ptr_nonnull(world_object(world, "s"));
    world_report(world, INPUT_SPAWN_FAILED, world_last(world));
    ck_assert_ptr_null(world_object(world, "s"));
}
END_TEST

START_TEST(a_persistent_one_lives_until_it_is_unlinked)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "e", .object = OBJECT_EVENT,
        .flags = REQUEST_PERSIST);
    die(me);
    ck_assert_ptr_nonnull(world_object(world, "e"));
    must_reply(world, ASK(world, OBJECT_UNLINK, .connection = other, .name = "e"), REPLY_EMPTY);
    ck_assert_ptr_null(world_object(world, "e"));
}
END_TEST

START_TEST(close_ends_the_holds)
{
    uint64_t waits;

    must_get(world, ASK(world, ACQUIRE, .connection = mine, .name = "l"));
    waits = ASK(world, ACQUIRE, .connection = other, .name = "l");
    must_reply(world, ASK(world, OBJECT_CLOSE, .connection = mine, .name = "l"), REPLY_EMPTY);
    ck_assert_uint_eq(must_get(world, waits)->reply.sync.abandoned, 0); /* in good order */
    must_reply(world, ASK(world, OBJECT_CLOSE, .connection = mine, .name = "l"), REPLY_EMPTY);
}
END_TEST

/* What another thread waits for stays open until that is over. */
START_TEST(close_does_not_end_a_wait)
{
    uint64_t waits;

    must_get(world, ASK(world, ACQUIRE, .connection = other, .name = "l"));
    waits = ASK(world, ACQUIRE, .connection = mine, .name = "l");
    must_reply(world, ASK(world, OBJECT_CLOSE, .connection = mine, .name = "l"), REPLY_EMPTY);
    must_wait(world, waits);
    must_reply(world, ASK(world, RELEASE, .connection = other, .name = "l"), REPLY_EMPTY);
    must_get(world, waits);
}
END_TEST

START_TEST(whoever_asks_in_anothers_place_has_used_it_too)
{
    must_get(world, ASK(world, ACQUIRE, .connection = mine, .name = "l", .creator = them));
    die(them);
    ck_assert_ptr_nonnull(world_object(world, "l"));
    die(me);
    ck_assert_ptr_null(world_object(world, "l"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("open");
    TCase *tcase = tcase_create("open");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, it_lives_as_long_as_its_maker);
    tcase_add_test(tcase, it_lives_as_long_as_whoever_used_it);
    tcase_add_test(tcase, it_lives_as_long_as_whoever_opened_it);
    tcase_add_test(tcase, it_lives_as_long_as_whoever_was_spawned_with_it);
    tcase_add_test(tcase, a_spawn_with_what_is_not_there);
    tcase_add_test(tcase, a_child_closes_what_it_was_given);
    tcase_add_test(tcase, a_start_that_fails_lets_go);
    tcase_add_test(tcase, a_persistent_one_lives_until_it_is_unlinked);
    tcase_add_test(tcase, close_ends_the_holds);
    tcase_add_test(tcase, close_does_not_end_a_wait);
    tcase_add_test(tcase, whoever_asks_in_anothers_place_has_used_it_too);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
