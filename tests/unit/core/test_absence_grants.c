/* SPDX-License-Identifier: MIT */
/* daemon/core/absence.c: what is granted to one that is absent, and sleepers and barriers without it. */
#include "tests/unit/core/absent.h"

/* ---- grants ---- */

START_TEST(a_grant_is_kept)
{
    const struct answer *answer;
    uint64_t waits;

    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    restart();
    mine = world_connect_as(world, me, 1000, 0);
    third = world_connect_as(world, they, 1000, 0);
    waits = LOCK(third, 0);
    FREE(mine);
    reload();
    ck_assert_uint_eq(holder_of("l"), them);
    world_pass(world, 5 * SECOND - 1);
    other = world_connect_as(world, them, 1000, 0);
    answer = must_get(world, LOCK(other, .key = "k"));
    ck_assert_uint_gt(answer->reply.sync.hold, 0); /* its answer may get lost as any other */
    world_pass(world, 100 * SECOND);
    ck_assert_uint_eq(holder_of("l"), them);
    FREE(other);
    must_get(world, waits);
}
END_TEST

START_TEST(a_grant_is_taken_back)
{
    uint64_t waits, later, grants;

    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    LOCK(third, .key = "k");
    restart();
    world_number(world, INPUT_CLIENT_DEAD, me);
    ck_assert_uint_eq(holder_of("l"), them);
    mine = world_connect_as(world, me = 4, 1000, 0);
    waits = LOCK(mine, 0);
    world_pass(world, 5 * SECOND - 1);
    must_wait(world, waits);
    grants = world->core->counters.hold;
    world_pass(world, 1);
    /* the third's wait is over, too: it went not from one that is absent to another */
    ck_assert_uint_eq(world->core->counters.hold, grants + 1);
    /* nobody has heard of the death yet */
    ck_assert_uint_eq(must_get(world, waits)->reply.sync.abandoned, 1);
    connect_all();
    later = LOCK(other, .key = "k");
    must_wait(world, later); /* asked anew */
    FREE(mine);
    ck_assert_uint_eq(must_get(world, later)->reply.sync.abandoned, 0);
}
END_TEST

START_TEST(a_grant_to_the_dead_is_taken_back)
{
    uint64_t waits;

    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    restart();
    connect_all();
    waits = LOCK(third, 0);
    FREE(mine);
    ck_assert_uint_eq(holder_of("l"), them);
    world_number(world, INPUT_CLIENT_DEAD, them);
    ck_assert_uint_eq(must_get(world, waits)->reply.sync.abandoned, 0); /* it never held */
}
END_TEST

START_TEST(a_grant_in_anothers_place)
{
    must_get(world, LOCK(mine, 0));
    LOCK(third, .key = "k", .creator = them, .holder = "in its place");
    restart();
    connect_all();
    FREE(mine);
    ck_assert_uint_eq(holder_of("l"), them);
    world_number(world, INPUT_CLIENT_DEAD, they); /* nobody will tell the owner */
    ck_assert_uint_eq(holder_of("l"), 0);
}
END_TEST

START_TEST(a_grant_before_the_death_stands)
{
    must_get(world, LOCK(mine, .key = "k"));
    restart();
    world_pass(world, 100 * SECOND);
    ck_assert_uint_eq(holder_of("l"), me);
    connect_all();
    must_get(world, LOCK(mine, .key = "k"));
}
END_TEST

START_TEST(a_grant_that_ended_otherwise)
{
    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    restart();
    connect_all();
    FREE(mine);
    ck_assert_uint_eq(holder_of("l"), them);
    ASK(world, OBJECT_UNLINK, .connection = mine, .name = "l");
    must_get(world, LOCK(mine, 0));
    world_pass(world, 5 * SECOND);
    ck_assert_uint_eq(holder_of("l"), me); /* another of its name */
}
END_TEST

START_TEST(a_grant_to_one_that_has_another_uid_by_now)
{
    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    restart();
    other = world_connect_as(world, them, 0, 0);
    must_wait(world, LOCK(other, .key = "k"));
    restart();
    mine = world_connect_as(world, me, 1000, 0);
    FREE(mine);
    ck_assert_uint_eq(holder_of("l"), them);
    world_pass(world, 5 * SECOND);
    ck_assert_uint_eq(holder_of("l"), 0);
}
END_TEST

