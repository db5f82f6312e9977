/* SPDX-License-Identifier: MIT */
/* daemon/core/eventlog.c: the ring of events. */
#include "tests/unit/core/invariants.h"
#include "tests/unit/core/world.h"

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

START_TEST(nothing_yet)
{
    struct core *core = core_new();

    ck_assert_uint_eq(core->counters.seq, 0);
    ck_assert_uint_eq(core_first_event(core), 1); /* last + 1 */
    ck_assert_ptr_null(core_event(core, 0));
    ck_assert_ptr_null(core_event(core, 1));
    core_free(core);
}
END_TEST

START_TEST(numbers_rise_by_one)
{
    uint64_t seq = world->core->counters.seq, process = RUN(world, .connection = connection, .name = "x");
    static const enum event_kind kinds[] = {EVENT_PROCESS_SPAWNED, EVENT_PROCESS_STOPPED,
                                            EVENT_PROCESS_CONTINUED, EVENT_PROCESS_EXITED};

    world_report(world, INPUT_STOPPED, process);
    world_report(world, INPUT_CONTINUED, process);
    world->wall += 3;
    world_exited(world, process, 1);
    ck_assert_uint_eq(seq, 1);
    ck_assert_uint_eq(world->core->counters.seq, 5);
    for (uint64_t i = 0; i < 4; i++) {
        const struct event_entry *event = core_event(world->core, i + 2);

        ck_assert_uint_eq(event->data.seq, i + 2);
        ck_assert_uint_eq(event->data.kind, kinds[i]);
        ck_assert_uint_eq(event->data.process, process);
        ck_assert_uint_eq(event->data.uid, 1000);
        ck_assert_int_eq(event->data.pid, (int) process + 10000);
        ck_assert_str_eq(event->title->name, "x");
    }
    ck_assert_int_eq(core_event(world->core, 5)->data.wall, world->wall);
    ck_assert_int_eq(core_event(world->core, 4)->data.wall, world->wall - 3);
    ck_assert_uint_eq(core_first_event(world->core), 1);
    ck_assert_ptr_null(core_event(world->core, 0));
    ck_assert_ptr_null(core_event(world->core, 6));
}
END_TEST

static void make_events(uint64_t process, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        world_report(world, i % 2 ? INPUT_CONTINUED : INPUT_STOPPED, process);
}

START_TEST(the_oldest_make_room)
{
    uint64_t process = RUN(world, .connection = connection, .name = "x");

    make_events(process, EVENTS_KEPT_MAX - world->core->counters.seq);
    ck_assert_uint_eq(world->core->counters.seq, EVENTS_KEPT_MAX);
    ck_assert_uint_eq(core_first_event(world->core), 1);
    ck_assert_uint_eq(core_event(world->core, 1)->data.kind, EVENT_CLIENT_CONNECTED);
    make_events(process, 2);
    ck_assert_uint_eq(core_first_event(world->core), 3);
    ck_assert_ptr_null(core_event(world->core, 1));
    ck_assert_ptr_null(core_event(world->core, 2));
    ck_assert_ptr_nonnull(core_event(world->core, 3));
    make_events(process, EVENTS_KEPT_MAX * 2);
    ck_assert_uint_eq(core_first_event(world->core), world->core->counters.seq - EVENTS_KEPT_MAX + 1);
    check_core_deeply(world->core);
}
END_TEST

START_TEST(a_title_outlives_its_process)
{
    uint64_t process = RUN(world, .connection = connection, .name = "short-lived"), seq;

    world_exited(world, process, 0);
    seq = world->core->counters.seq;
    ASK(world, CLOSE, .connection = connection, .process = process);
    ck_assert_str_eq(core_event(world->core, seq)->title->name, "short-lived");
    check_core_deeply(world->core);
}
END_TEST

START_TEST(everybody_sees_a_restart)
{
    world_number(world, INPUT_RESTARTED, 0);
    ck_assert_uint_eq(core_event(world->core, world->core->counters.seq)->data.kind, EVENT_DAEMON_RESTARTED);
    ck_assert_uint_eq(core_event(world->core, world->core->counters.seq)->data.uid, EVENT_FOR_ALL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("eventlog");
    TCase *tcase = tcase_create("eventlog");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, nothing_yet);
    tcase_add_test(tcase, numbers_rise_by_one);
    tcase_add_test(tcase, the_oldest_make_room);
    tcase_add_test(tcase, a_title_outlives_its_process);
    tcase_add_test(tcase, everybody_sees_a_restart);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
