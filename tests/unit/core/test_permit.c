/* SPDX-License-Identifier: MIT */
/* daemon/core/permit.c: permits of a semaphore that are had in memory, and those that are asked for. */
#include "tests/unit/core/world.h"

static struct world *world;
static uint64_t mine, me, other, them;
static uint32_t my_slot, their_slot;

#define ACQUIRE(from, ...)                                                                                   \
    ASK(world, ACQUIRE, .connection = (from), .name = "s", .object = OBJECT_SEMAPHORE, __VA_ARGS__)
#define RELEASE(from, ...)                                                                                   \
    ASK(world, RELEASE, .connection = (from), .name = "s", .object = OBJECT_SEMAPHORE, __VA_ARGS__)

static uint32_t map(uint64_t connection)
{
    return (uint32_t) must_flag(world, ASK(world, OBJECT_MAP, .connection = connection, .name = "s"),
                                REPLY_MAPPED, true)
        ->reply.sync.token;
}

static void set_up(void)
{
    world = world_new();
    mine = world_connect(world, 1000);
    me = world->client;
    other = world_connect(world, 1000);
    them = world->client;
}

static void begin(enum object_kind kind, uint64_t value)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "s", .object = kind, .value = value);
    my_slot = map(mine);
    their_slot = map(other);
}

static void tear_down(void)
{
    world_free(world);
}

static uint64_t *word(uint32_t which)
{
    return world_word(world, "s") + which;
}

static uint32_t word_count(void)
{
    uint32_t count = 0;

    for (const struct word *each = world_object(world, "s")->word; each; each = each->next)
        count++;
    return count;
}

/* As a client looks for one. -1: it must ask. */
static int take(uint32_t slot)
{
    for (uint32_t i = 0; i < word_count(); i++)
        if (pages_acquire(word(i), slot, false) == 1)
            return (int) i;
    return -1;
}

static bool give(uint32_t slot)
{
    for (uint32_t i = 0; i < word_count(); i++)
        if (pages_give(word(i), slot))
            return true;
    return false;
}

static bool is_closed(void)
{
    for (uint32_t i = 0; i < word_count(); i++)
        if (!(*word(i) & WORD_CLOSED))
            return false;
    return true;
}

/* What the daemon says when it has looked. */
static void must_be(uint64_t value, size_t holds)
{
    const struct hold *hold;

    must_reply(world, ASK(world, OBJECT_OPEN, .connection = other, .name = "s"), REPLY_OBJECT);
    ck_assert_uint_eq(world_object(world, "s")->data.value, value);
    TAILQ_FOREACH(hold, &world_object(world, "s")->holds, of_object)
        holds--;
    ck_assert_uint_eq(holds, 0);
}

/* ---- two ways ---- */

START_TEST(what_is_had_in_memory_is_had)
{
    uint64_t waits;

    begin(OBJECT_SEMAPHORE, 3);
    ck_assert_uint_eq(word_count(), 3);
    ck_assert_int_eq(take(my_slot), 0);
    ck_assert_int_eq(take(their_slot), 1);
    must_be(1, 2);
    must_get(world, ACQUIRE(mine, 0));
    ck_assert_int_eq(take(my_slot), -1);
    must_be(0, 3);
    waits = ACQUIRE(other, 0);
    must_wait(world, waits);
    must(is_closed());
    must(!give(my_slot)); /* somebody waits: ask */
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must_get(world, waits);
    must(!is_closed());
    must(give(my_slot) && !give(my_slot));
    must(give(their_slot) && give(their_slot) && !give(their_slot));
    must_be(3, 0);
}
END_TEST

/* Anybody may, as through the socket: whose hold it is that ends is for the daemon to say. */
START_TEST(who_has_none_asks)
{
    begin(OBJECT_SEMAPHORE, 1);
    ck_assert_int_eq(take(my_slot), 0);
    must(!give(their_slot));
    must_reply(world, RELEASE(other, 0), REPLY_EMPTY);
    must_be(1, 0);
    must(!give(my_slot));
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must_be(2, 0); /* more than there are words: the second one is the daemon's */
    ck_assert_uint_eq(word_count(), 1);
    ck_assert_int_eq(take(my_slot), 0);
    ck_assert_int_eq(take(my_slot), -1);
    must_get(world, ACQUIRE(mine, 0));
    must_be(0, 2);
    must(give(my_slot) && !give(my_slot));
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must_be(2, 0);
}
END_TEST

