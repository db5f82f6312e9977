/* SPDX-License-Identifier: MIT */
/* Restart policies: which ends are followed by another run, when, and what ends that. */
#include "tests/unit/core/world.h"

#include <errno.h>
#include <signal.h>

#define DELAY (SECOND / 10)

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

static struct input_restart policy(enum restart_policy policy)
{
    return (struct input_restart){.policy = policy,
                                  .delay = DELAY,
                                  .max_delay = 60 * SECOND,
                                  .factor = 2 * RESTART_FACTOR_ONE,
                                  .fds = 2,
                                  .size = 100};
}

static uint64_t run(enum restart_policy which, unsigned flags)
{
    return RUN(world, .connection = connection, .restart = policy(which), .flags = flags);
}

static const struct process_data *data(uint64_t process)
{
    return &core_process(world->core, process)->data;
}

static const struct event_data *last_event(void)
{
    return &core_event(world->core, world->core->counters.seq)->data;
}

static void must_pause(uint64_t process, int64_t delay)
{
    ck_assert_uint_eq(data(process)->state, PROCESS_RESTARTING);
    ck_assert_uint_eq(last_event()->kind, EVENT_PROCESS_RESTARTING);
    ck_assert_int_eq(last_event()->delay, delay);
    ck_assert_uint_eq(last_event()->restarts, data(process)->restarts);
    ck_assert_uint_eq(data(process)->seq, world->core->counters.seq);
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + delay);
}

/* The pause is over; the keeper is told so, once. */
static void pause_over(uint64_t process, int64_t delay)
{
    world_pass(world, delay - 1);
    must_order_nothing(world);
    world_pass(world, 1);
    ck_assert_uint_eq(world->order_count, 1);
    must_order(world, 0, ORDER_RESPAWN, process);
    ck_assert_uint_eq(data(process)->state, PROCESS_RESTARTING);
    world_pass(world, 1000 * SECOND);
    must_order_nothing(world);
}

static void must_have_ended(uint64_t process)
{
    ck_assert_uint_eq(data(process)->state, PROCESS_EXITED);
    ck_assert_uint_eq(last_event()->kind, EVENT_PROCESS_EXITED);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
}

/* ---- which ends ---- */

START_TEST(another_run)
{
    uint64_t process = run(RESTART_POLICY_ALWAYS, 0);
    uint64_t join = ASK(world, JOIN, .connection = connection, .process = process);
    const struct process_data *now = data(process);

    world_exited(world, process, 3);
    must_order_nothing(world);
    must_pause(process, DELAY);
    ck_assert_int_eq(last_event()->exitcode, 3);
    must_wait(world, join);
    pause_over(process, DELAY);
    ck_assert_uint_eq(now->restarts, 1);
    ck_assert_int_eq(now->exitcode, 3);
    world_spawned(world, process);
    must_order_nothing(world);
    must_wait(world, join);
    ck_assert_uint_eq(now->state, PROCESS_RUNNING);
    ck_assert_uint_eq(last_event()->kind, EVENT_PROCESS_SPAWNED);
    ck_assert(!(now->flags & (PROCESS_KNOWN | PROCESS_RESPAWNED)));
    ck_assert_int_eq(now->exitcode, 0);
    ck_assert_int_eq(now->ended_wall, 0);
    ck_assert_int_eq(now->rusage.utime, 0);
    ck_assert_uint_eq(now->oom, INPUT_OOM_UNKNOWN);
    ck_assert_str_eq(world_name(world, process), "Process-1"); /* it has its number */
    ck_assert_str_eq(world_name(world, RUN(world, .connection = connection)), "Process-2");
}
END_TEST

START_TEST(which_ends)
{
    static const struct {
        int exitcode;
        bool known, on_failure;
    } ends[] = {{0, true, false}, {1, true, true}, {255, true, true}, {-15, true, true}, {0, false, true}};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        for (int which = RESTART_POLICY_NO; which <= RESTART_POLICY_ALWAYS; which++) {
            uint64_t process = run((enum restart_policy) which, 0);
            bool again = which == RESTART_POLICY_ALWAYS || (which && ends[i].on_failure);
            struct core_input end = {.kind = INPUT_EXITED,
                                     .report = ++world->report,
                                     .body.report = {.process = process,
                                                     .mono = world->mono,
                                                     .known = ends[i].known,
                                                     .oom = INPUT_OOM_NO,
                                                     .exitcode = ends[i].exitcode}};

            must(world_step(world, &end) == 0);
            ck_assert_uint_eq(data(process)->state, again ? PROCESS_RESTARTING : PROCESS_EXITED);
            ck_assert_uint_eq(world->order_count, which && !again);
            if (which && !again)
                must_order(world, 0, ORDER_DROP, process);
        }
    }
}
END_TEST

