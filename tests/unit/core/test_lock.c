/* SPDX-License-Identifier: MIT */
/* daemon/core/lock.c, the part of locks; and hold.c, waitq.c: turns, deaths, time-outs, keys, what got
 * lost. */
#include "tests/unit/core/world.h"

#include <stdio.h>

static struct world *world;
static uint64_t mine, me, other, them, third;

static void set_up(void)
{
    world = world_new();
    mine = world_connect(world, 1000);
    me = world->client;
    other = world_connect(world, 1000);
    them = world->client;
    third = world_connect(world, 1000);
}

static void tear_down(void)
{
    world_free(world);
}

#define ACQUIRE(from, ...) ASK(world, ACQUIRE, .connection = (from), .name = "l", __VA_ARGS__)
#define RELEASE(from, ...) ASK(world, RELEASE, .connection = (from), .name = "l", __VA_ARGS__)

static uint64_t must_get_token(uint64_t ticket)
{
    return must_get(world, ticket)->reply.sync.token;
}

static void must_get_abandoned(uint64_t ticket, bool abandoned)
{
    ck_assert_uint_eq(must_get(world, ticket)->reply.sync.abandoned, abandoned);
}

/* What undelivered.c tells the core. */
static void undelivered(uint64_t ticket, const char *key)
{
    const struct answer *answer = world_answer(world, ticket);
    struct core_input input = {.kind = INPUT_UNDELIVERED};

    input.body.sync.request.uid = 1000;
    input.body.sync.request.creator = core_connection(world->core, answer->connection)->data.client;
    input.body.sync.token = answer->reply.sync.hold;
    input.body.sync.value = 1;
    input.blob[BLOB_NAME] = (struct blob){"l", 1};
    input.blob[BLOB_KEY] = (struct blob){key ? key : "", key ? 1 : 0};
    ck_assert_uint_gt(input.body.sync.token, 0);
    must(world_step(world, &input) == 0);
}

/* ---- turns ---- */

START_TEST(first_come_first_served)
{
    uint64_t first = ACQUIRE(mine, 0), second = ACQUIRE(other, 0), next = ACQUIRE(third, 0);

    must_get(world, first);
    must_wait(world, second);
    must_wait(world, next);
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must_get(world, second);
    must_wait(world, next);
    must_reply(world, RELEASE(other, 0), REPLY_EMPTY);
    must_get(world, next);
}
END_TEST

/* Whoever releases and asks again at once stands behind those who wait. */
START_TEST(nobody_pushes_in)
{
    uint64_t waits, again;

    must_get(world, ACQUIRE(mine, 0));
    waits = ACQUIRE(other, 0);
    RELEASE(mine, 0);
    again = ACQUIRE(mine, 0);
    must_get(world, waits);
    must_wait(world, again);
    must_not_get(world, ACQUIRE(third, .flags = REQUEST_NO_WAIT));
}
END_TEST

START_TEST(a_token_rises_with_each_acquire)
{
    uint64_t first = must_get_token(ACQUIRE(mine, 0)), second;

    ck_assert_uint_ge(first, (uint64_t) world->wall / 1000);
    RELEASE(mine, 0);
    second = must_get_token(ACQUIRE(mine, 0));
    ck_assert_uint_gt(second, first);
    ASK(world, OBJECT_UNLINK, .connection = mine, .name = "l");
    ck_assert_uint_gt(must_get_token(ACQUIRE(mine, 0)), second);
}
END_TEST

/* ---- release ---- */

START_TEST(anybody_may_release)
{
    must_get(world, ACQUIRE(mine, 0));
    must_reply(world, RELEASE(other, 0), REPLY_EMPTY);
    must_answer(world, RELEASE(mine, 0), ERROR_TOO_MANY_RELEASES);
}
END_TEST

START_TEST(a_token_guards_a_release)
{
    uint64_t old = must_get_token(ACQUIRE(mine, 0)), now;

    RELEASE(mine, 0);
    now = must_get_token(ACQUIRE(other, 0));
    must_answer(world, RELEASE(mine, .token = old, .flags = REQUEST_TOKEN), ERROR_NOT_OWNER);
    must_reply(world, RELEASE(other, .token = now, .flags = REQUEST_TOKEN), REPLY_EMPTY);
}
END_TEST

/* ---- time-out, cancel, a closed connection ---- */

