/* SPDX-License-Identifier: MIT */
/* daemon/core/condition.c: the lock given back and got back, notify, and whose lock it is. */
#include "tests/unit/core/world.h"

static struct world *world;
static uint64_t mine, me, other, them, third;

#define LOCK(from, ...)                                                      \
    ASK(world, ACQUIRE, .connection = (from), .name = "c.lock", .object = OBJECT_RLOCK, __VA_ARGS__)
#define FREE(from, ...)                                                      \
    ASK(world, RELEASE, .connection = (from), .name = "c.lock", .object = OBJECT_RLOCK, __VA_ARGS__)
#define WAIT(from, ...)   ASK(world, CONDITION_WAIT, .connection = (from), .name = "c", __VA_ARGS__)
#define NOTIFY(from, ...) ASK(world, CONDITION_NOTIFY, .connection = (from), .name = "c", __VA_ARGS__)
#define CREATE(from, ...)                                                    \
    ASK(world, OBJECT_CREATE, .connection = (from), .object = OBJECT_CONDITION, __VA_ARGS__)

static void set_up(void)
{
    world = world_new();
    mine = world_connect(world, 1000);
    me = world->client;
    other = world_connect(world, 1000);
    them = world->client;
    third = world_connect(world, 1000);
    CREATE(mine, .name = "c");
}

static void tear_down(void)
{
    world_free(world);
}

/* Locks and sleeps. */
static uint64_t sleep_on(uint64_t connection)
{
    uint64_t ticket;

    must_get(world, LOCK(connection, 0));
    ticket = WAIT(connection, 0);
    must_wait(world, ticket);
    return ticket;
}

static void must_wake(uint64_t ticket, bool notified)
{
    must_flag(world, ticket, REPLY_NOTIFIED, notified);
}

static bool holds(uint64_t connection)
{
    return world_answer(world, FREE(connection, 0))->reply.error == ERROR_NONE;
}

/* ---- whose lock ---- */

START_TEST(its_own_rlock)
{
    const struct answer *answer = must_flag(world, CREATE(mine, .name = "d"), REPLY_CREATED, true);

    ck_assert_str_eq(answer->text[0], "d");
    ck_assert_str_eq(answer->text[1], "d.lock");
    ck_assert_uint_eq(world_object(world, "d.lock")->data.kind, OBJECT_RLOCK);
}
END_TEST

START_TEST(one_without_a_name_has_a_lock_of_its_name)
{
    const struct answer *answer = must_flag(world, CREATE(mine, 0), REPLY_CREATED, true);
    size_t size = answer->size[0];

    ck_assert_uint_eq(answer->size[1], size + 5);
    ck_assert_mem_eq(answer->text[1], answer->text[0], size);
    ck_assert_str_eq(answer->text[1] + size, ".lock");
}
END_TEST

START_TEST(a_lock_that_is_given)
{
    uint64_t wrong;

    must_answer(world, CREATE(mine, .name = "d", .lock = "l"), ERROR_NO_SUCH_OBJECT);
    ASK(world, ACQUIRE, .connection = mine, .name = "l");
    must_flag(world, CREATE(mine, .name = "d", .lock = "l"), REPLY_CREATED, true);
    must_wait(world, ASK(world, CONDITION_WAIT, .connection = mine, .name = "d"));
    ASK(world, EVENT_SET, .connection = mine, .name = "e");
    wrong = CREATE(mine, .name = "f", .lock = "e");
    must_answer(world, wrong, ERROR_WRONG_KIND);
    ck_assert_ptr_null(world_object(world, "f"));
}
END_TEST

START_TEST(a_condition_keeps_its_lock)
{
    ASK(world, ACQUIRE, .connection = other, .name = "l");
    CREATE(mine, .name = "d", .lock = "l");
    world_number(world, INPUT_CLIENT_DEAD, them);
    ck_assert_ptr_nonnull(world_object(world, "l"));
    ASK(world, OBJECT_CLOSE, .connection = mine, .name = "d");
    ck_assert_ptr_null(world_object(world, "l"));
}
END_TEST

START_TEST(its_own_lock_goes_with_it)
{
    ck_assert_ptr_nonnull(world_object(world, "c.lock"));
    world_number(world, INPUT_CLIENT_DEAD, me);
    ck_assert_ptr_null(world_object(world, "c.lock"));
    CREATE(other, .name = "p", .flags = REQUEST_PERSIST);
    ASK(world, OBJECT_UNLINK, .connection = other, .name = "p");
    ck_assert_ptr_null(world_object(world, "p.lock"));
}
END_TEST

/* An object lives until no live process has it open; a lock is one, whoever made it. */
START_TEST(its_own_lock_stays_with_whoever_has_it_open)
{
    must_get(world, LOCK(other, 0));
    world_number(world, INPUT_CLIENT_DEAD, me);
    ck_assert_ptr_null(world_object(world, "c"));
    must_reply(world, FREE(other, 0), REPLY_EMPTY);
    ASK(world, OBJECT_CLOSE, .connection = other, .name = "c.lock");
    ck_assert_ptr_null(world_object(world, "c.lock"));
}
END_TEST

