/* SPDX-License-Identifier: MIT */
/* daemon/core/key.c: a request that is asked again is applied once. */
#include "tests/unit/core/world.h"

#include <signal.h>
#include <stdio.h>

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

START_TEST(the_recorded_answer_again)
{
    uint64_t process = RUN(world, .connection = connection, .key = "k", .digest = 7, .argv = "cat");
    uint64_t other = world_connect_as(world, client, 1000, 0), again;
    const struct answer *answer;

    again = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 7);
    must_order_nothing(world);
    answer = must_reply(world, again, REPLY_INFO);
    ck_assert_uint_eq(answer->reply.process.id, process);
    ck_assert_str_eq(answer->name, "Process-1");
    ck_assert_str_eq(answer->argv, "cat");
    world_exited(world, process, 0);
    ASK(world, CLOSE, .connection = connection, .process = process);
    /* the client, not the connection */
    again = ASK(world, SPAWN, .connection = other, .key = "k", .digest = 7);
    answer = must_reply(world, again, REPLY_INFO);
    ck_assert_uint_eq(answer->reply.process.id, process);
    ck_assert_uint_eq(answer->reply.process.state, PROCESS_RUNNING); /* as it was then */
    ck_assert_str_eq(answer->argv, "cat");
}
END_TEST

START_TEST(keys_are_the_clients_own)
{
    uint64_t other = world_connect(world, 1000),
             first = RUN(world, .connection = connection, .key = "k", .digest = 7);

    ck_assert_uint_ne(RUN(world, .connection = other, .key = "k", .digest = 8), first);
}
END_TEST

START_TEST(keys_that_begin_alike_are_two)
{
    uint64_t first = RUN(world, .connection = connection, .key = "k", .digest = 7);

    ck_assert_uint_ne(RUN(world, .connection = connection, .key = "kk", .digest = 7), first);
}
END_TEST

START_TEST(other_params_are_refused)
{
    uint64_t process = RUN(world, .connection = connection, .key = "k", .digest = 7), ticket;

    ticket = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 8);
    must_answer(world, ticket, ERROR_INVALID_REQUEST);
    must_order_nothing(world);
    ticket = ASK(world, CLOSE, .connection = connection, .key = "k", .digest = 9, .process = process);
    must_answer(world, ticket, ERROR_INVALID_REQUEST);
    ticket = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 7);
    ck_assert_uint_eq(must_reply(world, ticket, REPLY_INFO)->reply.process.id, process);
}
END_TEST

START_TEST(a_repeat_joins_the_wait)
{
    uint64_t first = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 7);
    uint64_t process = world_last(world), second, third;

    second = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 7);
    must_order_nothing(world);
    third = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 7);
    must_wait(world, second);
    must_answer(world, ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 8),
                ERROR_INVALID_REQUEST);
    world_spawned(world, process);
    ck_assert_uint_eq(must_reply(world, first, REPLY_INFO)->reply.process.id, process);
    ck_assert_uint_eq(must_reply(world, second, REPLY_INFO)->reply.process.id, process);
    ck_assert_str_eq(must_reply(world, third, REPLY_INFO)->name, "Process-1");
}
END_TEST

START_TEST(the_wait_goes_on_without_the_one_that_gave_up)
{
    uint64_t process = RUN(world, .connection = connection),
             second = world_connect_as(world, client, 1000, 0);
    uint64_t leader = ASK(world, STOP, .connection = connection, .process = process, .key = "k", .digest = 7);
    uint64_t follower = ASK(world, STOP, .connection = second, .process = process, .key = "k", .digest = 7);
    uint64_t last = ASK(world, STOP, .connection = second, .process = process, .key = "k", .digest = 7);

    world_disconnect(world, connection);
    must_wait(world, follower);
    must_wait(world, last);
    world_exited(world, process, 0);
    world_report(world, INPUT_TREE_GONE, process);
    ck_assert_ptr_null(world_answer(world, leader));
    must_reply(world, follower, REPLY_JOIN);
    must_reply(world, last, REPLY_JOIN);
    ck_assert_uint_eq(world_answer(world, follower)->connection, second);
    last = ASK(world, STOP, .connection = second, .process = process, .key = "k", .digest = 7);
    must_reply(world, last, REPLY_JOIN);
}
END_TEST