START_TEST(a_time_out)
{
    uint64_t waits, next;

    must_get(world, ACQUIRE(mine, 0));
    waits = ACQUIRE(other, .flags = REQUEST_DEADLINE, .span = SECOND);
    next = ACQUIRE(third, 0);
    world_pass(world, SECOND - 1);
    must_wait(world, waits);
    world_pass(world, 1);
    must_not_get(world, waits);
    RELEASE(mine, 0);
    must_get(world, next);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
}
END_TEST

START_TEST(cancel_and_grant)
{
    uint64_t waits, won;

    won = ACQUIRE(mine, 0);
    world_number(world, INPUT_CANCEL, won); /* too late */
    must_get(world, won);
    waits = ACQUIRE(other, 0);
    world_number(world, INPUT_CANCEL, waits);
    must_answer(world, waits, ERROR_CANCELLED);
    RELEASE(mine, 0);
    must_get(world, ACQUIRE(third, .flags = REQUEST_NO_WAIT));
}
END_TEST

START_TEST(a_wait_ends_with_its_connection_and_a_hold_does_not)
{
    uint64_t waits, next;

    must_get(world, ACQUIRE(mine, 0));
    waits = ACQUIRE(other, 0);
    next = ACQUIRE(third, 0);
    world_disconnect(world, mine);
    must_wait(world, waits);
    world_disconnect(world, other);
    RELEASE(world_connect_as(world, me, 1000, 0), 0);
    ck_assert_ptr_null(world_answer(world, waits));
    must_get(world, next);
}
END_TEST

/* ---- death ---- */

START_TEST(abandoned_is_told_once)
{
    uint64_t waits;

    must_get_abandoned(ACQUIRE(mine, 0), false);
    waits = ACQUIRE(other, 0);
    world_number(world, INPUT_CLIENT_DEAD, me);
    must_get_abandoned(waits, true);
    RELEASE(other, 0);
    must_get_abandoned(ACQUIRE(other, 0), false);
}
END_TEST

START_TEST(abandoned_is_kept_for_whoever_comes)
{
    ASK(world, OBJECT_OPEN, .connection = other, .name = "l");
    must_get(world, ACQUIRE(mine, 0));
    must_not_get(world, ACQUIRE(other, .flags = REQUEST_NO_WAIT));
    world_number(world, INPUT_CLIENT_DEAD, me);
    must_get_abandoned(ACQUIRE(other, 0), true);
}
END_TEST

START_TEST(the_dead_wait_for_nothing)
{
    uint64_t waits, next;

    must_get(world, ACQUIRE(mine, 0));
    waits = ACQUIRE(other, 0);
    next = ACQUIRE(third, 0);
    world_number(world, INPUT_CLIENT_DEAD, them);
    RELEASE(mine, 0);
    ck_assert_ptr_null(world_answer(world, waits));
    must_get_abandoned(next, false);
}
END_TEST

START_TEST(a_holder_that_dies_waiting_for_it_again)
{
    uint64_t waits, next;

    must_get(world, ACQUIRE(mine, 0));
    waits = ACQUIRE(mine, .flags = REQUEST_WAIT_ANYWAY);
    next = ACQUIRE(other, 0);
    world_number(world, INPUT_CLIENT_DEAD, me);
    ck_assert_ptr_null(world_answer(world, waits));
    must_get_abandoned(next, true);
}
END_TEST

/* ---- in another's place ---- */

START_TEST(owner_pid_holds)
{
    uint64_t waits;

    must_get(world, ACQUIRE(mine, .creator = them));
    waits = ACQUIRE(third, 0);
    world_number(world, INPUT_CLIENT_DEAD, me); /* who asked, and holds nothing */
    must_wait(world, waits);
    world_number(world, INPUT_CLIENT_DEAD, them);
    must_get_abandoned(waits, true);
}
END_TEST

START_TEST(a_wait_in_the_place_of_one_that_dies)
{
    uint64_t waits;

    must_get(world, ACQUIRE(third, 0));
    waits = ACQUIRE(mine, .creator = them);
    world_number(world, INPUT_CLIENT_DEAD, them);
    must_answer(world, waits, ERROR_NO_SUCH_PROCESS);
    must_answer(world, ACQUIRE(mine, .creator = them), ERROR_NO_SUCH_PROCESS);
}
END_TEST

/* ---- keys ---- */

START_TEST(a_keyed_acquire_is_made_once)
{
    uint64_t second = world_connect_as(world, me, 1000, 0);
    uint64_t first = ACQUIRE(mine, .key = "k", .digest = 1), again = ACQUIRE(second, .key = "k", .digest = 1);

    ck_assert_uint_eq(must_get_token(again), must_get_token(first));
    RELEASE(mine, .key = "r", .digest = 2);
    must_reply(world, RELEASE(mine, .key = "r", .digest = 2), REPLY_EMPTY); /* the recorded answer */
    must_answer(world, RELEASE(mine, 0), ERROR_TOO_MANY_RELEASES);
}
END_TEST