/* ---- when ---- */

static void again_after(uint64_t process, int64_t ran, int64_t delay)
{
    world_pass(world, ran);
    world_exited(world, process, 1);
    must_pause(process, delay);
    world_pass(world, delay);
    must_order(world, 0, ORDER_RESPAWN, process);
    world_spawned(world, process);
}

START_TEST(pauses_grow_up_to_a_limit)
{
    struct input_restart plan = policy(RESTART_POLICY_ON_FAILURE);
    uint64_t process;
    int64_t delay = DELAY;

    plan.max_delay = 5 * DELAY;
    plan.factor = RESTART_FACTOR_ONE * 3 / 2;
    process = RUN(world, .connection = connection, .restart = plan);
    for (int i = 0; i < 10; i++) {
        again_after(process, SECOND, delay);
        delay = delay * 3 / 2 < 5 * DELAY ? delay * 3 / 2 : 5 * DELAY;
    }
    ck_assert_uint_eq(data(process)->restarts, 10);
    /* as short as that is, it was a run; one of RESTART_GOOD_RUN makes them begin anew */
    again_after(process, RESTART_GOOD_RUN - 1, 5 * DELAY);
    again_after(process, RESTART_GOOD_RUN, DELAY);
    again_after(process, 0, DELAY * 3 / 2);
    ck_assert_uint_eq(data(process)->restarts, 13);
}
END_TEST

/* Numbers as large as may be asked for. */
START_TEST(the_largest_pauses)
{
    struct input_restart plan = policy(RESTART_POLICY_ALWAYS);
    uint64_t process;

    plan.delay = 999999999;
    plan.max_delay = 1000000000 * SECOND;
    plan.factor = 1000 * RESTART_FACTOR_ONE;
    process = RUN(world, .connection = connection, .restart = plan);
    again_after(process, 0, plan.delay);
    again_after(process, 0, plan.delay * 1000);
    again_after(process, 0, plan.delay * 1000000);
    again_after(process, 0, plan.delay * 1000000000);
    again_after(process, 0, plan.max_delay);
    again_after(process, 0, plan.max_delay);
}
END_TEST

START_TEST(too_many_tries)
{
    struct input_restart plan = policy(RESTART_POLICY_ALWAYS);
    uint64_t process, join;

    plan.max_tries = 2;
    process = RUN(world, .connection = connection, .restart = plan);
    join = ASK(world, JOIN, .connection = connection, .process = process);
    again_after(process, 0, DELAY);
    again_after(process, RESTART_GOOD_RUN, DELAY); /* which does not count as the second */
    again_after(process, 0, 2 * DELAY);
    must_wait(world, join);
    world_exited(world, process, 9);
    must_have_ended(process);
    must_order(world, 0, ORDER_DROP, process);
    ck_assert_int_eq(must_reply(world, join, REPLY_JOIN)->reply.process.exitcode, 9);
    ck_assert_uint_eq(data(process)->restarts, 3);
}
END_TEST

/* A start that fails is a try, and the last end stays the last. */
START_TEST(starts_that_fail)
{
    struct input_restart plan = policy(RESTART_POLICY_ON_FAILURE);
    uint64_t process;

    plan.max_tries = 2;
    process = RUN(world, .connection = connection, .restart = plan);
    world_pass(world, 2 * RESTART_GOOD_RUN);
    world_exited(world, process, 5);
    pause_over(process, DELAY);
    world_report(world, INPUT_SPAWN_FAILED, process);
    must_pause(process, 2 * DELAY); /* a good run that was counted is none any more */
    ck_assert_uint_eq(core_event(world->core, world->core->counters.seq - 1)->data.kind,
                      EVENT_PROCESS_SPAWN_FAILED);
    ck_assert_int_eq(data(process)->exitcode, 5);
    world_executed(world);
    pause_over(process, 2 * DELAY);
    world_report(world, INPUT_SPAWN_FAILED, process);
    must_have_ended(process);
    ck_assert_int_eq(data(process)->exitcode, 5);
}
END_TEST

