/* SPDX-License-Identifier: MIT */
/* process.stop, signals and process.close. */
#include "tests/unit/core/world.h"

#include <signal.h>

static struct world *world;
static uint64_t connection, process;

static void set_up(void)
{
    world = world_new();
    connection = world_connect(world, 1000);
    process = RUN(world, .connection = connection);
}

static void tear_down(void)
{
    world_free(world);
}

START_TEST(signal_grace_kill)
{
    uint64_t stop = ASK(world, STOP, .connection = connection, .process = process);

    must_order_signal(world, 0, process, SIGTERM);
    ck_assert_uint_eq(world->orders[0].tree, 1);
    must_order(world, 1, ORDER_WATCH_TREE, process);
    ck_assert_uint_eq(world->order_count, 2);
    must_wait(world, stop);
    world_executed(world);
    world_pass(world, 10 * SECOND);
    must_order_signal(world, 0, process, SIGKILL);
    ck_assert_uint_eq(world->order_count, 1);
    must_wait(world, stop);
    world_exited(world, process, -SIGKILL);
    must_wait(world, stop); /* its tree may live */
    world_report(world, INPUT_TREE_GONE, process);
    ck_assert_int_eq(must_reply(world, stop, REPLY_JOIN)->reply.process.exitcode, -SIGKILL);
    world_pass(world, 100 * SECOND);
    must_order_nothing(world);
}
END_TEST

START_TEST(the_tree_may_be_gone_first)
{
    uint64_t stop = ASK(world, STOP, .connection = connection, .process = process);

    world_report(world, INPUT_TREE_GONE, process);
    must_wait(world, stop);
    world_exited(world, process, 0);
    must_reply(world, stop, REPLY_JOIN);
}
END_TEST

START_TEST(signal_and_grace_as_asked)
{
    ASK(world, STOP, .connection = connection, .process = process, .signal = SIGINT,
        .flags = REQUEST_DEADLINE, .span = SECOND);
    must_order_signal(world, 0, process, SIGINT);
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + SECOND);
}
END_TEST

START_TEST(no_grace_at_all)
{
    ASK(world, STOP, .connection = connection, .process = process, .flags = REQUEST_DEADLINE);
    must_order_signal(world, 0, process, SIGTERM);
    ck_assert_int_eq(core_next_deadline(world->core), world->mono);
    world_pass(world, 0);
    must_order_signal(world, 0, process, SIGKILL);
}
END_TEST

/* A keeper that stands still sends the signal late: the grace is that of the process, not the keeper's. */
START_TEST(no_grace_before_the_signal)
{
    ASK(world, STOP, .connection = connection, .process = process, .flags = REQUEST_DEADLINE,
        .span = 2 * SECOND);
    world_pass(world, 2 * SECOND);
    must_order_nothing(world);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
    world_pass(world, 100 * SECOND);
    must_order_nothing(world);
    world_executed(world);
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + 2 * SECOND);
    world_pass(world, 2 * SECOND);
    must_order_signal(world, 0, process, SIGKILL);
}
END_TEST

START_TEST(a_signal_in_time_begins_no_other_grace)
{
    ASK(world, STOP, .connection = connection, .process = process, .flags = REQUEST_DEADLINE,
        .span = 2 * SECOND);
    world_pass(world, SECOND);
    world_executed(world);
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + SECOND);
    /* one more, with a signal that is not sent yet, changes nothing of what has begun */
    ASK(world, STOP, .connection = connection, .process = process, .flags = REQUEST_DEADLINE,
        .span = 2 * SECOND);
    world_pass(world, SECOND);
    must_order_signal(world, 0, process, SIGKILL);
    world_executed(world);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
}
END_TEST

START_TEST(gone_before_the_grace_has_begun)
{
    ASK(world, STOP, .connection = connection, .process = process, .flags = REQUEST_DEADLINE,
        .span = 2 * SECOND);
    world_pass(world, 2 * SECOND);
    world_report(world, INPUT_TREE_GONE, process);
    world_executed(world);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
    world_exited(world, process, 0);
}
END_TEST

START_TEST(of_two_stops_the_more_impatient_counts)
{
    uint64_t first = ASK(world, STOP, .connection = connection, .process = process, .flags = REQUEST_DEADLINE,
                         .span = 5 * SECOND);
    uint64_t second = ASK(world, STOP, .connection = connection, .process = process, .signal = SIGINT);

    must_order_signal(world, 0, process, SIGINT); /* each is sent */
    ck_assert_uint_eq(world->order_count, 1);     /* but the tree is watched already */
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + 5 * SECOND);
    ASK(world, STOP, .connection = connection, .process = process, .flags = REQUEST_DEADLINE, .span = SECOND);
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + SECOND);
    world_executed(world);
    world_pass(world, SECOND);
    must_order_signal(world, 0, process, SIGKILL);
    /* killed once: one more stop has nothing worse to give */
    ASK(world, STOP, .connection = connection, .process = process, .flags = REQUEST_DEADLINE);
    must_order_signal(world, 0, process, SIGTERM);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
    world_exited(world, process, 0);
    world_report(world, INPUT_TREE_GONE, process);
    must_reply(world, first, REPLY_JOIN);
    must_reply(world, second, REPLY_JOIN);
}
END_TEST

