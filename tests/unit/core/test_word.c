/* SPDX-License-Identifier: MIT */
/* daemon/core/word.c: what happens in memory and what is asked meet on one lock. */
#include "tests/unit/core/world.h"

static struct world *world;
static uint64_t mine, me, other, them;
static uint32_t my_slot, their_slot;

#define ACQUIRE(from, ...) ASK(world, ACQUIRE, .connection = (from), .name = "l", __VA_ARGS__)
#define RELEASE(from, ...) ASK(world, RELEASE, .connection = (from), .name = "l", __VA_ARGS__)
#define DEEPER(from, ...)  ACQUIRE(from, .object = OBJECT_RLOCK, __VA_ARGS__)
#define WORD               world_word(world, "l")

static uint32_t map(uint64_t connection)
{
    return (uint32_t) must_flag(world, ASK(world, OBJECT_MAP, .connection = connection, .name = "l"),
                                REPLY_MAPPED, true)
        ->reply.sync.token;
}

static void begin(enum object_kind kind)
{
    world = world_new();
    mine = world_connect(world, 1000);
    me = world->client;
    other = world_connect(world, 1000);
    them = world->client;
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "l", .object = kind);
    my_slot = map(mine);
    their_slot = map(other);
    ck_assert_uint_ne(my_slot, their_slot);
}

static void set_up(void)
{
    begin(OBJECT_LOCK);
}

static void set_up_rlock(void)
{
    begin(OBJECT_RLOCK);
}

static void tear_down(void)
{
    world_free(world);
}

static bool is_closed(void)
{
    return *WORD & WORD_CLOSED;
}

/* As the daemon tells it: whoever looks. The word is as before, but for what is known now. */
static const struct hold *look(void)
{
    must_reply(world, ASK(world, OBJECT_OPEN, .connection = mine, .name = "l"), REPLY_OBJECT);
    return TAILQ_FIRST(&world_object(world, "l")->holds);
}

static void must_hold(uint64_t client, uint32_t count)
{
    const struct hold *hold = look();

    must(hold != NULL);
    ck_assert_uint_eq(hold->owner->client->data.id, client);
    ck_assert_uint_eq(hold->data.count, count);
}

static void take(uint32_t slot)
{
    ck_assert_int_eq(pages_acquire(WORD, slot, true), 1);
}

static void give(uint32_t slot)
{
    ck_assert_int_eq(pages_release(world->pages, WORD, slot, true), 1);
}

/* ---- one lock, two ways ---- */

START_TEST(who_has_it_in_memory_has_it)
{
    uint64_t waits;

    must(!look());
    take(my_slot);
    ck_assert_int_eq(pages_acquire(WORD, their_slot, false), 0);
    must_hold(me, 1);
    must_not_get(world, ACQUIRE(other, .flags = REQUEST_NO_WAIT));
    must(!is_closed());
    waits = ACQUIRE(other, 0);
    must_wait(world, waits);
    must(is_closed());
    ck_assert_int_eq(pages_release(world->pages, WORD, my_slot, false), 0); /* somebody waits: ask */
    must_reply(world, RELEASE(mine, 0), REPLY_EMPTY);
    must_get(world, waits);
    must(!is_closed());
    ck_assert_uint_eq(word_owner(*WORD), their_slot);
    /* anybody may, as through the socket */
    ck_assert_int_eq(pages_release(world->pages, WORD, my_slot, false), 1);
    must(!look());
    must_answer(world, RELEASE(mine, 0), ERROR_TOO_MANY_RELEASES);
}
END_TEST

START_TEST(who_has_no_slot_keeps_it_closed)
{
    uint64_t third = world_connect(world, 1000), ticket = ACQUIRE(third, 0);

    must_get(world, ticket);
    must(is_closed());
    must_flag(world, ASK(world, OBJECT_MAP, .connection = third, .name = "l"), REPLY_MAPPED, true);
    must(!is_closed()); /* it has one now */
    must_reply(world, RELEASE(mine, .token = world_answer(world, ticket)->reply.sync.token,
                              .flags = REQUEST_TOKEN),
               REPLY_EMPTY);
    must_get(world, ACQUIRE(third, .holder = "another thread"));
    must(is_closed());
    RELEASE(third, 0);
    must(!is_closed());
}
END_TEST

