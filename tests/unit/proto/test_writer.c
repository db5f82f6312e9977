/* SPDX-License-Identifier: MIT */
/* proto/writer.c: what is written is what jansson reads back, however long it gets. */
#include "proto/bytes.h"
#include "proto/writer.h"
#include "tests/unit/core/must.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct writer writer;

static void set_up(void)
{
    writer_begin(&writer);
}

static void tear_down(void)
{
    writer_done(&writer);
}

static void must_be(const char *wanted)
{
    size_t size;
    const char *text = writer_text(&writer, &size);

    ck_assert_ptr_nonnull(text);
    ck_assert_msg(size == strlen(wanted) && memcmp(text, wanted, size) == 0, "%.*s, not %s", (int) size, text,
                  wanted);
    writer_done(&writer);
}

START_TEST(commas_stand_between)
{
    writer_open(&writer, NULL, '{');
    writer_open(&writer, "empty", '{');
    writer_close(&writer, '}');
    writer_open(&writer, "list", '[');
    writer_integer(&writer, NULL, 1);
    writer_bool(&writer, NULL, true);
    writer_bool(&writer, NULL, false);
    writer_null(&writer, NULL);
    writer_open(&writer, NULL, '[');
    writer_close(&writer, ']');
    writer_close(&writer, ']');
    writer_word(&writer, "word", "it");
    writer_id(&writer, "none", 0);
    writer_id(&writer, "one", 1);
    writer_close(&writer, '}');
    must_be("{\"empty\":{},\"list\":[1,true,false,null,[]],\"word\":\"it\",\"none\":null,\"one\":1}");
}
END_TEST

START_TEST(behind_other_members)
{
    writer_begin_behind(&writer);
    writer_integer(&writer, "seq", 7);
    writer_close(&writer, '}');
    writer_line_end(&writer);
    must_be(",\"seq\":7}\n");
}
END_TEST

START_TEST(integers)
{
    writer_open(&writer, NULL, '[');
    writer_integer(&writer, NULL, 0);
    writer_integer(&writer, NULL, -1);
    writer_integer(&writer, NULL, 10);
    writer_integer(&writer, NULL, INT64_MAX);
    writer_integer(&writer, NULL, INT64_MIN);
    writer_close(&writer, ']');
    must_be("[0,-1,10,9223372036854775807,-9223372036854775808]");
}
END_TEST

START_TEST(seconds)
{
    writer_open(&writer, NULL, '[');
    writer_seconds(&writer, NULL, 0);
    writer_seconds(&writer, NULL, 1);
    writer_seconds(&writer, NULL, 257000);
    writer_seconds(&writer, NULL, 1000000000);
    writer_seconds(&writer, NULL, INT64_C(1764119551123456000));
    writer_seconds(&writer, NULL, INT64_MAX);
    writer_close(&writer, ']');
    must_be("[0.0,0.000000001,0.000257,1.0,1764119551.123456,9223372036.854775807]");
}
END_TEST

/* Each byte alone, and everything that is special in the middle of something: as bytes_to_json has it. */
START_TEST(bytes_are_as_the_tree_has_them)
{
    static const char *const texts[] = {
        "",     "plain ~ text", "\"", "\\",           "a\nb", "\xc3\xa4",         "\xff",
        "\x7f", "a\xc3",        "\t", "\xed\xa0\x80", "/",    "\xf0\x9f\x98\x80"};
    json_t *list = json_array();
    char *wanted, byte[2] = "";

    writer_open(&writer, NULL, '[');
    for (int c = 0; c < 256; c++) {
        byte[0] = (char) c;
        writer_bytes(&writer, NULL, byte, 1);
        json_array_append_new(list, bytes_to_json(byte, 1));
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        writer_bytes(&writer, NULL, texts[i], strlen(texts[i]));
        json_array_append_new(list, bytes_to_json(texts[i], strlen(texts[i])));
    }
    writer_close(&writer, ']');
    wanted = json_dumps(list, JSON_COMPACT);
    must_be(wanted);
    free(wanted);
    json_decref(list);
}
END_TEST

/* Past the room that every writer has, and past the next: nothing is lost on the way. */
START_TEST(pairs_are_as_a_tree_has_them)
{
    static const char *const texts[] = {
        "", "plain", "a b", "\"\\/\b\f\n\r\t", "\001\037\177", "\303\274\342\202\254", "\360\237\230\200"};
    json_t *tree = json_object();
    char *wanted;

    writer_open(&writer, NULL, '{');
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = texts[sizeof texts / sizeof *texts - 1 - i];

        writer_pair(&writer, texts[i], text);
        json_object_set_new(tree, texts[i], json_string(text));
    }
    writer_close(&writer, '}');
    wanted = json_dumps(tree, JSON_COMPACT);
    must_be(wanted);
    free(wanted);
    json_decref(tree);
}
END_TEST

START_TEST(grows)
{
    const size_t count = 20000;
    size_t size;
    char *text;
    json_t *list;

    writer_open(&writer, NULL, '[');
    for (size_t i = 0; i < count; i++)
        writer_integer(&writer, NULL, (int64_t) i);
    writer_close(&writer, ']');
    text = writer_take(&writer, &size);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(strlen(text), size);
    list = json_loads(text, 0, NULL);
    ck_assert_uint_eq(json_array_size(list), count);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(json_integer_value(json_array_get(list, i)), (json_int_t) i);
    json_decref(list);
    free(text);
}
END_TEST

START_TEST(a_tree_is_put_in_its_place)
{
    writer_open(&writer, NULL, '{');
    writer_integer(&writer, "a", 1);
    writer_tree(&writer, "tree", json_pack("{s:[i,s]}", "x", 1, "\n"));
    writer_integer(&writer, "b", 2);
    writer_close(&writer, '}');
    must_be("{\"a\":1,\"tree\":{\"x\":[1,\"\\n\"]},\"b\":2}");
}
END_TEST

START_TEST(a_tree_that_could_not_be_made_is_no_text)
{
    size_t size;

    writer_open(&writer, NULL, '{');
    writer_tree(&writer, "tree", NULL);
    writer_close(&writer, '}');
    ck_assert_ptr_null(writer_text(&writer, &size));
    ck_assert_ptr_null(writer_take(&writer, &size));
    /* and it can be used again */
    writer_integer(&writer, NULL, 1);
    must_be("1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("writer");
    TCase *tcase = tcase_create("writer");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, commas_stand_between);
    tcase_add_test(tcase, behind_other_members);
    tcase_add_test(tcase, integers);
    tcase_add_test(tcase, seconds);
    tcase_add_test(tcase, bytes_are_as_the_tree_has_them);
    tcase_add_test(tcase, pairs_are_as_a_tree_has_them);
    tcase_add_test(tcase, grows);
    tcase_add_test(tcase, a_tree_is_put_in_its_place);
    tcase_add_test(tcase, a_tree_that_could_not_be_made_is_no_text);
    return RUN_SUITE(suite);
}
