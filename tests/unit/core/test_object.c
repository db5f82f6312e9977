/* SPDX-License-Identifier: MIT */
/* daemon/core/object.c and object_requests.c: names, modes, create, unlink and break. */
#include "tests/unit/core/world.h"

#include <string.h>

static struct world *world;
static uint64_t mine, me, other, stranger;

static void set_up(void)
{
    world = world_new();
    mine = world_connect(world, 1000);
    me = world->client;
    other = world_connect(world, 1000);
    stranger = world_connect(world, 1001);
}

static void tear_down(void)
{
    world_free(world);
}

#define CREATE(from, of, ...) ASK(world, OBJECT_CREATE, .connection = (from), .object = (of), __VA_ARGS__)
#define ACQUIRE(from, ...)    ASK(world, ACQUIRE, .connection = (from), __VA_ARGS__)

static const struct answer *must_create(uint64_t ticket)
{
    return must_flag(world, ticket, REPLY_CREATED, true);
}

static uint32_t last_event(void)
{
    return core_event(world->core, world->core->counters.seq)->data.kind;
}

/* ---- names ---- */

START_TEST(names_are_private_to_a_uid)
{
    uint64_t first = ACQUIRE(mine, .name = "l"), second = ACQUIRE(stranger, .name = "l");

    must_get(world, first);
    must_get(world, second);
    must_answer(world, ASK(world, OBJECT_OPEN, .connection = stranger, .name = "m"), ERROR_NO_SUCH_OBJECT);
}
END_TEST

START_TEST(names_with_a_slash_are_everybodys)
{
    must_create(CREATE(mine, OBJECT_LOCK, .name = "/l", .mode = 0666, .gid = 100));
    must_get(world, ACQUIRE(stranger, .name = "/l", .gid = 200));
    must_not_get(world, ACQUIRE(mine, .name = "/l", .flags = REQUEST_NO_WAIT));
}
END_TEST

START_TEST(a_mode_is_that_of_a_file)
{
    uint64_t root = world_connect(world, 0);

    must_create(CREATE(mine, OBJECT_EVENT, .name = "/e", .mode = 0620, .gid = 100));
    must_reply(world, ASK(world, EVENT_SET, .connection = other, .name = "/e", .gid = 300), REPLY_EMPTY);
    must_reply(world, ASK(world, EVENT_SET, .connection = stranger, .name = "/e", .gid = 100), REPLY_EMPTY);
    must_answer(world, ASK(world, EVENT_SET, .connection = stranger, .name = "/e", .gid = 200),
                ERROR_PERMISSION_DENIED);
    must_reply(world, ASK(world, EVENT_SET, .connection = root, .name = "/e", .gid = 0), REPLY_EMPTY);
    ck_assert(object_allows(world_object(world, "/e"), 1000, 300, OBJECT_MODE_READ));
    ck_assert(!object_allows(world_object(world, "/e"), 1001, 100, OBJECT_MODE_READ));
    must_answer(world, CREATE(stranger, OBJECT_EVENT, .name = "/e", .gid = 200, .flags = REQUEST_EXIST_OK),
                ERROR_PERMISSION_DENIED);
}
END_TEST

/* mode, default "0600". */
START_TEST(a_shared_one_made_by_its_first_use_is_the_users)
{
    must_get(world, ACQUIRE(mine, .name = "/l", .gid = 100));
    ck_assert_uint_eq(world_object(world, "/l")->data.mode, 0600);
    must_not_get(world, ACQUIRE(other, .name = "/l", .gid = 100, .flags = REQUEST_NO_WAIT));
    must_answer(world, ACQUIRE(stranger, .name = "/l", .gid = 100, .flags = REQUEST_NO_WAIT),
                ERROR_PERMISSION_DENIED);
}
END_TEST

START_TEST(one_without_a_name_gets_one)
{
    const struct answer *answer;

    must_create(CREATE(mine, OBJECT_EVENT, .name = "@2")); /* taken */
    answer = must_create(CREATE(mine, OBJECT_EVENT));
    ck_assert_str_eq(answer->text[0], "@3");
    ck_assert_ptr_nonnull(world_object(world, "@3"));
    answer = must_create(CREATE(mine, OBJECT_EVENT));
    ck_assert_str_ne(answer->text[0], "@3");
}
END_TEST

