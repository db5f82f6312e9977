/* SPDX-License-Identifier: MIT */
/* daemon/core/record.c: names by generations, and the strings of a spawn. */
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

START_TEST(each_successful_spawn_uses_a_number)
{
    uint64_t named, failed;

    ck_assert_str_eq(world_name(world, RUN(world, .connection = connection)), "Process-1");
    named = RUN(world, .connection = connection, .name = "named");
    ck_assert_str_eq(world_name(world, named), "named");
    ASK(world, SPAWN, .connection = connection);
    failed = world_last(world);
    world_report(world, INPUT_SPAWN_FAILED, failed);
    ck_assert_str_eq(world_name(world, RUN(world, .connection = connection)), "Process-3");
    ck_assert_uint_eq(core_client(world->core, world->client)->data.spawned, 3);
}
END_TEST

START_TEST(numbers_go_by_the_order_of_starts)
{
    uint64_t first, second;

    ASK(world, SPAWN, .connection = connection);
    first = world_last(world);
    ASK(world, SPAWN, .connection = connection);
    second = world_last(world);
    world_spawned(world, second);
    world_spawned(world, first);
    ck_assert_str_eq(world_name(world, second), "Process-1");
    ck_assert_str_eq(world_name(world, first), "Process-2");
}
END_TEST

START_TEST(each_client_counts_for_itself)
{
    uint64_t other = world_connect(world, 1000);

    RUN(world, .connection = connection);
    ck_assert_str_eq(world_name(world, RUN(world, .connection = other)), "Process-1");
    /* a second connection is the same client */
    other = world_connect_as(world, core_connection(world->core, connection)->data.client, 1000, 0);
    ck_assert_str_eq(world_name(world, RUN(world, .connection = other)), "Process-2");
}
END_TEST

START_TEST(children_of_children)
{
    uint64_t parent, child, own, childs_own;

    RUN(world, .connection = connection);
    parent = RUN(world, .connection = connection, .name = "parent"); /* a name hides no number */
    own = world_connect_as(world, 500, 1000, parent);
    child = RUN(world, .connection = own);
    ck_assert_str_eq(world_name(world, child), "Process-2:1");
    ck_assert_uint_eq(core_process(world->core, child)->data.parent, parent);
    childs_own = world_connect_as(world, 501, 1000, child);
    RUN(world, .connection = childs_own, .name = "named");
    ck_assert_str_eq(world_name(world, RUN(world, .connection = childs_own)), "Process-2:1:2");
    /* in whose place the name counts is said by `creator` */
    ck_assert_str_eq(world_name(world, RUN(world, .connection = connection, .creator = 501)),
                     "Process-2:1:3");
}
END_TEST

START_TEST(generations_that_do_not_fit)
{
    uint64_t parent = connection, process = 0;
    size_t length = 0;

    for (uint64_t generation = 0; generation < 200; generation++) {
        process = RUN(world, .connection = parent);
        parent = world_connect_as(world, 1000 + generation, 1000, process);
        ck_assert_uint_le(core_process(world->core, process)->record->title->name_size, PROTO_NAME_MAX);
        ck_assert_uint_eq(strlen(world_name(world, process)),
                          core_process(world->core, process)->record->title->name_size);
        length = length > strlen(world_name(world, process)) ? length : strlen(world_name(world, process));
    }
    ck_assert_uint_ge(length, PROTO_NAME_MAX - 1);
    ck_assert_str_eq(world_name(world, process), "Process-1");
    ck_assert_uint_eq(core_process(world->core, process)->record->title->path_size, 399);
}
END_TEST

START_TEST(without_a_creator_the_id_is_the_number)
{
    struct core_input adopt = {.kind = INPUT_ADOPT, .body.adopt = {.process = 42, .pid = 10, .uid = 1000}};
    struct core_input named = {.kind = INPUT_ADOPT,
                               .body.adopt = {.process = 43, .pid = 11, .uid = 1000},
                               .blob[BLOB_NAME] = {"known", 5}};
    uint64_t other = world_connect(world, 1000), process;

    ck_assert_int_eq(world_step(world, &adopt), 0);
    ck_assert_int_eq(world_step(world, &named), 0);
    ck_assert_str_eq(world_name(world, 42), "Process-42");
    ck_assert_str_eq(world_name(world, 43), "known");
    ASK(world, SPAWN, .connection = other);
    process = world_last(world);
    world_number(world, INPUT_CLIENT_DEAD, core_connection(world->core, other)->data.client);
    world_spawned(world, process);
    ck_assert_uint_eq(process, 44);
    ck_assert_str_eq(world_name(world, process), "Process-44");
}
END_TEST

START_TEST(strings_are_kept_byte_for_byte)
{
    static const char argv[] = "a\0\xff\xfe\0", labels[] = "key\0value\0k2\0\0";
    struct core_input input = {.kind = INPUT_SPAWN,
                               .body.request = {.ticket = ++world->ticket,
                                                .connection = connection,
                                                .uid = 1000,
                                                .count = 3,
                                                .labels = 2},
                               .blob[BLOB_ARGV] = {argv, sizeof argv - 1},
                               .blob[BLOB_CWD] = {"/\x80", 2},
                               .blob[BLOB_LABELS] = {labels, sizeof labels - 1}};
    const struct record *record;

    ck_assert_int_eq(world_step(world, &input), 0);
    record = core_process(world->core, world_last(world))->record;
    ck_assert_uint_eq(record->argc, 3);
    ck_assert_uint_eq(record->label_count, 2);
    ck_assert_mem_eq(record_argv(record), argv, sizeof argv - 1);
    ck_assert_mem_eq(record_labels(record), labels, sizeof labels - 1);
    ck_assert_str_eq(record_cwd(record), "/\x80");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tcase = tcase_create("record");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, each_successful_spawn_uses_a_number);
    tcase_add_test(tcase, numbers_go_by_the_order_of_starts);
    tcase_add_test(tcase, each_client_counts_for_itself);
    tcase_add_test(tcase, children_of_children);
    tcase_add_test(tcase, generations_that_do_not_fit);
    tcase_add_test(tcase, without_a_creator_the_id_is_the_number);
    tcase_add_test(tcase, strings_are_kept_byte_for_byte);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
