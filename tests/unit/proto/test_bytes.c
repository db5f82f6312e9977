/* SPDX-License-Identifier: MIT */
/* proto/bytes.c: byte strings in JSON, and each text of base64 the only one for its bytes. */
#include "proto/bytes.h"
#include "tests/unit/core/must.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

    if (!json)
        ck_abort_msg("no JSON: %s", text);
    return json;
}

static void must_give(const char *text, const char *wanted, size_t wanted_size)
{
    json_t *json = parse(text);
    char *bytes = NULL;
    size_t size = 99;

    ck_assert_msg(bytes_valid(json), "%s", text);
    ck_assert_uint_eq(bytes_size(json), wanted_size);
    ck_assert_int_eq(bytes_from_json(json, &bytes, &size), 0);
    ck_assert_uint_eq(size, wanted_size);
    ck_assert_int_eq(bytes[size], '\0');
    ck_assert_msg(memcmp(bytes, wanted, size) == 0, "%s", text);
    free(bytes);
    json_decref(json);
}

static void must_refuse(const char *text)
{
    json_t *json = parse(text);
    char untouched, *bytes = &untouched;
    size_t size = 99;

    ck_assert_msg(!bytes_valid(json), "%s", text);
    ck_assert_int_eq(bytes_from_json(json, &bytes, &size), -EINVAL);
    ck_assert_ptr_eq(bytes, &untouched);
    ck_assert_uint_eq(size, 99);
    json_decref(json);
}

START_TEST(strings)
{
    must_give("\"\"", "", 0);
    must_give("\"hello\"", "hello", 5);
    must_give("\"h\\u00e9 \\ud83d\\ude00\"", "h\xc3\xa9 \xf0\x9f\x98\x80", 8);
    must_refuse("\"a\\u0000b\"");
    must_refuse("\"\\u0000\"");
}
END_TEST

/* RFC 4648, section 10, and both digits beyond letters and numbers. */
START_TEST(base64)
{
    must_give("{\"b64\":\"\"}", "", 0);
    must_give("{\"b64\":\"Zg==\"}", "f", 1);
    must_give("{\"b64\":\"Zm8=\"}", "fo", 2);
    must_give("{\"b64\":\"Zm9v\"}", "foo", 3);
    must_give("{\"b64\":\"Zm9vYg==\"}", "foob", 4);
    must_give("{\"b64\":\"Zm9vYmE=\"}", "fooba", 5);
    must_give("{\"b64\":\"Zm9vYmFy\"}", "foobar", 6);
    must_give("{\"b64\":\"+/+/\"}", "\xfb\xff\xbf", 3);
    must_give("{\"b64\":\"/w==\"}", "\xff", 1);
}
END_TEST

START_TEST(wrong_base64)
{
    static const char *const texts[] = {
        "Z",       "Zg",       "Zg=",  "Zg===",    "Zm9vZ",    "Zm8",      "=",        "==",         "===",
        "====",    "=Zg=",     "Z===", "Z=g=",     "Zg==Zg==", "Zm8=Zm9v", "Zh==",     "Zv==",       "Zm9=",
        "Zm+=",    "Zm9v====", " Zg=", "Zg= ",     "Zg=\\n",   "Zg==\\n",  "Zm-_",     "Zm9\\u00e9", "Z.==",
        "Zm9vYg=", "AA==",     "AAAA", "Zm8AZm8=", "ZgAA",     "AGZv",     "Zm9vAA==", "Zm-v",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[64];

        snprintf(text, sizeof text, "{\"b64\":\"%s\"}", texts[i]);
        must_refuse(text);
    }
    must_refuse("{\"b64\":\"Zm9v\\u0000Zm9\"}");
}
END_TEST

START_TEST(other_shapes)
{
    must_refuse("{}");
    must_refuse("[]");
    must_refuse("null");
    must_refuse("true");
    must_refuse("1");
    must_refuse("[\"a\"]");
    must_refuse("{\"b64\":1}");
    must_refuse("{\"b64\":null}");
    must_refuse("{\"b64\":[\"Zg==\"]}");
    must_refuse("{\"B64\":\"Zg==\"}");
    must_refuse("{\"b64\":\"Zg==\",\"more\":1}");
    ck_assert(!bytes_valid(NULL));
}
END_TEST

/* The bytes come back, as a string exactly where they are UTF-8 and hold no NUL. */
static void must_return(const char *bytes, size_t size, bool as_string)
{
    json_t *json = bytes_to_json(bytes, size);
    bool nul = memchr(bytes, 0, size);
    size_t again_size;
    char *again;

    must(json);
    must(json_is_string(json) == as_string);
    must(bytes_valid(json) == !nul);
    if (!nul) {
        must(bytes_from_json(json, &again, &again_size) == 0);
        must(again_size == size && memcmp(again, bytes, size) == 0);
        free(again);
    }
    json_decref(json);
}

START_TEST(all_short_ones_return)
{
    char bytes[3];

    must_return("", 0, true);
    for (unsigned word = 0; word < 0x10000; word++) {
        bytes[0] = (char)(word >> 8);
        bytes[1] = (char)word;
        if (word < 0x100)
            must_return(bytes + 1, 1, word != 0 && word < 0x80);
        must_return(bytes, 2,
                    (bytes[0] && bytes[1] && word < 0x8000 && (word & 0x80) == 0) ||
                        (word >= 0xc280 && word <= 0xdfff && (word & 0xc0) == 0x80));
    }
    for (unsigned last = 0; last < 0x100; last++) {
        memcpy(bytes, "\xff\x01", 2);
        bytes[2] = (char)last;
        must_return(bytes, 3, false);
    }
}
END_TEST

START_TEST(what_only_looks_like_utf8)
{
    must_return("\xe2\x82\xac", 3, true);
    must_return("\xf4\x8f\xbf\xbf", 4, true);
    must_return("\xed\xa0\x80", 3, false);     /* a surrogate */
    must_return("\xf4\x90\x80\x80", 4, false); /* beyond U+10FFFF */
    must_return("\xc0\x80", 2, false);         /* an overlong NUL */
    must_return("\xe0\x80\x80", 3, false);
    must_return("\xe2\x82", 2, false); /* cut */
}
END_TEST

/* A reader of JSON may refuse \u0000, as ours does: the line would be lost. */
START_TEST(a_nul_is_no_part_of_a_string)
{
    json_t *json = bytes_to_json("a\0b", 3);

    ck_assert_str_eq(json_string_value(json_object_get(json, "b64")), "YQBi");
    json_decref(json);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bytes");
    TCase *tcase = tcase_create("bytes");

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, strings);
    tcase_add_test(tcase, base64);
    tcase_add_test(tcase, wrong_base64);
    tcase_add_test(tcase, other_shapes);
    tcase_add_test(tcase, all_short_ones_return);
    tcase_add_test(tcase, what_only_looks_like_utf8);
    tcase_add_test(tcase, a_nul_is_no_part_of_a_string);
    return RUN_SUITE(suite);
}