/* One that was minted lasts as long as the hold, and no longer, though the next one is the same thread's. */
START_TEST(tokens_are_minted_when_asked_for)
{
    uint64_t token, before = must_get(world, ACQUIRE(mine, 0))->reply.sync.token;

    RELEASE(mine, 0);
    take(my_slot);
    token = look()->data.token;
    ck_assert_uint_gt(token, before);
    ck_assert_int_eq(look()->data.since, 0);
    ck_assert_uint_eq(look()->data.token, token);
    give(my_slot);
    take(my_slot);
    ck_assert_uint_gt(look()->data.token, token);
    must_answer(world, RELEASE(mine, .token = token, .flags = REQUEST_TOKEN), ERROR_NOT_OWNER);
}
END_TEST

START_TEST(depth_is_counted_on_both_ways)
{
    take(my_slot);
    take(my_slot);
    must_hold(me, 2);
    must_get(world, DEEPER(mine, 0));
    ck_assert_uint_eq(word_depth(*WORD), 3);
    must_answer(world, ASK(world, RELEASE, .connection = other, .name = "l", .object = OBJECT_RLOCK),
                ERROR_NOT_OWNER);
    give(my_slot);
    give(my_slot);
    must_hold(me, 1);
    ck_assert_int_eq(pages_release(world->pages, WORD, their_slot, true), 0);
    must_reply(world, ASK(world, RELEASE, .connection = mine, .name = "l", .object = OBJECT_RLOCK),
               REPLY_EMPTY);
    must(!look());
}
END_TEST

/* Deeper than a word can tell, the daemon counts. */
START_TEST(what_is_too_deep_is_asked_for)
{
    for (uint64_t i = 1; i < WORD_DEPTH_MAX; i++)
        take(my_slot);
    ck_assert_int_eq(pages_acquire(WORD, my_slot, true), 0);
    must_get(world, DEEPER(mine, 0));
    must_get(world, DEEPER(mine, 0));
    ck_assert_int_eq(pages_release(world->pages, WORD, my_slot, true), 0);
    must_hold(me, WORD_DEPTH_MAX + 1);
    for (int i = 0; i < 2; i++)
        ASK(world, RELEASE, .connection = mine, .name = "l", .object = OBJECT_RLOCK);
    must_hold(me, WORD_DEPTH_MAX - 1);
    give(my_slot);
    must_hold(me, WORD_DEPTH_MAX - 2);
}
END_TEST

/* ---- waiting ---- */

START_TEST(it_is_open_again_when_nobody_waits)
{
    uint64_t third = world_connect(world, 1000), waits;

    take(my_slot);
    must_wait(world, ACQUIRE(other, .flags = REQUEST_DEADLINE, .span = SECOND));
    must(is_closed());
    world_pass(world, SECOND);
    must(!is_closed() && word_owner(*WORD) == my_slot);
    waits = ACQUIRE(other, 0);
    must(is_closed());
    world_number(world, INPUT_CANCEL, waits);
    must(!is_closed());
    must_wait(world, ACQUIRE(third, 0));
    must(is_closed());
    world_disconnect(world, third);
    must(!is_closed());
    give(my_slot);
}
END_TEST

/* The holder is met in the word, and its own wait through the socket: a cycle of two. */
START_TEST(deadlocks_are_found)
{
    uint64_t waits;

    must_get(world, ASK(world, ACQUIRE, .connection = other, .name = "second"));
    take(my_slot);
    waits = ASK(world, ACQUIRE, .connection = mine, .name = "second");
    must_wait(world, waits);
    must_answer(world, ACQUIRE(other, 0), ERROR_DEADLOCK);
    must_answer(world, ACQUIRE(mine, 0), ERROR_DEADLOCK); /* it has it itself */
    must(!is_closed());
}
END_TEST

