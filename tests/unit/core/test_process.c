/* SPDX-License-Identifier: MIT */
/* daemon/core/process.c: what the keeper reports, and what becomes of a process. */
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

static const struct process_data *data(uint64_t process)
{
    must(core_process(world->core, process) != NULL);
    return &core_process(world->core, process)->data;
}

static const struct event_entry *last_event(void)
{
    return core_event(world->core, world->core->counters.seq);
}

START_TEST(a_spawn_waits_for_its_start)
{
    uint64_t seq = world->core->counters.seq, process;
    uint64_t ticket =
        ASK(world, SPAWN, .connection = connection, .name = "worker", .argv = "sleep", .cwd = "/tmp");
    const struct answer *answer;

    process = world_last(world);
    must_order(world, 0, ORDER_SPAWN, process);
    ck_assert_uint_eq(world->orders[0].ticket, ticket);
    ck_assert_uint_eq(world->orders[0].connection, connection);
    must_wait(world, ticket);
    ck_assert(!process_visible(core_process(world->core, process)));
    ck_assert_ptr_null(core_process_named(world->core, 1000, "worker", 6));
    ck_assert_uint_eq(world->core->counters.seq, seq);
    world->mono += 5;
    world_spawned(world, process);
    answer = must_reply(world, ticket, REPLY_INFO);
    ck_assert_uint_eq(answer->reply.process.id, process);
    ck_assert_int_eq(answer->reply.process.pid, (int) process + 10000);
    ck_assert_int_eq(answer->reply.process.started_mono, world->mono);
    ck_assert_int_eq(answer->reply.process.started_wall, world->wall);
    ck_assert_uint_eq(answer->reply.process.state, PROCESS_RUNNING);
    ck_assert_str_eq(answer->name, "worker");
    ck_assert_str_eq(answer->argv, "sleep");
    ck_assert_str_eq(record_cwd(core_process(world->core, process)->record), "/tmp");
    ck_assert_uint_eq(last_event()->data.kind, EVENT_PROCESS_SPAWNED);
    ck_assert_uint_eq(last_event()->data.process, process);
    ck_assert_uint_eq(data(process)->seq, world->core->counters.seq);
    ck_assert_ptr_eq(core_process_named(world->core, 1000, "worker", 6), core_process(world->core, process));
    ck_assert_ptr_null(core_process_named(world->core, 1001, "worker", 6));
    ck_assert_ptr_null(core_process_named(world->core, 1000, "work", 4));
}
END_TEST

START_TEST(a_failed_spawn_leaves_an_event_only)
{
    uint64_t ticket = ASK(world, SPAWN, .connection = connection, .name = "nothing"),
             process = world_last(world);
    struct core_input input = {.kind = INPUT_SPAWN_FAILED,
                               .report = ++world->report,
                               .body.report = {.process = process, .error = ENOENT, .stage = 4}};

    ck_assert_int_eq(world_step(world, &input), 0);
    must_answer(world, ticket, ERROR_SPAWN_FAILED);
    ck_assert_int_eq(world_answer(world, ticket)->reply.spawn_errno, ENOENT);
    ck_assert_uint_eq(world_answer(world, ticket)->reply.spawn_stage, 4);
    ck_assert_ptr_null(core_process(world->core, process));
    must_order_nothing(world);
    ck_assert_uint_eq(last_event()->data.kind, EVENT_PROCESS_SPAWN_FAILED);
    ck_assert_int_eq(last_event()->data.spawn_errno, ENOENT);
    ck_assert_uint_eq(last_event()->data.spawn_stage, 4);
    ck_assert_str_eq(last_event()->title->name, "nothing");
}
END_TEST

START_TEST(ids_are_never_used_twice)
{
    uint64_t first, second;

    ASK(world, SPAWN, .connection = connection);
    first = world_last(world);
    world_report(world, INPUT_SPAWN_FAILED, first);
    second = RUN(world, .connection = connection);
    ck_assert_uint_gt(second, first);
}
END_TEST

