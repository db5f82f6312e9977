/* SPDX-License-Identifier: MIT */
/* daemon/core/quota.c: each limit, per uid; and that what was charged comes back. */
#include "tests/unit/core/invariants.h"
#include "tests/unit/core/world.h"

#include <stdlib.h>
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

static int64_t used(enum core_quota quota)
{
    return core_account(world->core, 1000)->used[quota];
}

static void must_exceed(uint64_t ticket, enum core_quota quota, uint32_t uid)
{
    must_answer(world, ticket, ERROR_LIMIT_EXCEEDED);
    ck_assert_uint_eq(world_answer(world, ticket)->reply.quota, quota);
    ck_assert_int_eq(world_answer(world, ticket)->reply.value, quota_limit(quota, uid));
}

START_TEST(limits_and_names)
{
    ck_assert_str_eq(quota_name(QUOTA_WAITERS), "waiting requests");
    ck_assert_int_eq(quota_limit(QUOTA_CONNECTIONS, 1000), 16384);
    ck_assert_int_eq(quota_limit(QUOTA_BYTES, 1000), 64 << 20);
    ck_assert_int_eq(quota_limit(QUOTA_STARTING, 0), 2048 + QUOTA_ROOT_RESERVE);
    ck_assert_int_eq(quota_limit(QUOTA_RESTARTS, 1000), 4096);
}
END_TEST

START_TEST(processes_that_start)
{
    uint64_t ticket = 0, other = world_connect(world, 1001);

    world->unchecked = true;
    for (int64_t i = 0; i < quota_limit(QUOTA_STARTING, 1000); i++)
        ticket = ASK(world, SPAWN, .connection = connection);
    must_wait(world, ticket);
    ck_assert_int_eq(used(QUOTA_STARTING), 2048);
    ticket = ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 1);
    must_exceed(ticket, QUOTA_STARTING, 1000);
    must_order_nothing(world);
    check_core(world->core);
    must_wait(world, ASK(world, SPAWN, .connection = other)); /* each uid for itself */
    world_spawned(world, 1);
    world_report(world, INPUT_SPAWN_FAILED, 2);
    ck_assert_int_eq(used(QUOTA_STARTING), 2046);
    ck_assert_int_eq(used(QUOTA_PROCESSES), 2047);
    /* the refusal was not recorded under its key */
    must_wait(world, ASK(world, SPAWN, .connection = connection, .key = "k", .digest = 1));
    must_wait(world, ASK(world, SPAWN, .connection = connection));
    must_exceed(ASK(world, SPAWN, .connection = connection), QUOTA_STARTING, 1000);
}
END_TEST

START_TEST(processes)
{
    uint64_t ticket;

    world->unchecked = true;
    for (int64_t i = 0; i < quota_limit(QUOTA_PROCESSES, 1000); i++)
        RUN(world, .connection = connection);
    ck_assert_int_eq(used(QUOTA_PROCESSES), 32768);
    ticket = ASK(world, SPAWN, .connection = connection);
    must_exceed(ticket, QUOTA_PROCESSES, 1000);
    check_core(world->core);
    world_exited(world, 77, 0); /* an ended one counts no more, though it is kept */
    must_wait(world, ASK(world, SPAWN, .connection = connection));
    must_exceed(ASK(world, SPAWN, .connection = connection), QUOTA_PROCESSES, 1000);
    core_free(world->core); /* as it is: everything is freed */
    world->core = core_new();
}
END_TEST

static void fill_waiters(uint64_t process)
{
    int64_t limit = quota_limit(QUOTA_WAITERS, 1000);
    uint64_t ticket = 0;

    world->unchecked = true;
    for (int64_t i = 0; i < limit; i++)
        ticket = ASK(world, JOIN, .connection = connection, .process = process);
    must_wait(world, ticket);
    ck_assert_int_eq(used(QUOTA_WAITERS), limit);
    check_core(world->core);
}

START_TEST(requests_that_wait)
{
    uint64_t process = RUN(world, .connection = connection), ended = RUN(world, .connection = connection);

    world_exited(world, ended, 0);
    fill_waiters(process);
    must_exceed(ASK(world, JOIN, .connection = connection, .process = process), QUOTA_WAITERS, 1000);
    must_exceed(ASK(world, WAIT, .connection = connection, .processes = &process, .count = 1), QUOTA_WAITERS,
                1000);
    must_exceed(ASK(world, JOIN, .connection = connection, .process = process, .flags = REQUEST_DEADLINE,
                    .span = SECOND), QUOTA_WAITERS, 1000);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
    /* what need not wait is answered */
    must_reply(world, ASK(world, JOIN, .connection = connection, .process = ended), REPLY_JOIN);
    must_reply(world,
               ASK(world, JOIN, .connection = connection, .process = process, .flags = REQUEST_NO_WAIT),
               REPLY_PENDING);
    must_reply(world, ASK(world, SIGNAL, .connection = connection, .process = process, .signal = 1),
               REPLY_EMPTY);
    ck_assert_int_eq(used(QUOTA_WAITERS), quota_limit(QUOTA_WAITERS, 1000));
    world_number(world, INPUT_CANCEL, world->ticket - 10);
    must_wait(world, ASK(world, JOIN, .connection = connection, .process = process));
    world_disconnect(world, connection);
    ck_assert_int_eq(used(QUOTA_WAITERS), 0);
    check_core(world->core);
}
END_TEST

