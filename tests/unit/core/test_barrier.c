/* SPDX-License-Identifier: MIT */
/* daemon/core/barrier.c: generations, the action, and all that breaks them. */
#include "tests/unit/core/world.h"

static struct world *world;
static uint64_t mine, me, other, them, third;

#define WAIT(from, ...)  ASK(world, BARRIER_WAIT, .connection = (from), .name = "w", __VA_ARGS__)
#define DONE(from, ...)  ASK(world, BARRIER_DONE, .connection = (from), .name = "w", __VA_ARGS__)
#define RESET(from)      ASK(world, BARRIER_RESET, .connection = (from), .name = "w")
#define ABORT(from)      ASK(world, BARRIER_ABORT, .connection = (from), .name = "w")
#define UNTIL_A_SECOND   .flags = REQUEST_DEADLINE, .span = SECOND

static void set_up(void)
{
    world = world_new();
    mine = world_connect(world, 1000);
    me = world->client;
    other = world_connect(world, 1000);
    them = world->client;
    third = world_connect(world, 1000);
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "w", .object = OBJECT_BARRIER, .parties = 3);
}

static void tear_down(void)
{
    world_free(world);
}

static void must_index(uint64_t ticket, uint64_t index)
{
    must_number(world, ticket, REPLY_INDEX, index);
}

static void must_break(uint64_t ticket)
{
    must_answer(world, ticket, ERROR_BROKEN_BARRIER);
}

static bool is_broken(void)
{
    return world_object(world, "w")->data.flags & OBJECT_BROKEN;
}

/* ---- generations ---- */

START_TEST(all_go_when_all_are_there)
{
    uint64_t first = WAIT(mine, 0), second = WAIT(other, 0), last;

    must_wait(world, first);
    must_wait(world, second);
    last = WAIT(third, 0);
    must_index(first, 0);
    must_index(second, 1);
    must_index(last, 2);
}
END_TEST

START_TEST(generations_follow_each_other)
{
    for (int generation = 0; generation < 3; generation++) {
        uint64_t first = WAIT(mine, 0), second = WAIT(mine, .holder = "t2"), last = WAIT(other, 0);

        must_index(first, 0);
        must_index(second, 1);
        must_index(last, 2);
    }
}
END_TEST

/* ---- the action ---- */

START_TEST(the_last_runs_the_action)
{
    uint64_t first = WAIT(mine, .flags = REQUEST_ACTION), second = WAIT(other, 0), done;
    uint64_t last = WAIT(third, .flags = REQUEST_ACTION);

    must_reply(world, last, REPLY_RUN_ACTION);
    must_wait(world, first);
    must_wait(world, second);
    done = DONE(third, .flags = REQUEST_OK);
    must_index(done, 2);
    must_index(first, 0);
    must_index(second, 1);
}
END_TEST

START_TEST(whoever_said_no_action_runs_none)
{
    WAIT(mine, .flags = REQUEST_ACTION);
    WAIT(other, .flags = REQUEST_ACTION);
    must_index(WAIT(third, 0), 2);
}
END_TEST

START_TEST(nobodys_time_out_runs_meanwhile)
{
    uint64_t first = WAIT(mine, UNTIL_A_SECOND), second = WAIT(other, UNTIL_A_SECOND);

    must_reply(world, WAIT(third, .flags = REQUEST_ACTION), REPLY_RUN_ACTION);
    world_pass(world, 10 * SECOND);
    must_wait(world, first);
    DONE(third, .flags = REQUEST_OK);
    must_index(first, 0);
    must_index(second, 1);
}
END_TEST

START_TEST(arrivals_meanwhile_belong_to_the_next_generation)
{
    uint64_t early, late;

    WAIT(mine, 0);
    WAIT(other, 0);
    WAIT(third, .flags = REQUEST_ACTION);
    early = WAIT(mine, UNTIL_A_SECOND);
    world_pass(world, 10 * SECOND);
    must_wait(world, early);
    DONE(third, .flags = REQUEST_OK);
    must_wait(world, early);
    late = WAIT(other, 0);
    world_pass(world, SECOND - 1); /* its time begins with its generation */
    must_index(WAIT(third, 0), 2);
    must_index(early, 0);
    must_index(late, 1);
}
END_TEST