/* The keeper has nothing to begin it from: then there is no other try, and the end of the last run counts. */
START_TEST(it_cannot_begin_any_more)
{
    uint64_t process = run(RESTART_POLICY_ALWAYS, 0), join;
    struct core_input input = {.kind = INPUT_SPAWN_FAILED,
                               .body.report = {.process = process, .error = ENOENT, .final = 1}};

    join = ASK(world, JOIN, .connection = connection, .process = process);
    world_exited(world, process, 5);
    pause_over(process, DELAY);
    ck_assert_int_eq(world_step(world, &input), 0);
    must_have_ended(process);
    must_order(world, 0, ORDER_DROP, process);
    ck_assert_int_eq(must_reply(world, join, REPLY_JOIN)->reply.process.exitcode, 5);
    ck_assert_uint_eq(core_process(world->core, process)->restart.plan.policy, RESTART_POLICY_NO);
}
END_TEST

/* ---- what ends it ---- */

START_TEST(stopped_in_a_run)
{
    uint64_t process = run(RESTART_POLICY_ALWAYS, 0);
    uint64_t stop = ASK(world, STOP, .connection = connection, .process = process);

    ck_assert_uint_eq(world->order_count, 3);
    must_order(world, 0, ORDER_DROP, process);
    must_order_signal(world, 1, process, SIGTERM);
    must_order(world, 2, ORDER_WATCH_TREE, process);
    world_exited(world, process, -15);
    ck_assert_uint_eq(data(process)->state, PROCESS_EXITED);
    world_report(world, INPUT_TREE_GONE, process);
    must_reply(world, stop, REPLY_JOIN);
    must_have_ended(process);
}
END_TEST

/* What its last run has left behind is stopped, too. */
START_TEST(stopped_in_a_pause)
{
    uint64_t process = run(RESTART_POLICY_ALWAYS, 0), stop, join;

    world_exited(world, process, 4);
    join = ASK(world, JOIN, .connection = connection, .process = process);
    stop = ASK(world, STOP, .connection = connection, .process = process);
    must_order(world, 0, ORDER_DROP, process);
    must_order_signal(world, 1, process, SIGTERM);
    must_order(world, 2, ORDER_WATCH_TREE, process);
    ck_assert_int_eq(must_reply(world, join, REPLY_JOIN)->reply.process.exitcode, 4);
    must_wait(world, stop);
    world_executed(world);
    world_pass(world, 10 * SECOND);
    must_order_signal(world, 0, process, SIGKILL);
    world_report(world, INPUT_TREE_GONE, process);
    must_reply(world, stop, REPLY_JOIN);
    must_have_ended(process);
}
END_TEST

/* The keeper has been told already: what comes of that is waited for. */
START_TEST(stopped_while_it_begins)
{
    for (int begins = 0; begins < 2; begins++) {
        uint64_t process = run(RESTART_POLICY_ALWAYS, 0), stop;

        world_exited(world, process, 4);
        pause_over(process, DELAY);
        stop = ASK(world, STOP, .connection = connection, .process = process);
        must_order(world, 0, ORDER_DROP, process);
        ck_assert_uint_eq(data(process)->state, PROCESS_RESTARTING);
        if (begins) {
            world_spawned(world, process);
            ck_assert_uint_eq(data(process)->state, PROCESS_RUNNING);
            world_exited(world, process, -15);
        } else {
            world_report(world, INPUT_SPAWN_FAILED, process);
        }
        ck_assert_uint_eq(data(process)->state, PROCESS_EXITED);
        must_wait(world, stop);
        world_report(world, INPUT_TREE_GONE, process);
        ck_assert_int_eq(must_reply(world, stop, REPLY_JOIN)->reply.process.exitcode, begins ? -15 : 4);
        ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
    }
}
END_TEST

START_TEST(terminate_is_final_and_a_signal_is_not)
{
    uint64_t process = run(RESTART_POLICY_ALWAYS, 0);

    ASK(world, SIGNAL, .connection = connection, .process = process, .signal = SIGTERM);
    ck_assert_uint_eq(world->order_count, 1);
    world_exited(world, process, -15);
    must_pause(process, DELAY);
    ASK(world, SIGNAL, .connection = connection, .process = process, .signal = SIGTERM);
    must_pause(process, DELAY);
    ASK(world, SIGNAL, .connection = connection, .process = process, .signal = SIGTERM,
        .flags = REQUEST_FINAL);
    must_order(world, 1, ORDER_DROP, process);
    must_have_ended(process);
    process = run(RESTART_POLICY_ALWAYS, 0);
    ASK(world, SIGNAL, .connection = connection, .process = process, .signal = SIGTERM,
        .flags = REQUEST_FINAL);
    must_order(world, 1, ORDER_DROP, process);
    ck_assert_uint_eq(data(process)->state, PROCESS_RUNNING); /* whatever it makes of that */
    world_exited(world, process, 1);
    must_have_ended(process);
}
END_TEST

