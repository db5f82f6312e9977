/* SPDX-License-Identifier: MIT */
/* daemon/core/word.c: a lock that goes from one to the next of the queue, and on, before anybody looks. */
#include "tests/unit/core/world.h"

#include <stdio.h>

#define MOST 13

static struct world *world;
static uint64_t connections[MOST], clients[MOST];
static uint32_t slots[MOST];

#define WORD         world_word(world, "l")
#define ASK_FOR(...) ASK(world, ACQUIRE, .name = "l", .connection = __VA_ARGS__)
#define WAIT(who)    ASK_FOR(connections[who], .flags = REQUEST_BELL)

static void begin(enum object_kind kind)
{
    world = world_new();
    for (int i = 0; i < MOST; i++) {
        connections[i] = world_connect(world, 1000);
        clients[i] = world->client;
        ASK(world, OBJECT_CREATE, .connection = connections[i], .name = "l", .object = kind,
            .flags = REQUEST_EXIST_OK);
        slots[i] = (uint32_t) must_flag(
                       world, ASK(world, OBJECT_MAP, .connection = connections[i], .name = "l"),
                       REPLY_MAPPED, true)
                       ->reply.sync.token;
    }
    must(pages_acquire(WORD, slots[0], false) == 1);
}

static void set_up(void)
{
    begin(OBJECT_LOCK);
}

static void tear_down(void)
{
    world_free(world);
}

/* By its owner, who has seen that it has it. */
static void hand_to(int from, int to)
{
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[from], false), 3);
    ck_assert_uint_eq(word_owner(*WORD), slots[to]);
    ck_assert_uint_eq(word_depth(*WORD), 0);
}

static void pass_to(int from, int to)
{
    hand_to(from, to);
    must(pages_take(WORD, slots[to]));
}

static const struct hold *look(void)
{
    must_reply(world, ASK(world, OBJECT_OPEN, .connection = connections[0], .name = "l"), REPLY_OBJECT);
    return TAILQ_FIRST(&world_object(world, "l")->holds);
}

static void must_be_of(int who)
{
    const struct hold *hold = look();

    must(hold != NULL);
    ck_assert_uint_eq(hold->owner->client->data.id, clients[who]);
}

START_TEST(it_is_handed_on)
{
    uint64_t waits[4];

    for (int i = 1; i < 4; i++)
        waits[i] = WAIT(i);
    pass_to(0, 1);
    pass_to(1, 2);
    must_wait(world, waits[1]);
    pass_to(2, 3);
    ck_assert_uint_eq(word_next(*WORD), 0);
    must_be_of(3);
    for (int i = 1; i < 4; i++)
        ck_assert_uint_eq(must_get(world, waits[i])->reply.sync.hold, 0); /* nobody needs the answer */
    for (int i = 2; i < 4; i++)
        ck_assert_uint_gt(must_get(world, waits[i])->reply.sync.token,
                          must_get(world, waits[i - 1])->reply.sync.token);
}
END_TEST

static void open_by(int last)
{
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[last], false), 1);
    ck_assert_uint_eq(*WORD & ~WORD_ORDER_MASK, WORD_OPENED);
}

/* Then it goes round as if nobody had waited. */
START_TEST(the_last_one_opens_it)
{
    uint64_t waits[4], before;

    for (int i = 1; i < 4; i++)
        waits[i] = WAIT(i);
    before = word_order(*WORD);
    pass_to(0, 1);
    pass_to(1, 2);
    pass_to(2, 3);
    open_by(3);
    must(look() == NULL);
    ck_assert_uint_eq(word_order(*WORD), before + 1);
    for (int i = 1; i < 4; i++)
        ck_assert_uint_eq(must_get(world, waits[i])->reply.sync.hold, 0);
    must(world_object(world, "l")->data.abandoned == 0);

    must(pages_acquire(WORD, slots[3], false) == 1);
    waits[1] = WAIT(1);
    pass_to(3, 1);
    open_by(1);
    for (int i = 4; i < 6; i++) {
        must(pages_acquire(WORD, slots[i], false) == 1);
        ck_assert_int_eq(pages_release(world->pages, WORD, slots[i], false), 1);
    }
    must(pages_acquire(WORD, slots[1], false) == 1);
    waits[2] = WAIT(2);
    must_get(world, waits[1]);
    must_be_of(1);
    pass_to(1, 2);
    must_be_of(2);
    must_get(world, waits[2]);
}
END_TEST