START_TEST(a_repeat_waits_in_the_same_place)
{
    uint64_t second = world_connect_as(world, them, 1000, 0), first, next, repeat;

    must_get(world, ACQUIRE(mine, 0));
    first = ACQUIRE(other, .key = "k", .digest = 1);
    next = ACQUIRE(third, 0);
    repeat = ACQUIRE(second, .key = "k", .digest = 1);
    world_disconnect(world, other);
    RELEASE(mine, 0);
    ck_assert_ptr_null(world_answer(world, first));
    must_get(world, repeat);
    must_wait(world, next);
}
END_TEST

START_TEST(a_repeat_of_a_repeat)
{
    uint64_t second = world_connect_as(world, them, 1000, 0), last = world_connect_as(world, them, 1000, 0);
    uint64_t repeat;

    must_get(world, ACQUIRE(mine, 0));
    ACQUIRE(other, .key = "k", .digest = 1);
    ACQUIRE(second, .key = "k", .digest = 1);
    repeat = ACQUIRE(last, .key = "k", .digest = 1);
    world_disconnect(world, other);
    world_disconnect(world, second);
    RELEASE(mine, 0);
    must_get(world, repeat);
}
END_TEST

START_TEST(a_repeat_keeps_the_time_out)
{
    uint64_t second = world_connect_as(world, them, 1000, 0), repeat;

    must_get(world, ACQUIRE(mine, 0));
    ACQUIRE(other, .key = "k", .digest = 1, .flags = REQUEST_DEADLINE, .span = 2 * SECOND);
    world_pass(world, SECOND);
    repeat = ACQUIRE(second, .key = "k", .digest = 1, .flags = REQUEST_DEADLINE, .span = 2 * SECOND);
    world_disconnect(world, other);
    world_pass(world, SECOND);
    must_not_get(world, repeat);
}
END_TEST

START_TEST(cancelled_is_not_recorded)
{
    uint64_t waits;

    must_get(world, ACQUIRE(mine, 0));
    waits = ACQUIRE(other, .key = "k", .digest = 1);
    world_number(world, INPUT_CANCEL, waits);
    RELEASE(mine, 0);
    must_get(world, ACQUIRE(other, .key = "k", .digest = 1));
}
END_TEST

/* ---- grants that nobody was told of ---- */

START_TEST(an_undelivered_grant_goes_to_the_next)
{
    uint64_t lost = ACQUIRE(mine, 0), next = ACQUIRE(other, 0);

    must_wait(world, next);
    undelivered(lost, NULL);
    must_get_abandoned(next, false);
    undelivered(lost, NULL); /* it is no more */
    must_answer(world, ACQUIRE(third, .flags = REQUEST_NO_WAIT), ERROR_NONE);
    must_not_get(world, ACQUIRE(third, .flags = REQUEST_NO_WAIT));
}
END_TEST

START_TEST(an_undelivered_grant_has_told_nobody)
{
    uint64_t lost, next;

    must_get(world, ACQUIRE(mine, 0));
    lost = ACQUIRE(other, 0);
    next = ACQUIRE(third, 0);
    world_number(world, INPUT_CLIENT_DEAD, me);
    must_get_abandoned(lost, true);
    undelivered(lost, NULL);
    must_get_abandoned(next, true);
}
END_TEST

START_TEST(an_undelivered_keyed_grant_is_made_anew)
{
    uint64_t lost = ACQUIRE(mine, .key = "k", .digest = 1), waits = ACQUIRE(other, 0), again;

    undelivered(lost, "k");
    must_get(world, waits);
    again = ACQUIRE(mine, .key = "k", .digest = 1);
    must_wait(world, again);
    RELEASE(other, 0);
    must_get(world, again);
}
END_TEST

/* Of several answers it is the last one that is found not to be read. */
START_TEST(what_a_repeat_was_told_stands)
{
    uint64_t second = world_connect_as(world, them, 1000, 0), first, repeat, later, waits;

    must_get(world, ACQUIRE(mine, 0));
    first = ACQUIRE(other, .key = "k", .digest = 1);
    repeat = ACQUIRE(second, .key = "k", .digest = 1);
    RELEASE(mine, 0);
    must_get(world, first);
    must_get(world, repeat);
    waits = ACQUIRE(third, 0);
    undelivered(first, "k");
    must_wait(world, waits);
    later = ACQUIRE(second, .key = "k", .digest = 1);
    must_get(world, later);
    undelivered(repeat, "k");
    must_wait(world, waits);
    undelivered(later, "k");
    must_get(world, waits);
    must_wait(world, ACQUIRE(second, .key = "k", .digest = 1));
}
END_TEST

