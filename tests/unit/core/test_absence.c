/* SPDX-License-Identifier: MIT */
/* daemon/core/absence.c: who waits with a key when the broker dies keeps its place for a while. */
#include "tests/unit/core/absent.h"
#include "tests/unit/core/memory.h"

#include <stdio.h>

/* ---- the place ---- */

START_TEST(who_comes_back_has_kept_its_place)
{
    uint64_t first, second;

    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    LOCK(third, .key = "k");
    restart();
    ck_assert_uint_eq(waiting("l"), 2);
    connect_all();
    second = LOCK(third, .key = "k"); /* the other way round */
    first = LOCK(other, .key = "k");
    must_wait(world, first);
    must_wait(world, second);
    ck_assert_uint_eq(waiting("l"), 2);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX); /* nobody is waited for */
    FREE(mine);
    must_get(world, first);
    must_wait(world, second);
    FREE(other);
    must_get(world, second);
    must_get(world, LOCK(third, .key = "k")); /* once more, as any */
}
END_TEST

START_TEST(without_a_key_it_is_gone)
{
    must_get(world, LOCK(mine, 0));
    LOCK(other, 0);
    LOCK(third, .key = "k");
    restart();
    ck_assert_uint_eq(waiting("l"), 1);
}
END_TEST

START_TEST(whoever_repeats_it_is_one_with_it)
{
    uint64_t again, once_more;

    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    LOCK(other, .key = "k");
    restart();
    ck_assert_uint_eq(HASH_COUNT(world->core->waiters), 1);
    connect_all();
    again = LOCK(other, .key = "k");
    once_more = LOCK(other, .key = "k");
    FREE(mine);
    must_get(world, again);
    must_get(world, once_more);
}
END_TEST

START_TEST(other_params_are_another_request)
{
    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    restart();
    connect_all();
    must_answer(world, ASK(world, ACQUIRE, .connection = other, .name = "l", .digest = 9, .key = "k"),
                ERROR_INVALID_REQUEST);
    ck_assert_uint_eq(waiting("l"), 1);
}
END_TEST

START_TEST(once_it_is_back_it_is_as_any)
{
    uint64_t again;

    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    restart();
    connect_all();
    again = LOCK(other, .key = "k");
    world_number(world, INPUT_CANCEL, again);
    must_answer(world, again, ERROR_CANCELLED);
    LOCK(other, .key = "k");
    world_disconnect(world, other);
    ck_assert_uint_eq(waiting("l"), 0);
}
END_TEST

START_TEST(its_time_out_goes_on)
{
    uint64_t again;

    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k", .flags = REQUEST_DEADLINE, .span = 3 * SECOND);
    LOCK(third, .key = "k", .flags = REQUEST_DEADLINE, .span = 3 * SECOND);
    world_pass(world, SECOND);
    restart();
    connect_all();
    again = LOCK(other, .key = "k", .flags = REQUEST_DEADLINE, .span = 3 * SECOND);
    world_pass(world, 2 * SECOND - 1);
    must_wait(world, again);
    world_pass(world, 1);
    must_not_get(world, again);
    /* it was decided before it asked */
    must_not_get(world, LOCK(third, .key = "k", .flags = REQUEST_DEADLINE, .span = 3 * SECOND));
}
END_TEST

/* ---- those who do not come back ---- */

START_TEST(who_does_not_come_back_is_gone)
{
    uint64_t late;

    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    LOCK(third, .key = "k");
    world->mono += 100 * SECOND; /* the time without a broker does not count */
    restart();
    connect_all();
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + 5 * SECOND);
    world_pass(world, 5 * SECOND - 1);
    late = LOCK(third, .key = "k");
    ck_assert_uint_eq(waiting("l"), 2);
    world_pass(world, 1);
    ck_assert_uint_eq(waiting("l"), 1);
    must_wait(world, LOCK(other, .key = "k")); /* anew, behind the other */
    FREE(mine);
    must_get(world, late);
}
END_TEST

START_TEST(each_broker_gives_the_whole_time)
{
    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    restart();
    world_pass(world, 4 * SECOND);
    restart();
    world_pass(world, 5 * SECOND - 1);
    ck_assert_uint_eq(waiting("l"), 1);
    world_pass(world, 1);
    ck_assert_uint_eq(waiting("l"), 0);
    ck_assert_uint_eq(core_client(world->core, them)->key_count, 0);
}
END_TEST

/* It had no time to be asked. */
START_TEST(a_broker_that_stood_still_gives_it_again)
{
    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    restart();
    world_pass(world, 5 * SECOND + ABSENCE_LATE + 1);
    ck_assert_uint_eq(waiting("l"), 1);
    ck_assert_int_eq(core_next_deadline(world->core), world->mono + 5 * SECOND);
    world_pass(world, 5 * SECOND + ABSENCE_LATE);
    ck_assert_uint_eq(waiting("l"), 0);
}
END_TEST

START_TEST(its_death_ends_it_at_once)
{
    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    LOCK(third, .key = "k", .creator = me, .holder = "in its place");
    restart();
    world_number(world, INPUT_CLIENT_DEAD, them);
    ck_assert_uint_eq(waiting("l"), 1);
    world_number(world, INPUT_CLIENT_DEAD, they); /* who asked, not who would hold */
    ck_assert_uint_eq(waiting("l"), 0);
    ck_assert_int_eq(core_next_deadline(world->core), INT64_MAX);
}
END_TEST

