/* SPDX-License-Identifier: MIT */
/* daemon/core/order.c, and reports and orders across a new broker. */
#include "tests/unit/core/world.h"

#include <signal.h>

static struct world *world;
static uint64_t connection, client;

static void set_up(void)
{
    world = world_new();
    connection = world_connect(world, 1000);
    client = world->client;
}

static void tear_down(void)
{
    world_free(world);
}

static size_t pending(void)
{
    const struct order *order;
    size_t count = 0;

    STAILQ_FOREACH(order, &world->core->orders, pending)
        count++;
    return count;
}

START_TEST(numbers_rise_by_one_and_stay_until_executed)
{
    uint64_t process = RUN(world, .connection = connection);

    ASK(world, SIGNAL, .connection = connection, .process = process, .signal = SIGHUP);
    ck_assert_uint_eq(world->orders[0].number, 2);
    ASK(world, STOP, .connection = connection, .process = process);
    ck_assert_uint_eq(world->orders[0].number, 3);
    ck_assert_uint_eq(world->orders[1].number, 4);
    ck_assert_uint_eq(pending(), 4);
    world_number(world, INPUT_EXECUTED, 2);
    ck_assert_uint_eq(pending(), 2);
    ck_assert_uint_eq(STAILQ_FIRST(&world->core->orders)->data.number, 3);
    world_number(world, INPUT_EXECUTED, 1); /* old news */
    ck_assert_uint_eq(pending(), 2);
    must_order_nothing(world);
    world_number(world, INPUT_EXECUTED, 4);
    ck_assert_uint_eq(pending(), 0);
    ASK(world, SIGNAL, .connection = connection, .process = process, .signal = SIGHUP);
    ck_assert_uint_eq(world->orders[0].number, 5);
}
END_TEST

START_TEST(a_report_is_applied_once)
{
    uint64_t process = RUN(world, .connection = connection), report = world->report;
    struct core_input input = {
        .kind = INPUT_STOPPED, .report = report + 1, .body.report = {.process = process, .mono = 1}};

    ck_assert_int_eq(world_step(world, &input), 0);
    ck_assert_uint_eq(world->core->counters.report, report + 1);
    input.kind = INPUT_CONTINUED;
    ck_assert_int_eq(world_step(world, &input), 0); /* the same number: told again */
    ck_assert_uint_eq(core_process(world->core, process)->data.state, PROCESS_STOPPED);
    input.report = report;
    ck_assert_int_eq(world_step(world, &input), 0);
    ck_assert_uint_eq(core_process(world->core, process)->data.state, PROCESS_STOPPED);
    ck_assert_uint_eq(world->core->counters.report, report + 1);
    input.report = report + 2;
    ck_assert_int_eq(world_step(world, &input), 0);
    ck_assert_uint_eq(core_process(world->core, process)->data.state, PROCESS_RUNNING);
    world->report = report + 2;
}
END_TEST

START_TEST(a_new_broker_finds_no_connections)
{
    uint64_t process = RUN(world, .connection = connection), join, stop;

    join = ASK(world, JOIN, .connection = connection, .process = process);
    stop = ASK(world, STOP, .connection = connection, .process = process);
    world_number(world, INPUT_RESTARTED, world->core->counters.order);
    ck_assert_ptr_null(core_connection(world->core, connection));
    ck_assert_ptr_nonnull(core_client(world->core, client));
    ck_assert_ptr_null(world->core->waiters);
    ck_assert_uint_eq(world->core->counters.restarts, 1);
    ck_assert_uint_eq(pending(), 0);
    world_pass(world, 10 * SECOND); /* the stop goes on */
    must_order_signal(world, 0, process, SIGKILL);
    ck_assert_ptr_null(world_answer(world, join));
    ck_assert_ptr_null(world_answer(world, stop));
}
END_TEST

START_TEST(orders_that_were_not_executed_are_kept)
{
    uint64_t process = RUN(world, .connection = connection), number;

    world_number(world, INPUT_EXECUTED, world->core->counters.order);
    ASK(world, SIGNAL, .connection = connection, .process = process, .signal = SIGHUP);
    number = world->orders[0].number;
    ASK(world, SIGNAL, .connection = connection, .process = process, .signal = SIGUSR1);
    world_number(world, INPUT_RESTARTED, number);
    must_order_nothing(world); /* the broker sends what is pending: those are not new */
    ck_assert_uint_eq(pending(), 1);
    ck_assert_int_eq(STAILQ_FIRST(&world->core->orders)->data.signal, SIGUSR1);
    ck_assert_uint_eq(STAILQ_FIRST(&world->core->orders)->data.number, number + 1);
}
END_TEST

START_TEST(a_spawn_that_the_keeper_never_saw_is_undone)
{
    uint64_t seq, executed, process;

    ASK(world, SPAWN, .connection = connection, .key = "seen", .digest = 1);
    executed = world->orders[0].number;
    ASK(world, SPAWN, .connection = connection, .key = "unseen", .digest = 2);
    process = world_last(world);
    seq = world->core->counters.seq;
    world_number(world, INPUT_RESTARTED, executed);
    ck_assert_uint_eq(world->core->counters.seq, seq + 1); /* the restart, and nothing of the process */
    ck_assert_ptr_nonnull(core_process(world->core, process - 1));
    ck_assert_ptr_null(core_process(world->core, process));
    ck_assert_uint_eq(pending(), 0);
    ck_assert_uint_eq(core_client(world->core, client)->key_count, 1);
    /* the client asks again, with its descriptors: for one it joins the wait, for the other it begins anew */
    connection = world_connect_as(world, client, 1000, 0);
    must_wait(world, ASK(world, SPAWN, .connection = connection, .key = "seen", .digest = 1));
    must_order_nothing(world);
    ASK(world, SPAWN, .connection = connection, .key = "unseen", .digest = 2);
    must_order(world, 0, ORDER_SPAWN, process + 1);
    world_spawned(world, process - 1);
    world_spawned(world, process + 1);
    ck_assert_str_eq(world_name(world, process + 1), "Process-2");
}
END_TEST

START_TEST(a_running_process_is_never_undone)
{
    uint64_t process = RUN(world, .connection = connection);

    /* its order is still pending here, but the keeper says that it was executed */
    world_number(world, INPUT_RESTARTED, 1);
    ck_assert_uint_eq(core_process(world->core, process)->data.state, PROCESS_RUNNING);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("order");
    TCase *tcase = tcase_create("order");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, numbers_rise_by_one_and_stay_until_executed);
    tcase_add_test(tcase, a_report_is_applied_once);
    tcase_add_test(tcase, a_new_broker_finds_no_connections);
    tcase_add_test(tcase, orders_that_were_not_executed_are_kept);
    tcase_add_test(tcase, a_spawn_that_the_keeper_never_saw_is_undone);
    tcase_add_test(tcase, a_running_process_is_never_undone);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