/* More keys than are kept, all newer. */
static void use_many_keys(uint64_t connection)
{
    char key[16];

    world->unchecked = true;
    for (int i = 0; i <= KEYS_KEPT_MAX; i++) {
        snprintf(key, sizeof key, "newer-%d", i);
        ASK(world, OBJECT_OPEN, .connection = connection, .name = "l", .key = key, .digest = 2);
    }
    world->unchecked = false;
}

enum { AS_FOLLOWER, AS_REPEAT, READS_REPEAT };

/* And also when nothing is known of its key any more. */
START_TEST(what_was_told_long_ago_stands)
{
    uint64_t second = world_connect_as(world, them, 1000, 0), first, repeat = 0, waits;

    must_get(world, ACQUIRE(mine, 0));
    first = ACQUIRE(other, .key = "k", .digest = 1);
    if (_i == AS_FOLLOWER)
        repeat = ACQUIRE(second, .key = "k", .digest = 1);
    RELEASE(mine, 0);
    if (_i != AS_FOLLOWER)
        repeat = ACQUIRE(second, .key = "k", .digest = 1);
    must_get(world, first);
    must_get(world, repeat);
    use_many_keys(other);
    waits = ACQUIRE(third, 0);
    undelivered(_i == READS_REPEAT ? first : repeat, "k");
    must_wait(world, waits);
}
END_TEST

/* What nobody has repeated is taken back all the same. */
START_TEST(what_was_lost_long_ago_is_taken_back)
{
    uint64_t lost = ACQUIRE(mine, .key = "k", .digest = 1), waits = ACQUIRE(other, 0);

    use_many_keys(mine);
    undelivered(lost, "k");
    must_get(world, waits);
}
END_TEST

/* Whose connection has ended meanwhile is told nothing. */
START_TEST(who_is_not_there_is_not_told)
{
    uint64_t second = world_connect_as(world, them, 1000, 0), first, waits;

    must_get(world, ACQUIRE(mine, 0));
    first = ACQUIRE(other, .key = "k", .digest = 1);
    ACQUIRE(second, .key = "k", .digest = 1);
    world_number(world, INPUT_DISCONNECT, second);
    RELEASE(mine, 0);
    must_get(world, first);
    waits = ACQUIRE(third, 0);
    undelivered(first, "k");
    must_get(world, waits);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lock");
    TCase *tcase = tcase_create("lock");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, first_come_first_served);
    tcase_add_test(tcase, nobody_pushes_in);
    tcase_add_test(tcase, a_token_rises_with_each_acquire);
    tcase_add_test(tcase, anybody_may_release);
    tcase_add_test(tcase, a_token_guards_a_release);
    tcase_add_test(tcase, a_time_out);
    tcase_add_test(tcase, cancel_and_grant);
    tcase_add_test(tcase, a_wait_ends_with_its_connection_and_a_hold_does_not);
    tcase_add_test(tcase, abandoned_is_told_once);
    tcase_add_test(tcase, abandoned_is_kept_for_whoever_comes);
    tcase_add_test(tcase, the_dead_wait_for_nothing);
    tcase_add_test(tcase, a_holder_that_dies_waiting_for_it_again);
    tcase_add_test(tcase, owner_pid_holds);
    tcase_add_test(tcase, a_wait_in_the_place_of_one_that_dies);
    tcase_add_test(tcase, a_keyed_acquire_is_made_once);
    tcase_add_test(tcase, a_repeat_waits_in_the_same_place);
    tcase_add_test(tcase, a_repeat_of_a_repeat);
    tcase_add_test(tcase, a_repeat_keeps_the_time_out);
    tcase_add_test(tcase, cancelled_is_not_recorded);
    tcase_add_test(tcase, an_undelivered_grant_goes_to_the_next);
    tcase_add_test(tcase, an_undelivered_grant_has_told_nobody);
    tcase_add_test(tcase, an_undelivered_keyed_grant_is_made_anew);
    tcase_add_test(tcase, what_a_repeat_was_told_stands);
    tcase_add_loop_test(tcase, what_was_told_long_ago_stands, AS_FOLLOWER, READS_REPEAT + 1);
    tcase_add_test(tcase, what_was_lost_long_ago_is_taken_back);
    tcase_add_test(tcase, who_is_not_there_is_not_told);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