/* A broker that has taken it dies, and the next one finds it closed. */
START_TEST(it_was_opened_and_taken_before)
{
    (void) WAIT(1);
    (void) WAIT(2);
    pass_to(0, 1);
    pass_to(1, 2);
    open_by(2);
    if (_i == 1)
        must(pages_acquire(WORD, slots[1], false) == 1);
    *WORD |= WORD_CLOSED | WORD_LOOKED;
    world_number(world, INPUT_RESTARTED, UINT64_MAX);
    ck_assert_int_eq(TAILQ_EMPTY(&world_object(world, "l")->holds), _i == 0);
    must(TAILQ_EMPTY(&world_object(world, "l")->waiters));
}
END_TEST

/* Of many locks each: nobody says that they are over, and they are found all the same. */
START_TEST(waits_that_are_over_do_not_pile_up)
{
    const struct account *account;

    must(pages_release(world->pages, WORD, slots[0], false) == 1);
    for (int i = 0; i < 500; i++) {
        char name[16], key[16];
        uint64_t *word;

        snprintf(name, sizeof name, "l%d", i);
        snprintf(key, sizeof key, "k%d", i);
        for (int k = 0; k < 2; k++) {
            ASK(world, OBJECT_CREATE, .connection = connections[k], .name = name, .object = OBJECT_LOCK,
                .flags = REQUEST_EXIST_OK);
            ASK(world, OBJECT_MAP, .connection = connections[k], .name = name);
        }
        word = world_word(world, name);
        must(pages_acquire(word, slots[0], false) == 1);
        must_wait(world, ASK(world, ACQUIRE, .name = name, .connection = connections[1],
                             .flags = REQUEST_BELL, .key = key, .digest = 7));
        ck_assert_int_eq(pages_release(world->pages, word, slots[0], false), 3);
        must(pages_take(word, slots[1]));
        ck_assert_int_eq(pages_release(world->pages, word, slots[1], false), 1);
    }
    account = core_account(world->core, 1000);
    ck_assert_int_le(account->used[QUOTA_WAITERS], 40);
    ck_assert_int_ge(account->used[QUOTA_WAITERS], 1);
    ck_assert_int_le(account->used[QUOTA_HOLDS], 40);
    ck_assert_int_eq(pages_acquire(WORD, slots[0], false), 1);
}
END_TEST

/* What the last of the queue may do, others may not; nor what it may have done in another order's time. */
START_TEST(who_may_not_open_it)
{
    uint64_t first = WAIT(1), second = ASK_FOR(connections[2]), again;

    pass_to(0, 1);
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[1], false), 0);
    ASK(world, RELEASE, .connection = connections[1], .name = "l");
    must_get(world, first);
    must_get(world, second);
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[2], false), 1); /* the daemon has opened it */

    must(pages_acquire(WORD, slots[0], false) == 1);
    first = WAIT(1);
    pass_to(0, 1);
    again = world->pages->links[1][slots[1]];
    must_be_of(1);
    must_get(world, first);
    first = WAIT(2);
    ck_assert(!word_can_be_opened(*WORD, world_object(world, "l")->word->data.index, again));
    pass_to(1, 2);
    ck_assert(!word_can_be_opened(*WORD, world_object(world, "l")->word->data.index, again));
    open_by(2);
    must(look() == NULL);
}
END_TEST

/* Whose processes write what they like loses no more than what they could have had. */
START_TEST(it_is_opened_by_somebody_who_may_not)
{
    uint64_t first = WAIT(1), second = ASK_FOR(connections[2]);

    *WORD = word_opened(*WORD);
    must_be_of(0);
    must_wait(world, first);
    must_wait(world, second);
    ASK(world, RELEASE, .connection = connections[0], .name = "l");
    must_get(world, first);
    must_be_of(1);
}
END_TEST