START_TEST(the_creators_death)
{
    uint64_t runs = run(RESTART_POLICY_ALWAYS, REQUEST_DAEMON);
    uint64_t pauses = run(RESTART_POLICY_ALWAYS, REQUEST_DAEMON);
    uint64_t stays = run(RESTART_POLICY_ALWAYS, 0);

    world_exited(world, pauses, 1);
    world_exited(world, stays, 1);
    world_number(world, INPUT_CLIENT_DEAD, client);
    ck_assert_uint_eq(data(runs)->restarts, 0);
    ck_assert_uint_eq(data(pauses)->state, PROCESS_EXITED);
    ck_assert_uint_eq(data(stays)->state, PROCESS_RESTARTING);
    world_exited(world, runs, -15);
    ck_assert_uint_eq(data(runs)->state, PROCESS_EXITED);
    world_pass(world, DELAY);
    must_order(world, 0, ORDER_RESPAWN, stays);
    world_spawned(world, stays);
    ck_assert_uint_eq(data(stays)->state, PROCESS_RUNNING);
}
END_TEST

START_TEST(the_daemons_end)
{
    uint64_t runs = run(RESTART_POLICY_ALWAYS, 0), pauses = run(RESTART_POLICY_ALWAYS, 0);

    world_exited(world, pauses, 1);
    world_number(world, INPUT_SHUTDOWN, 0);
    ck_assert_uint_eq(data(pauses)->state, PROCESS_EXITED);
    world_exited(world, runs, 1);
    ck_assert_uint_eq(data(runs)->state, PROCESS_EXITED);
    ck_assert(!core_wants_to_leave(world->core));
    world_report(world, INPUT_TREE_GONE, runs);
    world_report(world, INPUT_TREE_GONE, pauses);
    ck_assert(core_wants_to_leave(world->core));
}
END_TEST

START_TEST(children_that_live_on_do_so_once)
{
    uint64_t runs = run(RESTART_POLICY_ALWAYS, 0), pauses = run(RESTART_POLICY_ALWAYS, 0);

    world_exited(world, pauses, 1);
    world_number(world, INPUT_SHUTDOWN, 1);
    ck_assert_uint_eq(world->order_count, 2);
    must_order(world, 0, ORDER_DROP, runs);
    must_order(world, 1, ORDER_DROP, pauses);
    ck_assert_uint_eq(data(pauses)->state, PROCESS_EXITED);
    world_exited(world, runs, 1);
    ck_assert_uint_eq(data(runs)->state, PROCESS_EXITED);
}
END_TEST

/* ---- what it holds ---- */

START_TEST(holds_end_and_opens_stay)
{
    uint64_t process, of_process, waits;

    ASK(world, OBJECT_CREATE, .connection = connection, .object = OBJECT_LOCK, .name = "l");
    process = RUN(world, .connection = connection, .restart = policy(RESTART_POLICY_ALWAYS), .objects = "l");
    ASK(world, OBJECT_CLOSE, .connection = connection, .name = "l");
    of_process = world_connect_as(world, 700, 1000, process);
    must_get(world, ASK(world, ACQUIRE, .connection = of_process, .object = OBJECT_LOCK, .name = "l"));
    waits = ASK(world, ACQUIRE, .connection = connection, .object = OBJECT_LOCK, .name = "l");
    world_exited(world, process, 1);
    ck_assert(must_get(world, waits)->reply.sync.abandoned);
    ASK(world, OBJECT_CLOSE, .connection = connection, .name = "l");
    ck_assert_ptr_nonnull(world_object(world, "l"));
    world_pass(world, DELAY);
    world_spawned(world, process);
    /* the next run is another client, and the same process */
    of_process = world_connect_as(world, 701, 1000, process);
    ck_assert_ptr_eq(core_process(world->core, process)->client, core_client(world->core, 701));
    must_get(world, ASK(world, ACQUIRE, .connection = of_process, .object = OBJECT_LOCK, .name = "l"));
    ASK(world, SIGNAL, .connection = connection, .process = process, .signal = 9, .flags = REQUEST_FINAL);
    world_exited(world, process, -9);
    ck_assert_ptr_null(world_object(world, "l"));
}
END_TEST

/* ---- a new broker ---- */