START_TEST(the_wait_goes_on_without_the_one_that_cancels)
{
    uint64_t process = RUN(world, .connection = connection),
             second = world_connect_as(world, client, 1000, 0);
    uint64_t leader = ASK(world, STOP, .connection = connection, .process = process, .key = "k", .digest = 7);
    uint64_t follower = ASK(world, STOP, .connection = second, .process = process, .key = "k", .digest = 7);

    world_number(world, INPUT_CANCEL, leader);
    must_answer(world, leader, ERROR_CANCELLED);
    ck_assert_uint_eq(world_answer(world, leader)->connection, connection);
    must_wait(world, follower);
    world_disconnect(world, connection); /* the follower's wait is not on it */
    must_wait(world, follower);
    world_exited(world, process, 6);
    world_report(world, INPUT_TREE_GONE, process);
    ck_assert_int_eq(must_reply(world, follower, REPLY_JOIN)->reply.process.exitcode, 6);
}
END_TEST

START_TEST(a_follower_may_give_up)
{
    uint64_t second = world_connect_as(world, client, 1000, 0);
    uint64_t leader = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 7);
    uint64_t follower = ASK(world, SPAWN, .connection = second, .key = "k", .digest = 7);
    uint64_t cancelled = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 7);

    world_disconnect(world, second);
    world_number(world, INPUT_CANCEL, cancelled);
    must_answer(world, cancelled, ERROR_CANCELLED);
    must_wait(world, leader);
    world_spawned(world, world_last(world));
    must_reply(world, leader, REPLY_INFO);
    ck_assert_ptr_null(world_answer(world, follower));
}
END_TEST

START_TEST(a_start_that_nobody_waits_for_is_found_again)
{
    uint64_t second = world_connect_as(world, client, 1000, 0), again, process;

    ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 7);
    process = world_last(world);
    world_disconnect(world, connection);
    again = ASK(world, SPAWN, .connection = second, .key = "k", .digest = 7);
    must_order_nothing(world);
    must_wait(world, again);
    world_spawned(world, process);
    ck_assert_uint_eq(must_reply(world, again, REPLY_INFO)->reply.process.id, process);
    again = ASK(world, SPAWN, .connection = second, .key = "k", .digest = 7);
    ck_assert_uint_eq(must_reply(world, again, REPLY_INFO)->reply.process.id, process);
}
END_TEST

/* By an answer that its asker, if there is one, does not take for an error of the spawn. */
START_TEST(what_is_undone_is_forgotten)
{
    uint64_t first = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 7), again;
    uint64_t process = world_last(world), seq = world->core->counters.seq;
    struct core_input input = {.kind = INPUT_SPAWN_FAILED,
                               .report = ++world->report,
                               .body.report = {.process = process, .undone = 1}};

    ck_assert_int_eq(world_step(world, &input), 0);
    must_answer(world, first, ERROR_CANCELLED);
    ck_assert_ptr_null(core_process(world->core, process));
    ck_assert_uint_eq(world->core->counters.seq, seq);
    again = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 7);
    ck_assert_uint_gt(world_last(world), process);
    must_wait(world, again);
    world_spawned(world, world_last(world));
    must_reply(world, again, REPLY_INFO);
}
END_TEST

START_TEST(errors_are_recorded)
{
    uint64_t first = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 7), again;

    world_report(world, INPUT_SPAWN_FAILED, world_last(world));
    must_answer(world, first, ERROR_SPAWN_FAILED);
    again = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 7);
    must_answer(world, again, ERROR_SPAWN_FAILED);
    must_order_nothing(world);
    must_answer(world, ASK(world, CLOSE, .connection = connection, .key = "c", .digest = 1, .process = 50),
                ERROR_NO_SUCH_PROCESS);
    must_answer(world, ASK(world, SIGNAL, .connection = connection, .key = "s", .digest = 1, .process = 50),
                ERROR_NO_SUCH_PROCESS);
    ck_assert_uint_eq(core_client(world->core, client)->key_count, 3);
}
END_TEST

START_TEST(not_now_is_no_answer)
{
    uint64_t process = RUN(world, .connection = connection);
    uint64_t stop = ASK(world, STOP, .connection = connection, .process = process, .key = "k", .digest = 7);

    world_number(world, INPUT_CANCEL, stop);
    must_answer(world, stop, ERROR_CANCELLED);
    ck_assert_uint_eq(core_client(world->core, client)->key_count, 0);
    stop = ASK(world, STOP, .connection = connection, .process = process, .key = "k", .digest = 8);
    must_wait(world, stop); /* begun anew, and with other params */
    world_disconnect(world, connection);
    ck_assert_uint_eq(core_client(world->core, client)->key_count, 0);
    connection = world_connect_as(world, client, 1000, 0);
    world_number(world, INPUT_SHUTDOWN, 1);
    must_answer(world, ASK(world, SPAWN, .connection = connection, .key = "s", .digest = 1),
                ERROR_SHUTTING_DOWN);
    ck_assert_uint_eq(core_client(world->core, client)->key_count, 0);
}
END_TEST