START_TEST(a_refused_stop_stops_nothing)
{
    uint64_t process = RUN(world, .connection = connection);

    fill_waiters(process);
    must_exceed(ASK(world, STOP, .connection = connection, .process = process, .key = "k", .digest = 1),
                QUOTA_WAITERS, 1000);
    must_order_nothing(world);
    ck_assert_uint_eq(core_process(world->core, process)->data.flags & PROCESS_STOPPING, 0);
    check_core(world->core);
}
END_TEST

START_TEST(repeats_that_wait)
{
    uint64_t process = RUN(world, .connection = connection);

    must_wait(world, ASK(world, STOP, .connection = connection, .process = process, .key = "k", .digest = 1));
    world->unchecked = true;
    while (used(QUOTA_WAITERS) < quota_limit(QUOTA_WAITERS, 1000))
        ASK(world, STOP, .connection = connection, .process = process, .key = "k", .digest = 1);
    must_wait(world, world->ticket);
    must_exceed(ASK(world, STOP, .connection = connection, .process = process, .key = "k", .digest = 1),
                QUOTA_WAITERS, 1000);
    check_core(world->core);
    world_disconnect(world, connection);
}
END_TEST

#define BIG ((size_t) 1 << 20)

START_TEST(bytes_of_the_living)
{
    char *argv = memset(malloc(BIG), 'x', BIG);
    uint64_t ticket = 0;

    for (int i = 0; i < 63; i++)
        RUN(world, .connection = connection, .argv = argv, .argv_size = BIG);
    ck_assert_int_gt(used(QUOTA_BYTES), 63 << 20);
    ticket = ASK(world, SPAWN, .connection = connection, .argv = argv, .argv_size = BIG);
    must_exceed(ticket, QUOTA_BYTES, 1000);
    must_wait(world, ASK(world, SPAWN, .connection = connection)); /* a small one fits */
    world_report(world, INPUT_SPAWN_FAILED, world_last(world));
    free(argv);
}
END_TEST

START_TEST(the_ended_make_room)
{
    char *argv = memset(malloc(BIG), 'x', BIG);

    for (int i = 0; i < 63; i++)
        RUN(world, .connection = connection, .argv = argv, .argv_size = BIG);
    world_exited(world, 7, 0);
    world_exited(world, 3, 0);
    RUN(world, .connection = connection, .argv = argv, .argv_size = BIG);
    ck_assert_ptr_null(core_process(world->core, 7)); /* the one that ended first */
    ck_assert_ptr_nonnull(core_process(world->core, 3));
    ck_assert_int_le(used(QUOTA_BYTES), quota_limit(QUOTA_BYTES, 1000));
    ASK(world, SPAWN, .connection = connection, .argv = argv, .argv_size = BIG);
    ck_assert_uint_eq(world->order_count, 2);
    must_order(world, 0, ORDER_SPAWN, world_last(world));
    must_order(world, 1, ORDER_FORGET_PROCESS, 3);
    must_exceed(ASK(world, SPAWN, .connection = connection, .argv = argv, .argv_size = BIG), QUOTA_BYTES,
                1000);
    free(argv);
}
END_TEST

START_TEST(a_recorded_answer_is_charged_until_it_goes)
{
    int64_t before = used(QUOTA_BYTES), charged;
    uint64_t process = RUN(world, .connection = connection, .key = "k", .digest = 1, .argv = "0123456789");
    uint64_t client = world->client, other = world_connect(world, 1000);

    charged = used(QUOTA_BYTES);
    ck_assert_int_eq(charged - before, sizeof(struct record) + 11 + 2);
    world_exited(world, process, 0);
    ASK(world, CLOSE, .connection = other, .process = process);
    ck_assert_int_eq(used(QUOTA_BYTES), charged);
    world_number(world, INPUT_CLIENT_DEAD, client);
    ck_assert_int_eq(used(QUOTA_BYTES), before);
}
END_TEST

