/* SPDX-License-Identifier: MIT */
/* daemon/core/deadlock.c: what is refused, with which cycle, and what is not. */
#include "tests/unit/core/world.h"

#include <stdio.h>
#include <string.h>

static struct world *world;
static uint64_t mine, me, other, them, third;

#define ACQUIRE(from, of, ...) ASK(world, ACQUIRE, .connection = (from), .name = (of), __VA_ARGS__)
#define JOIN(from, of, ...)    ASK(world, JOIN, .connection = (from), .process = (of), __VA_ARGS__)
/* How many processes must be counted for a wait of `of` for the object, or else the process. */
#define WANTED(of, object_, process_, most)                                                               \
    core_threads_wanted(world->core,                                                                      \
                        &(struct core_wait){.client = (of),                                               \
                                            .holder = {"#1", 2},                                          \
                                            .object = (object_),                                          \
                                            .process = (process_)},                                       \
                        ids, most)
#define THREADS(...)                                                         \
    .threads = (const struct input_threads[]){__VA_ARGS__},                  \
    .thread_count = sizeof((struct input_threads[]){__VA_ARGS__}) / sizeof(struct input_threads)

static uint64_t ids[4];

static struct object *object(const char *name)
{
    return world_object(world, name);
}

static void set_up(void)
{
    world = world_new();
    mine = world_connect(world, 1000);
    me = world->client;
    other = world_connect(world, 1000);
    them = world->client;
    third = world_connect(world, 1000);
}

static void tear_down(void)
{
    world_free(world);
}

/* One entry of the cycle: whose it is, and what it waits for (a name, or else a process). */
struct expected {
    uint64_t client, process;
    const char *name;
};

static void must_refuse(uint64_t ticket, const struct expected *expected, size_t count)
{
    const struct answer *answer;
    const char *at;

    must_answer(world, ticket, ERROR_DEADLOCK);
    answer = world_answer(world, ticket);
    at = answer->text[0];
    for (size_t i = 0; i < count; i++) {
        struct cycle_entry entry;

        ck_assert(at < answer->text[0] + answer->size[0]);
        memcpy(&entry, at, sizeof entry);
        at += sizeof entry + entry.holder_size;
        ck_assert_int_eq(entry.pid, (int32_t) expected[i].client + 5000);
        ck_assert_uint_eq(entry.process, expected[i].process);
        ck_assert_uint_eq(entry.name_size, expected[i].name ? strlen(expected[i].name) : 0);
        if (expected[i].name)
            ck_assert_mem_eq(at, expected[i].name, entry.name_size);
        at += entry.name_size;
    }
    ck_assert_ptr_eq(at, answer->text[0] + answer->size[0]);
    ck_assert_uint_eq(core_event(world->core, world->core->counters.seq)->data.kind, EVENT_DEADLOCK_DETECTED);
}

#define MUST_REFUSE(ticket, ...)                                                                        \
    must_refuse(ticket, (const struct expected[]){__VA_ARGS__},                                         \
                sizeof((const struct expected[]){__VA_ARGS__}) / sizeof(struct expected))

/* ---- locks ---- */

START_TEST(two_locks)
{
    must_get(world, ACQUIRE(mine, "a"));
    must_get(world, ACQUIRE(other, "b"));
    must_wait(world, ACQUIRE(mine, "b"));
    MUST_REFUSE(ACQUIRE(other, "a"), {them, 0, "a"}, {me, 0, "b"});
}
END_TEST

START_TEST(three_locks)
{
    ACQUIRE(mine, "a");
    ACQUIRE(other, "b");
    ACQUIRE(third, "c");
    must_wait(world, ACQUIRE(mine, "b"));
    must_wait(world, ACQUIRE(other, "c"));
    MUST_REFUSE(ACQUIRE(third, "a"), {world->client, 0, "a"}, {me, 0, "b"}, {them, 0, "c"});
}
END_TEST

START_TEST(ones_own_lock)
{
    ACQUIRE(mine, "a");
    MUST_REFUSE(ACQUIRE(mine, "a"), {me, 0, "a"});
    must_wait(world, ACQUIRE(mine, "a", .holder = "t2")); /* another thread is another owner */
}
END_TEST