START_TEST(sleepers_keep_their_lock_closed)
{
    uint64_t sleeps, waits;

    ASK(world, OBJECT_CREATE, .connection = mine, .name = "c", .lock = "l", .object = OBJECT_CONDITION);
    must_answer(world, ASK(world, CONDITION_NOTIFY, .connection = mine, .name = "c"), ERROR_NOT_HELD);
    take(my_slot);
    take(my_slot);
    sleeps = ASK(world, CONDITION_WAIT, .connection = mine, .name = "c", .flags = REQUEST_DEADLINE,
                 .span = SECOND);
    must_wait(world, sleeps);
    must(is_closed());
    must_get(world, DEEPER(other, 0)); /* the sleeper holds nothing */
    must(is_closed());
    world_pass(world, SECOND);
    must_wait(world, sleeps);
    waits = DEEPER(other, .holder = "one more");
    ASK(world, RELEASE, .connection = other, .name = "l", .object = OBJECT_RLOCK);
    must_flag(world, sleeps, REPLY_NOTIFIED, false);
    must_hold(me, 2);
    world_number(world, INPUT_CANCEL, waits);
    must(!is_closed());
    ck_assert_uint_eq(word_depth(*WORD), 2);
    give(my_slot);
    give(my_slot);
}
END_TEST

/* ---- offers ---- */

#define WAIT(from, ...) ACQUIRE(from, __VA_ARGS__)

/* Without the daemon, which sees it when it looks for another reason. */
START_TEST(the_first_in_the_queue_is_handed_it)
{
    uint64_t third = world_connect(world, 1000), first, second;

    take(my_slot);
    first = WAIT(other, .flags = REQUEST_BELL);
    second = WAIT(third, .flags = REQUEST_BELL);
    ck_assert_uint_eq(word_next(*WORD), their_slot);
    must(is_closed());
    ck_assert_int_eq(pages_release(world->pages, WORD, my_slot, false), 3);
    ck_assert_uint_eq(word_owner(*WORD), their_slot);
    must(!pages_take(WORD, my_slot) && pages_take(WORD, their_slot) && !pages_take(WORD, their_slot));
    ck_assert_int_eq(pages_acquire(WORD, my_slot, false), 0);
    ck_assert_int_eq(pages_release(world->pages, WORD, their_slot, false), 0); /* nobody is offered it: ask */
    must_wait(world, first);
    must_hold(them, 1);
    must_get(world, first);
    must_wait(world, second);
    ck_assert_uint_eq(word_next(*WORD), 0); /* it has no slot */
    must_reply(world, RELEASE(other, 0), REPLY_EMPTY);
    must_get(world, second);
}
END_TEST

START_TEST(an_offer_is_taken_back)
{
    uint64_t waits;

    take(my_slot);
    waits = WAIT(other, .flags = REQUEST_BELL);
    world_number(world, INPUT_CANCEL, waits);
    must_answer(world, waits, ERROR_CANCELLED);
    must(!is_closed() && word_next(*WORD) == 0);
    must_wait(world, WAIT(other, .flags = REQUEST_BELL | REQUEST_DEADLINE, .span = SECOND));
    ck_assert_uint_eq(word_next(*WORD), their_slot);
    world_pass(world, SECOND);
    must(!is_closed() && word_next(*WORD) == 0);
    give(my_slot);
}
END_TEST

/* Its time was over and it had been handed the lock: it has it, as the word says. */
START_TEST(who_was_handed_it_in_time_has_it)
{
    uint64_t waits;

    take(my_slot);
    waits = WAIT(other, .flags = REQUEST_BELL | REQUEST_DEADLINE, .span = SECOND);
    ck_assert_int_eq(pages_release(world->pages, WORD, my_slot, false), 3);
    world_pass(world, SECOND);
    must_get(world, waits);
    must_hold(them, 1);
    waits = WAIT(mine, .flags = REQUEST_BELL);
    ck_assert_int_eq(pages_release(world->pages, WORD, their_slot, false), 3);
    world_number(world, INPUT_CLIENT_DEAD, them);
    must_get(world, waits);
    must_hold(me, 1);
    must(!(*WORD & WORD_ABANDONED));
}
END_TEST