/* ---- create ---- */

START_TEST(a_name_is_given_once)
{
    uint64_t again;

    must_create(CREATE(mine, OBJECT_SEMAPHORE, .name = "s", .value = 3));
    ck_assert_uint_eq(last_event(), EVENT_OBJECT_CREATED);
    must_answer(world, CREATE(other, OBJECT_SEMAPHORE, .name = "s"), ERROR_ALREADY_EXISTS);
    again = CREATE(other, OBJECT_SEMAPHORE, .name = "s", .value = 7, .flags = REQUEST_EXIST_OK);
    must_flag(world, again, REPLY_CREATED, false);
    ck_assert_uint_eq(world_object(world, "s")->data.value, 3); /* the existing one stays */
    world_number(world, INPUT_CLIENT_DEAD, me);
    ck_assert_ptr_nonnull(world_object(world, "s")); /* the other has it open now */
}
END_TEST

START_TEST(another_kind_is_refused)
{
    uint64_t create, acquire;

    must_create(CREATE(mine, OBJECT_SEMAPHORE, .name = "s"));
    create = CREATE(mine, OBJECT_EVENT, .name = "s", .flags = REQUEST_EXIST_OK);
    must_answer(world, create, ERROR_WRONG_KIND);
    ck_assert_uint_eq(world_answer(world, create)->reply.sync.kind, OBJECT_SEMAPHORE);
    acquire = ACQUIRE(mine, .name = "s");
    must_answer(world, acquire, ERROR_WRONG_KIND);
    ck_assert_uint_eq(world_answer(world, acquire)->reply.sync.kind, OBJECT_SEMAPHORE);
}
END_TEST

START_TEST(first_use_makes_locks_and_events_only)
{
    must_get(world, ACQUIRE(mine, .name = "l"));
    must_get(world, ACQUIRE(mine, .name = "r", .object = OBJECT_RLOCK));
    must_reply(world, ASK(world, EVENT_SET, .connection = mine, .name = "e"), REPLY_EMPTY);
    must_flag(world, ASK(world, EVENT_WAIT, .connection = mine, .name = "f", .flags = REQUEST_NO_WAIT),
              REPLY_SET, false);
    ck_assert_ptr_nonnull(world_object(world, "f"));
    must_answer(world, ACQUIRE(mine, .name = "s", .object = OBJECT_SEMAPHORE), ERROR_NO_SUCH_OBJECT);
    must_answer(world, ASK(world, RELEASE, .connection = mine, .name = "x"), ERROR_NO_SUCH_OBJECT);
    must_answer(world, ASK(world, EVENT_IS_SET, .connection = mine, .name = "g"), ERROR_NO_SUCH_OBJECT);
    must_answer(world, ASK(world, CONDITION_WAIT, .connection = mine, .name = "c"), ERROR_NO_SUCH_OBJECT);
    must_answer(world, ASK(world, BARRIER_WAIT, .connection = mine, .name = "w"), ERROR_NO_SUCH_OBJECT);
}
END_TEST

/* ---- unlink and break ---- */

START_TEST(who_waits_for_what_is_unlinked_is_told)
{
    uint64_t waits, again;

    must_get(world, ACQUIRE(mine, .name = "l"));
    waits = ACQUIRE(other, .name = "l");
    must_reply(world, ASK(world, OBJECT_UNLINK, .connection = other, .name = "l"), REPLY_EMPTY);
    ck_assert_uint_eq(last_event(), EVENT_OBJECT_UNLINKED);
    must_answer(world, waits, ERROR_OBJECT_GONE);
    must_answer(world, ASK(world, RELEASE, .connection = mine, .name = "l"), ERROR_NO_SUCH_OBJECT);
    again = ACQUIRE(other, .name = "l"); /* another one */
    ck_assert_uint_eq(must_get(world, again)->reply.sync.abandoned, 0);
}
END_TEST

START_TEST(only_its_owner_and_root_unlink_a_shared_one)
{
    uint64_t root = world_connect(world, 0);

    must_create(CREATE(mine, OBJECT_LOCK, .name = "/l", .mode = 0666));
    must_answer(world, ASK(world, OBJECT_UNLINK, .connection = stranger, .name = "/l"),
                ERROR_PERMISSION_DENIED);
    must_reply(world, ASK(world, OBJECT_UNLINK, .connection = root, .name = "/l"), REPLY_EMPTY);
}
END_TEST

