/* SPDX-License-Identifier: MIT */
/* daemon/core/waiter.c and the waits of requests.c: join, wait, time-outs, cancel. */
#include "tests/unit/core/world.h"

#include <string.h>

static struct world *world;
static uint64_t connection;

static void set_up(void)
{
    world = world_new();
    connection = world_connect(world, 1000);
}

static void tear_down(void)
{
    world_free(world);
}

START_TEST(join_of_one_that_runs_and_of_one_that_has_ended)
{
    uint64_t process = RUN(world, .connection = connection);
    uint64_t early = ASK(world, JOIN, .connection = connection, .process = process), late;

    must_wait(world, early);
    must_order_nothing(world);
    world_exited(world, process, 5);
    ck_assert_int_eq(must_reply(world, early, REPLY_JOIN)->reply.process.exitcode, 5);
    late = ASK(world, JOIN, .connection = connection, .process = process);
    ck_assert_int_eq(must_reply(world, late, REPLY_JOIN)->reply.process.exitcode, 5);
    must_answer(world, ASK(world, JOIN, .connection = connection, .process = 4711), ERROR_NO_SUCH_PROCESS);
}
END_TEST

START_TEST(answers_come_in_the_order_of_asking)
{
    uint64_t process = RUN(world, .connection = connection), first, second, third;
    size_t before = world->answer_count;

    first = ASK(world, JOIN, .connection = connection, .process = process);
    second = ASK(world, WAIT, .connection = connection, .processes = &process, .count = 1);
    third = ASK(world, JOIN, .connection = connection, .process = process);
    world_exited(world, process, 0);
    ck_assert_uint_eq(world->answer_count, before + 3);
    ck_assert_uint_eq(world->answers[before].ticket, first);
    ck_assert_uint_eq(world->answers[before + 1].ticket, second);
    ck_assert_uint_eq(world->answers[before + 2].ticket, third);
}
END_TEST

START_TEST(join_with_a_time_out)
{
    uint64_t process = RUN(world, .connection = connection);
    uint64_t now = ASK(world, JOIN, .connection = connection, .process = process, .flags = REQUEST_NO_WAIT);
    uint64_t later = ASK(world, JOIN, .connection = connection, .process = process, .flags = REQUEST_DEADLINE,
                         .span = 2 * SECOND);
    uint64_t longer = ASK(world, JOIN, .connection = connection, .process = process,
                          .flags = REQUEST_DEADLINE, .span = 3 * SECOND);
    uint64_t ever = ASK(world, JOIN, .connection = connection, .process = process);

    must_reply(world, now, REPLY_PENDING);
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + 2 * SECOND);
    world_pass(world, 2 * SECOND - 1);
    must_wait(world, later);
    world_pass(world, 1);
    must_reply(world, later, REPLY_PENDING);
    must_wait(world, longer);
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + SECOND);
    world_exited(world, process, 0);
    must_reply(world, longer, REPLY_JOIN); /* in time: its deadline is gone, too */
    must_reply(world, ever, REPLY_JOIN);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
}
END_TEST

START_TEST(equal_deadlines_pass_in_the_order_of_asking)
{
    uint64_t process = RUN(world, .connection = connection), first = world->ticket + 1;
    size_t before = world->answer_count;

    for (int i = 0; i < 50; i++)
        ASK(world, JOIN, .connection = connection, .process = process, .flags = REQUEST_DEADLINE,
            .span = SECOND);
    world_pass(world, SECOND);
    ck_assert_uint_eq(world->answer_count, before + 50);
    for (uint64_t i = 0; i < 50; i++)
        ck_assert_uint_eq(world->answers[before + i].ticket, first + i);
}
END_TEST

START_TEST(a_span_beyond_time)
{
    uint64_t process = RUN(world, .connection = connection);
    uint64_t join = ASK(world, JOIN, .connection = connection, .process = process, .flags = REQUEST_DEADLINE,
                        .span = INT64_MAX);

    must_wait(world, join);
    world_pass(world, 1000000 * SECOND);
    must_wait(world, join);
    world_exited(world, process, 0);
    must_reply(world, join, REPLY_JOIN);
}
END_TEST

static void must_be_done(uint64_t ticket, const uint64_t *ids, size_t count)
{
    const struct answer *answer = must_reply(world, ticket, REPLY_DONE);

    ck_assert_uint_eq(answer->done_count, count);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(answer->done[i], ids[i]);
}

START_TEST(wait_for_any)
{
    uint64_t ids[3], done[3] = {0}, ticket, again;

    for (int i = 0; i < 3; i++)
        ids[i] = RUN(world, .connection = connection);
    ticket = ASK(world, WAIT, .connection = connection, .processes = ids, .count = 3);
    must_wait(world, ticket);
    world_exited(world, ids[1], 0);
    done[1] = ids[1];
    must_be_done(ticket, done, 3);
    /* one is there already */
    again = ASK(world, WAIT, .connection = connection, .processes = ids, .count = 3);
    must_be_done(again, done, 3);
    world_exited(world, ids[0], 0); /* whose links are gone */
}
END_TEST

START_TEST(wait_for_all)
{
    uint64_t ids[3], ticket;

    for (int i = 0; i < 3; i++)
        ids[i] = RUN(world, .connection = connection);
    world_exited(world, ids[2], 0);
    ticket = ASK(world, WAIT, .connection = connection, .processes = ids, .count = 3, .flags = REQUEST_ALL);
    world_exited(world, ids[0], 0);
    must_wait(world, ticket);
    ASK(world, CLOSE, .connection = connection, .process = ids[0]); /* forgotten meanwhile: it had ended */
    world_exited(world, ids[1], 0);
    must_be_done(ticket, ids, 3);
    ticket =
        ASK(world, WAIT, .connection = connection, .processes = ids + 1, .count = 2, .flags = REQUEST_ALL);
    must_be_done(ticket, ids + 1, 2);
}
END_TEST