START_TEST(a_stop_of_one_that_has_ended)
{
    uint64_t stop, again;

    world_exited(world, process, 1);
    stop = ASK(world, STOP, .connection = connection, .process = process);
    must_order_signal(world, 0, process, SIGTERM); /* to its tree, which is not known to be gone */
    must_order(world, 1, ORDER_WATCH_TREE, process);
    must_wait(world, stop);
    world_report(world, INPUT_TREE_GONE, process);
    must_reply(world, stop, REPLY_JOIN);
    again = ASK(world, STOP, .connection = connection, .process = process);
    must_order_nothing(world);
    ck_assert_int_eq(must_reply(world, again, REPLY_JOIN)->reply.process.exitcode, 1);
    must_answer(world, ASK(world, STOP, .connection = connection, .process = 99), ERROR_NO_SUCH_PROCESS);
}
END_TEST

START_TEST(closed_while_its_tree_is_waited_for)
{
    uint64_t stop = ASK(world, STOP, .connection = connection, .process = process);

    world_exited(world, process, 2);
    must_wait(world, stop);
    ASK(world, CLOSE, .connection = connection, .process = process);
    ck_assert_int_eq(must_reply(world, stop, REPLY_JOIN)->reply.process.exitcode, 2);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
}
END_TEST

START_TEST(signals)
{
    uint64_t ticket = ASK(world, SIGNAL, .connection = connection, .process = process, .signal = SIGHUP);

    must_reply(world, ticket, REPLY_EMPTY);
    must_order_signal(world, 0, process, SIGHUP);
    ck_assert_uint_eq(world->orders[0].tree, 0);
    ASK(world, SIGNAL, .connection = connection, .process = process, .signal = SIGKILL,
        .flags = REQUEST_TREE);
    must_order_signal(world, 0, process, SIGKILL);
    ck_assert_uint_ne(world->orders[0].tree, 0);
    world_exited(world, process, 0);
    must_reply(world, ASK(world, SIGNAL, .connection = connection, .process = process, .signal = SIGHUP),
               REPLY_EMPTY);
    must_order_nothing(world);
    must_answer(world, ASK(world, SIGNAL, .connection = connection, .process = 99, .signal = 9),
                ERROR_NO_SUCH_PROCESS);
}
END_TEST

START_TEST(close_forgets_the_ended_only)
{
    uint64_t join = ASK(world, JOIN, .connection = connection, .process = process);

    must_answer(world, ASK(world, CLOSE, .connection = connection, .process = process), ERROR_STILL_RUNNING);
    must_wait(world, join);
    world_report(world, INPUT_STOPPED, process);
    must_answer(world, ASK(world, CLOSE, .connection = connection, .process = process), ERROR_STILL_RUNNING);
    world_exited(world, process, 0);
    must_reply(world, ASK(world, CLOSE, .connection = connection, .process = process), REPLY_EMPTY);
    must_order(world, 0, ORDER_FORGET_PROCESS, process);
    ck_assert_uint_eq(world->order_count, 1);
    ck_assert_ptr_null(core_process(world->core, process));
    must_answer(world, ASK(world, CLOSE, .connection = connection, .process = process),
                ERROR_NO_SUCH_PROCESS);
}
END_TEST

START_TEST(a_child_of_a_closed_process)
{
    uint64_t own = world_connect_as(world, 500, 1000, process), child = RUN(world, .connection = own);

    world_exited(world, process, 0);
    ASK(world, CLOSE, .connection = connection, .process = process);
    ck_assert_uint_eq(core_process(world->core, child)->data.parent, process);
    ck_assert_str_eq(world_name(world, child), "Process-1:1");
    world_exited(world, child, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stop");
    TCase *tcase = tcase_create("stop");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, signal_grace_kill);
    tcase_add_test(tcase, the_tree_may_be_gone_first);
    tcase_add_test(tcase, signal_and_grace_as_asked);
    tcase_add_test(tcase, no_grace_at_all);
    tcase_add_test(tcase, no_grace_before_the_signal);
    tcase_add_test(tcase, a_signal_in_time_begins_no_other_grace);
    tcase_add_test(tcase, gone_before_the_grace_has_begun);
    tcase_add_test(tcase, of_two_stops_the_more_impatient_counts);
    tcase_add_test(tcase, a_stop_of_one_that_has_ended);
    tcase_add_test(tcase, closed_while_its_tree_is_waited_for);
    tcase_add_test(tcase, signals);
    tcase_add_test(tcase, close_forgets_the_ended_only);
    tcase_add_test(tcase, a_child_of_a_closed_process);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
