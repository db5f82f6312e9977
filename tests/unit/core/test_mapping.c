/* SPDX-License-Identifier: MIT */
/* daemon/core/mapping.c: which words and slots are issued, to whom, and when again. */
#include "tests/unit/core/world.h"

#include <stdio.h>

static struct world *world;
static uint64_t mine, me, other, them;

static void set_up(void)
{
    world = world_new();
    mine = world_connect(world, 1000);
    me = world->client;
    other = world_connect(world, 1000);
    them = world->client;
}

static void tear_down(void)
{
    world_free(world);
}

static void create(const char *name, enum object_kind kind, uint32_t flags)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = name, .object = kind, .flags = flags,
        .mode = 0666, .parties = 2);
}

static void create_many(const char *name, enum object_kind kind, uint64_t value)
{
    ASK(world, OBJECT_CREATE, .connection = mine, .name = name, .object = kind, .value = value);
}

#define MAP(from, of, ...) ASK(world, OBJECT_MAP, .connection = (from), .name = (of), __VA_ARGS__)

static const struct reply_sync *mapped(uint64_t ticket)
{
    return &must_flag(world, ticket, REPLY_MAPPED, true)->reply.sync;
}

static uint32_t index_of(const char *name)
{
    must(world_object(world, name)->word != NULL);
    return world_object(world, name)->word->data.index;
}

START_TEST(who_asks_again_is_told_the_same)
{
    create("l", OBJECT_LOCK, 0);
    ck_assert_uint_eq(mapped(MAP(mine, "l", 0))->number, index_of("l"));
    ck_assert_uint_eq(mapped(MAP(mine, "l", 0))->token, 1);
    ck_assert_uint_eq(mapped(MAP(mine, "l", .holder = "thread"))->token, 2);
    ck_assert_uint_eq(mapped(MAP(other, "l", 0))->token, 3);
    create("k", OBJECT_RLOCK, 0);
    ck_assert_uint_eq(mapped(MAP(mine, "k", 0))->token, 1); /* one for all locks */
    ck_assert_uint_ne(index_of("k"), index_of("l"));
}
END_TEST

START_TEST(not_everything_is_in_memory)
{
    static const enum object_kind others[] = {OBJECT_CONDITION, OBJECT_BARRIER};
    static const enum object_kind kinds[] = {OBJECT_LOCK, OBJECT_RLOCK, OBJECT_SEMAPHORE,
                                             OBJECT_BOUNDED_SEMAPHORE, OBJECT_EVENT};
    uint64_t root = world_connect(world, 0), stranger = world_connect(world, 1001);
    char name[2] = "a";

    for (size_t i = 0; i < sizeof others / sizeof *others; i++, name[0]++) {
        create(name, others[i], 0);
        must_flag(world, MAP(mine, name, 0), REPLY_MAPPED, false);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char traced[16], plain[16];

        snprintf(traced, sizeof traced, "traced-%zu", i);
        snprintf(plain, sizeof plain, "plain-%zu", i);
        create(traced, kinds[i], REQUEST_TRACE);
        must_flag(world, MAP(mine, traced, 0), REPLY_MAPPED, false);
        create(plain, kinds[i], 0);
        must_flag(world, MAP(mine, plain, 0), REPLY_MAPPED, true);
    }
    create("/shared", OBJECT_LOCK, 0);
    must_flag(world, MAP(mine, "/shared", 0), REPLY_MAPPED, false);
    create("l", OBJECT_LOCK, 0);
    must_flag(world, MAP(root, "l", .uid = 1000), REPLY_MAPPED, false); /* its page is root's */
    must_answer(world, MAP(stranger, "l", 0), ERROR_NO_SUCH_OBJECT);
    must_answer(world, MAP(mine, "none", 0), ERROR_NO_SUCH_OBJECT);
}
END_TEST

/* Of two uids each has its own page: one acts in the other's place through the socket, with no slot there. */
START_TEST(slots_are_of_one_uid)
{
    uint64_t root = world_connect(world, 0);

    ASK(world, OBJECT_CREATE, .connection = root, .name = "r", .object = OBJECT_LOCK);
    mapped(MAP(root, "r", 0));
    create("l", OBJECT_LOCK, 0);
    ck_assert_uint_eq(mapped(MAP(mine, "l", 0))->token, 1);
    must_get(world, ASK(world, ACQUIRE, .connection = root, .name = "l", .uid = 1000));
    must(*world_word(world, "l") & WORD_CLOSED);
}
END_TEST

START_TEST(slots_are_issued_again_after_a_death)
{
    create("l", OBJECT_LOCK, REQUEST_PERSIST);
    mapped(MAP(mine, "l", 0));
    mapped(MAP(mine, "l", .holder = "thread"));
    mapped(MAP(other, "l", 0));
    ck_assert_int_eq(pages_acquire(world_word(world, "l"), 2, false), 1);
    world_number(world, INPUT_CLIENT_DEAD, me);
    must(*world_word(world, "l") & WORD_ABANDONED); /* nothing says 2 any more */
    ck_assert_uint_eq(mapped(MAP(other, "l", .holder = "thread"))->token, 1);
    ck_assert_uint_eq(mapped(MAP(other, "l", .holder = "third"))->token, 2);
    ck_assert_uint_eq(mapped(MAP(other, "l", .holder = "fourth"))->token, 4);
}
END_TEST