/* Who has handed it over may not come to ring: exec(2) leaves it alive, and without a connection. */
START_TEST(who_lets_go_of_the_daemon_may_have_handed_it_over)
{
    uint64_t waits, second = world_connect_as(world, me, 1000, 0);

    take(my_slot);
    waits = WAIT(other, .flags = REQUEST_BELL);
    ck_assert_int_eq(pages_release(world->pages, WORD, my_slot, false), 3);
    world_number(world, INPUT_DISCONNECT, second); /* one of many */
    must_wait(world, waits);
    world_number(world, INPUT_DISCONNECT, mine);
    must_get(world, waits);
    ck_assert_uint_eq(word_owner(*WORD), their_slot);
}
END_TEST

/* Who repeats a request is too late to cancel it, too. */
START_TEST(what_was_handed_over_is_not_cancelled)
{
    uint64_t waits, repeats;

    take(my_slot);
    waits = WAIT(other, .flags = REQUEST_BELL, .key = "k");
    repeats = WAIT(other, .flags = REQUEST_BELL, .key = "k");
    ck_assert_int_eq(pages_release(world->pages, WORD, my_slot, false), 3);
    world_number(world, INPUT_CANCEL, repeats);
    must_get(world, waits);
    must_get(world, repeats);
    must_hold(them, 1);
}
END_TEST

/* Who has not may have given up, or not be there: all that is so for answers that nobody reads. */
START_TEST(who_has_taken_it_needs_no_answer)
{
    uint64_t waits;

    for (int taken = 0; taken < 2; taken++) {
        take(my_slot);
        waits = WAIT(other, .flags = REQUEST_BELL);
        ck_assert_int_eq(pages_release(world->pages, WORD, my_slot, false), 3);
        must(!taken || pages_take(WORD, their_slot));
        must_hold(them, 1);
        must(!pages_take(WORD, their_slot)); /* too late */
        ck_assert_int_eq(must_get(world, waits)->reply.sync.hold == 0, taken);
        must_reply(world, RELEASE(other, 0), REPLY_EMPTY);
    }
}
END_TEST

START_TEST(nobody_is_offered_what_he_has)
{
    take(my_slot);
    must_wait(world, WAIT(mine, .flags = REQUEST_BELL | REQUEST_DEADLINE, .span = SECOND));
    ck_assert_uint_eq(word_next(*WORD), 0);
    must_wait(world, ACQUIRE(other, 0)); /* by the socket alone */
    world_pass(world, SECOND);
    ck_assert_uint_eq(word_next(*WORD), 0);
}
END_TEST

/* ---- ends ---- */

START_TEST(the_dead_leave_it_abandoned)
{
    uint64_t waits;

    take(my_slot);
    world_number(world, INPUT_CLIENT_DEAD, me);
    ck_assert_uint_eq(*WORD & ~WORD_ORDER_MASK, WORD_ABANDONED);
    ck_assert_int_eq(pages_acquire(WORD, their_slot, false), 2);
    give(their_slot);
    ck_assert_uint_eq(*WORD & ~WORD_ORDER_MASK, 0); /* once */
    mine = world_connect(world, 1000);
    my_slot = map(mine);
    take(my_slot);
    waits = ACQUIRE(other, 0);
    world_number(world, INPUT_CLIENT_DEAD, world->client);
    ck_assert_uint_eq(must_get(world, waits)->reply.sync.abandoned, 1);
    mine = other;
}
END_TEST

/* It is told in memory, or by an answer, and each time once. */
START_TEST(broken_is_abandoned)
{
    take(my_slot);
    must_reply(world, ASK(world, OBJECT_BREAK, .connection = other, .name = "l"), REPLY_EMPTY);
    must(!look());
    must(*WORD & WORD_ABANDONED);
    ck_assert_uint_eq(must_get(world, ACQUIRE(other, 0))->reply.sync.abandoned, 1);
    give(their_slot);
    must(!(*WORD & WORD_ABANDONED));
    ck_assert_uint_eq(must_get(world, ACQUIRE(other, 0))->reply.sync.abandoned, 0);
}
END_TEST

START_TEST(closing_ends_holds)
{
    take(my_slot);
    must_reply(world, ASK(world, OBJECT_CLOSE, .connection = mine, .name = "l"), REPLY_EMPTY);
    mine = other;
    must(!look());
    must(!(*WORD & WORD_ABANDONED));
}
END_TEST

