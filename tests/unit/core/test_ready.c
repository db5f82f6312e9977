/* SPDX-License-Identifier: MIT */
/* Readiness: who has it, and who waits for it. */
#include "tests/unit/core/world.h"

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

static uint64_t run(unsigned flags, enum restart_policy policy)
{
    return RUN(world, .connection = connection, .flags = flags,
               .restart = {.policy = policy,
                           .delay = SECOND,
                           .max_delay = SECOND,
                           .factor = RESTART_FACTOR_ONE});
}

static uint64_t wait_for(unsigned flags, const uint64_t *processes, uint32_t count)
{
    return ASK(world, WAIT, .connection = connection, .flags = REQUEST_READY | flags, .processes = processes,
               .count = count);
}

/* Answered, and which of them are ready: one bit each. */
static void must_be(uint64_t ticket, unsigned ready)
{
    const struct answer *answer = must_reply(world, ticket, REPLY_DONE);

    for (size_t i = 0; i < answer->done_count; i++)
        ck_assert_int_eq(answer->done[i] != 0, ready >> i & 1);
}

START_TEST(it_says_so_once)
{
    uint64_t process = run(REQUEST_NOTIFY, RESTART_POLICY_NO), wait = wait_for(0, &process, 1), seq;

    must_wait(world, wait);
    must_be(wait_for(REQUEST_NO_WAIT, &process, 1), 0);
    world_report(world, INPUT_NOTIFIED, process);
    must_be(wait, 1);
    seq = world->core->counters.seq;
    ck_assert_uint_eq(core_event(world->core, seq)->data.kind, EVENT_PROCESS_READY);
    ck_assert_uint_eq(core_process(world->core, process)->data.seq, seq);
    world_report(world, INPUT_NOTIFIED, process);
    ck_assert_uint_eq(world->core->counters.seq, seq);
    must_be(wait_for(0, &process, 1), 1);
    world_exited(world, process, 0);
    must_be(wait_for(0, &process, 1), 1); /* it has been */
}
END_TEST

START_TEST(one_that_does_not_notify_is_ready_from_its_start)
{
    uint64_t process = run(0, RESTART_POLICY_NO), seq = world->core->counters.seq;

    must_be(wait_for(0, &process, 1), 1);
    world_report(world, INPUT_NOTIFIED, process);
    ck_assert_uint_eq(world->core->counters.seq, seq);
}
END_TEST

START_TEST(an_end_answers)
{
    uint64_t ids[] = {run(REQUEST_NOTIFY, RESTART_POLICY_NO), run(REQUEST_NOTIFY, RESTART_POLICY_NO)};
    uint64_t any_of = wait_for(0, ids, 2), all_of = wait_for(REQUEST_ALL, ids, 2);
    uint64_t first = wait_for(0, &ids[0], 1);

    world_exited(world, ids[0], 1);
    must_be(first, 0);
    must_be(all_of, 0);
    must_wait(world, any_of);
    world_exited(world, ids[1], 1);
    must_be(any_of, 0);
    must_be(wait_for(0, ids, 2), 0);
    world_report(world, INPUT_NOTIFIED, ids[1]);
    must_be(wait_for(0, ids, 2), 0);
}
END_TEST

START_TEST(all_of_them)
{
    uint64_t ids[] = {run(REQUEST_NOTIFY, RESTART_POLICY_NO), run(0, RESTART_POLICY_NO),
                      run(REQUEST_NOTIFY, RESTART_POLICY_NO)};
    uint64_t all_of = wait_for(REQUEST_ALL, ids, 3);

    world_report(world, INPUT_NOTIFIED, ids[2]);
    must_wait(world, all_of);
    world_exited(world, ids[2], 0);
    must_wait(world, all_of);
    ASK(world, CLOSE, .connection = connection, .process = ids[2]);
    must_be(all_of, 2); /* whether the one that is forgotten was, nobody knows any more */
    all_of = wait_for(REQUEST_ALL, ids, 2);
    world_report(world, INPUT_NOTIFIED, ids[0]);
    must_be(all_of, 3);
}
END_TEST

/* Between two runs nobody is ready, and the next one says so itself. */
START_TEST(with_a_restart_policy)
{
    uint64_t says = run(REQUEST_NOTIFY, RESTART_POLICY_ALWAYS), plain = run(0, RESTART_POLICY_ALWAYS);
    uint64_t wait[2];

    world_report(world, INPUT_NOTIFIED, says);
    world_exited(world, says, 1);
    world_exited(world, plain, 1);
    wait[0] = wait_for(0, &says, 1);
    wait[1] = wait_for(0, &plain, 1);
    world_report(world, INPUT_NOTIFIED, says); /* nobody is there */
    must_wait(world, wait[0]);
    world_pass(world, SECOND);
    must_wait(world, wait[1]);
    world_spawned(world, says);
    world_spawned(world, plain);
    must_wait(world, wait[0]);
    must_be(wait[1], 1);
    world_report(world, INPUT_NOTIFIED, says);
    must_be(wait[0], 1);
}
END_TEST

START_TEST(a_time_out)
{
    uint64_t process = run(REQUEST_NOTIFY, RESTART_POLICY_NO);
    uint64_t wait = ASK(world, WAIT, .connection = connection, .flags = REQUEST_READY | REQUEST_DEADLINE,
                        .processes = &process, .count = 1, .span = SECOND);

    must_wait(world, wait);
    world_pass(world, SECOND);
    must_be(wait, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ready");
    TCase *tcase = tcase_create("ready");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, it_says_so_once);
    tcase_add_test(tcase, one_that_does_not_notify_is_ready_from_its_start);
    tcase_add_test(tcase, an_end_answers);
    tcase_add_test(tcase, all_of_them);
    tcase_add_test(tcase, with_a_restart_policy);
    tcase_add_test(tcase, a_time_out);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