START_TEST(so_many_are_kept)
{
    uint64_t process = RUN(world, .connection = connection), ticket;
    char key[32];

    for (int i = 0; i < KEYS_KEPT_MAX + 10; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        ASK(world, SIGNAL, .connection = connection, .process = process, .signal = 1, .key = key,
            .digest = 1);
        ck_assert_uint_eq(world->order_count, 1);
    }
    ck_assert_uint_eq(core_client(world->core, client)->key_count, KEYS_KEPT_MAX);
    ticket = ASK(world, SIGNAL, .connection = connection, .process = process, .signal = 1, .key = "key-10",
                 .digest = 1);
    must_reply(world, ticket, REPLY_EMPTY);
    must_order_nothing(world); /* the oldest that is kept */
    ASK(world, SIGNAL, .connection = connection, .process = process, .signal = 1, .key = "key-9",
        .digest = 1);
    ck_assert_uint_eq(world->order_count, 1); /* forgotten: done again */
}
END_TEST

START_TEST(one_that_waits_is_not_forgotten)
{
    uint64_t process = RUN(world, .connection = connection), stop, again;
    char key[32];

    stop = ASK(world, STOP, .connection = connection, .process = process, .key = "stop", .digest = 1);
    for (int i = 0; i < KEYS_KEPT_MAX + 10; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        ASK(world, SIGNAL, .connection = connection, .process = process, .signal = 1, .key = key,
            .digest = 1);
    }
    again = ASK(world, STOP, .connection = connection, .process = process, .key = "stop", .digest = 1);
    must_order_nothing(world);
    world_exited(world, process, 0);
    world_report(world, INPUT_TREE_GONE, process);
    must_reply(world, stop, REPLY_JOIN);
    must_reply(world, again, REPLY_JOIN);
}
END_TEST

START_TEST(the_longest_key)
{
    static const char key[] = "0123456789012345678901234567890123456789012345678901234567890123";
    uint64_t process = RUN(world, .connection = connection, .key = key, .digest = 7), again;

    ck_assert_uint_eq(sizeof key - 1, PROTO_KEY_MAX);
    again = ASK(world, SPAWN, .connection = connection, .key = key, .digest = 7);
    ck_assert_uint_eq(must_reply(world, again, REPLY_INFO)->reply.process.id, process);
}
END_TEST

START_TEST(the_clients_death_forgets_them)
{
    RUN(world, .connection = connection, .key = "k", .digest = 7, .argv = "some bytes");
    world_exited(world, 1, 0);
    ASK(world, CLOSE, .process = 1, .uid = 1000);
    ck_assert_int_gt(core_account(world->core, 1000)->used[QUOTA_BYTES], 0);
    world_number(world, INPUT_CLIENT_DEAD, client);
    ck_assert_ptr_null(core_account(world->core, 1000));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("key");
    TCase *tcase = tcase_create("key");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, the_recorded_answer_again);
    tcase_add_test(tcase, keys_are_the_clients_own);
    tcase_add_test(tcase, keys_that_begin_alike_are_two);
    tcase_add_test(tcase, other_params_are_refused);
    tcase_add_test(tcase, a_repeat_joins_the_wait);
    tcase_add_test(tcase, the_wait_goes_on_without_the_one_that_gave_up);
    tcase_add_test(tcase, the_wait_goes_on_without_the_one_that_cancels);
    tcase_add_test(tcase, a_follower_may_give_up);
    tcase_add_test(tcase, a_start_that_nobody_waits_for_is_found_again);
    tcase_add_test(tcase, what_is_undone_is_forgotten);
    tcase_add_test(tcase, errors_are_recorded);
    tcase_add_test(tcase, not_now_is_no_answer);
    tcase_add_test(tcase, so_many_are_kept);
    tcase_add_test(tcase, one_that_waits_is_not_forgotten);
    tcase_add_test(tcase, the_longest_key);
    tcase_add_test(tcase, the_clients_death_forgets_them);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