START_TEST(a_word_is_issued_again_when_nobody_can_use_it)
{
    uint32_t index;

    create("l", OBJECT_LOCK, 0);
    mapped(MAP(mine, "l", 0));
    mapped(MAP(other, "l", 0));
    index = index_of("l");
    ASK(world, OBJECT_UNLINK, .connection = mine, .name = "l");
    create("next", OBJECT_LOCK, 0);
    mapped(MAP(mine, "next", 0));
    ck_assert_uint_ne(index_of("next"), index); /* both may still look at the old one */
    world_number(world, INPUT_CLIENT_DEAD, me);
    mine = world_connect(world, 1000);
    create("third", OBJECT_LOCK, 0);
    mapped(MAP(mine, "third", 0));
    ck_assert_uint_ne(index_of("third"), index);
    world_number(world, INPUT_CLIENT_DEAD, them);
    create("last", OBJECT_LOCK, 0);
    mapped(MAP(mine, "last", 0));
    ck_assert_uint_eq(index_of("last"), index);
}
END_TEST

/* Who has closed it has said so himself. */
START_TEST(a_word_is_free_once_its_lock_is_closed)
{
    uint32_t index;

    create("l", OBJECT_LOCK, 0);
    mapped(MAP(mine, "l", 0));
    index = index_of("l");
    ASK(world, OBJECT_CLOSE, .connection = mine, .name = "l");
    must(!world_object(world, "l"));
    create("l", OBJECT_LOCK, 0);
    mapped(MAP(mine, "l", 0));
    ck_assert_uint_eq(index_of("l"), index);
}
END_TEST

/* Its lock is gone, and who used it closes what has that name: those that are there now, or none. */
START_TEST(a_word_is_free_once_its_name_is_closed)
{
    uint32_t index, second;

    create("l", OBJECT_LOCK, 0);
    mapped(MAP(mine, "l", 0));
    mapped(MAP(other, "l", 0));
    index = index_of("l");
    ASK(world, OBJECT_UNLINK, .connection = mine, .name = "l");
    create("l", OBJECT_LOCK, 0);
    mapped(MAP(mine, "l", 0));
    second = index_of("l");
    ck_assert_uint_ne(second, index);
    ASK(world, OBJECT_UNLINK, .connection = mine, .name = "l");
    must_answer(world, ASK(world, OBJECT_CLOSE, .connection = other, .name = "k"), ERROR_NO_SUCH_OBJECT);
    must_answer(world, ASK(world, OBJECT_CLOSE, .connection = mine, .name = "l"), ERROR_NO_SUCH_OBJECT);
    create("next", OBJECT_LOCK, 0);
    mapped(MAP(mine, "next", 0));
    ck_assert_uint_eq(index_of("next"), second); /* somebody may still look at the first */
    create("l", OBJECT_LOCK, 0);
    must_answer(world, ASK(world, OBJECT_CLOSE, .connection = other, .name = "l"), 0);
    create("last", OBJECT_LOCK, 0);
    mapped(MAP(mine, "last", 0));
    ck_assert_uint_eq(index_of("last"), index);
}
END_TEST

/* What is closed in another's place is the other's; and a close that is asked for again has been done. */
START_TEST(a_word_is_not_free_with_another_close)
{
    uint64_t root = world_connect(world, 0);
    uint32_t index;

    for (int is_again = 0; is_again < 2; is_again++) {
        uint64_t from = is_again ? mine : root;

        if (is_again)
            ASK(world, OBJECT_CLOSE, .connection = from, .name = "l", .key = "k");
        ASK(world, OBJECT_CREATE, .connection = from, .name = "l", .object = OBJECT_LOCK);
        index = (uint32_t) mapped(MAP(from, "l", 0))->number;
        ASK(world, OBJECT_UNLINK, .connection = from, .name = "l");
        if (is_again)
            ASK(world, OBJECT_CLOSE, .connection = from, .name = "l", .key = "k");
        else
            ASK(world, OBJECT_CLOSE, .connection = from, .name = "l", .uid = 1000);
        ASK(world, OBJECT_CREATE, .connection = from, .name = "next", .object = OBJECT_LOCK);
        ck_assert_uint_ne(mapped(MAP(from, "next", 0))->number, index);
    }
}
END_TEST