START_TEST(a_whole_generation_arrives_meanwhile)
{
    uint64_t first, second, last;

    WAIT(mine, 0);
    WAIT(other, 0);
    WAIT(third, .flags = REQUEST_ACTION);
    first = WAIT(mine, 0);
    second = WAIT(other, 0);
    last = WAIT(other, .holder = "t2", .flags = REQUEST_ACTION);
    must_wait(world, last);
    DONE(third, .flags = REQUEST_OK);
    must_reply(world, last, REPLY_RUN_ACTION);
    must_answer(world, DONE(third, .flags = REQUEST_OK), ERROR_NOT_OWNER);
    DONE(other, .flags = REQUEST_OK);
    must_index(first, 0);
    must_index(second, 1);
}
END_TEST

START_TEST(an_action_that_fails_breaks)
{
    uint64_t first = WAIT(mine, 0), second = WAIT(other, 0), later;

    WAIT(third, .flags = REQUEST_ACTION);
    later = WAIT(mine, .holder = "t2");
    must_break(DONE(third, 0));
    must_break(first);
    must_break(second);
    must_break(later);
    ck_assert(is_broken());
}
END_TEST

START_TEST(done_by_whoever_runs_nothing)
{
    must_answer(world, DONE(mine, .flags = REQUEST_OK), ERROR_NOT_OWNER);
    WAIT(mine, 0);
    WAIT(other, 0);
    WAIT(third, .flags = REQUEST_ACTION);
    must_answer(world, DONE(mine, .flags = REQUEST_OK), ERROR_NOT_OWNER);
    must_index(DONE(third, .flags = REQUEST_OK), 2);
    must_answer(world, DONE(third, .flags = REQUEST_OK), ERROR_NOT_OWNER);
}
END_TEST

START_TEST(a_runner_that_dies_breaks)
{
    uint64_t first = WAIT(other, 0), second = WAIT(third, 0);

    WAIT(mine, .flags = REQUEST_ACTION);
    world_disconnect(world, mine);
    must_wait(world, first); /* it lives */
    world_number(world, INPUT_CLIENT_DEAD, me);
    must_break(first);
    must_break(second);
    ck_assert(is_broken());
}
END_TEST

START_TEST(a_generation_that_breaks_during_its_action)
{
    uint64_t first = WAIT(mine, 0), second = WAIT(other, 0);

    WAIT(third, .flags = REQUEST_ACTION);
    world_number(world, INPUT_CANCEL, first);
    must_answer(world, first, ERROR_CANCELLED);
    must_break(second);
    must_break(DONE(third, .flags = REQUEST_OK));
}
END_TEST

/* ---- what breaks ---- */

START_TEST(a_time_out_breaks)
{
    uint64_t first = WAIT(mine, 0), second = WAIT(other, UNTIL_A_SECOND);

    world_pass(world, SECOND);
    must_break(first);
    must_break(second);
    must_break(WAIT(third, 0));
    ck_assert_uint_eq(core_event(world->core, world->core->counters.seq)->data.kind, EVENT_BARRIER_BROKEN);
}
END_TEST

START_TEST(not_to_wait_breaks)
{
    uint64_t first = WAIT(mine, 0);

    must_break(WAIT(other, .flags = REQUEST_NO_WAIT));
    must_break(first);
}
END_TEST

START_TEST(a_cancel_breaks)
{
    uint64_t first = WAIT(mine, 0), second = WAIT(other, 0);

    world_number(world, INPUT_CANCEL, second);
    must_answer(world, second, ERROR_CANCELLED);
    must_break(first);
}
END_TEST

START_TEST(a_closed_connection_breaks)
{
    uint64_t first = WAIT(mine, 0), second = WAIT(other, 0), again = WAIT(other, .holder = "t2", .flags = 0);

    must_index(first, 0);
    must_index(again, 2);
    first = WAIT(mine, 0);
    second = WAIT(other, 0);
    world_disconnect(world, other);
    must_break(first);
    ck_assert_ptr_null(world_answer(world, second));
}
END_TEST