START_TEST(an_end_is_told_as_it_was)
{
    uint64_t process = RUN(world, .connection = connection);
    uint64_t join = ASK(world, JOIN, .connection = connection, .process = process);
    struct core_input input = {.kind = INPUT_EXITED,
                               .report = ++world->report,
                               .body.report = {.process = process,
                                               .mono = world->mono + 7,
                                               .wall = world->wall + 7,
                                               .exitcode = -SIGSEGV,
                                               .core = 1,
                                               .oom = INPUT_OOM_NO,
                                               .known = 1,
                                               .rusage = {.utime = 11, .maxrss = 22}}};
    const struct process_data *end;

    ck_assert_int_eq(world_step(world, &input), 0);
    end = &must_reply(world, join, REPLY_JOIN)->reply.process;
    ck_assert_int_eq(end->exitcode, -SIGSEGV);
    ck_assert_uint_eq(end->flags & (PROCESS_CORE | PROCESS_KNOWN), PROCESS_CORE | PROCESS_KNOWN);
    ck_assert_uint_eq(end->oom, INPUT_OOM_NO);
    ck_assert_int_eq(end->ended_mono, world->mono + 7);
    ck_assert_int_eq(end->ended_wall, world->wall + 7);
    ck_assert_int_eq(end->rusage.utime, 11);
    ck_assert_int_eq(end->rusage.maxrss, 22);
    ck_assert_uint_eq(end->state, PROCESS_EXITED);
    ck_assert_uint_eq(last_event()->data.kind, EVENT_PROCESS_EXITED);
    ck_assert_int_eq(last_event()->data.exitcode, -SIGSEGV);
    ck_assert_uint_eq(data(process)->seq, world->core->counters.seq);
}
END_TEST

START_TEST(a_lost_end_is_unknown_for_good)
{
    uint64_t process = RUN(world, .connection = connection), join;
    struct core_input input = {.kind = INPUT_EXITED,
                               .report = ++world->report,
                               .body.report = {.process = process, .oom = INPUT_OOM_UNKNOWN}};

    ck_assert_int_eq(world_step(world, &input), 0);
    join = ASK(world, JOIN, .connection = connection, .process = process);
    ck_assert_uint_eq(must_reply(world, join, REPLY_JOIN)->reply.process.flags & PROCESS_KNOWN, 0);
    ck_assert_uint_eq(last_event()->data.flags & PROCESS_KNOWN, 0);
}
END_TEST

START_TEST(out_of_memory_has_an_event_of_its_own)
{
    uint64_t process = RUN(world, .connection = connection), seq = world->core->counters.seq;
    struct core_input input = {
        .kind = INPUT_EXITED,
        .report = ++world->report,
        .body.report = {.process = process, .oom = INPUT_OOM_YES, .exitcode = -9, .known = 1}};

    ck_assert_int_eq(world_step(world, &input), 0);
    ck_assert_uint_eq(core_event(world->core, seq + 1)->data.kind, EVENT_PROCESS_OOM);
    ck_assert_uint_eq(core_event(world->core, seq + 2)->data.kind, EVENT_PROCESS_EXITED);
    ck_assert_uint_eq(world->core->counters.seq, seq + 2);
}
END_TEST

START_TEST(stopped_and_continued)
{
    uint64_t process = RUN(world, .connection = connection), seq = world->core->counters.seq;

    world_report(world, INPUT_CONTINUED, process); /* it runs: no news */
    ck_assert_uint_eq(world->core->counters.seq, seq);
    world_report(world, INPUT_STOPPED, process);
    ck_assert_uint_eq(data(process)->state, PROCESS_STOPPED);
    ck_assert_uint_eq(last_event()->data.kind, EVENT_PROCESS_STOPPED);
    world_report(world, INPUT_STOPPED, process);
    ck_assert_uint_eq(world->core->counters.seq, seq + 1);
    world_report(world, INPUT_CONTINUED, process);
    ck_assert_uint_eq(data(process)->state, PROCESS_RUNNING);
    ck_assert_uint_eq(last_event()->data.kind, EVENT_PROCESS_CONTINUED);
    ck_assert_uint_eq(data(process)->seq, seq + 2);
    world_report(world, INPUT_STOPPED, process);
    world_exited(world, process, 0); /* a stopped one may be killed */
    ck_assert_uint_eq(data(process)->state, PROCESS_EXITED);
    world_report(world, INPUT_STOPPED, process);
    ck_assert_uint_eq(data(process)->state, PROCESS_EXITED);
}
END_TEST

START_TEST(reports_out_of_place_change_nothing)
{
    uint64_t process = RUN(world, .connection = connection), seq, starting;

    world_exited(world, process, 1);
    seq = world->core->counters.seq;
    world_exited(world, process, 2);
    world_spawned(world, process);
    world_report(world, INPUT_SPAWN_FAILED, process);
    ck_assert_int_eq(data(process)->exitcode, 1);
    for (enum input_kind kind = INPUT_SPAWNED; kind <= INPUT_TREE_GONE; kind++)
        world_report(world, kind, 4711); /* nobody */
    ASK(world, SPAWN, .connection = connection);
    starting = world_last(world);
    world_exited(world, starting, 0);
    world_report(world, INPUT_STOPPED, starting);
    ck_assert_uint_eq(data(starting)->state, PROCESS_STARTING);
    ck_assert_uint_eq(world->core->counters.seq, seq);
}
END_TEST