START_TEST(what_is_unlinked_is_closed_for_good)
{
    uint64_t *word = WORD;

    take(my_slot);
    must_reply(world, ASK(world, OBJECT_UNLINK, .connection = mine, .name = "l"), REPLY_EMPTY);
    must(word_is_gone(*word));
    ck_assert_int_eq(pages_release(world->pages, word, my_slot, false), 0);
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "l", .object = OBJECT_LOCK);
    my_slot = map(mine);
    must(WORD != word); /* others may still look at the old one */
}
END_TEST

/* ---- a broker's death ---- */

/* It had decided and not stored: what the word says is what was there before. */
START_TEST(an_old_order_is_no_news)
{
    uint64_t before;

    take(my_slot);
    before = *WORD;
    RELEASE(other, 0);
    *WORD = before | WORD_CLOSED;
    world_number(world, INPUT_RESTARTED, UINT64_MAX);
    ck_assert_uint_eq(*WORD & ~WORD_ORDER_MASK, 0);
    take(their_slot);
    world_number(world, INPUT_RESTARTED, UINT64_MAX);
    mine = world_connect_as(world, me, 1000, 0);
    must_hold(them, 1); /* it went on while there was no broker */
}
END_TEST

/* ---- whoever writes what he likes ---- */

START_TEST(nonsense_is_nobody)
{
    static const uint64_t owners[] = {1000, WORD_OWNER_MAX, WORD_OWNER_MAX - 1};
    uint64_t third = world_connect(world, 1000), slot;

    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        *WORD = (*WORD & WORD_ORDER_MASK) | owners[i] | WORD_DEPTH_ONE;
        must(!look());
        *WORD = (*WORD & WORD_ORDER_MASK) | owners[i] | WORD_KNOWN;
        must(!look());
    }
    *WORD = (*WORD & WORD_ORDER_MASK) | my_slot; /* no depth */
    must_hold(me, 1);
    *WORD = ~UINT64_C(0);
    must_hold(me, 1); /* another order: as if nothing had been written */
    give(my_slot);
    ASK(world, OBJECT_CREATE, .connection = third, .name = "k", .object = OBJECT_LOCK);
    slot = must_flag(world, ASK(world, OBJECT_MAP, .connection = third, .name = "k"), REPLY_MAPPED, true)
               ->reply.sync.token;
    *WORD |= slot | WORD_DEPTH_ONE; /* of one who does not have it open */
    must(!look());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("word");
    TCase *locks = tcase_create("locks"), *rlocks = tcase_create("rlocks");

    tcase_add_checked_fixture(locks, set_up, tear_down);
    tcase_add_checked_fixture(rlocks, set_up_rlock, tear_down);
    tcase_add_test(locks, who_has_it_in_memory_has_it);
    tcase_add_test(locks, who_has_no_slot_keeps_it_closed);
    tcase_add_test(locks, tokens_are_minted_when_asked_for);
    tcase_add_test(rlocks, depth_is_counted_on_both_ways);
    tcase_add_test(rlocks, what_is_too_deep_is_asked_for);
    tcase_add_test(locks, it_is_open_again_when_nobody_waits);
    tcase_add_test(locks, deadlocks_are_found);
    tcase_add_test(rlocks, sleepers_keep_their_lock_closed);
    tcase_add_test(locks, the_first_in_the_queue_is_handed_it);
    tcase_add_test(locks, an_offer_is_taken_back);
    tcase_add_test(locks, who_was_handed_it_in_time_has_it);
    tcase_add_test(locks, who_lets_go_of_the_daemon_may_have_handed_it_over);
    tcase_add_test(locks, what_was_handed_over_is_not_cancelled);
    tcase_add_test(locks, who_has_taken_it_needs_no_answer);
    tcase_add_test(locks, nobody_is_offered_what_he_has);
    tcase_add_test(locks, the_dead_leave_it_abandoned);
    tcase_add_test(locks, broken_is_abandoned);
    tcase_add_test(locks, closing_ends_holds);
    tcase_add_test(locks, what_is_unlinked_is_closed_for_good);
    tcase_add_test(locks, an_old_order_is_no_news);
    tcase_add_test(locks, nonsense_is_nobody);
    suite_add_tcase(suite, locks);
    suite_add_tcase(suite, rlocks);
    return RUN_SUITE(suite);
}