/* Two threads of one process: the first that goes breaks, and nobody is there to tell the other. */
START_TEST(a_closed_connection_of_two_parties)
{
    uint64_t first = WAIT(mine, 0), second = WAIT(mine, .holder = "t2");

    world_disconnect(world, mine);
    ck_assert_ptr_null(world_answer(world, first));
    ck_assert_ptr_null(world_answer(world, second));
    ck_assert(is_broken());
}
END_TEST

START_TEST(a_death_breaks)
{
    uint64_t second = world_connect_as(world, them, 1000, 0), first = WAIT(mine, 0);

    WAIT(other, 0);
    world_number(world, INPUT_CLIENT_DEAD, them);
    must_break(first);
    RESET(mine);
    other = world_connect(world, 1000);
    second = world_connect_as(world, world->client, 1000, 0);
    first = WAIT(other, 0);
    WAIT(second, .holder = "t2");
    world_number(world, INPUT_CLIENT_DEAD, world->client); /* on two connections */
    ck_assert_ptr_null(world_answer(world, first));
    ck_assert(is_broken());
}
END_TEST

START_TEST(who_came_later_breaks_nothing)
{
    uint64_t first = WAIT(mine, 0), later;

    WAIT(other, 0);
    WAIT(third, .flags = REQUEST_ACTION);
    later = WAIT(other, .holder = "t2");
    world_number(world, INPUT_CANCEL, later);
    must_wait(world, first);
    must_index(DONE(third, .flags = REQUEST_OK), 2);
    must_index(first, 0);
}
END_TEST

START_TEST(a_repeat_keeps_it_whole)
{
    uint64_t second = world_connect_as(world, me, 1000, 0), repeat;
    uint64_t first = WAIT(mine, .key = "k", .digest = 1);

    repeat = WAIT(second, .key = "k", .digest = 1);
    world_disconnect(world, mine);
    ck_assert_ptr_null(world_answer(world, first));
    WAIT(other, 0);
    must_index(WAIT(third, 0), 2);
    must_index(repeat, 0);
}
END_TEST

/* ---- reset and abort ---- */

START_TEST(reset_of_one_at_rest)
{
    uint64_t seq = world->core->counters.seq;

    must_reply(world, RESET(mine), REPLY_EMPTY);
    ck_assert_uint_eq(world->core->counters.seq, seq);
}
END_TEST

START_TEST(reset_while_some_wait)
{
    uint64_t first = WAIT(mine, 0);

    must_reply(world, RESET(other), REPLY_EMPTY);
    must_break(first);
    ck_assert(!is_broken());
    first = WAIT(mine, 0);
    WAIT(other, 0);
    must_index(WAIT(third, 0), 2);
    must_index(first, 0);
}
END_TEST

START_TEST(reset_during_the_action)
{
    uint64_t first = WAIT(mine, 0), later;

    WAIT(other, 0);
    WAIT(third, .flags = REQUEST_ACTION);
    later = WAIT(mine, .holder = "t2");
    must_reply(world, RESET(other), REPLY_EMPTY);
    must_break(first);
    must_wait(world, later); /* the first of the next one */
    must_break(DONE(third, .flags = REQUEST_OK));
    WAIT(other, 0);
    must_index(WAIT(third, 0), 2);
    must_index(later, 0);
}
END_TEST

START_TEST(reset_mends)
{
    ABORT(mine);
    must_break(WAIT(mine, 0));
    RESET(mine);
    must_wait(world, WAIT(mine, 0));
}
END_TEST

START_TEST(abort_breaks)
{
    uint64_t first = WAIT(mine, 0), seq;

    must_reply(world, ABORT(other), REPLY_EMPTY);
    must_break(first);
    must_break(WAIT(mine, 0));
    seq = world->core->counters.seq;
    ABORT(other);
    ck_assert_uint_eq(world->core->counters.seq, seq); /* it was broken */
}
END_TEST