/* Who sleeps on its condition will want it, and nobody asks then. */
START_TEST(somebody_sleeps_on_its_condition)
{
    uint64_t sleeper, waits;

    ASK(world, OBJECT_CREATE, .connection = connections[2], .name = "c", .object = OBJECT_CONDITION,
        .lock = "l", .flags = REQUEST_EXIST_OK);
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[0], false), 1);
    must(pages_acquire(WORD, slots[2], false) == 1);
    sleeper = ASK(world, CONDITION_WAIT, .connection = connections[2], .name = "c");
    must_wait(world, sleeper);
    must_get(world, ASK_FOR(connections[0]));
    waits = WAIT(1);
    pass_to(0, 1);
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[1], false), 0);
    ASK(world, CONDITION_NOTIFY, .connection = connections[1], .name = "c");
    must_get(world, waits);
    ASK(world, RELEASE, .connection = connections[1], .name = "l");
    must_be_of(2);
}
END_TEST

/* Whoever releases a lock need not be its owner, and this one waits still. */
START_TEST(who_may_not_know_does_not_hand_it_on)
{
    uint64_t first = WAIT(1), second = WAIT(2);

    hand_to(0, 1);
    ck_assert_uint_eq(word_next(*WORD), slots[2]);
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[1], false), 0);
    ASK(world, RELEASE, .connection = connections[0], .name = "l");
    must_get(world, first);
    must_get(world, second);
    must_be_of(2);
}
END_TEST

START_TEST(the_last_one_may_not_have_taken_it)
{
    uint64_t first = WAIT(1), second = WAIT(2), third = WAIT(3);

    pass_to(0, 1);
    hand_to(1, 2);
    must_be_of(2);
    ck_assert_uint_eq(must_get(world, first)->reply.sync.hold, 0);
    ck_assert_uint_ne(must_get(world, second)->reply.sync.hold, 0);
    must_wait(world, third);
    ck_assert_uint_eq(word_next(*WORD), slots[3]);
}
END_TEST

/* The chain ends before whoever does not look at the word; and it is no longer than it may be. */
START_TEST(it_ends_before_who_does_not_look)
{
    uint64_t waits[MOST];

    waits[1] = WAIT(1);
    waits[2] = ASK_FOR(connections[2]);
    waits[3] = WAIT(3);
    pass_to(0, 1);
    ck_assert_uint_eq(word_next(*WORD), 0);
    ASK(world, RELEASE, .connection = connections[1], .name = "l");
    must_get(world, waits[2]);
    ASK(world, RELEASE, .connection = connections[2], .name = "l");
    must_get(world, waits[3]);
    for (int i = 4; i < MOST; i++) /* one more than it may be long */
        waits[i] = WAIT(i);
    pass_to(3, 4);
    for (int i = 4; i < 4 + CORE_CHAIN_MAX - 1; i++)
        pass_to(i, i + 1);
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[3 + CORE_CHAIN_MAX], false), 0);
    must_be_of(3 + CORE_CHAIN_MAX);
}
END_TEST

START_TEST(who_gives_up_leaves_the_chain)
{
    uint64_t first = WAIT(1), second = WAIT(2), third = WAIT(3), old = world->pages->links[1][slots[1]];

    ck_assert_uint_eq(word_behind(old, *WORD, world_object(world, "l")->word->data.index), slots[2]);
    world_number(world, INPUT_CANCEL, second);
    must_answer(world, second, ERROR_CANCELLED);
    ck_assert_uint_eq(word_behind(old, *WORD, world_object(world, "l")->word->data.index), 0);
    pass_to(0, 1);
    pass_to(1, 3);
    must_be_of(3);
    must_get(world, first);
    must_get(world, third);
}
END_TEST

START_TEST(who_was_handed_it_on_has_it)
{
    uint64_t first = WAIT(1), second, third;

    second = ASK_FOR(connections[2], .flags = REQUEST_BELL | REQUEST_DEADLINE, .span = SECOND);
    third = WAIT(3);
    pass_to(0, 1);
    hand_to(1, 2);
    world_pass(world, SECOND);
    must_get(world, first);
    must_get(world, second);
    must_wait(world, third);
    must_be_of(2);
}
END_TEST

