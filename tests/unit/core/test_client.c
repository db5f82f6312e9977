/* SPDX-License-Identifier: MIT */
/* daemon/core/client.c: connections, clients, and what ends with them. */
#include "tests/unit/core/world.h"

#include <signal.h>

static struct world *world;

static void set_up(void)
{
    world = world_new();
}

static void tear_down(void)
{
    world_free(world);
}

static uint32_t last_event_kind(void)
{
    return core_event(world->core, world->core->counters.seq)->data.kind;
}

START_TEST(connections_of_one_process_are_one_client)
{
    uint64_t first = world_connect(world, 1000), client = world->client;
    uint64_t second = world_connect_as(world, client, 1000, 0);

    ck_assert_uint_eq(HASH_COUNT(world->core->clients), 1);
    ck_assert_ptr_eq(core_connection(world->core, first)->client,
                     core_connection(world->core, second)->client);
    ck_assert_uint_eq(core_connection(world->core, first)->data.ordinal, 1);
    ck_assert_uint_eq(core_connection(world->core, second)->data.ordinal, 2);
    world_disconnect(world, first);
    ck_assert_ptr_null(core_connection(world->core, first));
    ck_assert_uint_eq(core_connection(world->core, world_connect_as(world, client, 1000, 0))->data.ordinal,
                      3);
}
END_TEST

START_TEST(a_client_outlives_its_connections)
{
    uint64_t connection = world_connect(world, 1000), client = world->client;

    world_disconnect(world, connection);
    ck_assert_ptr_nonnull(core_client(world->core, client));
    ck_assert_uint_eq(core_account(world->core, 1000)->clients, 1);
    ck_assert_uint_eq(last_event_kind(), EVENT_CLIENT_CONNECTED);
    world_number(world, INPUT_CLIENT_DEAD, client);
    ck_assert_ptr_null(core_client(world->core, client));
    ck_assert_ptr_null(core_account(world->core, 1000));
    ck_assert_uint_eq(last_event_kind(), EVENT_CLIENT_GONE);
    ck_assert_int_eq(core_event(world->core, world->core->counters.seq)->data.pid, (int) client + 5000);
    must_order(world, 0, ORDER_FORGET_CLIENT, client);
}
END_TEST

START_TEST(events_tell_the_first_connection_and_the_death_only)
{
    uint64_t connection = world_connect(world, 1000), client = world->client;
    uint64_t seq = world->core->counters.seq;

    world_connect_as(world, client, 1000, 0);
    world_disconnect(world, connection);
    ck_assert_uint_eq(world->core->counters.seq, seq);
    world_number(world, INPUT_CLIENT_DEAD, client);
    ck_assert_uint_eq(world->core->counters.seq, seq + 1);
    world_number(world, INPUT_CLIENT_DEAD, client); /* told twice */
    ck_assert_uint_eq(world->core->counters.seq, seq + 1);
    must_order_nothing(world);
}
END_TEST

START_TEST(a_death_closes_the_connections_and_cancels_what_waits)
{
    uint64_t mine = world_connect(world, 1000), client = world->client, other = world_connect(world, 1000);
    uint64_t process = RUN(world, .connection = other);
    uint64_t join = ASK(world, JOIN, .connection = mine, .process = process);
    uint64_t joined = ASK(world, JOIN, .connection = other, .process = process);

    must_wait(world, join);
    world_number(world, INPUT_CLIENT_DEAD, client);
    ck_assert_ptr_null(core_connection(world->core, mine));
    ck_assert_ptr_null(world_answer(world, join));
    ck_assert_uint_eq(HASH_COUNT(world->core->waiters), 1);
    world_exited(world, process, 3);
    ck_assert_ptr_null(world_answer(world, join));
    ck_assert_int_eq(must_reply(world, joined, REPLY_JOIN)->reply.process.exitcode, 3);
}
END_TEST

START_TEST(a_closed_connection_cancels_only_its_own_waits)
{
    uint64_t first = world_connect(world, 1000), client = world->client;
    uint64_t second = world_connect_as(world, client, 1000, 0), process = RUN(world, .connection = first);
    uint64_t gone = ASK(world, JOIN, .connection = first, .process = process);
    uint64_t kept = ASK(world, WAIT, .connection = second, .processes = &process, .count = 1);

    world_disconnect(world, first);
    world_disconnect(world, first); /* told twice */
    must_wait(world, kept);
    world_exited(world, process, 0);
    ck_assert_ptr_null(world_answer(world, gone));
    must_reply(world, kept, REPLY_DONE);
}
END_TEST