START_TEST(a_bound_is_kept)
{
    begin(OBJECT_BOUNDED_SEMAPHORE, 2);
    must_answer(world, RELEASE(mine, 0), ERROR_TOO_MANY_RELEASES);
    ck_assert_int_eq(take(my_slot), 0);
    must_answer(world, RELEASE(mine, .value = 2), ERROR_TOO_MANY_RELEASES);
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must(!give(my_slot));
    must_be(2, 0);
}
END_TEST

/* Whoever has no slot has a permit that no word tells of, and the others are free all the same. */
START_TEST(who_has_no_slot_is_in_no_word)
{
    uint64_t third = world_connect(world, 1000);

    begin(OBJECT_BOUNDED_SEMAPHORE, 2);
    must_get(world, ACQUIRE(third, 0));
    ck_assert_int_eq(take(my_slot), 0);
    ck_assert_int_eq(take(my_slot), -1);
    must_not_get(world, ACQUIRE(mine, .flags = REQUEST_NO_WAIT));
    must_be(0, 2);
    map(third);
    must_be(0, 2);
    must_reply(world, RELEASE(third, 0), REPLY_EMPTY);
    ck_assert_int_eq(take(my_slot), 1);
}
END_TEST

START_TEST(there_may_be_more_than_words)
{
    begin(OBJECT_BOUNDED_SEMAPHORE, PAGE_PERMITS + 2);
    ck_assert_uint_eq(word_count(), PAGE_PERMITS);
    for (int i = 0; i < PAGE_PERMITS; i++)
        ck_assert_int_eq(take(my_slot), i);
    ck_assert_int_eq(take(my_slot), -1);
    must_be(2, PAGE_PERMITS);
    must_get(world, ACQUIRE(other, 0));
    must_get(world, ACQUIRE(other, 0));
    must_not_get(world, ACQUIRE(other, .flags = REQUEST_NO_WAIT));
    must(!give(their_slot));
    must(give(my_slot));
    ck_assert_int_eq(take(their_slot), 0);
    must_be(0, PAGE_PERMITS + 2);
}
END_TEST

static bool says_more(void)
{
    bool is_said = *word(0) & WORD_MORE;

    for (uint32_t i = 0; i < word_count(); i++)
        must(is_said == ((*word(i) & WORD_MORE) != 0));
    return is_said;
}

/* That one is free to who asks is said in each word, whoever has that, until it is taken or waited for. */
START_TEST(words_say_that_there_are_more)
{
    uint64_t waits;

    begin(OBJECT_SEMAPHORE, 2);
    must(!says_more());
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must(says_more());
    ck_assert_int_eq(take(my_slot), 0);
    ck_assert_int_eq(take(their_slot), 1);
    must(give(my_slot));
    ck_assert_int_eq(take(their_slot), 0);
    must(says_more());
    must_get(world, ACQUIRE(mine, 0));
    must(!says_more());
    must_be(0, 3);
    waits = ACQUIRE(mine, 0);
    must_wait(world, waits);
    must_reply(world, RELEASE(other, .value = 3), REPLY_EMPTY);
    must_get(world, waits);
    must_be(2, 1); /* one of them is in a word */
    must(says_more());
    ck_assert_int_ge(take(their_slot), 0);
    ck_assert_int_eq(take(their_slot), -1);
    must(says_more());
}
END_TEST

/* And where words are closed as somebody is to be told that one has died. */
START_TEST(who_is_to_be_told_need_not_look)
{
    begin(OBJECT_BOUNDED_SEMAPHORE, 2);
    take(my_slot);
    must(!says_more());
    world_number(world, INPUT_CLIENT_DEAD, me);
    must(is_closed() && says_more());
    must_get(world, ACQUIRE(other, 0));
    must(!is_closed() && !says_more());
}
END_TEST

