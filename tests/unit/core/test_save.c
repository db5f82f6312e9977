/* daemon/core/save.c, load.c: what was saved goes on as if nothing had happened. */
#include "tests/unit/core/invariants.h"
#include "tests/unit/core/twin.h"
#include "tests/unit/core/world.h"

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

/* From here on the world is that of a broker that was started again in the middle of nothing. */
static void reload(void)
{
    struct core *twin = twin_of(world->core);

    core_free(world->core);
    world->core = twin;
}

/* Both take the input, and put out the same. */
static void both(struct core *twin, struct core_input input)
{
    uint64_t seq = world->core->counters.seq;

    input.mono = world->mono;
    input.wall = world->wall;
    must(core_step(world->core, &input) == 0 && core_step(twin, &input) == 0);
    must_put_out_the_same(world->core, twin, seq);
    core_delivered(world->core);
    core_delivered(twin);
    check_core(world->core);
    check_core(twin);
    must_be_twins(world->core, twin);
}

static struct core_input report(enum input_kind kind, uint64_t process)
{
    return (struct core_input){.kind = kind, .report = ++world->report, .body.report = {.process = process}};
}

START_TEST(an_empty_core)
{
    world_number(world, INPUT_CLIENT_DEAD, client);
    reload();
    ck_assert_ptr_null(world->core->clients);
    connection = world_connect(world, 1000);
    RUN(world, .connection = connection);
}
END_TEST

START_TEST(a_record_is_charged_once)
{
    uint64_t process = RUN(world, .connection = connection, .key = "spawn", .digest = 1, .argv = "a word");
    int64_t used = core_account(world->core, 1000)->used[QUOTA_BYTES];
    uint64_t again;

    ASK(world, STOP, .connection = connection, .process = process, .key = "stop", .digest = 2);
    world_exited(world, process, 0);
    world_report(world, INPUT_TREE_GONE, process);
    ck_assert_int_eq(core_account(world->core, 1000)->used[QUOTA_BYTES], used);
    reload();
    ck_assert_int_eq(core_account(world->core, 1000)->used[QUOTA_BYTES], used);
    /* without the process its answers still share it */
    ASK(world, CLOSE, .connection = connection, .process = process);
    ck_assert_int_eq(core_account(world->core, 1000)->used[QUOTA_BYTES], used);
    reload();
    ck_assert_int_eq(core_account(world->core, 1000)->used[QUOTA_BYTES], used);
    again = ASK(world, SPAWN, .connection = connection, .key = "spawn", .digest = 1);
    ck_assert_str_eq(must_reply(world, again, REPLY_INFO)->argv, "a word");
}
END_TEST

START_TEST(each_record_is_its_own)
{
    char name[2] = "a";

    for (; *name < 'f'; ++*name)
        RUN(world, .connection = connection, .key = name, .digest = 1, .argv = name);
    reload();
    while (--*name >= 'a') {
        uint64_t again = ASK(world, SPAWN, .connection = connection, .key = name, .digest = 1);

        ck_assert_str_eq(must_reply(world, again, REPLY_INFO)->argv, name);
    }
}
END_TEST

/* Who takes another's place in a queue is younger than those behind it. */
START_TEST(a_place_that_was_handed_over_is_kept)
{
    uint64_t process = RUN(world, .connection = connection), other = world_connect(world, 1000);
    uint64_t second = world_connect_as(world, client, 1000, 0), follower, behind;
    struct core *twin;

    ASK(world, STOP, .connection = connection, .process = process, .key = "k", .digest = 1);
    behind = ASK(world, STOP, .connection = other, .process = process);
    follower = ASK(world, STOP, .connection = second, .process = process, .key = "k", .digest = 1);
    world_disconnect(world, connection);
    twin = twin_of(world->core);
    both(twin, report(INPUT_EXITED, process));
    reload();
    both(twin, report(INPUT_STOPPED, process));
    world_report(world, INPUT_TREE_GONE, process);
    ck_assert_uint_eq(world->answers[world->answer_count - 2].ticket, follower);
    ck_assert_uint_eq(world->answers[world->answer_count - 1].ticket, behind);
    core_free(twin);
}
END_TEST

/* One that is told twice to be a process is the process once. */
START_TEST(who_is_which_process)
{
    uint64_t process = RUN(world, .connection = connection), own = world_connect_as(world, 50, 1000, process);
    struct core *twin;

    world_connect_as(world, 51, 1000, process);
    RUN(world, .connection = own);
    twin = twin_of(world->core);
    both(twin, report(INPUT_EXITED, process));
    core_free(twin);
    ck_assert_ptr_null(core_client(world->core, 50));
    ck_assert_ptr_nonnull(core_client(world->core, 51));
    reload();
}
END_TEST

START_TEST(a_wait_that_is_cancelled)
{
    uint64_t process = RUN(world, .connection = connection);
    uint64_t wait = ASK(world, WAIT, .connection = connection, .processes = &process, .count = 1);
    struct core *twin = twin_of(world->core);

    both(twin, (struct core_input){.kind = INPUT_CANCEL, .body.number = wait});
    core_free(twin);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("save");
    TCase *tcase = tcase_create("save");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, an_empty_core);
    tcase_add_test(tcase, a_record_is_charged_once);
    tcase_add_test(tcase, each_record_is_its_own);
    tcase_add_test(tcase, a_place_that_was_handed_over_is_kept);
    tcase_add_test(tcase, who_is_which_process);
    tcase_add_test(tcase, a_wait_that_is_cancelled);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