START_TEST(an_owner_that_never_connected)
{
    struct core_input input = {.kind = INPUT_CLIENT,
                               .body.connect = {.client = 77, .pid = 4321, .uid = 1000}};
    uint64_t seq = world->core->counters.seq, process, connection;

    ck_assert_int_eq(world_step(world, &input), 0);
    ck_assert_int_eq(world_step(world, &input), 0);
    ck_assert_uint_eq(world->core->counters.seq, seq); /* nobody has connected */
    ck_assert_uint_eq(core_account(world->core, 1000)->clients, 1);
    connection = world_connect(world, 1000);
    process = RUN(world, .connection = connection, .creator = 77);
    ck_assert_uint_eq(core_process(world->core, process)->data.creator, 77);
    ck_assert_int_eq(core_process(world->core, process)->data.creator_pid, 4321);
    ck_assert_uint_eq(core_client(world->core, 77)->data.spawned, 1);
    world_number(world, INPUT_CLIENT_DEAD, 77);
    ck_assert_uint_ne(core_process(world->core, process)->data.flags & PROCESS_ORPHANED, 0);
}
END_TEST

START_TEST(a_managed_process_is_buried_with_its_end)
{
    uint64_t connection = world_connect(world, 1000), process = RUN(world, .connection = connection);
    uint64_t own = world_connect_as(world, 500, 1000, process), seq = world->core->counters.seq;
    uint64_t join = ASK(world, JOIN, .connection = connection, .process = process);

    ck_assert_ptr_eq(core_client(world->core, 500)->self, core_process(world->core, process));
    world_exited(world, process, 0);
    ck_assert_ptr_null(core_client(world->core, 500));
    ck_assert_ptr_null(core_connection(world->core, own));
    must_reply(world, join, REPLY_JOIN);
    must_order(world, 0, ORDER_FORGET_CLIENT, 500);
    /* first the burial, then the end is told */
    ck_assert_uint_eq(core_event(world->core, seq + 1)->data.kind, EVENT_CLIENT_GONE);
    ck_assert_uint_eq(core_event(world->core, seq + 2)->data.kind, EVENT_PROCESS_EXITED);
}
END_TEST

START_TEST(a_changed_uid_counts_for_the_connection)
{
    uint64_t first = world_connect(world, 1000), client = world->client;
    uint64_t second = world_connect_as(world, client, 1001, 0);

    ck_assert_int_eq(core_account(world->core, 1000)->used[QUOTA_CONNECTIONS], 1);
    ck_assert_int_eq(core_account(world->core, 1001)->used[QUOTA_CONNECTIONS], 1);
    ck_assert_uint_eq(core_account(world->core, 1001)->clients, 0);
    world_disconnect(world, second);
    ck_assert_ptr_null(core_account(world->core, 1001));
    world_disconnect(world, first);
    ck_assert_int_eq(core_account(world->core, 1000)->used[QUOTA_CONNECTIONS], 0);
}
END_TEST

START_TEST(a_closed_connection_asks_for_nothing)
{
    uint64_t other = world_connect(world, 1000), process = RUN(world, .connection = other);
    uint64_t gone = world_connect(world, 1000), ticket;

    world_disconnect(world, gone);
    ticket = ASK(world, JOIN, .connection = gone, .process = process, .uid = 1000);
    ck_assert_ptr_null(world_answer(world, ticket));
    ck_assert_ptr_null(world->core->waiters);
    ASK(world, STOP, .connection = gone, .process = process, .uid = 1000);
    must_order_nothing(world);
    ASK(world, SPAWN, .connection = gone, .uid = 1000);
    must_order_nothing(world);
    ck_assert_int_eq(core_account(world->core, 1000)->used[QUOTA_WAITERS], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client");
    TCase *tcase = tcase_create("client");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, connections_of_one_process_are_one_client);
    tcase_add_test(tcase, a_client_outlives_its_connections);
    tcase_add_test(tcase, events_tell_the_first_connection_and_the_death_only);
    tcase_add_test(tcase, a_death_closes_the_connections_and_cancels_what_waits);
    tcase_add_test(tcase, a_closed_connection_cancels_only_its_own_waits);
    tcase_add_test(tcase, an_owner_that_never_connected);
    tcase_add_test(tcase, a_managed_process_is_buried_with_its_end);
    tcase_add_test(tcase, a_changed_uid_counts_for_the_connection);
    tcase_add_test(tcase, a_closed_connection_asks_for_nothing);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
