/* SPDX-License-Identifier: MIT */
/* daemon/core/permit.c: permits that go from who has them to those who wait before anybody looks. */
#include "tests/unit/core/world.h"

#define MOST 12
#define UID  1000

static struct world *world;
static uint64_t connections[MOST], clients[MOST];
static uint32_t slots[MOST];
static uint64_t waits[MOST];

#define ASK_FOR(...) ASK(world, ACQUIRE, .name = "s", .object = OBJECT_SEMAPHORE, .connection = __VA_ARGS__)

static uint32_t first(void)
{
    return world_object(world, "s")->word->data.index;
}

static uint64_t *word(uint32_t which)
{
    return world_word(world, "s") + which;
}

/* The first so many have a permit each, by their words. */
static void begin_kind(enum object_kind kind, uint32_t permits)
{
    world = world_new();
    for (int i = 0; i < MOST; i++) {
        connections[i] = world_connect(world, UID);
        clients[i] = world->client;
        if (i == 0)
            ASK(world, OBJECT_CREATE, .connection = connections[i], .name = "s", .object = kind,
                .value = permits);
        slots[i] = (uint32_t) must_flag(
                       world, ASK(world, OBJECT_MAP, .connection = connections[i], .name = "s"),
                       REPLY_MAPPED, true)
                       ->reply.sync.token;
    }
    for (uint32_t i = 0; i < permits; i++)
        ck_assert_int_eq(pages_acquire(word(i), slots[i], false), 1);
}

static void begin(uint32_t permits)
{
    begin_kind(OBJECT_SEMAPHORE, permits);
}

static void tear_down(void)
{
    world_free(world);
}

static void wait_by_bell(int from, int to)
{
    for (int i = from; i <= to; i++)
        waits[i] = ASK_FOR(connections[i], .flags = REQUEST_BELL);
}

static bool give(uint32_t which, int who)
{
    return pages_offer(world->pages, UID, first(), first() + which, slots[who]);
}

/* The word's next owner is who is first, and does not know it yet. */
static void hand(uint32_t which, int to)
{
    must(pages_begin(world->pages, UID, first(), first() + which));
    ck_assert_uint_eq(pages_hand(world->pages, UID, first()), slots[to]);
    must(pages_go_on(world->pages, UID, first()));
    must(word_is_handed(*word(which), slots[to]));
}

static void pass(uint32_t which, int from, int to)
{
    must(give(which, from));
    hand(which, to);
    must(pages_take(word(which), slots[to]));
}

static const struct object *look(void)
{
    must_reply(world, ASK(world, OBJECT_OPEN, .connection = connections[MOST - 1], .name = "s"),
               REPLY_OBJECT);
    return world_object(world, "s");
}

static int who_is(const struct owner *owner)
{
    for (int i = 0; i < MOST; i++)
        if (owner->client->data.id == clients[i])
            return i;
    return -1;
}

/* Who has a permit, the oldest hold first; -1 ends them. */
static void must_be_of(const int *who)
{
    const struct hold *hold;

    TAILQ_FOREACH(hold, &look()->holds, of_object)
    {
        ck_assert_int_ge(*who, 0);
        ck_assert_int_eq(who_is(hold->owner), *who);
        who++;
    }
    ck_assert_int_eq(*who, -1);
}

#define MUST_BE_OF(...) must_be_of((const int[]){__VA_ARGS__, -1})

static void must_have_taken(int who)
{
    ck_assert_uint_eq(must_get(world, waits[who])->reply.sync.hold, 0); /* nobody needs the answer */
}

/* By an answer, which may go unread. */
static void must_be_granted(int who)
{
    ck_assert_uint_gt(must_get(world, waits[who])->reply.sync.hold, 0);
}

START_TEST(one_goes_from_each_to_the_next)
{
    begin(1);
    wait_by_bell(1, 3);
    pass(0, 0, 1);
    must_wait(world, waits[1]);
    pass(0, 1, 2);
    pass(0, 2, 3);
    must(!give(0, 3)); /* nobody is first */
    MUST_BE_OF(3);
    for (int i = 1; i <= 3; i++)
        must_have_taken(i);
    must(pages_give(word(0), slots[3])); /* and nobody waits */
}
END_TEST

START_TEST(several_go_in_the_order_of_the_queue)
{
    begin(3);
    wait_by_bell(3, 7);
    pass(2, 2, 3);
    pass(0, 0, 4);
    pass(2, 3, 5);
    pass(1, 1, 6);
    MUST_BE_OF(4, 5, 6);
    for (int i = 3; i <= 6; i++)
        must_have_taken(i);
    must_wait(world, waits[7]);
    pass(0, 4, 7); /* where the daemon has left it */
    MUST_BE_OF(5, 6, 7);
}
END_TEST