START_TEST(the_order_to_begin_again_outlives_a_broker)
{
    uint64_t process = run(RESTART_POLICY_ALWAYS, 0);

    for (int executed = 0; executed < 2; executed++) {
        world_exited(world, process, 1);
        world_pass(world, 60 * SECOND);
        must_order(world, 0, ORDER_RESPAWN, process);
        world_number(world, INPUT_RESTARTED, world->core->counters.order - !executed);
        ck_assert_int_eq(STAILQ_EMPTY(&world->core->orders), executed);
        world_pass(world, 60 * SECOND);
        must_order_nothing(world);
        world_spawned(world, process);
        ck_assert(STAILQ_EMPTY(&world->core->orders)); /* that report says so, too */
    }
    ck_assert_uint_eq(data(process)->restarts, 2);
}
END_TEST

START_TEST(a_start_that_is_undone)
{
    uint64_t spawn = ASK(world, SPAWN, .connection = connection, .restart = policy(RESTART_POLICY_ALWAYS));

    (void) spawn;
    ck_assert_int_eq(core_account(world->core, 1000)->used[QUOTA_RESTARTS], 1);
    world_number(world, INPUT_RESTARTED, 0);
    ck_assert_int_eq(core_account(world->core, 1000)->used[QUOTA_RESTARTS], 0);
}
END_TEST

/* ---- what it counts for ---- */

static void must_exceed(enum core_quota quota, int64_t by, unsigned flags)
{
    struct account *account = core_account(world->core, 1000);
    uint64_t ticket;

    account->used[quota] += quota_limit(quota, 1000) - by;
    ticket = ASK(world, SPAWN, .connection = connection, .flags = flags,
                 .restart = policy(flags ? RESTART_POLICY_NO : RESTART_POLICY_ALWAYS));
    must_answer(world, ticket, ERROR_LIMIT_EXCEEDED);
    ck_assert_uint_eq(world_answer(world, ticket)->reply.quota, quota);
    account->used[quota] -= quota_limit(quota, 1000) - by;
}

START_TEST(limits)
{
    uint64_t process = run(RESTART_POLICY_ALWAYS, REQUEST_NOTIFY);
    const int64_t *used = core_account(world->core, 1000)->used;

    ck_assert_int_eq(used[QUOTA_RESTARTS], 1);
    ck_assert_int_eq(used[QUOTA_KEPT_BYTES], 100);
    ck_assert_int_eq(used[QUOTA_KEPT_FDS], 3);
    world->unchecked = true; /* what is used is made up */
    must_exceed(QUOTA_RESTARTS, 1, 0);
    must_exceed(QUOTA_KEPT_BYTES, 199, 0);
    must_exceed(QUOTA_KEPT_FDS, 4, 0);
    must_exceed(QUOTA_KEPT_FDS, 3, REQUEST_NOTIFY);
    world->unchecked = false;
    ASK(world, SIGNAL, .connection = connection, .process = process, .signal = 9, .flags = REQUEST_FINAL);
    ck_assert_int_eq(used[QUOTA_RESTARTS], 0);
    ck_assert_int_eq(used[QUOTA_KEPT_BYTES], 0);
    ck_assert_int_eq(used[QUOTA_KEPT_FDS], 1);
    world_exited(world, process, -9);
    ck_assert_int_eq(used[QUOTA_KEPT_FDS], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restart");
    TCase *tcase = tcase_create("restart");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, another_run);
    tcase_add_test(tcase, which_ends);
    tcase_add_test(tcase, pauses_grow_up_to_a_limit);
    tcase_add_test(tcase, the_largest_pauses);
    tcase_add_test(tcase, too_many_tries);
    tcase_add_test(tcase, starts_that_fail);
    tcase_add_test(tcase, it_cannot_begin_any_more);
    tcase_add_test(tcase, stopped_in_a_run);
    tcase_add_test(tcase, stopped_in_a_pause);
    tcase_add_test(tcase, stopped_while_it_begins);
    tcase_add_test(tcase, terminate_is_final_and_a_signal_is_not);
    tcase_add_test(tcase, the_creators_death);
    tcase_add_test(tcase, the_daemons_end);
    tcase_add_test(tcase, children_that_live_on_do_so_once);
    tcase_add_test(tcase, holds_end_and_opens_stay);
    tcase_add_test(tcase, the_order_to_begin_again_outlives_a_broker);
    tcase_add_test(tcase, a_start_that_is_undone);
    tcase_add_test(tcase, limits);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