START_TEST(the_newest_ended_are_kept)
{
    uint64_t join;

    world->unchecked = true;
    for (int i = 0; i < ENDED_KEPT_MAX; i++)
        RUN(world, .connection = connection);
    for (uint64_t process = ENDED_KEPT_MAX; process > 0; process--)
        world_exited(world, process, 0);
    check_core(world->core);
    ck_assert_uint_eq(core_account(world->core, 1000)->ended, ENDED_KEPT_MAX);
    RUN(world, .connection = connection);
    join = ASK(world, JOIN, .connection = connection, .process = world_last(world));
    ck_assert_ptr_nonnull(core_process(world->core, ENDED_KEPT_MAX));
    world_exited(world, world_last(world), 0);
    ck_assert_ptr_null(core_process(world->core, ENDED_KEPT_MAX)); /* the oldest end, not the oldest id */
    must_order(world, 0, ORDER_FORGET_PROCESS, ENDED_KEPT_MAX);
    must_reply(world, join, REPLY_JOIN);
    ck_assert_ptr_nonnull(core_process(world->core, 1));
    ck_assert_uint_eq(core_account(world->core, 1000)->ended, ENDED_KEPT_MAX);
    check_core(world->core);
}
END_TEST

START_TEST(one_who_waits_for_the_tree_of_the_oldest_is_told)
{
    uint64_t stop;

    world->unchecked = true;
    for (int i = 0; i <= ENDED_KEPT_MAX; i++)
        RUN(world, .connection = connection);
    stop = ASK(world, STOP, .connection = connection, .process = 1);
    for (uint64_t process = 1; process <= ENDED_KEPT_MAX; process++)
        world_exited(world, process, 0);
    must_wait(world, stop);
    world_exited(world, ENDED_KEPT_MAX + 1, 0);
    must_reply(world, stop, REPLY_JOIN);
    check_core(world->core);
}
END_TEST

START_TEST(root_acts_in_anothers_place)
{
    uint64_t root = world_connect(world, 0), process = RUN(world, .connection = root, .uid = 2000);

    ck_assert_uint_eq(core_process(world->core, process)->data.uid, 2000);
    ck_assert_int_eq(core_account(world->core, 2000)->used[QUOTA_PROCESSES], 1);
    ck_assert_int_eq(core_account(world->core, 0)->used[QUOTA_PROCESSES], 0);
    ck_assert_int_eq(core_account(world->core, 2000)->used[QUOTA_CONNECTIONS], 0);
    world_exited(world, process, 0);
    ASK(world, CLOSE, .connection = root, .process = process, .uid = 2000);
    ck_assert_ptr_null(core_account(world->core, 2000));
    must_answer(world, ASK(world, CLOSE, .connection = root, .process = 9, .uid = 3000),
                ERROR_NO_SUCH_PROCESS);
    ck_assert_ptr_null(core_account(world->core, 3000));
}
END_TEST

/* As if that many were there already. */
static void pretend(enum core_quota quota, int64_t more)
{
    world->unchecked = true;
    core_account(world->core, 1000)->used[quota] += more;
}

#define ACQUIRE(from, of, ...) ASK(world, ACQUIRE, .connection = (from), .name = (of), __VA_ARGS__)

START_TEST(objects)
{
    int64_t limit = quota_limit(QUOTA_OBJECTS, 1000);

    pretend(QUOTA_OBJECTS, limit - 1);
    must_exceed(ASK(world, OBJECT_CREATE, .connection = connection, .name = "c", .object = OBJECT_CONDITION),
                QUOTA_OBJECTS, 1000); /* two: the lock as well */
    must_get(world, ACQUIRE(connection, "l"));
    must_exceed(ACQUIRE(connection, "m"), QUOTA_OBJECTS, 1000);
    must_exceed(ASK(world, EVENT_SET, .connection = connection, .name = "e"), QUOTA_OBJECTS, 1000);
    must_exceed(ASK(world, OBJECT_CREATE, .connection = connection, .object = OBJECT_EVENT), QUOTA_OBJECTS,
                1000);
    pretend(QUOTA_OBJECTS, 1 - limit);
    check_core(world->core);
}
END_TEST

START_TEST(holds)
{
    int64_t limit = quota_limit(QUOTA_HOLDS, 1000);

    pretend(QUOTA_HOLDS, limit - 1);
    must_get(world, ACQUIRE(connection, "l"));
    must_exceed(ACQUIRE(connection, "m"), QUOTA_HOLDS, 1000);
    ck_assert_ptr_null(world_object(world, "m"));
    ASK(world, RELEASE, .connection = connection, .name = "l");
    must_get(world, ACQUIRE(connection, "m"));
    pretend(QUOTA_HOLDS, 1 - limit);
    check_core(world->core);
}
END_TEST