START_TEST(who_has_not_seen_it_is_told)
{
    begin(2);
    wait_by_bell(2, 3);
    pass(1, 1, 2);
    must(give(0, 0));
    hand(0, 3);
    must(!give(0, 3)); /* it may not know that it has it */
    MUST_BE_OF(2, 3);
    must_have_taken(2);
    must_be_granted(3);
}
END_TEST

/* It is nobody's by a word: the daemon says whose. */
START_TEST(what_was_given_goes_to_the_first)
{
    begin(2);
    wait_by_bell(2, 4);
    must(give(1, 1) && give(0, 0));
    must(!give(0, 0));
    MUST_BE_OF(2, 3);
    must_be_granted(2);
    must_be_granted(3);
    must_wait(world, waits[4]);
}
END_TEST

START_TEST(what_has_been_begun_has_not_happened)
{
    begin(2);
    wait_by_bell(2, 4);
    must(give(1, 1) && pages_begin(world->pages, UID, first(), first() + 1));
    must(give(0, 0) == false); /* that comes first */
    MUST_BE_OF(0, 2);
    must_be_granted(2);
    must(give(0, 0)); /* the head is of the new order */
    hand(0, 3);
    MUST_BE_OF(2, 3);
}
END_TEST

START_TEST(who_has_given_it_back_has_had_it)
{
    begin(1);
    wait_by_bell(1, 3);
    pass(0, 0, 1);
    must(give(0, 1));
    MUST_BE_OF(2);
    must_have_taken(1);
    must_be_granted(2);
    must_wait(world, waits[3]);
}
END_TEST

/* Whose the word is now, while the head still says that it comes first. */
START_TEST(what_the_first_gives_is_not_its_again)
{
    begin(1);
    wait_by_bell(1, 2);
    must(give(0, 0) && pages_begin(world->pages, UID, first(), first()));
    ck_assert_uint_eq(pages_hand(world->pages, UID, first()), slots[1]);
    must(pages_take(word(0), slots[1]));
    *word(0) = permit_given(*word(0));
    ck_assert_uint_eq(pages_hand(world->pages, UID, first()), 0);
    must(pages_go_on(world->pages, UID, first()));
    hand(0, 2);
    MUST_BE_OF(2);
    must_have_taken(1);
    must_be_granted(2);
}
END_TEST

START_TEST(it_ends_before_who_has_no_bell)
{
    begin(1);
    wait_by_bell(1, 1);
    waits[2] = ASK_FOR(connections[2], .flags = 0);
    wait_by_bell(3, 3);
    pass(0, 0, 1);
    must(!give(0, 1));
    must_reply(world,
               ASK(world, RELEASE, .name = "s", .object = OBJECT_SEMAPHORE, .connection = connections[1]),
               REPLY_EMPTY);
    must_be_granted(2);
    MUST_BE_OF(2);
    pass(0, 2, 3);
    MUST_BE_OF(3);
}
END_TEST

/* It could not tell what it is handed from what it has. */
START_TEST(it_ends_before_who_has_one)
{
    begin(2);
    wait_by_bell(2, 2);
    wait_by_bell(1, 1);
    pass(0, 0, 2);
    must(!give(0, 2) && !give(1, 1));
    MUST_BE_OF(1, 2);
    must_wait(world, waits[1]);
}
END_TEST

START_TEST(it_ends_after_so_many)
{
    begin(1);
    wait_by_bell(1, CORE_CHAIN_MAX + 1);
    for (int i = 0; i < CORE_CHAIN_MAX; i++)
        pass(0, i, i + 1);
    must(!give(0, CORE_CHAIN_MAX));
    MUST_BE_OF(CORE_CHAIN_MAX);
    pass(0, CORE_CHAIN_MAX, CORE_CHAIN_MAX + 1);
    MUST_BE_OF(CORE_CHAIN_MAX + 1);
}
END_TEST

START_TEST(who_is_told_of_a_death_is_told_by_an_answer)
{
    begin_kind(OBJECT_BOUNDED_SEMAPHORE, 2);
    wait_by_bell(2, 3);
    world_number(world, INPUT_CLIENT_DEAD, clients[1]);
    must_be_granted(2);
    ck_assert_uint_eq(must_get(world, waits[2])->reply.sync.abandoned, 1);
    pass(0, 0, 3); /* and then as before */
    MUST_BE_OF(2, 3);
    must_have_taken(3);
}
END_TEST