START_TEST(permits)
{
    uint64_t waits;

#define TAKE(from, ...)                                                                                      \
    ASK(world, ACQUIRE, .connection = (from), .name = "s", .object = OBJECT_SEMAPHORE, .digest = 1,          \
        __VA_ARGS__)
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "s", .object = OBJECT_SEMAPHORE, .value = 1);
    must_get(world, TAKE(mine, 0));
    TAKE(other, .key = "k");
    restart();
    connect_all();
    waits = TAKE(third, 0);
    ASK(world, RELEASE, .connection = mine, .name = "s", .object = OBJECT_SEMAPHORE);
    must_wait(world, waits);
    world_pass(world, 5 * SECOND); /* back though its death would not bring it back */
    must_get(world, waits);
    ck_assert_uint_eq(world_object(world, "s")->data.value, 0);
#undef TAKE
}
END_TEST

/* ---- conditions ---- */

START_TEST(a_sleeper_is_woken_later)
{
    uint64_t again;

    RLOCK(mine);
    RLOCK(mine);
    SLEEP(mine, .key = "k");
    restart();
    connect_all();
    again = SLEEP(mine, .key = "k");
    must_wait(world, again);
    RLOCK(other);
    NOTIFY(other);
    must_wait(world, again);
    RFREE(other);
    must_flag(world, again, REPLY_NOTIFIED, true);
    ck_assert_uint_eq(holder_of("c.lock"), me);
    for (int level = 0; level < 2; level++) /* all of them */
        must_answer(world, RFREE(mine), ERROR_NONE);
    must_answer(world, RFREE(mine), ERROR_NOT_OWNER);
}
END_TEST

START_TEST(a_sleeper_is_woken_meanwhile)
{
    RLOCK(mine);
    RLOCK(mine);
    SLEEP(mine, .key = "k");
    restart();
    other = world_connect_as(world, them, 1000, 0);
    RLOCK(other);
    NOTIFY(other);
    RFREE(other);
    ck_assert_uint_eq(holder_of("c.lock"), me);
    mine = world_connect_as(world, me, 1000, 0);
    must_flag(world, SLEEP(mine, .key = "k"), REPLY_NOTIFIED, true);
    must_answer(world, RFREE(mine), ERROR_NONE);
    must_answer(world, RFREE(mine), ERROR_NONE);
}
END_TEST

START_TEST(a_sleeper_does_not_come_back)
{
    RLOCK(mine);
    RLOCK(mine);
    SLEEP(mine, .key = "k");
    RLOCK(other);
    SLEEP(other, .key = "k");
    restart();
    connect_all();
    RLOCK(third);
    NOTIFY(third);
    RFREE(third);
    ck_assert_uint_eq(holder_of("c.lock"), me);
    ck_assert_uint_eq(waiting("c"), 1);
    world_pass(world, 5 * SECOND);
    ck_assert_uint_eq(holder_of("c.lock"), 0); /* with all its levels */
    ck_assert_uint_eq(waiting("c"), 0);
    must_answer(world, SLEEP(mine, .key = "k"), ERROR_NOT_HELD);
}
END_TEST

/* ---- barriers ---- */

START_TEST(a_barrier_holds)
{
    uint64_t again;

    COME(mine, .key = "k");
    restart();
    ck_assert_uint_eq(world_object(world, "w")->data.flags & OBJECT_BROKEN, 0);
    connect_all();
    again = COME(mine, .key = "k");
    must_number(world, COME(other, 0), REPLY_INDEX, 1);
    must_number(world, again, REPLY_INDEX, 0);
}
END_TEST

START_TEST(a_barrier_lets_go_of_the_absent)
{
    COME(mine, .key = "k");
    restart();
    connect_all();
    must_number(world, COME(other, 0), REPLY_INDEX, 1);
    must_number(world, COME(mine, .key = "k"), REPLY_INDEX, 0);
}
END_TEST

