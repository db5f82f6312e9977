/* SPDX-License-Identifier: MIT */
/* daemon/base/harmless.c: what of other people's text a terminal may be shown. */
#include "daemon/base/harmless.h"
#include "tests/unit/core/must.h"

#include <check.h>
#include <string.h>

static size_t length_of(const char *text)
{
    return harmless_length(text, strlen(text));
}

START_TEST(characters)
{
    ck_assert_uint_eq(length_of("a"), 1);
    ck_assert_uint_eq(length_of(" "), 1);
    ck_assert_uint_eq(length_of("~"), 1);
    ck_assert_uint_eq(length_of("\xc2\xa0"), 2); /* the first behind C1 */
    ck_assert_uint_eq(length_of("\xc3\xa4z"), 2);
    ck_assert_uint_eq(length_of("\xe2\x82\xac"), 3);
    ck_assert_uint_eq(length_of("\xf0\x9f\x98\x80"), 4);
    ck_assert_uint_eq(length_of("\xf4\x8f\xbf\xbf"), 4); /* the last of all */
}
END_TEST

START_TEST(controls)
{
    for (int byte = 0; byte < 0x100; byte++) {
        const char text[] = {(char) byte};

        ck_assert_uint_eq(harmless_length(text, 1), byte >= ' ' && byte < 0x7f);
    }
    for (int byte = 0x80; byte < 0xa0; byte++) { /* C1, as UTF-8 */
        const char text[] = {'\xc2', (char) byte};

        ck_assert_uint_eq(harmless_length(text, 2), 0);
    }
}
END_TEST

START_TEST(what_is_not_seen)
{
    static const char *const list[] = {
        "\xc2\xad",     "\xd8\x9c",     "\xe2\x80\x8b", "\xe2\x80\x8e", "\xe2\x80\x8f",     "\xe2\x80\xa8",
        "\xe2\x80\xaa", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa9", "\xef\xbb\xbf",     "\xef\xbf\xb9",
        "\xf3\xa0\x80\x81",
    };

    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        ck_assert_msg(length_of(list[i]) == 0, "number %zu is shown", i);
}
END_TEST

START_TEST(no_utf8)
{
    static const char *const list[] = {
        "\xc3",             "\xc3z",        "\xe2\x82",         "\xf0\x9f\x98", /* cut off */
        "\xc0\x9b",         "\xc1\xa1",     "\xe0\x82\x9b",     "\xf0\x80\x80\x9b", /* longer than need be */
        "\xed\xa0\x80",     "\xed\xbf\xbf", /* halves of pairs */
        "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff",     "\x80",
    };

    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        ck_assert_msg(length_of(list[i]) == 0, "number %zu is shown", i);
    ck_assert_uint_eq(harmless_length("\xe2\x82\xac", 2), 0); /* the rest is not ours */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("harmless");
    TCase *tcase = tcase_create("harmless");

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, characters);
    tcase_add_test(tcase, controls);
    tcase_add_test(tcase, what_is_not_seen);
    tcase_add_test(tcase, no_utf8);
    return RUN_SUITE(suite);
}