START_TEST(threads_of_one_process)
{
    ACQUIRE(mine, "a", .holder = "t1");
    ACQUIRE(mine, "b", .holder = "t2");
    must_wait(world, ACQUIRE(mine, "b", .holder = "t1"));
    MUST_REFUSE(ACQUIRE(mine, "a", .holder = "t2"), {me, 0, "a"}, {me, 0, "b"});
}
END_TEST

START_TEST(a_time_out_is_a_way_out)
{
    ACQUIRE(mine, "a");
    ACQUIRE(other, "b");
    must_wait(world, ACQUIRE(mine, "b", .flags = REQUEST_DEADLINE, .span = SECOND));
    must_wait(world, ACQUIRE(other, "a"));
    must_wait(world, ACQUIRE(third, "a"));
}
END_TEST

START_TEST(whoever_asks_with_a_time_out_may)
{
    ACQUIRE(mine, "a");
    ACQUIRE(other, "b");
    must_wait(world, ACQUIRE(mine, "b"));
    must_wait(world, ACQUIRE(other, "a", .flags = REQUEST_DEADLINE, .span = SECOND));
    must_not_get(world, ACQUIRE(other, "a", .holder = "t2", .flags = REQUEST_NO_WAIT));
}
END_TEST

START_TEST(to_wait_all_the_same)
{
    uint64_t first, second;

    ACQUIRE(mine, "a");
    ACQUIRE(other, "b");
    first = ACQUIRE(mine, "b");
    second = ACQUIRE(other, "a", .flags = REQUEST_WAIT_ANYWAY);
    must_wait(world, first);
    must_wait(world, second);
    ck_assert_uint_eq(core_event(world->core, world->core->counters.seq)->data.kind, EVENT_DEADLOCK_DETECTED);
    ASK(world, OBJECT_BREAK, .connection = third, .name = "a");
    must_get(world, second);
}
END_TEST

START_TEST(whoever_only_comes_to_it_is_not_refused)
{
    ACQUIRE(mine, "a");
    ACQUIRE(other, "b");
    ACQUIRE(mine, "b");
    ACQUIRE(other, "a", .flags = REQUEST_WAIT_ANYWAY);
    must_wait(world, ACQUIRE(third, "a"));
}
END_TEST

START_TEST(semaphores_are_only_reported)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "s", .object = OBJECT_SEMAPHORE, .value = 1);
    ACQUIRE(mine, "s", .object = OBJECT_SEMAPHORE);
    ACQUIRE(other, "b");
    must_wait(world, ACQUIRE(mine, "b"));
    must_wait(world, ACQUIRE(other, "s", .object = OBJECT_SEMAPHORE));
    must_wait(world, ACQUIRE(mine, "s", .holder = "t2", .object = OBJECT_SEMAPHORE));
}
END_TEST

START_TEST(a_sleeper_can_be_woken)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "c", .object = OBJECT_CONDITION);
    ACQUIRE(mine, "a");
    ACQUIRE(mine, "c.lock", .object = OBJECT_RLOCK);
    must_wait(world, ASK(world, CONDITION_WAIT, .connection = mine, .name = "c"));
    ACQUIRE(other, "b");
    must_wait(world, ACQUIRE(other, "a"));
}
END_TEST

/* Woken, it waits for the lock without an end. */
START_TEST(whoever_gets_a_lock_back_waits)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "c", .object = OBJECT_CONDITION);
    ACQUIRE(mine, "a");
    ACQUIRE(mine, "c.lock", .object = OBJECT_RLOCK);
    ASK(world, CONDITION_WAIT, .connection = mine, .name = "c", .flags = REQUEST_DEADLINE, .span = SECOND);
    ACQUIRE(other, "c.lock", .object = OBJECT_RLOCK);
    ASK(world, CONDITION_NOTIFY, .connection = other, .name = "c");
    MUST_REFUSE(ACQUIRE(other, "a"), {them, 0, "a"}, {me, 0, "c.lock"});
}
END_TEST

/* ---- joins ---- */

START_TEST(a_child_that_waits_for_its_parents_lock)
{
    uint64_t process = RUN(world, .connection = mine), own = world_connect_as(world, 500, 1000, process);

    ACQUIRE(mine, "a");
    must_wait(world, ACQUIRE(own, "a"));
    MUST_REFUSE(JOIN(mine, process, THREADS({process, 1})), {me, process, NULL}, {500, 0, "a"});
    must_wait(world, JOIN(mine, process, THREADS({process, 2}))); /* its other thread may end it */
}
END_TEST