START_TEST(a_barrier_breaks_at_the_end)
{
    uint64_t waits;

    ASK(world, OBJECT_CREATE, .connection = mine, .name = "w3", .object = OBJECT_BARRIER, .parties = 3);
    ASK(world, BARRIER_WAIT, .connection = mine, .name = "w3", .key = "k");
    restart();
    connect_all();
    waits = ASK(world, BARRIER_WAIT, .connection = other, .name = "w3");
    world_pass(world, 5 * SECOND - 1);
    must_wait(world, waits);
    world_pass(world, 1);
    must_answer(world, waits, ERROR_BROKEN_BARRIER);
}
END_TEST

START_TEST(a_party_without_a_key_breaks_it_for_all)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "w3", .object = OBJECT_BARRIER, .parties = 3);
    ASK(world, BARRIER_WAIT, .connection = mine, .name = "w3");
    ASK(world, BARRIER_WAIT, .connection = other, .name = "w3", .key = "k", .digest = 1);
    restart();
    connect_all();
    must_answer(world, ASK(world, BARRIER_WAIT, .connection = other, .name = "w3", .key = "k", .digest = 1),
                ERROR_BROKEN_BARRIER);
}
END_TEST

/* Who came while an action ran is the last of the next generation, and absent. */
static uint64_t action_of_the_absent(void)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "w1", .object = OBJECT_BARRIER, .parties = 1);
    must_reply(world, ASK(world, BARRIER_WAIT, .connection = mine, .name = "w1", .flags = REQUEST_ACTION),
               REPLY_RUN_ACTION);
    ASK(world, BARRIER_WAIT, .connection = other, .name = "w1", .flags = REQUEST_ACTION, .key = "k",
        .digest = 1);
    restart();
    connect_all();
    must_number(world, ASK(world, BARRIER_DONE, .connection = mine, .name = "w1", .flags = REQUEST_OK),
                REPLY_INDEX, 0);
    reload();
    ck_assert_uint_eq(world_object(world, "w1")->data.runner, them);
    return ASK(world, BARRIER_WAIT, .connection = third, .name = "w1");
}

START_TEST(an_action_is_kept)
{
    uint64_t waits = action_of_the_absent();

    must_reply(world,
               ASK(world, BARRIER_WAIT, .connection = other, .name = "w1", .flags = REQUEST_ACTION,
                   .key = "k", .digest = 1),
               REPLY_RUN_ACTION);
    world_pass(world, 5 * SECOND);
    must_number(world, ASK(world, BARRIER_DONE, .connection = other, .name = "w1", .flags = REQUEST_OK),
                REPLY_INDEX, 0);
    must_number(world, waits, REPLY_INDEX, 0);
}
END_TEST

START_TEST(an_action_that_nobody_runs)
{
    uint64_t waits = action_of_the_absent();

    world_pass(world, 5 * SECOND);
    must_answer(world, waits, ERROR_BROKEN_BARRIER);
    must_answer(world,
                ASK(world, BARRIER_WAIT, .connection = other, .name = "w1", .flags = REQUEST_ACTION,
                    .key = "k", .digest = 1),
                ERROR_BROKEN_BARRIER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("absence_grants");
    TCase *tcase = tcase_create("absence_grants");

    tcase_add_checked_fixture(tcase, absent_begin, absent_end);
    tcase_add_test(tcase, a_grant_is_kept);
    tcase_add_test(tcase, a_grant_is_taken_back);
    tcase_add_test(tcase, a_grant_to_the_dead_is_taken_back);
    tcase_add_test(tcase, a_grant_in_anothers_place);
    tcase_add_test(tcase, a_grant_before_the_death_stands);
    tcase_add_test(tcase, a_grant_that_ended_otherwise);
    tcase_add_test(tcase, a_grant_to_one_that_has_another_uid_by_now);
    tcase_add_test(tcase, permits);
    tcase_add_test(tcase, a_sleeper_is_woken_later);
    tcase_add_test(tcase, a_sleeper_is_woken_meanwhile);
    tcase_add_test(tcase, a_sleeper_does_not_come_back);
    tcase_add_test(tcase, a_barrier_holds);
    tcase_add_test(tcase, a_barrier_lets_go_of_the_absent);
    tcase_add_test(tcase, a_barrier_breaks_at_the_end);
    tcase_add_test(tcase, a_party_without_a_key_breaks_it_for_all);
    tcase_add_test(tcase, an_action_is_kept);
    tcase_add_test(tcase, an_action_that_nobody_runs);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
