/* SPDX-License-Identifier: MIT */
/* daemon/core/event.c. */
#include "tests/unit/core/world.h"

static struct world *world;
static uint64_t mine, other;

#define WAIT(from, ...) ASK(world, EVENT_WAIT, .connection = (from), .name = "e", __VA_ARGS__)
#define SET()           ASK(world, EVENT_SET, .connection = mine, .name = "e", .value = 1)
#define CLEAR()         ASK(world, EVENT_SET, .connection = mine, .name = "e", .value = 0)
#define IS_SET()        ASK(world, EVENT_IS_SET, .connection = mine, .name = "e")

static void set_up(void)
{
    world = world_new();
    mine = world_connect(world, 1000);
    other = world_connect(world, 1000);
}

static void tear_down(void)
{
    world_free(world);
}

static void must_see(uint64_t ticket, bool is_set)
{
    must_flag(world, ticket, REPLY_SET, is_set);
}

START_TEST(set_and_clear)
{
    must_reply(world, CLEAR(), REPLY_EMPTY);
    must_see(IS_SET(), false);
    must_reply(world, SET(), REPLY_EMPTY);
    must_see(IS_SET(), true);
    must_see(WAIT(other, 0), true);
    CLEAR();
    must_see(IS_SET(), false);
    must_see(WAIT(other, .flags = REQUEST_NO_WAIT), false);
}
END_TEST

START_TEST(set_wakes_all)
{
    uint64_t first = WAIT(mine, 0), second = WAIT(other, 0);

    SET();
    must_see(first, true);
    must_see(second, true);
}
END_TEST

START_TEST(who_is_woken_stays_woken)
{
    uint64_t first = WAIT(other, 0);

    SET();
    CLEAR();
    must_see(first, true);
    must_wait(world, WAIT(other, 0));
}
END_TEST

START_TEST(a_time_out)
{
    uint64_t first = WAIT(mine, .flags = REQUEST_DEADLINE, .span = SECOND), second = WAIT(other, 0);

    world_pass(world, SECOND);
    must_see(first, false);
    must_wait(world, second);
}
END_TEST

START_TEST(giving_up)
{
    uint64_t first = WAIT(mine, 0), second = WAIT(other, 0), third = WAIT(other, .holder = "t2");

    world_number(world, INPUT_CANCEL, first);
    must_answer(world, first, ERROR_CANCELLED);
    world_disconnect(world, other);
    SET();
    ck_assert_ptr_null(world_answer(world, second));
    ck_assert_ptr_null(world_answer(world, third));
}
END_TEST

START_TEST(unlinked_under_those_who_wait)
{
    uint64_t first = WAIT(other, 0);

    ASK(world, OBJECT_UNLINK, .connection = mine, .name = "e");
    must_answer(world, first, ERROR_OBJECT_GONE);
}
END_TEST

/* ---- in memory ---- */

#define WORD world_word(world, "e")

static void map(uint64_t connection)
{
    must_flag(world, ASK(world, OBJECT_MAP, .connection = connection, .name = "e"), REPLY_MAPPED, true);
}

static void create_and_map(void)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "e", .object = OBJECT_EVENT);
    map(mine);
    map(other);
}

START_TEST(what_memory_says_is_so)
{
    create_and_map();
    must(pages_event(WORD, true));
    must_see(IS_SET(), true);
    must_see(WAIT(other, 0), true);
    must(pages_event(WORD, false));
    must_see(IS_SET(), false);
    SET();
    must(*WORD & WORD_SET && !(*WORD & WORD_CLOSED));
    CLEAR();
    must(!(*WORD & (WORD_SET | WORD_CLOSED)));
}
END_TEST

START_TEST(set_before_it_was_mapped)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "e", .object = OBJECT_EVENT);
    SET();
    map(other);
    must(*WORD & WORD_SET && !(*WORD & WORD_CLOSED));
}
END_TEST

/* Whoever sets it has to ask then, and wakes them. */
START_TEST(it_is_closed_while_somebody_waits)
{
    uint64_t first, second;

    create_and_map();
    first = WAIT(mine, 0);
    second = WAIT(other, 0);
    must(!pages_event(WORD, true));
    SET();
    must_see(first, true);
    must_see(second, true);
    must(pages_event(WORD, false));
    first = WAIT(mine, 0);
    must(!pages_event(WORD, false));
    world_number(world, INPUT_CANCEL, first);
    must(pages_event(WORD, true));
    must_see(IS_SET(), true);
}
END_TEST

START_TEST(no_news_of_another_order)
{
    create_and_map();
    *WORD = (*WORD + (UINT64_C(1) << WORD_ORDER_SHIFT)) | WORD_SET;
    must_see(IS_SET(), false);
    *WORD |= ~(WORD_ORDER_MASK | WORD_CLOSED | WORD_LOOKED); /* nonsense, but for the bit that counts */
    must_see(IS_SET(), true);
    must(*WORD << 24 >> 24 == WORD_SET);
}
END_TEST