START_TEST(a_child_asks_while_it_is_joined)
{
    uint64_t process = RUN(world, .connection = mine), own = world_connect_as(world, 500, 1000, process);

    ACQUIRE(mine, "a");
    must_wait(world, JOIN(mine, process, THREADS({process, 1})));
    must_wait(world, ACQUIRE(own, "a", THREADS({process, 2})));
    world_disconnect(world, own);
    own = world_connect_as(world, 500, 1000, process);
    MUST_REFUSE(ACQUIRE(own, "a", THREADS({process, 1})), {500, 0, "a"}, {me, process, NULL});
}
END_TEST

START_TEST(all_threads_of_a_process_must_wait)
{
    uint64_t process = RUN(world, .connection = mine), own = world_connect_as(world, 500, 1000, process);

    ACQUIRE(mine, "a");
    ACQUIRE(other, "b");
    must_wait(world, ACQUIRE(own, "a", .holder = "t1"));
    must_wait(world, ACQUIRE(own, "b", .holder = "t2")); /* which can go on */
    must_wait(world, JOIN(mine, process, THREADS({process, 2})));
}
END_TEST

START_TEST(ones_own_end)
{
    uint64_t process = RUN(world, .connection = mine), own = world_connect_as(world, 500, 1000, process);

    MUST_REFUSE(JOIN(own, process, THREADS({process, 1})), {500, process, NULL});
    must_wait(world, JOIN(own, process, THREADS({process, 2})));
    must_wait(world, JOIN(own, process, .flags = REQUEST_DEADLINE, .span = SECOND));
}
END_TEST

START_TEST(two_that_join_each_other)
{
    uint64_t first = RUN(world, .connection = mine), second = RUN(world, .connection = mine);
    uint64_t one = world_connect_as(world, 500, 1000, first);
    uint64_t two = world_connect_as(world, 501, 1000, second);

    must_wait(world, JOIN(one, second, THREADS({second, 1})));
    MUST_REFUSE(JOIN(two, first, THREADS({first, 1}, {second, 1})), {501, first, NULL}, {500, second, NULL});
}
END_TEST

START_TEST(threads_that_nobody_counted)
{
    uint64_t process = RUN(world, .connection = mine), own = world_connect_as(world, 500, 1000, process);

    ACQUIRE(mine, "a");
    ACQUIRE(own, "a");
    must_wait(world, JOIN(mine, process));
}
END_TEST

/* Of those alone on whose numbers a cycle hangs. */
START_TEST(whose_threads_count)
{
    uint64_t id = RUN(world, .connection = mine), own = world_connect_as(world, 500, 1000, id);
    struct process *process = core_process(world->core, id);

    ACQUIRE(mine, "a");
    ck_assert_uint_eq(WANTED(me, NULL, process, 4), 0); /* it does not wait */
    must_wait(world, ACQUIRE(own, "a"));
    ck_assert_uint_eq(WANTED(me, NULL, process, 4), 1);
    ck_assert_uint_eq(ids[0], id);
    ck_assert_uint_eq(WANTED(me, NULL, process, 0), 0); /* more than there is room for */
    ck_assert_uint_eq(WANTED(them, NULL, process, 4), 0); /* it leads to no cycle */
    ck_assert_uint_eq(WANTED(me, object("a"), NULL, 4), 0); /* one, but through no process */
    ck_assert_uint_eq(WANTED(9999, NULL, process, 4), 0);
    ASK(world, OBJECT_CREATE, .connection = own, .name = "e", .object = OBJECT_EVENT);
    ck_assert_uint_eq(WANTED(me, object("e"), NULL, 4), 0);
}
END_TEST

START_TEST(whose_threads_count_while_it_is_joined)
{
    uint64_t id = RUN(world, .connection = mine), own = world_connect_as(world, 500, 1000, id);

    ACQUIRE(mine, "a");
    ACQUIRE(own, "b");
    must_wait(world, JOIN(mine, id));
    ck_assert_uint_eq(WANTED(500, object("a"), NULL, 4), 1); /* who asks is about to wait */
    ck_assert_uint_eq(ids[0], id);
    ck_assert_uint_eq(WANTED(them, object("a"), NULL, 4), 0);
    ck_assert_uint_eq(WANTED(500, object("b"), NULL, 4), 0); /* its own lock */
}
END_TEST