/* The oldest first, as the daemon has met them: in words, in the order of these. */
START_TEST(a_release_by_the_socket_ends_the_oldest)
{
    begin(OBJECT_SEMAPHORE, 3);
    must_get(world, ACQUIRE(mine, .flags = REQUEST_UNDO));
    ck_assert_int_eq(take(my_slot), 1);
    ck_assert_int_eq(take(my_slot), 2);
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    world_number(world, INPUT_CLIENT_DEAD, me); /* with two that do not come back */
    mine = other;
    must_be(1, 0);
}
END_TEST

/* ---- ends ---- */

START_TEST(a_bounded_one_gets_back_what_the_dead_had)
{
    begin(OBJECT_BOUNDED_SEMAPHORE, 3);
    take(my_slot);
    take(my_slot);
    take(their_slot);
    world_number(world, INPUT_CLIENT_DEAD, me);
    must(is_closed()); /* the next two are to be told */
    ck_assert_uint_eq(must_get(world, ACQUIRE(other, 0))->reply.sync.abandoned, 1);
    must(is_closed());
    ck_assert_uint_eq(must_get(world, ACQUIRE(other, 0))->reply.sync.abandoned, 1);
    must(!is_closed());
    must(give(their_slot) && give(their_slot) && give(their_slot));
    ck_assert_int_eq(take(their_slot), 0);
    must_be(2, 1);
}
END_TEST

START_TEST(a_plain_one_does_not)
{
    begin(OBJECT_SEMAPHORE, 3);
    take(my_slot);
    take(their_slot);
    world_number(world, INPUT_CLIENT_DEAD, me);
    must_be(1, 1);
    ck_assert_int_eq(take(their_slot), 0);
    ck_assert_int_eq(take(their_slot), -1); /* the last one is no permit any more */
    must(give(their_slot) && give(their_slot) && !give(their_slot));
    must_be(2, 0);
    must_reply(world, RELEASE(other, 0), REPLY_EMPTY);
    must_be(3, 0);
    for (int i = 0; i < 3; i++) /* it is one again */
        ck_assert_int_eq(take(their_slot), i);
}
END_TEST

START_TEST(closing_ends_holds)
{
    begin(OBJECT_BOUNDED_SEMAPHORE, 2);
    take(my_slot);
    take(their_slot);
    must_reply(world, ASK(world, OBJECT_CLOSE, .connection = mine, .name = "s"), REPLY_EMPTY);
    must_be(1, 1);
    must(!is_closed()); /* nobody has died */
}
END_TEST

START_TEST(what_is_unlinked_is_closed_for_good)
{
    uint64_t *first, *second;

    begin(OBJECT_BOUNDED_SEMAPHORE, 2);
    first = word(0);
    second = word(1);
    take(my_slot);
    must_reply(world, ASK(world, OBJECT_UNLINK, .connection = mine, .name = "s"), REPLY_EMPTY);
    must(word_is_gone(*first) && word_is_gone(*second));
    begin(OBJECT_BOUNDED_SEMAPHORE, 2);
    must(word(0) > second || word(1) < first); /* others may still look at the old ones */
    must_be(2, 0);
}
END_TEST

START_TEST(tokens_are_minted_when_asked_for)
{
    const struct hold *hold;
    uint64_t token;

    begin(OBJECT_SEMAPHORE, 2);
    token = must_get(world, ACQUIRE(other, 0))->reply.sync.token;
    take(my_slot);
    must_be(0, 2);
    hold = TAILQ_LAST(&world_object(world, "s")->holds, hold_list);
    ck_assert_uint_eq(hold->owner->client->data.id, me);
    ck_assert_uint_gt(hold->data.token, token);
    ck_assert_int_eq(hold->data.since, 0);
    token = hold->data.token;
    must_be(0, 2);
    ck_assert_uint_eq(TAILQ_LAST(&world_object(world, "s")->holds, hold_list)->data.token, token);
    must(give(my_slot));
    take(my_slot);
    must_be(0, 2);
    ck_assert_uint_gt(TAILQ_LAST(&world_object(world, "s")->holds, hold_list)->data.token, token);
}
END_TEST