START_TEST(waits_for_objects)
{
    int64_t limit = quota_limit(QUOTA_WAITERS, 1000);
    uint64_t seq;

    ASK(world, OBJECT_CREATE, .connection = connection, .name = "c", .object = OBJECT_CONDITION,
        .flags = REQUEST_TRACE);
    ASK(world, OBJECT_CREATE, .connection = connection, .name = "w", .object = OBJECT_BARRIER, .parties = 2);
    ACQUIRE(connection, "c.lock", .object = OBJECT_RLOCK);
    pretend(QUOTA_WAITERS, limit);
    seq = world->core->counters.seq;
    must_exceed(ACQUIRE(connection, "c.lock", .object = OBJECT_RLOCK, .holder = "t2"), QUOTA_WAITERS, 1000);
    ck_assert_uint_eq(world->core->counters.seq, seq); /* it never waited */
    must_exceed(ASK(world, CONDITION_WAIT, .connection = connection, .name = "c"), QUOTA_WAITERS, 1000);
    must_exceed(ASK(world, EVENT_WAIT, .connection = connection, .name = "e"), QUOTA_WAITERS, 1000);
    must_exceed(ASK(world, BARRIER_WAIT, .connection = connection, .name = "w"), QUOTA_WAITERS, 1000);
    pretend(QUOTA_WAITERS, -limit);
    check_core(world->core);
}
END_TEST

/* Whoever came while the action ran is counted already, however full it is since. */
START_TEST(a_generation_is_not_thinned_out)
{
    int64_t limit = quota_limit(QUOTA_WAITERS, 1000);
    uint64_t later;

    ASK(world, OBJECT_CREATE, .connection = connection, .name = "w", .object = OBJECT_BARRIER, .parties = 2);
    ASK(world, BARRIER_WAIT, .connection = connection, .name = "w", .holder = "t1");
    ASK(world, BARRIER_WAIT, .connection = connection, .name = "w", .flags = REQUEST_ACTION);
    later = ASK(world, BARRIER_WAIT, .connection = connection, .name = "w", .holder = "t3");
    pretend(QUOTA_WAITERS, limit); /* starts of processes, say */
    ASK(world, BARRIER_DONE, .connection = connection, .name = "w", .flags = REQUEST_OK);
    must_wait(world, later);
    pretend(QUOTA_WAITERS, -limit);
    check_core(world->core);
}
END_TEST

START_TEST(open_objects)
{
    int64_t limit = quota_limit(QUOTA_OPENS, 1000);
    uint64_t other, first = world->client;

    must_get(world, ACQUIRE(connection, "l"));
    other = world_connect(world, 1000);
    pretend(QUOTA_OPENS, limit - 1);
    must_not_get(world, ACQUIRE(connection, "l", .flags = REQUEST_NO_WAIT)); /* it has it open */
    must_exceed(ACQUIRE(connection, "m"), QUOTA_OPENS, 1000);
    must_exceed(ASK(world, OBJECT_OPEN, .connection = other, .name = "l"), QUOTA_OPENS, 1000);
    must_exceed(ASK(world, OBJECT_CREATE, .connection = other, .name = "l", .flags = REQUEST_EXIST_OK),
                QUOTA_OPENS, 1000);
    must_exceed(ACQUIRE(other, "l", .creator = first, .flags = REQUEST_NO_WAIT), QUOTA_OPENS, 1000);
    must_exceed(ASK(world, SPAWN, .connection = connection, .objects = "l"), QUOTA_OPENS, 1000);
    pretend(QUOTA_OPENS, 1 - limit);
    check_core(world->core);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quota");
    TCase *tcase = tcase_create("quota");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, limits_and_names);
    tcase_add_test(tcase, processes_that_start);
    tcase_add_test(tcase, processes);
    tcase_add_test(tcase, requests_that_wait);
    tcase_add_test(tcase, a_refused_stop_stops_nothing);
    tcase_add_test(tcase, repeats_that_wait);
    tcase_add_test(tcase, bytes_of_the_living);
    tcase_add_test(tcase, the_ended_make_room);
    tcase_add_test(tcase, a_recorded_answer_is_charged_until_it_goes);
    tcase_add_test(tcase, the_newest_ended_are_kept);
    tcase_add_test(tcase, one_who_waits_for_the_tree_of_the_oldest_is_told);
    tcase_add_test(tcase, root_acts_in_anothers_place);
    tcase_add_test(tcase, objects);
    tcase_add_test(tcase, holds);
    tcase_add_test(tcase, waits_for_objects);
    tcase_add_test(tcase, a_generation_is_not_thinned_out);
    tcase_add_test(tcase, open_objects);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
