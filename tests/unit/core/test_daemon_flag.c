/* SPDX-License-Identifier: MIT */
/* daemon: true ends with the creator, by SIGTERM, then SIGKILL; and is inherited. */
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

static bool is_daemon(uint64_t process)
{
    return core_process(world->core, process)->data.flags & PROCESS_DAEMON;
}

START_TEST(inherited_unless_said)
{
    uint64_t plain = RUN(world, .connection = connection);
    uint64_t parent = RUN(world, .connection = connection, .flags = REQUEST_DAEMON);
    uint64_t of_plain = world_connect_as(world, 500, 1000, plain);
    uint64_t of_daemon = world_connect_as(world, 501, 1000, parent);

    ck_assert(!is_daemon(plain));
    ck_assert(is_daemon(parent));
    ck_assert(!is_daemon(RUN(world, .connection = of_plain)));
    ck_assert(is_daemon(RUN(world, .connection = of_daemon)));
    ck_assert(!is_daemon(RUN(world, .connection = of_daemon, .flags = REQUEST_NOT_DAEMON)));
    ck_assert(is_daemon(RUN(world, .connection = of_plain, .flags = REQUEST_DAEMON)));
    ck_assert(!is_daemon(RUN(world, .connection = connection, .flags = REQUEST_NOT_DAEMON)));
    /* the flag is that of the creator, whoever's connection carries the request */
    ck_assert(is_daemon(RUN(world, .connection = connection, .creator = 501)));
}
END_TEST

START_TEST(the_creators_death_ends_them)
{
    uint64_t plain = RUN(world, .connection = connection);
    uint64_t process = RUN(world, .connection = connection, .flags = REQUEST_DAEMON);

    world_number(world, INPUT_CLIENT_DEAD, client);
    ck_assert_uint_eq(world->order_count, 3);
    must_order_signal(world, 0, process, SIGTERM);
    ck_assert_uint_eq(world->orders[0].tree, 1);
    must_order(world, 1, ORDER_WATCH_TREE, process);
    must_order(world, 2, ORDER_FORGET_CLIENT, client);
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + 10 * SECOND);
    world_executed(world);
    world_pass(world, 10 * SECOND - 1);
    must_order_nothing(world);
    world_pass(world, 1);
    ck_assert_uint_eq(world->order_count, 1);
    must_order_signal(world, 0, process, SIGKILL);
    ck_assert_uint_eq(world->orders[0].tree, 1);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
    ck_assert_uint_eq(core_process(world->core, plain)->data.flags, PROCESS_ORPHANED);
}
END_TEST

START_TEST(its_own_stop_signal_and_grace_count)
{
    uint64_t process = RUN(world, .connection = connection, .signal = SIGUSR1,
                           .flags = REQUEST_DAEMON | REQUEST_DEADLINE, .span = 2 * SECOND);

    world_number(world, INPUT_CLIENT_DEAD, client);
    must_order_signal(world, 0, process, SIGUSR1);
    world_executed(world);
    world_pass(world, 2 * SECOND);
    must_order_signal(world, 0, process, SIGKILL);
}
END_TEST

START_TEST(gone_in_time_is_not_killed)
{
    uint64_t process = RUN(world, .connection = connection, .flags = REQUEST_DAEMON);

    world_number(world, INPUT_CLIENT_DEAD, client);
    world_exited(world, process, -SIGTERM);
    ck_assert_int_ne(core_next_deadline(world->core), INT64_MAX); /* its tree may live */
    world_report(world, INPUT_TREE_GONE, process);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
    world_pass(world, 20 * SECOND);
    must_order_nothing(world);
}
END_TEST

START_TEST(a_closed_connection_ends_nobody)
{
    uint64_t process = RUN(world, .connection = connection, .flags = REQUEST_DAEMON);

    world_disconnect(world, connection);
    must_order_nothing(world);
    ck_assert_uint_eq(core_process(world->core, process)->data.flags, PROCESS_DAEMON);
}
END_TEST

START_TEST(a_start_that_comes_after_the_death)
{
    uint64_t process, plain;

    ASK(world, SPAWN, .connection = connection, .flags = REQUEST_DAEMON);
    process = world_last(world);
    ASK(world, SPAWN, .connection = connection);
    plain = world_last(world);
    world_number(world, INPUT_CLIENT_DEAD, client);
    ck_assert_uint_eq(world->order_count, 1); /* nothing to signal yet */
    world_spawned(world, plain);
    must_order_nothing(world);
    world_spawned(world, process);
    must_order_signal(world, 0, process, SIGTERM);
    must_order(world, 1, ORDER_WATCH_TREE, process);
}
END_TEST

START_TEST(generations_fall_one_after_the_other)
{
    uint64_t parent = RUN(world, .connection = connection, .flags = REQUEST_DAEMON);
    uint64_t own = world_connect_as(world, 500, 1000, parent), child = RUN(world, .connection = own);

    world_number(world, INPUT_CLIENT_DEAD, client);
    ck_assert_uint_eq(core_process(world->core, child)->data.flags & PROCESS_STOPPING, 0);
    world_exited(world, parent, 0); /* the parent is the child's creator: it dies in the same input */
    must_order_signal(world, 0, child, SIGTERM);
    ck_assert_uint_ne(core_process(world->core, child)->data.flags & PROCESS_STOPPING, 0);
}
END_TEST

START_TEST(one_that_is_stopped_already_gets_no_second_signal)
{
    uint64_t other = world_connect(world, 1000),
             process = RUN(world, .connection = connection, .flags = REQUEST_DAEMON);

    ASK(world, STOP, .connection = other, .process = process);
    must_order_signal(world, 0, process, SIGTERM);
    world_pass(world, SECOND);
    world_number(world, INPUT_CLIENT_DEAD, client);
    ck_assert_uint_eq(world->order_count, 1);
    must_order(world, 0, ORDER_FORGET_CLIENT, client);
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + 9 * SECOND); /* the first grace goes on */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("daemon_flag");
    TCase *tcase = tcase_create("daemon_flag");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, inherited_unless_said);
    tcase_add_test(tcase, the_creators_death_ends_them);
    tcase_add_test(tcase, its_own_stop_signal_and_grace_count);
    tcase_add_test(tcase, gone_in_time_is_not_killed);
    tcase_add_test(tcase, a_closed_connection_ends_nobody);
    tcase_add_test(tcase, a_start_that_comes_after_the_death);
    tcase_add_test(tcase, generations_fall_one_after_the_other);
    tcase_add_test(tcase, one_that_is_stopped_already_gets_no_second_signal);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