START_TEST(the_owners_death_is_its_answer)
{
    must_get(world, LOCK(mine, 0));
    LOCK(third, .key = "k", .creator = them, .holder = "in its place");
    restart();
    world_number(world, INPUT_CLIENT_DEAD, them);
    connect_all();
    must_answer(world, LOCK(third, .key = "k", .creator = them, .holder = "in its place"),
                ERROR_NO_SUCH_PROCESS);
}
END_TEST

/* ---- what was decided meanwhile ---- */

START_TEST(an_event_was_set_meanwhile)
{
#define AWAIT(from) ASK(world, EVENT_WAIT, .connection = (from), .name = "e", .digest = 1, .key = "k")
    AWAIT(mine);
    restart();
    connect_all();
    ASK(world, EVENT_SET, .connection = other, .name = "e", .value = 1);
    ASK(world, EVENT_SET, .connection = other, .name = "e", .value = 0);
    world_pass(world, 10 * SECOND);
    must_flag(world, AWAIT(mine), REPLY_SET, true); /* it was no grant: nothing to take back */
#undef AWAIT
}
END_TEST

START_TEST(a_stop_ends_meanwhile)
{
    uint64_t process = RUN(world, .connection = mine);

    ASK(world, STOP, .connection = mine, .process = process, .key = "k", .digest = 7);
    restart();
    world_exited(world, process, 3);
    world_report(world, INPUT_TREE_GONE, process);
    ck_assert_uint_eq(core_process(world->core, process)->data.flags & PROCESS_READ, 0);
    connect_all();
    must_reply(world, ASK(world, STOP, .connection = mine, .process = process, .key = "k", .digest = 7),
               REPLY_JOIN);
    ck_assert_uint_ne(core_process(world->core, process)->data.flags & PROCESS_READ, 0); /* it was shown */
}
END_TEST

/* ---- limits ---- */

START_TEST(one_that_is_kept_is_not_forgotten)
{
    uint64_t process = RUN(world, .connection = mine);
    char key[32];

    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    restart();
    connect_all();
    FREE(mine);
    for (int i = 0; i < KEYS_KEPT_MAX + 10; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        ASK(world, SIGNAL, .connection = other, .process = process, .signal = 1, .key = key, .digest = 1);
    }
    must_get(world, LOCK(other, .key = "k"));
    ck_assert_uint_eq(holder_of("l"), them);
}
END_TEST

START_TEST(a_full_quota_keeps_nobody_away)
{
    int64_t *used;
    uint64_t again;

    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    restart();
    connect_all();
    used = &core_account(world->core, 1000)->used[QUOTA_WAITERS];
    world->unchecked = true;
    *used += quota_limit(QUOTA_WAITERS, 1000) - 1; /* with the one that is absent there is room for no more */
    must_answer(world, LOCK(third, .key = "k"), ERROR_LIMIT_EXCEEDED);
    again = LOCK(other, .key = "k");
    *used -= quota_limit(QUOTA_WAITERS, 1000) - 1;
    world->unchecked = false;
    must_wait(world, again);
}
END_TEST

START_TEST(nobody_leaves_meanwhile)
{
    ASK(world, EVENT_WAIT, .connection = mine, .name = "e", .key = "k");
    ASK(world, OBJECT_UNLINK, .connection = mine, .name = "w");
    ASK(world, OBJECT_UNLINK, .connection = mine, .name = "c");
    restart();
    ck_assert(!core_is_idle(world->core));
    world_pass(world, 5 * SECOND);
    ck_assert(core_is_idle(world->core));
}
END_TEST

START_TEST(it_needs_no_memory)
{
    size_t held;
    struct core_input restarted = {.kind = INPUT_RESTARTED}, passed = {.kind = INPUT_TIME};

    must_get(world, LOCK(mine, 0));
    LOCK(other, .key = "k");
    LOCK(third, .key = "k");
    COME(mine, .key = "w");
    held = memory_held();
    memory_fails(1, true);
    must(world_step(world, &restarted) == 0);
    world->mono += 5 * SECOND;
    passed.mono = world->mono;
    must(world_step(world, &passed) == 0);
    must(memory_asked() == 0);
    memory_fails(0, false);
    ck_assert_uint_lt(memory_held(), held);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("absence");
    TCase *tcase = tcase_create("absence");

    tcase_add_checked_fixture(tcase, absent_begin, absent_end);
    tcase_add_test(tcase, who_comes_back_has_kept_its_place);
    tcase_add_test(tcase, without_a_key_it_is_gone);
    tcase_add_test(tcase, whoever_repeats_it_is_one_with_it);
    tcase_add_test(tcase, other_params_are_another_request);
    tcase_add_test(tcase, once_it_is_back_it_is_as_any);
    tcase_add_test(tcase, its_time_out_goes_on);
    tcase_add_test(tcase, who_does_not_come_back_is_gone);
    tcase_add_test(tcase, each_broker_gives_the_whole_time);
    tcase_add_test(tcase, a_broker_that_stood_still_gives_it_again);
    tcase_add_test(tcase, its_death_ends_it_at_once);
    tcase_add_test(tcase, the_owners_death_is_its_answer);
    tcase_add_test(tcase, an_event_was_set_meanwhile);
    tcase_add_test(tcase, a_stop_ends_meanwhile);
    tcase_add_test(tcase, one_that_is_kept_is_not_forgotten);
    tcase_add_test(tcase, a_full_quota_keeps_nobody_away);
    tcase_add_test(tcase, nobody_leaves_meanwhile);
    tcase_add_test(tcase, it_needs_no_memory);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