START_TEST(its_own_lock_stays_with_another_condition)
{
    CREATE(other, .name = "d", .lock = "c.lock");
    world_number(world, INPUT_CLIENT_DEAD, me);
    ck_assert_ptr_null(world_object(world, "c"));
    must_get(world, LOCK(other, 0));
    must_wait(world, ASK(world, CONDITION_WAIT, .connection = other, .name = "d"));
}
END_TEST

START_TEST(whoever_gets_it_back_gets_it_without_the_condition)
{
    uint64_t sleeper = sleep_on(mine);

    LOCK(other, 0);
    NOTIFY(other, 0);
    ASK(world, OBJECT_UNLINK, .connection = other, .name = "c");
    must_wait(world, sleeper);
    FREE(other, 0);
    must_wake(sleeper, true);
}
END_TEST

/* ---- wait ---- */

START_TEST(wait_needs_the_lock)
{
    must_answer(world, WAIT(mine, 0), ERROR_NOT_HELD);
    LOCK(mine, 0);
    must_answer(world, WAIT(mine, .holder = "another thread"), ERROR_NOT_HELD);
    must_answer(world, WAIT(other, 0), ERROR_NOT_HELD);
    ck_assert(holds(mine));
}
END_TEST

START_TEST(wait_gives_every_level_back)
{
    uint64_t sleeper, notifier;

    LOCK(mine, 0);
    LOCK(mine, 0);
    LOCK(mine, 0);
    sleeper = WAIT(mine, 0);
    notifier = LOCK(other, .flags = REQUEST_NO_WAIT);
    must_get(world, notifier);
    must_number(world, NOTIFY(other, 0), REPLY_WOKEN, 1);
    must_wait(world, sleeper); /* answered only once it is held again */
    FREE(other, 0);
    must_wake(sleeper, true);
    ck_assert(holds(mine) && holds(mine) && holds(mine) && !holds(mine));
}
END_TEST

START_TEST(the_time_out_covers_the_notify_only)
{
    uint64_t sleeper;

    LOCK(mine, 0);
    sleeper = WAIT(mine, .flags = REQUEST_DEADLINE, .span = SECOND);
    LOCK(other, 0);
    world_pass(world, SECOND);
    must_wait(world, sleeper);
    world_pass(world, 100 * SECOND);
    must_number(world, NOTIFY(other, 0), REPLY_WOKEN, 0); /* it sleeps no more */
    FREE(other, 0);
    must_wake(sleeper, false);
    ck_assert(holds(mine));
}
END_TEST

START_TEST(not_to_wait_lets_others_in)
{
    uint64_t waits, sleeper;

    LOCK(mine, 0);
    must_wake(WAIT(mine, .flags = REQUEST_NO_WAIT), false);
    waits = LOCK(other, 0);
    sleeper = WAIT(mine, .flags = REQUEST_NO_WAIT);
    must_get(world, waits);
    must_wait(world, sleeper);
    FREE(other, 0);
    must_wake(sleeper, false);
}
END_TEST

START_TEST(a_woken_one_stands_at_the_end)
{
    uint64_t sleeper = sleep_on(mine), waits;

    LOCK(other, 0);
    waits = LOCK(third, 0);
    NOTIFY(other, 0);
    FREE(other, 0);
    must_get(world, waits);
    must_wait(world, sleeper);
}
END_TEST

START_TEST(getting_it_back_tells_of_a_death)
{
    uint64_t sleeper = sleep_on(mine);

    LOCK(other, 0);
    NOTIFY(other, 0);
    world_number(world, INPUT_CLIENT_DEAD, them);
    must_wake(sleeper, true);
    ck_assert_uint_eq(world_answer(world, sleeper)->reply.sync.abandoned, 1);
}
END_TEST

START_TEST(a_sleeper_that_gives_up_holds_nothing)
{
    uint64_t sleeper = sleep_on(mine), again;

    world_number(world, INPUT_CANCEL, sleeper);
    must_answer(world, sleeper, ERROR_CANCELLED);
    ck_assert(!holds(mine));
    again = sleep_on(mine);
    LOCK(other, 0);
    NOTIFY(other, 0);
    world_number(world, INPUT_CANCEL, again);
    must_answer(world, again, ERROR_CANCELLED);
    FREE(other, 0);
    ck_assert(!holds(mine));
}
END_TEST

START_TEST(in_anothers_place)
{
    uint64_t sleeper;

    must_get(world, LOCK(mine, .creator = them));
    must_answer(world, WAIT(mine, 0), ERROR_NOT_HELD);
    sleeper = WAIT(mine, .creator = them);
    LOCK(third, 0);
    must_number(world, NOTIFY(third, 0), REPLY_WOKEN, 1);
    world_number(world, INPUT_CLIENT_DEAD, them);
    must_answer(world, sleeper, ERROR_NO_SUCH_PROCESS);
}
END_TEST