START_TEST(the_newest_living_of_a_name_counts)
{
    uint64_t old, young, ended;

    old = RUN(world, .connection = connection, .name = "same");
    young = RUN(world, .connection = connection, .name = "same");
    ended = RUN(world, .connection = connection, .name = "same");
    world_exited(world, ended, 0);
    ck_assert_uint_eq(core_process_named(world->core, 1000, "same", 4)->data.id, young);
    world_exited(world, young, 0);
    ck_assert_uint_eq(core_process_named(world->core, 1000, "same", 4)->data.id, old);
    world_exited(world, old, 0);
    /* the newest ended one */
    ck_assert_uint_eq(core_process_named(world->core, 1000, "same", 4)->data.id, ended);
}
END_TEST

START_TEST(a_spawn_outlives_its_connection)
{
    uint64_t other = world_connect(world, 1000), ticket = ASK(world, SPAWN, .connection = other);
    uint64_t process = world_last(world);

    world_disconnect(world, other);
    world_spawned(world, process);
    ck_assert_ptr_null(world_answer(world, ticket));
    ck_assert_uint_eq(data(process)->state, PROCESS_RUNNING);
    ck_assert_ptr_null(world->core->waiters);
}
END_TEST

START_TEST(an_adopted_child_is_started_by_the_report)
{
    struct core_input input = {.kind = INPUT_ADOPT,
                               .body.adopt = {.process = 12, .uid = 1000, .creator_process = 3, .daemon = 1}};

    ck_assert_int_eq(world_step(world, &input), 0);
    ck_assert(!process_visible(core_process(world->core, 12)));
    ck_assert_int_eq(core_account(world->core, 1000)->used[QUOTA_STARTING], 1);
    world_spawned(world, 12);
    ck_assert_uint_eq(data(12)->state, PROCESS_RUNNING);
    ck_assert_uint_eq(data(12)->parent, 3);
    ck_assert_uint_eq(data(12)->flags & PROCESS_DAEMON, PROCESS_DAEMON);
    ck_assert_uint_gt(RUN(world, .connection = connection), 12);
}
END_TEST

/* Its start may yet fail or be undone, and then nobody would tell those who wait for it. */
START_TEST(what_is_being_started_is_not_to_be_named)
{
    uint64_t spawn = ASK(world, SPAWN, .connection = connection), process = world_last(world);

    must_answer(world, ASK(world, JOIN, .connection = connection, .process = process), ERROR_NO_SUCH_PROCESS);
    must_answer(world, ASK(world, STOP, .connection = connection, .process = process), ERROR_NO_SUCH_PROCESS);
    must_answer(world, ASK(world, SIGNAL, .connection = connection, .process = process, .signal = 15),
                ERROR_NO_SUCH_PROCESS);
    must_order_nothing(world);
    must_answer(world, ASK(world, CLOSE, .connection = connection, .process = process),
                ERROR_NO_SUCH_PROCESS);
    must_answer(world, ASK(world, WAIT, .connection = connection, .processes = &process, .count = 1),
                ERROR_NO_SUCH_PROCESS);
    world_report(world, INPUT_SPAWN_FAILED, process);
    must_answer(world, spawn, ERROR_SPAWN_FAILED);
    ck_assert_ptr_null(world->core->waiters);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process");
    TCase *tcase = tcase_create("process");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_spawn_waits_for_its_start);
    tcase_add_test(tcase, a_failed_spawn_leaves_an_event_only);
    tcase_add_test(tcase, ids_are_never_used_twice);
    tcase_add_test(tcase, an_end_is_told_as_it_was);
    tcase_add_test(tcase, a_lost_end_is_unknown_for_good);
    tcase_add_test(tcase, out_of_memory_has_an_event_of_its_own);
    tcase_add_test(tcase, stopped_and_continued);
    tcase_add_test(tcase, reports_out_of_place_change_nothing);
    tcase_add_test(tcase, the_newest_living_of_a_name_counts);
    tcase_add_test(tcase, a_spawn_outlives_its_connection);
    tcase_add_test(tcase, an_adopted_child_is_started_by_the_report);
    tcase_add_test(tcase, what_is_being_started_is_not_to_be_named);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