/* ---- a broker's death ---- */

/* Some stores came through, and some did not: each word tells for itself. */
START_TEST(each_word_has_its_order)
{
    uint64_t before;

    begin(OBJECT_BOUNDED_SEMAPHORE, 2);
    take(my_slot);
    take(my_slot);
    before = *word(1);
    must_reply(world, RELEASE(mine, .value = 2), REPLY_EMPTY);
    *word(1) = before | WORD_CLOSED | WORD_LOOKED; /* the broker died before this one */
    ck_assert_int_eq(take(their_slot), 0);
    world_number(world, INPUT_RESTARTED, UINT64_MAX);
    mine = world_connect_as(world, me, 1000, 0);
    other = world_connect_as(world, them, 1000, 0);
    must_be(1, 1);
    ck_assert_int_eq(take(my_slot), 1);
}
END_TEST

/* It was about to decide, and had closed only one. */
START_TEST(what_was_closed_is_opened_by_the_next_one)
{
    begin(OBJECT_BOUNDED_SEMAPHORE, 2);
    take(my_slot);
    *word(1) |= WORD_CLOSED | WORD_LOOKED;
    must(give(my_slot)); /* it went on while there was no broker */
    ck_assert_int_eq(take(their_slot), 0);
    ck_assert_int_eq(take(my_slot), -1);
    world_number(world, INPUT_RESTARTED, UINT64_MAX);
    mine = world_connect_as(world, me, 1000, 0);
    other = world_connect_as(world, them, 1000, 0);
    must_be(1, 1);
    ck_assert_int_eq(take(my_slot), 1);
}
END_TEST

/* ---- whoever writes what he likes ---- */

START_TEST(nonsense_is_nobody)
{
    static const uint64_t owners[] = {1000, WORD_OWNER_MAX, WORD_OWNER_MAX - 1};

    begin(OBJECT_BOUNDED_SEMAPHORE, 2);
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        *word(0) = (*word(0) & WORD_ORDER_MASK) | owners[i] | WORD_DEPTH_ONE;
        must_be(2, 0);
        *word(1) = (*word(1) & WORD_ORDER_MASK) | owners[i] | WORD_KNOWN | WORD_ABANDONED;
        must_be(2, 0);
    }
    take(my_slot);
    *word(0) = ~UINT64_C(0); /* another order: as if nothing had been written */
    must_be(2, 0);
    take(my_slot);
    must_be(1, 1);
    *word(0) = (*word(0) & ~WORD_OWNER_MAX) | their_slot; /* and KNOWN */
    must_be(1, 1);
    ck_assert_uint_eq(TAILQ_FIRST(&world_object(world, "s")->holds)->owner->client->data.id, them);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("permit");
    TCase *tcase = tcase_create("permit");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, what_is_had_in_memory_is_had);
    tcase_add_test(tcase, who_has_none_asks);
    tcase_add_test(tcase, a_bound_is_kept);
    tcase_add_test(tcase, who_has_no_slot_is_in_no_word);
    tcase_add_test(tcase, there_may_be_more_than_words);
    tcase_add_test(tcase, words_say_that_there_are_more);
    tcase_add_test(tcase, who_is_to_be_told_need_not_look);
    tcase_add_test(tcase, a_release_by_the_socket_ends_the_oldest);
    tcase_add_test(tcase, a_bounded_one_gets_back_what_the_dead_had);
    tcase_add_test(tcase, a_plain_one_does_not);
    tcase_add_test(tcase, closing_ends_holds);
    tcase_add_test(tcase, what_is_unlinked_is_closed_for_good);
    tcase_add_test(tcase, tokens_are_minted_when_asked_for);
    tcase_add_test(tcase, each_word_has_its_order);
    tcase_add_test(tcase, what_was_closed_is_opened_by_the_next_one);
    tcase_add_test(tcase, nonsense_is_nobody);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