/* ---- notify ---- */

START_TEST(notify_needs_the_lock)
{
    sleep_on(mine);
    must_answer(world, NOTIFY(other, 0), ERROR_NOT_HELD);
    LOCK(third, 0);
    must_answer(world, NOTIFY(other, 0), ERROR_NOT_HELD);
}
END_TEST

START_TEST(notify_wakes_the_first)
{
    uint64_t first = sleep_on(mine), second = sleep_on(other);

    LOCK(third, 0);
    must_number(world, NOTIFY(third, 0), REPLY_WOKEN, 1);
    FREE(third, 0);
    must_wake(first, true);
    must_wait(world, second);
    FREE(mine, 0);
    must_wait(world, second);
}
END_TEST

START_TEST(notify_counts_those_that_slept)
{
    uint64_t first = sleep_on(mine), second = sleep_on(other);

    LOCK(third, 0);
    must_number(world, NOTIFY(third, .value = 7), REPLY_WOKEN, 2);
    must_number(world, NOTIFY(third, .value = UINT64_MAX), REPLY_WOKEN, 0);
    FREE(third, 0);
    must_wake(first, true);
    must_wait(world, second); /* one by one */
    FREE(mine, 0);
    must_wake(second, true);
}
END_TEST

START_TEST(notify_counts_no_dead_sleeper)
{
    uint64_t second;

    sleep_on(mine);
    second = sleep_on(other);
    world_number(world, INPUT_CLIENT_DEAD, me);
    LOCK(third, 0);
    must_number(world, NOTIFY(third, 0), REPLY_WOKEN, 1);
    FREE(third, 0);
    must_wake(second, true);
}
END_TEST

/* ---- a lock that goes ---- */

START_TEST(a_lock_unlinked_under_sleepers)
{
    uint64_t sleeper = sleep_on(mine), woken = sleep_on(third);

    LOCK(other, 0);
    NOTIFY(other, 0);
    must_wait(world, sleeper);
    ASK(world, OBJECT_UNLINK, .connection = other, .name = "c.lock");
    must_answer(world, sleeper, ERROR_OBJECT_GONE);
    must_answer(world, woken, ERROR_OBJECT_GONE);
    must_answer(world, WAIT(mine, 0), ERROR_NO_SUCH_OBJECT);
    must_answer(world, NOTIFY(mine, 0), ERROR_NO_SUCH_OBJECT);
}
END_TEST

START_TEST(a_condition_unlinked_under_sleepers)
{
    uint64_t sleeper = sleep_on(mine);

    ASK(world, OBJECT_UNLINK, .connection = other, .name = "c");
    must_answer(world, sleeper, ERROR_OBJECT_GONE);
    ck_assert(!holds(mine));
}
END_TEST

START_TEST(a_closed_lock_stays_for_its_sleepers)
{
    uint64_t sleeper = sleep_on(mine);

    ASK(world, OBJECT_CLOSE, .connection = mine, .name = "c.lock");
    LOCK(other, 0);
    NOTIFY(other, 0);
    FREE(other, 0);
    must_wake(sleeper, true);
    ck_assert(holds(mine));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("condition");
    TCase *tcase = tcase_create("condition");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, its_own_rlock);
    tcase_add_test(tcase, one_without_a_name_has_a_lock_of_its_name);
    tcase_add_test(tcase, a_lock_that_is_given);
    tcase_add_test(tcase, a_condition_keeps_its_lock);
    tcase_add_test(tcase, its_own_lock_goes_with_it);
    tcase_add_test(tcase, its_own_lock_stays_with_whoever_has_it_open);
    tcase_add_test(tcase, its_own_lock_stays_with_another_condition);
    tcase_add_test(tcase, whoever_gets_it_back_gets_it_without_the_condition);
    tcase_add_test(tcase, wait_needs_the_lock);
    tcase_add_test(tcase, wait_gives_every_level_back);
    tcase_add_test(tcase, the_time_out_covers_the_notify_only);
    tcase_add_test(tcase, not_to_wait_lets_others_in);
    tcase_add_test(tcase, a_woken_one_stands_at_the_end);
    tcase_add_test(tcase, getting_it_back_tells_of_a_death);
    tcase_add_test(tcase, a_sleeper_that_gives_up_holds_nothing);
    tcase_add_test(tcase, in_anothers_place);
    tcase_add_test(tcase, notify_needs_the_lock);
    tcase_add_test(tcase, notify_wakes_the_first);
    tcase_add_test(tcase, notify_counts_those_that_slept);
    tcase_add_test(tcase, notify_counts_no_dead_sleeper);
    tcase_add_test(tcase, a_lock_unlinked_under_sleepers);
    tcase_add_test(tcase, a_condition_unlinked_under_sleepers);
    tcase_add_test(tcase, a_closed_lock_stays_for_its_sleepers);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