START_TEST(break_releases_by_force)
{
    uint64_t first = ACQUIRE(mine, .name = "l"), next = ACQUIRE(other, .name = "l");
    uint64_t token = must_get(world, first)->reply.sync.token;

    must_reply(world, ASK(world, OBJECT_BREAK, .connection = other, .name = "l"), REPLY_EMPTY);
    ck_assert_uint_eq(must_get(world, next)->reply.sync.abandoned, 1);
    must_answer(world,
                ASK(world, RELEASE, .connection = mine, .name = "l", .token = token, .flags = REQUEST_TOKEN),
                ERROR_NOT_OWNER);
    must_create(CREATE(mine, OBJECT_SEMAPHORE, .name = "s"));
    must_answer(world, ASK(world, OBJECT_BREAK, .connection = mine, .name = "s"), ERROR_WRONG_KIND);
}
END_TEST

START_TEST(break_of_what_is_free)
{
    must_create(CREATE(mine, OBJECT_RLOCK, .name = "r"));
    must_reply(world, ASK(world, OBJECT_BREAK, .connection = mine, .name = "r"), REPLY_EMPTY);
    ck_assert_uint_eq(
        must_get(world, ACQUIRE(mine, .name = "r", .object = OBJECT_RLOCK))->reply.sync.abandoned, 0);
}
END_TEST

/* ---- idleness ---- */

/* Every object is as its first use would make it again. */
START_TEST(idle_as_far_as_objects_go)
{
    static const enum object_kind others[] = {OBJECT_SEMAPHORE, OBJECT_BOUNDED_SEMAPHORE, OBJECT_CONDITION,
                                              OBJECT_BARRIER};

    must_get(world, ACQUIRE(mine, .name = "l"));
    ck_assert(!core_is_idle(world->core));
    ASK(world, RELEASE, .connection = mine, .name = "l");
    ck_assert(core_is_idle(world->core));
    ASK(world, EVENT_SET, .connection = mine, .name = "e", .value = 1);
    ck_assert(!core_is_idle(world->core));
    ASK(world, EVENT_SET, .connection = mine, .name = "e", .value = 0);
    ck_assert(core_is_idle(world->core));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        must_create(CREATE(mine, others[i], .name = "x", .value = 1, .parties = 2));
        ck_assert(!core_is_idle(world->core));
        ASK(world, OBJECT_UNLINK, .connection = mine, .name = "x");
        ck_assert(core_is_idle(world->core));
    }
    must_get(world, ACQUIRE(other, .name = "l"));
    ASK(world, OBJECT_BREAK, .connection = mine, .name = "l"); /* its next holder is to be told */
    ck_assert(!core_is_idle(world->core));
}
END_TEST

START_TEST(another_mode_is_not_what_first_use_makes)
{
    must_create(CREATE(mine, OBJECT_LOCK, .name = "/l", .mode = 0600));
    ck_assert(core_is_idle(world->core));
    must_create(CREATE(mine, OBJECT_LOCK, .name = "/m", .mode = 0660));
    ck_assert(!core_is_idle(world->core));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("object");
    TCase *tcase = tcase_create("object");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, names_are_private_to_a_uid);
    tcase_add_test(tcase, names_with_a_slash_are_everybodys);
    tcase_add_test(tcase, a_mode_is_that_of_a_file);
    tcase_add_test(tcase, a_shared_one_made_by_its_first_use_is_the_users);
    tcase_add_test(tcase, one_without_a_name_gets_one);
    tcase_add_test(tcase, a_name_is_given_once);
    tcase_add_test(tcase, another_kind_is_refused);
    tcase_add_test(tcase, first_use_makes_locks_and_events_only);
    tcase_add_test(tcase, who_waits_for_what_is_unlinked_is_told);
    tcase_add_test(tcase, only_its_owner_and_root_unlink_a_shared_one);
    tcase_add_test(tcase, break_releases_by_force);
    tcase_add_test(tcase, break_of_what_is_free);
    tcase_add_test(tcase, idle_as_far_as_objects_go);
    tcase_add_test(tcase, another_mode_is_not_what_first_use_makes);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
