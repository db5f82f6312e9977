/* SPDX-License-Identifier: MIT */
/* daemon/core/core.c: shutdown, adoption, idleness, and the step itself. */
#include "tests/unit/core/world.h"

#include <errno.h>
#include <signal.h>

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

START_TEST(unknown_inputs)
{
    ck_assert_int_eq(core_step(world->core, &(struct core_input){.kind = INPUT_NONE}), -EINVAL);
    ck_assert_int_eq(core_step(world->core, &(struct core_input){.kind = INPUT_KIND_COUNT}), -EINVAL);
    ck_assert_int_eq(core_step(world->core, &(struct core_input){.kind = 70000}), -EINVAL);
    ck_assert_ptr_null(core_free(NULL));
}
END_TEST

START_TEST(shutdown_stops_the_children_first)
{
    uint64_t first = RUN(world, .connection = connection);
    uint64_t second = RUN(world, .connection = connection, .signal = SIGINT, .flags = REQUEST_DEADLINE,
                          .span = 20 * SECOND);

    world_report(world, INPUT_STOPPED, first);
    ck_assert(!core_wants_to_leave(world->core));
    world_number(world, INPUT_SHUTDOWN, 0);
    ck_assert_uint_eq(world->order_count, 4);
    must_order_signal(world, 0, first, SIGTERM);
    must_order(world, 1, ORDER_WATCH_TREE, first);
    must_order_signal(world, 2, second, SIGINT);
    ck_assert(!core_wants_to_leave(world->core));
    world_number(world, INPUT_SHUTDOWN, 1); /* it has begun: the first word counts */
    must_order_nothing(world);
    ck_assert(!core_wants_to_leave(world->core));
    world_executed(world);
    world_pass(world, 10 * SECOND);
    must_order_signal(world, 0, first, SIGKILL);
    world_exited(world, first, -SIGKILL);
    world_exited(world, second, 0);
    world_report(world, INPUT_TREE_GONE, first);
    ck_assert(!core_wants_to_leave(world->core)); /* the other's tree may live */
    world_report(world, INPUT_TREE_GONE, second);
    ck_assert(core_wants_to_leave(world->core));
}
END_TEST

START_TEST(nothing_begins_in_a_shutdown)
{
    uint64_t spawn = ASK(world, SPAWN, .connection = connection), process = world_last(world);

    world_number(world, INPUT_SHUTDOWN, 0);
    must_order_nothing(world);
    must_answer(world, ASK(world, SPAWN, .connection = connection), ERROR_SHUTTING_DOWN);
    must_wait(world, spawn);
    ck_assert(!core_wants_to_leave(world->core)); /* one is on its way */
    world_spawned(world, process);
    must_reply(world, spawn, REPLY_INFO);
    must_order_signal(world, 0, process, SIGTERM);
    must_wait(world, ASK(world, JOIN, .connection = connection, .process = process));
    world_exited(world, process, 0);
    world_report(world, INPUT_TREE_GONE, process);
    ck_assert(core_wants_to_leave(world->core));
}
END_TEST

START_TEST(detach_leaves_the_children)
{
    uint64_t process = RUN(world, .connection = connection);

    world_number(world, INPUT_SHUTDOWN, 1);
    must_order_nothing(world);
    ck_assert(core_wants_to_leave(world->core));
    ck_assert_uint_eq(core_process(world->core, process)->data.flags & PROCESS_STOPPING, 0);
    must_answer(world, ASK(world, SPAWN, .connection = connection), ERROR_SHUTTING_DOWN);
}
END_TEST

START_TEST(nothing_to_stop)
{
    uint64_t ended = RUN(world, .connection = connection);

    world_exited(world, ended, 0);
    world_number(world, INPUT_SHUTDOWN, 0);
    must_order_nothing(world);
    ck_assert(core_wants_to_leave(world->core));
}
END_TEST

START_TEST(adopted_children)
{
    struct core_input input = {
        .kind = INPUT_ADOPT,
        .body.adopt = {
            .process = 7, .creator_process = 5, .pid = 99, .uid = 1000, .daemon = 1, .mono = 3, .wall = 4}};
    uint64_t join, seq = world->core->counters.seq;
    const struct process_data *data;

    ck_assert_int_eq(world_step(world, &input), 0);
    data = &core_process(world->core, 7)->data;
    ck_assert_uint_eq(data->state, PROCESS_RUNNING);
    ck_assert_int_eq(data->pid, 99);
    ck_assert_uint_eq(data->parent, 5);
    ck_assert_uint_eq(data->flags, PROCESS_ORPHANED | PROCESS_DAEMON);
    ck_assert_int_eq(data->started_mono, 3);
    ck_assert_int_eq(data->started_wall, 4);
    ck_assert_uint_eq(world->core->counters.seq, seq); /* it began long ago */
    input.body.adopt.pid = 100;
    ck_assert_int_eq(world_step(world, &input), 0); /* it is known: nothing changes */
    ck_assert_int_eq(data->pid, 99);
    ck_assert_uint_eq(RUN(world, .connection = connection), 8); /* ids go on behind it */
    join = ASK(world, JOIN, .connection = connection, .process = 7);
    world_exited(world, 7, 1);
    must_reply(world, join, REPLY_JOIN);
}
END_TEST