/* When all are taken, the rest goes through the socket; what has one keeps it. */
START_TEST(words_run_out)
{
    char name[16];

    world->unchecked = true;
    for (int i = 1; i < PAGE_WORDS; i++) {
        snprintf(name, sizeof name, "l%d", i);
        create(name, OBJECT_LOCK, 0);
        mapped(MAP(mine, name, 0));
    }
    create_many("too many", OBJECT_SEMAPHORE, 2);
    must_flag(world, MAP(mine, "too many", 0), REPLY_MAPPED, false);
    create("one more", OBJECT_LOCK, 0);
    must_flag(world, MAP(mine, "one more", 0), REPLY_MAPPED, false);
    mapped(MAP(other, "l7", 0));
    ASK(world, OBJECT_CLOSE, .connection = mine, .name = "l9");
    mapped(MAP(mine, "one more", 0));
    ck_assert_uint_eq(index_of("one more"), 9);
    ASK(world, OBJECT_CLOSE, .connection = mine, .name = "l20");
    ASK(world, OBJECT_CLOSE, .connection = mine, .name = "l22");
    must_flag(world, MAP(mine, "too many", 0), REPLY_MAPPED, false); /* they are in no row */
    ASK(world, OBJECT_CLOSE, .connection = mine, .name = "l21");
    mapped(MAP(mine, "too many", 0));
    ck_assert_uint_eq(index_of("too many"), 20);
    world_number(world, INPUT_CLIENT_DEAD, me);
    world->unchecked = false;
}
END_TEST

/* ---- semaphores ---- */

/* As many as it has permits, whoever has them, and not more than there can be. */
START_TEST(a_semaphore_has_words_in_a_row)
{
    static const struct {
        enum object_kind kind;
        uint64_t value;
        uint32_t words;
    } cases[] = {{OBJECT_SEMAPHORE, 0, 1},
                 {OBJECT_SEMAPHORE, 3, 3},
                 {OBJECT_BOUNDED_SEMAPHORE, 5, 5},
                 {OBJECT_SEMAPHORE, PROTO_INTEGER_MAX, PAGE_PERMITS},
                 {OBJECT_BOUNDED_SEMAPHORE, PAGE_PERMITS + 1, PAGE_PERMITS}};
    uint32_t next = 1;
    char name[2] = "a";

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++, name[0]++) {
        create_many(name, cases[i].kind, cases[i].value);
        if (cases[i].value > 1 && cases[i].value < 10)
            must_get(world,
                     ASK(world, ACQUIRE, .connection = mine, .name = name, .object = OBJECT_SEMAPHORE));
        ck_assert_uint_eq(mapped(MAP(mine, name, 0))->words, cases[i].words);
        ck_assert_uint_eq(mapped(MAP(other, name, 0))->words, cases[i].words);
        ck_assert_uint_eq(index_of(name), next);
        next += cases[i].words;
    }
    create("l", OBJECT_LOCK, 0);
    ck_assert_uint_eq(mapped(MAP(mine, "l", 0))->words, 1);
    ck_assert_uint_eq(index_of("l"), next);
}
END_TEST

/* All of them, when the last who has mapped any is gone. */
START_TEST(its_words_are_issued_again_together)
{
    uint64_t third;

    create("l", OBJECT_LOCK, 0);
    mapped(MAP(mine, "l", 0));
    create_many("s", OBJECT_SEMAPHORE, 4);
    mapped(MAP(world_connect(world, 1000), "s", 0));
    third = world->client;
    mapped(MAP(other, "s", 0));
    create("m", OBJECT_LOCK, 0);
    mapped(MAP(mine, "m", 0));
    ASK(world, OBJECT_UNLINK, .connection = mine, .name = "s");
    create("n", OBJECT_LOCK, 0);
    mapped(MAP(mine, "n", 0));
    ck_assert_uint_eq(index_of("n"), 7); /* both may still look at the old ones */
    world_number(world, INPUT_CLIENT_DEAD, them);
    create("o", OBJECT_LOCK, 0);
    mapped(MAP(mine, "o", 0));
    ck_assert_uint_eq(index_of("o"), 8);
    world_number(world, INPUT_CLIENT_DEAD, third);
    create_many("t", OBJECT_SEMAPHORE, 5);
    mapped(MAP(mine, "t", 0));
    ck_assert_uint_eq(index_of("t"), 9); /* a row of four is too short */
    create_many("u", OBJECT_SEMAPHORE, 3);
    mapped(MAP(mine, "u", 0));
    ck_assert_uint_eq(index_of("u"), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mapping");
    TCase *tcase = tcase_create("mapping");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, who_asks_again_is_told_the_same);
    tcase_add_test(tcase, not_everything_is_in_memory);
    tcase_add_test(tcase, slots_are_of_one_uid);
    tcase_add_test(tcase, slots_are_issued_again_after_a_death);
    tcase_add_test(tcase, a_word_is_issued_again_when_nobody_can_use_it);
    tcase_add_test(tcase, a_word_is_free_once_its_lock_is_closed);
    tcase_add_test(tcase, a_word_is_free_once_its_name_is_closed);
    tcase_add_test(tcase, a_word_is_not_free_with_another_close);
    tcase_add_test(tcase, words_run_out);
    tcase_add_test(tcase, a_semaphore_has_words_in_a_row);
    tcase_add_test(tcase, its_words_are_issued_again_together);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