/* With what it has not seen, too. */
START_TEST(who_dies_gives_back)
{
    begin_kind(OBJECT_BOUNDED_SEMAPHORE, 1);
    wait_by_bell(1, 2);
    must(give(0, 0));
    hand(0, 1);
    world_number(world, INPUT_CLIENT_DEAD, clients[1]);
    MUST_BE_OF(2);
    ck_assert_uint_eq(must_get(world, waits[2])->reply.sync.abandoned, 1);
}
END_TEST

/* Whoever has the memory may write what it likes, and changes no more than whose permits these are. */
START_TEST(nonsense_is_none)
{
    begin(3);
    wait_by_bell(3, 6);
    *word(0) = permit_handed(*word(0), slots[9]); /* does not wait */
    *word(1) = permit_handed(*word(1), slots[4]);
    *word(2) = permit_handed(*word(2), slots[4]); /* has one */
    MUST_BE_OF(0, 2, 4);
    must_have_taken(3);
    must_be_granted(4);
    *word(0) = (*word(0) & WORD_ORDER_MASK) | WORD_CLOSED | (uint64_t) slots[9] << WORD_NEXT_SHIFT;
    *word(1) = (*word(1) & WORD_ORDER_MASK) | WORD_CLOSED | WORD_OWNER_MAX << WORD_NEXT_SHIFT;
    *word(2) = (*word(2) & WORD_ORDER_MASK) | WORD_CLOSED;
    MUST_BE_OF(0, 2, 4);
    must_wait(world, waits[5]);
}
END_TEST

/* One word at a time: nothing is learnt from one alone. */
START_TEST(looks_at_one_after_the_other)
{
    begin(3);
    wait_by_bell(3, 6);
    pass(2, 2, 3);
    pass(0, 0, 4);
    pass(0, 4, 5);
    world->pages->most = 1;
    MUST_BE_OF(1, 3, 5);
    for (int i = 3; i <= 5; i++)
        must_have_taken(i);
    must_wait(world, waits[6]);
}
END_TEST

static void count_wanted(void *context, uint32_t uid, uint32_t index)
{
    (void) uid;
    (void) index;
    ++*(uint32_t *) context;
}

/* Whatever comes next, as who has been handed one in a word that is taken cannot take it. And what is wanted
 * for two reasons is taken twice. */
START_TEST(what_is_begun_is_looked_at_to_the_end)
{
    const struct core_input time = {.kind = INPUT_TIME, .mono = 1, .wall = 1};
    struct input_word entry[2];
    struct core_input words = {
        .kind = INPUT_WORDS, .blob[BLOB_WORDS] = {(const char *) entry, sizeof entry}};
    uint32_t wanted = 0;

    begin(3);
    wait_by_bell(3, 4);
    core_words_wanted(world->core, &time, count_wanted, &wanted);
    ck_assert_uint_eq(wanted, 0);
    must(give(1, 1));
    hand(1, 3);
    for (int i = 0; i < 2; i++) {
        entry[i] = (struct input_word){.uid = UID, .index = first() + 1, .value = *word(1)};
        *word(1) |= WORD_LOOKED;
    }
    must(world_step(world, &words) == 0);
    core_words_wanted(world->core, &time, count_wanted, &wanted);
    ck_assert_uint_eq(wanted, 2);
    must_wait(world, waits[3]);
    world_pass(world, SECOND);
    must_be_granted(3);
    MUST_BE_OF(0, 2, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("permit_offer");
    TCase *offers = tcase_create("offers");

    tcase_add_checked_fixture(offers, NULL, tear_down);
    tcase_add_test(offers, one_goes_from_each_to_the_next);
    tcase_add_test(offers, several_go_in_the_order_of_the_queue);
    tcase_add_test(offers, who_has_not_seen_it_is_told);
    tcase_add_test(offers, what_was_given_goes_to_the_first);
    tcase_add_test(offers, what_has_been_begun_has_not_happened);
    tcase_add_test(offers, who_has_given_it_back_has_had_it);
    tcase_add_test(offers, what_the_first_gives_is_not_its_again);
    tcase_add_test(offers, it_ends_before_who_has_no_bell);
    tcase_add_test(offers, it_ends_before_who_has_one);
    tcase_add_test(offers, it_ends_after_so_many);
    tcase_add_test(offers, who_is_told_of_a_death_is_told_by_an_answer);
    tcase_add_test(offers, who_dies_gives_back);
    tcase_add_test(offers, nonsense_is_none);
    tcase_add_test(offers, looks_at_one_after_the_other);
    tcase_add_test(offers, what_is_begun_is_looked_at_to_the_end);
    suite_add_tcase(suite, offers);
    return RUN_SUITE(suite);
}