/* A core that begins anew over children that have ended: what was told to the old one is told without a
 * number. */
START_TEST(an_adopted_child_that_has_ended)
{
    struct core_input input = {.kind = INPUT_ADOPT, .body.adopt = {.process = 7, .pid = 99, .uid = 1000}};
    struct core_input end = {.kind = INPUT_EXITED, .body.report = {.process = 7, .exitcode = 6, .known = 1}};
    uint64_t report = world->core->counters.report;

    ck_assert_int_eq(world_step(world, &input), 0);
    ck_assert_int_eq(world_step(world, &end), 0);
    ck_assert_uint_eq(world->core->counters.report, report);
    ck_assert_uint_eq(core_process(world->core, 7)->data.state, PROCESS_EXITED);
    ck_assert_int_eq(core_process(world->core, 7)->data.exitcode, 6);
    world_number(world, INPUT_SHUTDOWN, 0);
    ck_assert(core_wants_to_leave(world->core));
}
END_TEST

START_TEST(an_adopted_child_can_be_stopped)
{
    struct core_input input = {.kind = INPUT_ADOPT, .body.adopt = {.process = 7, .pid = 99, .uid = 1000}};

    ck_assert_int_eq(world_step(world, &input), 0);
    ASK(world, STOP, .connection = connection, .process = 7);
    must_order_signal(world, 0, 7, SIGTERM);
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + 10 * SECOND);
}
END_TEST

/* A broker that dies before it has told the keeper to forget a child finds it in the table again. */
START_TEST(what_was_removed_is_not_adopted)
{
    struct core_input adopt = {.kind = INPUT_ADOPT, .body.adopt = {.process = 1, .pid = 99, .uid = 1000}};
    uint64_t process = RUN(world, .connection = connection);

    world_number(world, INPUT_RESTARTED, world->core->counters.order);
    ck_assert_uint_eq(process, 1);
    world_exited(world, process, 0);
    ASK(world, CLOSE, .process = process, .uid = 1000);
    ck_assert_int_eq(world_step(world, &adopt), 0);
    ck_assert_ptr_null(core_process(world->core, process));
    connection = world_connect(world, 1000);
    ck_assert_uint_eq(RUN(world, .connection = connection), 2);
}
END_TEST

/* After a state was lost clients are known before the children are: one may be the other. */
START_TEST(an_adopted_child_is_a_client)
{
    struct core_input input = {.kind = INPUT_ADOPT, .body.adopt = {.process = 7, .pid = 99, .uid = 1000}};
    uint64_t own = world_connect_as(world, 50, 1000, 7), child;

    ck_assert_int_eq(world_step(world, &input), 0);
    child = RUN(world, .connection = own);
    ck_assert_uint_eq(core_process(world->core, child)->data.parent, 7);
    ck_assert_str_eq(world_name(world, child), "Process-7:1");
    world_exited(world, 7, 0);
    ck_assert_ptr_null(core_client(world->core, 50)); /* its end is the client's */
}
END_TEST

START_TEST(idle_when_no_end_is_unread)
{
    uint64_t process, ended;

    ck_assert(core_is_idle(world->core));
    ASK(world, SPAWN, .connection = connection);
    ck_assert(!core_is_idle(world->core));
    process = world_last(world);
    world_spawned(world, process);
    world_number(world, INPUT_READ, process); /* it has no end yet */
    ck_assert(!core_is_idle(world->core));
    world_exited(world, process, 0);
    ck_assert(!core_is_idle(world->core));
    world_number(world, INPUT_READ, process);
    ck_assert(core_is_idle(world->core));
    ended = RUN(world, .connection = connection);
    ASK(world, JOIN, .connection = connection, .process = ended);
    world_exited(world, ended, 0); /* told in the same step */
    ck_assert(core_is_idle(world->core));
    ended = RUN(world, .connection = connection);
    world_exited(world, ended, 0);
    ck_assert(!core_is_idle(world->core));
    ASK(world, CLOSE, .connection = connection, .process = ended);
    ck_assert(core_is_idle(world->core));
    world_number(world, INPUT_READ, 99);
}
END_TEST

START_TEST(time_without_deadlines)
{
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
    world_pass(world, 1000 * SECOND);
    must_order_nothing(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core");
    TCase *tcase = tcase_create("core");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, unknown_inputs);
    tcase_add_test(tcase, shutdown_stops_the_children_first);
    tcase_add_test(tcase, nothing_begins_in_a_shutdown);
    tcase_add_test(tcase, detach_leaves_the_children);
    tcase_add_test(tcase, nothing_to_stop);
    tcase_add_test(tcase, adopted_children);
    tcase_add_test(tcase, an_adopted_child_that_has_ended);
    tcase_add_test(tcase, an_adopted_child_can_be_stopped);
    tcase_add_test(tcase, what_was_removed_is_not_adopted);
    tcase_add_test(tcase, an_adopted_child_is_a_client);
    tcase_add_test(tcase, idle_when_no_end_is_unread);
    tcase_add_test(tcase, time_without_deadlines);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