START_TEST(unlinked_it_is_closed_for_good)
{
    uint64_t *word;

    create_and_map();
    word = WORD;
    ASK(world, OBJECT_UNLINK, .connection = mine, .name = "e");
    must(word_is_gone(*word));
}
END_TEST

/* ---- by the word's round ---- */

#define ROUND                (world_object(world, "e")->word->data.round)
#define WAIT_FOR(from, seen) WAIT(from, .flags = REQUEST_BELL, .value = (seen))

static void must_be_told(uint64_t ticket)
{
    must_see(ticket, true);
    must(world_answer(world, ticket)->is_told);
}

static void must_be_answered(uint64_t ticket, bool is_set)
{
    must_see(ticket, is_set);
    must(!world_answer(world, ticket)->is_told);
}

START_TEST(who_has_seen_the_round_is_told_by_another)
{
    uint64_t first, second, third, round;

    create_and_map();
    round = ROUND;
    first = WAIT_FOR(mine, round);
    second = WAIT_FOR(other, round);
    third = WAIT(other, .holder = "t");
    must_wait(world, first);
    SET();
    must_be_told(first);
    must_be_told(second);
    must_be_answered(third, true);
    ck_assert_uint_gt(ROUND, round);
    CLEAR();
    first = WAIT_FOR(mine, ROUND);
    must_wait(world, first);
    SET();
    must_be_told(first);
}
END_TEST

START_TEST(who_has_seen_another_does_not_wait)
{
    uint64_t round;

    create_and_map();
    round = ROUND;
    must_be_answered(WAIT_FOR(mine, round - 1), false);
    must_be_answered(WAIT_FOR(mine, round + 1), false);
    SET();
    must_be_answered(WAIT_FOR(mine, round), true);
    must_be_answered(WAIT_FOR(mine, round + 1), true);
    CLEAR();
    WAIT(other, 0);
    SET();
    CLEAR();
    must_be_answered(WAIT_FOR(mine, round), false);
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "none", .object = OBJECT_EVENT);
    must_be_answered(ASK(world, EVENT_WAIT, .connection = mine, .name = "none", .flags = REQUEST_BELL,
                         .value = round),
                     false);
}
END_TEST

START_TEST(a_round_ends_only_with_who_waits)
{
    uint64_t round;

    create_and_map();
    round = ROUND;
    SET();
    CLEAR();
    must(pages_event(WORD, true) && pages_event(WORD, false));
    must_see(IS_SET(), false);
    ck_assert_uint_eq(ROUND, round);
    world_number(world, INPUT_CANCEL, WAIT_FOR(mine, round));
    SET();
    ck_assert_uint_eq(ROUND, round);
}
END_TEST

START_TEST(all_else_is_an_answer)
{
    uint64_t timed, cancelled, gone, round;

    create_and_map();
    round = ROUND;
    timed = WAIT(mine, .flags = REQUEST_BELL | REQUEST_DEADLINE, .span = SECOND, .value = round);
    cancelled = WAIT_FOR(mine, round);
    gone = WAIT_FOR(other, round);
    world_pass(world, SECOND);
    must_be_answered(timed, false);
    world_number(world, INPUT_CANCEL, cancelled);
    must_answer(world, cancelled, ERROR_CANCELLED);
    ASK(world, OBJECT_UNLINK, .connection = mine, .name = "e");
    must_answer(world, gone, ERROR_OBJECT_GONE);
    must(!world_answer(world, gone)->is_told);
    create_and_map();
    ck_assert_uint_gt(ROUND, round); /* whoever has the old word takes it for no news of that */
}
END_TEST

/* It has mapped nothing, and would see no round. */
START_TEST(who_has_no_bell_is_answered)
{
    uint64_t ticket;

    ASK(world, OBJECT_CREATE, .connection = mine, .name = "e", .object = OBJECT_EVENT);
    map(mine);
    ticket = WAIT_FOR(other, ROUND);
    SET();
    must_be_answered(ticket, true);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event");
    TCase *tcase = tcase_create("event");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, set_and_clear);
    tcase_add_test(tcase, set_wakes_all);
    tcase_add_test(tcase, who_is_woken_stays_woken);
    tcase_add_test(tcase, a_time_out);
    tcase_add_test(tcase, giving_up);
    tcase_add_test(tcase, unlinked_under_those_who_wait);
    tcase_add_test(tcase, what_memory_says_is_so);
    tcase_add_test(tcase, set_before_it_was_mapped);
    tcase_add_test(tcase, it_is_closed_while_somebody_waits);
    tcase_add_test(tcase, no_news_of_another_order);
    tcase_add_test(tcase, unlinked_it_is_closed_for_good);
    tcase_add_test(tcase, who_has_seen_the_round_is_told_by_another);
    tcase_add_test(tcase, who_has_seen_another_does_not_wait);
    tcase_add_test(tcase, a_round_ends_only_with_who_waits);
    tcase_add_test(tcase, all_else_is_an_answer);
    tcase_add_test(tcase, who_has_no_bell_is_answered);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
