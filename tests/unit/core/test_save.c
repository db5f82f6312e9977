/* SPDX-License-Identifier: MIT */
/* daemon/core/save.c, load.c: what was saved goes on as if nothing had happened. */
#include "daemon/core/save.h"
#include "daemon/core/saved.h"
#include "tests/unit/core/chance.h"
#include "tests/unit/core/invariants.h"
#include "tests/unit/core/twin.h"
#include "tests/unit/core/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- what is no state ---- */

/* A state with something of everything. */
static void take_rich_state(struct state *state, uint64_t seed)
{
    struct chance chance;
    struct core *core = core_new();
    struct core_input input;

    chance_begin(&chance, seed);
    for (int i = 0; i < 150; i++) {
        chance_input(&chance, core, &input);
        must(core_step(core, &input) == 0);
        core_delivered(core);
    }
    state_take(state, core);
    core_free(core);
}

/* Its number stands first. */
START_TEST(another_format)
{
    uint64_t number = STATE_FORMAT + 1;
    const char *part = NULL;
    struct state state = {0};
    struct core *core = NULL;

    take_rich_state(&state, 1);
    memcpy(state.bytes, &number, sizeof number);
    ck_assert_int_eq(core_load_part(state.bytes, state.size, &core, &part), -EPROTONOSUPPORT);
    ck_assert_str_eq(part, "format");
    ck_assert_ptr_null(core);
    ck_assert_int_eq(core_load_part(state.bytes, 7, &core, &part), -EBADMSG);
    ck_assert_str_eq(part, "format");
    state_free(&state);
}
END_TEST

/* Each is told by its name, in its turn. */
START_TEST(the_part_that_is_wrong)
{
    static const char *const parts[] = {
        "format",  "counters",           "accounts", "clients", "processes", "connections",
        "waiters", "objects and queues", "orders",   "events", "absence",  "end"};
    const char *part = NULL;
    struct state state = {0};
    struct core *core = NULL;
    size_t at = 0;

    take_rich_state(&state, 1);
    for (size_t size = 0; size < state.size; size++) {
        must(core_load_part(state.bytes, size, &core, &part) == -EBADMSG);
        while (strcmp(part, parts[at]) != 0)
            must(++at < sizeof parts / sizeof *parts);
    }
    ck_assert_str_eq(part, "absence");
    ck_assert_int_eq(core_load_part(state.bytes, state.size + 1, &core, &part), -EBADMSG);
    ck_assert_str_eq(part, "end");
    state_free(&state);
}
END_TEST

START_TEST(cut_off)
{
    struct state state = {0};
    struct core *core = NULL;

    take_rich_state(&state, (uint64_t) _i);
    for (size_t size = 0; size < state.size; size += 1 + size % 13) {
        char *bytes = malloc(size + 1); /* of its own, so that a read beyond it is seen */

        memcpy(bytes, state.bytes, size);
        must(core_load(bytes, size, &core) == -EBADMSG);
        free(bytes);
    }
    state_free(&state);
}
END_TEST

/* Whose end would end a pause has been read, and the process not yet as a whole. */
START_TEST(cut_off_in_a_pause)
{
    struct input_restart plan = {.policy = RESTART_POLICY_ALWAYS,
                                 .delay = SECOND,
                                 .max_delay = SECOND,
                                 .factor = RESTART_FACTOR_ONE};
    uint64_t process =
        RUN(world, .connection = connection, .restart = plan, .flags = REQUEST_DAEMON);
    struct state state = {0};
    struct core *core = NULL;

    world_exited(world, process, 0);
    ck_assert_uint_eq(core_process(world->core, process)->data.state, PROCESS_RESTARTING);
    state_take(&state, world->core);
    for (size_t size = 0; size < state.size; size++)
        must(core_load(state.bytes, size, &core) == -EBADMSG);
    state_free(&state);
}
END_TEST

/* Of the last event, which is of a client: where its head is; behind that are words, and a deadline. */
static char *head_of_last(const struct state *state, const struct core *core, uint64_t *ret_head)
{
    char *at = state->bytes + state->size - 4 * sizeof(uint64_t);
    uint64_t words[SAVED_WORDS];

    *ret_head = 0;
    memcpy(words, &core_event(core, core->counters.seq)->data, sizeof words);
    for (size_t i = 0; i < SAVED_WORDS; i++) {
        *ret_head |= (uint64_t) (words[i] != 0) << i;
        at -= words[i] != 0 ? sizeof *words : 0;
    }
    ck_assert_int_eq(memcmp(at, ret_head, sizeof *ret_head), 0);
    return at;
}

START_TEST(the_head_of_an_event_is_wrong)
{
    uint64_t wrong[2 * SAVED_PARTS + 2] = {UINT64_C(1) << SAVED_BITS, UINT64_C(1) << 63}, head, right;
    struct state state = {0};
    struct core *core = NULL;
    char *at;

    for (unsigned part = 0; part < SAVED_PARTS; part++) {
        wrong[2 + 2 * part] = saved_bits(SAVED_BEFORE, part); /* the one before has none */
        wrong[3 + 2 * part] = saved_bits(SAVED_BEFORE, part) | saved_bits(SAVED_HERE, part);
    }
    state_take(&state, world->core);
    at = head_of_last(&state, world->core, &right);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        head = right | wrong[i];
        memcpy(at, &head, sizeof head);
        ck_assert_int_eq(core_load(state.bytes, state.size, &core), -EBADMSG);
    }
    memcpy(at, &right, sizeof right);
    ck_assert_int_eq(core_load(state.bytes, state.size, &core), 0);
    core_free(core);
    state_free(&state);
}
END_TEST

/* It is refused, or is some state that can be stepped; it is no crash. */
START_TEST(one_byte_is_wrong)
{
    struct state state = {0};
    struct chance chance;

    take_rich_state(&state, (uint64_t) _i);
    chance_begin(&chance, (uint64_t) _i);
    for (int i = 0; i < 600; i++) {
        size_t at = chance_below(&chance, state.size);
        char before = state.bytes[at];
        struct core *core = NULL;

        state.bytes[at] = (char) (chance_once_in(&chance, 2) ? before ^ (1 << chance_below(&chance, 8))
                                                             : (int) chance_below(&chance, 256));
        must((core_load(state.bytes, state.size, &core) == 0) == (core != NULL));
        if (core)
            bear(core);
        state.bytes[at] = before;
    }
    state_free(&state);
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
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, another_format);
    tcase_add_test(tcase, the_part_that_is_wrong);
    tcase_add_loop_test(tcase, cut_off, 0, 5);
    tcase_add_test(tcase, cut_off_in_a_pause);
    tcase_add_test(tcase, the_head_of_an_event_is_wrong);
    tcase_add_loop_test(tcase, one_byte_is_wrong, 0, 10);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