START_TEST(abort_during_the_action)
{
    uint64_t first = WAIT(mine, 0), later;

    WAIT(other, 0);
    WAIT(third, .flags = REQUEST_ACTION);
    later = WAIT(mine, .holder = "t2");
    ABORT(other);
    must_break(first);
    must_break(later);
    must_break(DONE(third, .flags = REQUEST_OK));
    must_answer(world, DONE(third, .flags = REQUEST_OK), ERROR_NOT_OWNER);
}
END_TEST

/* ---- the end of it ---- */

START_TEST(unlink_tells_all)
{
    uint64_t first = WAIT(mine, 0), later;

    WAIT(other, 0);
    WAIT(third, .flags = REQUEST_ACTION);
    later = WAIT(other, .holder = "t2");
    ASK(world, OBJECT_UNLINK, .connection = mine, .name = "w");
    must_answer(world, first, ERROR_OBJECT_GONE);
    must_answer(world, later, ERROR_OBJECT_GONE);
    must_answer(world, DONE(third, .flags = REQUEST_OK), ERROR_NO_SUCH_OBJECT);
}
END_TEST

START_TEST(a_runner_that_closes_it_breaks)
{
    uint64_t first = WAIT(mine, 0);

    WAIT(other, 0);
    WAIT(third, .flags = REQUEST_ACTION);
    ASK(world, OBJECT_CLOSE, .connection = third, .name = "w");
    must_break(first);
}
END_TEST

START_TEST(an_action_that_nobody_heard_of_breaks)
{
    uint64_t first = WAIT(mine, 0), run;
    struct core_input input = {.kind = INPUT_UNDELIVERED, .blob[BLOB_NAME] = {"w", 1}};

    WAIT(other, 0);
    run = WAIT(third, .flags = REQUEST_ACTION);
    input.body.sync.request.uid = 1000;
    input.body.sync.token = must_reply(world, run, REPLY_RUN_ACTION)->reply.sync.hold;
    must(world_step(world, &input) == 0);
    must_break(first);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("barrier");
    TCase *tcase = tcase_create("barrier");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, all_go_when_all_are_there);
    tcase_add_test(tcase, generations_follow_each_other);
    tcase_add_test(tcase, the_last_runs_the_action);
    tcase_add_test(tcase, whoever_said_no_action_runs_none);
    tcase_add_test(tcase, nobodys_time_out_runs_meanwhile);
    tcase_add_test(tcase, arrivals_meanwhile_belong_to_the_next_generation);
    tcase_add_test(tcase, a_whole_generation_arrives_meanwhile);
    tcase_add_test(tcase, an_action_that_fails_breaks);
    tcase_add_test(tcase, done_by_whoever_runs_nothing);
    tcase_add_test(tcase, a_runner_that_dies_breaks);
    tcase_add_test(tcase, a_generation_that_breaks_during_its_action);
    tcase_add_test(tcase, a_time_out_breaks);
    tcase_add_test(tcase, not_to_wait_breaks);
    tcase_add_test(tcase, a_cancel_breaks);
    tcase_add_test(tcase, a_closed_connection_breaks);
    tcase_add_test(tcase, a_closed_connection_of_two_parties);
    tcase_add_test(tcase, a_death_breaks);
    tcase_add_test(tcase, who_came_later_breaks_nothing);
    tcase_add_test(tcase, a_repeat_keeps_it_whole);
    tcase_add_test(tcase, reset_of_one_at_rest);
    tcase_add_test(tcase, reset_while_some_wait);
    tcase_add_test(tcase, reset_during_the_action);
    tcase_add_test(tcase, reset_mends);
    tcase_add_test(tcase, abort_breaks);
    tcase_add_test(tcase, abort_during_the_action);
    tcase_add_test(tcase, unlink_tells_all);
    tcase_add_test(tcase, a_runner_that_closes_it_breaks);
    tcase_add_test(tcase, an_action_that_nobody_heard_of_breaks);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