START_TEST(wait_that_runs_out_tells_who_is_there)
{
    uint64_t ids[2], done[2] = {0}, ticket, now;

    for (int i = 0; i < 2; i++)
        ids[i] = RUN(world, .connection = connection);
    ticket = ASK(world, WAIT, .connection = connection, .processes = ids, .count = 2,
                 .flags = REQUEST_ALL | REQUEST_DEADLINE, .span = SECOND);
    now = ASK(world, WAIT, .connection = connection, .processes = ids, .count = 2, .flags = REQUEST_NO_WAIT);
    must_be_done(now, done, 2);
    world_exited(world, ids[1], 0);
    done[1] = ids[1];
    world_pass(world, SECOND);
    must_be_done(ticket, done, 2);
}
END_TEST

START_TEST(wait_for_nobody_somebody_unknown_and_somebody_twice)
{
    uint64_t process = RUN(world, .connection = connection), twice[2] = {process, process},
             missing[2] = {process, 99};
    uint64_t any, all;

    must_be_done(ASK(world, WAIT, .connection = connection), NULL, 0);
    must_answer(world, ASK(world, WAIT, .connection = connection, .processes = missing, .count = 2),
                ERROR_NO_SUCH_PROCESS);
    any = ASK(world, WAIT, .connection = connection, .processes = twice, .count = 2);
    all = ASK(world, WAIT, .connection = connection, .processes = twice, .count = 2, .flags = REQUEST_ALL);
    must_wait(world, any);
    world_exited(world, process, 0);
    must_be_done(any, twice, 2);
    must_be_done(all, twice, 2);
}
END_TEST

START_TEST(wait_for_readiness)
{
    uint64_t process = RUN(world, .connection = connection);
    uint64_t ticket = ASK(world, WAIT, .connection = connection, .processes = &process, .count = 1,
                          .flags = REQUEST_READY);

    must_be_done(ticket, &process, 1); /* it does not notify: it runs, so it is ready */
}
END_TEST

START_TEST(a_tree_that_is_gone_first_ends_no_join)
{
    uint64_t process = RUN(world, .connection = connection);
    uint64_t join = ASK(world, JOIN, .connection = connection, .process = process);
    uint64_t any = ASK(world, WAIT, .connection = connection, .processes = &process, .count = 1);

    world_report(world, INPUT_TREE_GONE, process);
    must_wait(world, join);
    must_wait(world, any);
    world_exited(world, process, 4);
    ck_assert_int_eq(must_reply(world, join, REPLY_JOIN)->reply.process.exitcode, 4);
    must_be_done(any, &process, 1);
}
END_TEST

START_TEST(cancel)
{
    uint64_t process = RUN(world, .connection = connection), spawn;
    uint64_t join = ASK(world, JOIN, .connection = connection, .process = process);
    uint64_t wait = ASK(world, WAIT, .connection = connection, .processes = &process, .count = 1,
                        .flags = REQUEST_DEADLINE, .span = SECOND);
    uint64_t stop = ASK(world, STOP, .connection = connection, .process = process);

    world_number(world, INPUT_CANCEL, join);
    world_number(world, INPUT_CANCEL, wait);
    world_number(world, INPUT_CANCEL, stop);
    must_answer(world, join, ERROR_CANCELLED);
    must_answer(world, wait, ERROR_CANCELLED);
    must_answer(world, stop, ERROR_CANCELLED);
    world_number(world, INPUT_CANCEL, join); /* answered already */
    world_number(world, INPUT_CANCEL, 999);
    /* a process that was begun is never lost: its request is answered by the outcome */
    spawn = ASK(world, SPAWN, .connection = connection);
    world_number(world, INPUT_CANCEL, spawn);
    must_wait(world, spawn);
    world_spawned(world, world_last(world));
    must_reply(world, spawn, REPLY_INFO);
}
END_TEST

START_TEST(a_seen_end_is_marked)
{
    uint64_t process = RUN(world, .connection = connection), other = world_connect(world, 1000);

    ASK(world, JOIN, .connection = other, .process = process);
    world_disconnect(world, other);
    world_exited(world, process, 0);
    ck_assert_uint_eq(core_process(world->core, process)->data.flags & PROCESS_READ, 0);
    ASK(world, JOIN, .connection = connection, .process = process);
    ck_assert_uint_ne(core_process(world->core, process)->data.flags & PROCESS_READ, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("waiter");
    TCase *tcase = tcase_create("waiter");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, join_of_one_that_runs_and_of_one_that_has_ended);
    tcase_add_test(tcase, answers_come_in_the_order_of_asking);
    tcase_add_test(tcase, join_with_a_time_out);
    tcase_add_test(tcase, equal_deadlines_pass_in_the_order_of_asking);
    tcase_add_test(tcase, a_span_beyond_time);
    tcase_add_test(tcase, wait_for_any);
    tcase_add_test(tcase, wait_for_all);
    tcase_add_test(tcase, wait_that_runs_out_tells_who_is_there);
    tcase_add_test(tcase, wait_for_nobody_somebody_unknown_and_somebody_twice);
    tcase_add_test(tcase, wait_for_readiness);
    tcase_add_test(tcase, a_tree_that_is_gone_first_ends_no_join);
    tcase_add_test(tcase, cancel);
    tcase_add_test(tcase, a_seen_end_is_marked);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