/* One who has had it and given it back ends; then the one who has it. */
START_TEST(deaths)
{
    uint64_t first = WAIT(1), second = WAIT(2), third = WAIT(3);

    pass_to(0, 1);
    pass_to(1, 2);
    world_number(world, INPUT_CLIENT_DEAD, clients[1]);
    ck_assert_ptr_nonnull(world_answer(world, first));
    must_get(world, second);
    must_be_of(2);
    world_number(world, INPUT_CLIENT_DEAD, clients[2]);
    ck_assert_uint_eq(must_get(world, third)->reply.sync.abandoned, 1);
    must_be_of(3);
}
END_TEST

/* A thread that asks twice, and a holder that asks for what it has: a slot tells where the lock is. */
START_TEST(nobody_is_in_it_twice)
{
    uint64_t first = WAIT(1), again = WAIT(1), later = WAIT(2), own;

    pass_to(0, 1);
    ck_assert_uint_eq(word_next(*WORD), 0);
    must_be_of(1);
    must_get(world, first);
    ASK(world, RELEASE, .connection = connections[1], .name = "l");
    must_get(world, again);
    ASK(world, RELEASE, .connection = connections[1], .name = "l");
    must_get(world, later);
    first = WAIT(3);
    own = ASK_FOR(connections[2], .flags = REQUEST_BELL | REQUEST_WAIT_ANYWAY);
    later = WAIT(4);
    must_be_of(2);
    pass_to(2, 3);
    must_be_of(3);
    must_get(world, first);
    must_wait(world, own);
    must_wait(world, later);
}
END_TEST

static void set_up_rlock(void)
{
    begin(OBJECT_RLOCK);
}

/* Only its owner gives an rlock back, and not while it is deeper. */
START_TEST(rlocks)
{
    uint64_t first = ASK_FOR(connections[1], .object = OBJECT_RLOCK, .flags = REQUEST_BELL);
    uint64_t second = ASK_FOR(connections[2], .object = OBJECT_RLOCK, .flags = REQUEST_BELL);

    ck_assert_int_eq(pages_release(world->pages, WORD, slots[0], true), 3);
    must(pages_take(WORD, slots[1]));
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[2], true), 0);
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[1], true), 3);
    must(pages_take(WORD, slots[2]));
    must_be_of(2);
    must_get(world, first);
    must_get(world, second);
    first = ASK_FOR(connections[3], .object = OBJECT_RLOCK, .flags = REQUEST_BELL);
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[2], true), 3);
    must(pages_take(WORD, slots[3]));
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[2], true), 0);
    ck_assert_int_eq(pages_release(world->pages, WORD, slots[3], true), 1);
    must(look() == NULL);
    must_get(world, first);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain");
    TCase *locks = tcase_create("locks"), *recursive = tcase_create("rlocks");

    tcase_add_checked_fixture(locks, set_up, tear_down);
    tcase_add_test(locks, it_is_handed_on);
    tcase_add_test(locks, the_last_one_opens_it);
    tcase_add_loop_test(locks, it_was_opened_and_taken_before, 0, 2);
    tcase_add_test(locks, waits_that_are_over_do_not_pile_up);
    tcase_add_test(locks, who_may_not_open_it);
    tcase_add_test(locks, it_is_opened_by_somebody_who_may_not);
    tcase_add_test(locks, somebody_sleeps_on_its_condition);
    tcase_add_test(locks, who_may_not_know_does_not_hand_it_on);
    tcase_add_test(locks, the_last_one_may_not_have_taken_it);
    tcase_add_test(locks, it_ends_before_who_does_not_look);
    tcase_add_test(locks, who_gives_up_leaves_the_chain);
    tcase_add_test(locks, who_was_handed_it_on_has_it);
    tcase_add_test(locks, deaths);
    tcase_add_test(locks, nobody_is_in_it_twice);
    suite_add_tcase(suite, locks);
    tcase_add_checked_fixture(recursive, set_up_rlock, tear_down);
    tcase_add_test(recursive, rlocks);
    suite_add_tcase(suite, recursive);
    return RUN_SUITE(suite);
}