START_TEST(since_when_it_waits)
{
    uint64_t id = RUN(world, .connection = mine), own = world_connect_as(world, 500, 1000, id), first, second;

    ACQUIRE(mine, "a");
    ck_assert_uint_eq(core_newest_wait(world->core, id), 0);
    ck_assert_uint_eq(core_newest_wait(world->core, id + 1), 0);
    first = ACQUIRE(own, "a");
    ck_assert_uint_eq(core_newest_wait(world->core, id), first);
    second = ACQUIRE(own, "a", .holder = "t2");
    ck_assert_uint_eq(core_newest_wait(world->core, id), second);
    ASK(world, OBJECT_BREAK, .connection = other, .name = "a");
    must_get(world, first);
    ck_assert_uint_eq(core_newest_wait(world->core, id), second);
}
END_TEST

/* However many join and are joined, each is looked at once. */
START_TEST(very_many_threads)
{
    uint64_t process = RUN(world, .connection = mine), own = world_connect_as(world, 500, 1000, process);
    const struct input_threads counted = {process, 4001};
    char holder[16];

    world->unchecked = true;
    ACQUIRE(mine, "a");
    must_wait(world, JOIN(mine, process));
    for (int i = 0; i < 4000; i++) {
        snprintf(holder, sizeof holder, "t%d", i);
        must_wait(world, JOIN(own, process, .holder = holder, .threads = &counted, .thread_count = 1));
    }
    ck_assert_uint_eq(WANTED(500, object("a"), NULL, 4), 1);
    must_answer(world, JOIN(own, process, .holder = "last", .threads = &counted, .thread_count = 1),
                ERROR_DEADLOCK);
    must_answer(world, ACQUIRE(own, "a", .threads = &counted, .thread_count = 1), ERROR_DEADLOCK);
}
END_TEST

/* ---- keys ---- */

START_TEST(a_recorded_refusal_has_its_cycle)
{
    uint64_t second = world_connect_as(world, them, 1000, 0), again;

    ACQUIRE(mine, "a");
    ACQUIRE(other, "b");
    ACQUIRE(mine, "b");
    MUST_REFUSE(ACQUIRE(other, "a", .key = "k", .digest = 1), {them, 0, "a"}, {me, 0, "b"});
    again = ACQUIRE(second, "a", .key = "k", .digest = 1);
    MUST_REFUSE(again, {them, 0, "a"}, {me, 0, "b"});
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deadlock");
    TCase *tcase = tcase_create("deadlock");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, two_locks);
    tcase_add_test(tcase, three_locks);
    tcase_add_test(tcase, ones_own_lock);
    tcase_add_test(tcase, threads_of_one_process);
    tcase_add_test(tcase, a_time_out_is_a_way_out);
    tcase_add_test(tcase, whoever_asks_with_a_time_out_may);
    tcase_add_test(tcase, to_wait_all_the_same);
    tcase_add_test(tcase, whoever_only_comes_to_it_is_not_refused);
    tcase_add_test(tcase, semaphores_are_only_reported);
    tcase_add_test(tcase, a_sleeper_can_be_woken);
    tcase_add_test(tcase, whoever_gets_a_lock_back_waits);
    tcase_add_test(tcase, a_child_that_waits_for_its_parents_lock);
    tcase_add_test(tcase, a_child_asks_while_it_is_joined);
    tcase_add_test(tcase, all_threads_of_a_process_must_wait);
    tcase_add_test(tcase, ones_own_end);
    tcase_add_test(tcase, two_that_join_each_other);
    tcase_add_test(tcase, threads_that_nobody_counted);
    tcase_add_test(tcase, whose_threads_count);
    tcase_add_test(tcase, whose_threads_count_while_it_is_joined);
    tcase_add_test(tcase, since_when_it_waits);
    tcase_add_test(tcase, very_many_threads);
    tcase_add_test(tcase, a_recorded_refusal_has_its_cycle);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
