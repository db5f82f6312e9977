/* SPDX-License-Identifier: MIT */
/* daemon/core/input.c: inputs as bytes. */
#include "tests/unit/core/must.h"

#include "daemon/core/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct core_input sample(void)
{
    struct core_input input = {.kind = INPUT_SPAWN,
                               .report = 3,
                               .mono = -4,
                               .wall = 5,
                               .body.request = {.ticket = 6, .connection = 7, .uid = 8}};

    input.blob[BLOB_KEY] = (struct blob){"key", 3};
    input.blob[BLOB_NAME] = (struct blob){"12345678", 8};
    input.blob[BLOB_ARGV] = (struct blob){"a\0b", 4};
    input.blob[BLOB_LABELS] = (struct blob){"123456789", 9};
    return input;
}

static char *encoded(const struct core_input *input, size_t *ret_size)
{
    size_t most = input_encoded_most(input);
    char *buffer = malloc(most);

    memset(buffer, 0xa5, most);
    *ret_size = input_encode(input, buffer);
    must(*ret_size == input_encoded_size(input));
    return buffer;
}

START_TEST(there_and_back)
{
    struct core_input input = sample(), output;
    size_t size;
    char *buffer = encoded(&input, &size);

    ck_assert_uint_eq(size % 8, 0);
    ck_assert_int_eq(input_decode(buffer, size, &output), (int64_t) size);
    ck_assert_uint_eq(output.kind, INPUT_SPAWN);
    ck_assert_uint_eq(output.report, 3);
    ck_assert_int_eq(output.mono, -4);
    ck_assert_int_eq(output.wall, 5);
    ck_assert_mem_eq(&output.body, &input.body, sizeof input.body);
    for (int i = 0; i < BLOB_COUNT; i++) {
        ck_assert_uint_eq(output.blob[i].size, input.blob[i].size);
        if (input.blob[i].size > 0)
            ck_assert_mem_eq(output.blob[i].data, input.blob[i].data, input.blob[i].size);
    }
    free(buffer);
}
END_TEST

START_TEST(the_same_input_is_the_same_bytes)
{
    struct core_input input = sample();
    size_t size;
    char *first = encoded(&input, &size), *second = encoded(&input, &size);

    ck_assert_mem_eq(first, second, size);
    free(first);
    free(second);
}
END_TEST

START_TEST(several_in_a_row)
{
    struct core_input first = sample(), second = {.kind = INPUT_TIME, .mono = 9}, output;
    size_t size = input_encoded_size(&first), total = size + input_encoded_size(&second);
    char *buffer = malloc(size + input_encoded_most(&second));

    input_encode(&first, buffer);
    input_encode(&second, buffer + size);
    ck_assert_int_eq(input_decode(buffer, total, &output), (int64_t) size);
    ck_assert_int_eq(input_decode(buffer + size, total - size, &output), (int64_t) (total - size));
    ck_assert_uint_eq(output.kind, INPUT_TIME);
    ck_assert_int_eq(output.mono, 9);
    free(buffer);
}
END_TEST

/* An exact allocation each time, so that a read beyond it is seen. */
START_TEST(cut_at_every_byte)
{
    struct core_input input = sample(), output;
    size_t size;
    char *whole = encoded(&input, &size);

    for (size_t cut = 0; cut < size; cut++) {
        char *buffer = malloc(cut ? cut : 1);

        memcpy(buffer, whole, cut);
        ck_assert_int_eq(input_decode(buffer, cut, &output), -EBADMSG);
        free(buffer);
    }
    free(whole);
}
END_TEST

static uint64_t touch(const struct core_input *input)
{
    uint64_t sum = 0;

    for (int i = 0; i < BLOB_COUNT; i++)
        for (size_t at = 0; at < input->blob[i].size; at++)
            sum += (unsigned char) input->blob[i].data[at];
    return sum;
}

START_TEST(no_garbage_reads_out_of_bounds)
{
    struct core_input input = sample(), output;
    unsigned long long accepted = 0, sum = 0;
    size_t size;
    char *whole = encoded(&input, &size), *buffer = malloc(size);

    srandom(1);
    for (int round = 0; round < 300000; round++) {
        static const uint64_t words[] = {0, 1, 8, UINT64_MAX, UINT64_MAX - 6, INT64_MAX, 1 << 20};
        size_t at = (size_t) random() % (size / 8) * 8;
        uint64_t word = random() % 2 ? words[random() % 7] : (uint64_t) random() % (2 * size);
        int64_t used;

        if (round % 3 == 0)
            memcpy(buffer, whole, size);
        memcpy(buffer + at, &word, sizeof word);
        used = input_decode(buffer, size, &output);
        must(used == -EBADMSG || (used > 0 && (size_t) used <= size));
        if (used < 0)
            continue;
        must(output.kind < INPUT_KIND_COUNT);
        accepted++;
        sum += touch(&output);
    }
    must(accepted > 1000 && accepted < 299000 && sum > 0);
    free(whole);
    free(buffer);
}
END_TEST

/* What is 0 takes no room, and is 0 again. */
START_TEST(what_is_not_there_takes_no_room)
{
    struct core_input input = {.kind = INPUT_TIME}, output;
    size_t size;
    char *buffer = encoded(&input, &size);

    memset(&output, 0xa5, sizeof output);
    ck_assert_uint_eq(size, 8);
    ck_assert_int_eq(input_decode(buffer, size, &output), 8);
    ck_assert_int_eq(output.mono, 0);
    ck_assert_mem_eq(&output.body, &input.body, sizeof input.body);
    free(buffer);
}
END_TEST

/* Whoever reserves asks for the most that it can take; each member in turn is there. */
START_TEST(not_more_than_the_most)
{
    struct core_input input = {.kind = INPUT_SPAWN, .report = UINT64_MAX, .mono = -1, .wall = -1}, output;
    size_t size;
    char *buffer;

    for (size_t i = 0; i < BLOB_COUNT; i++)
        input.blob[i] = (struct blob){"blobs of all sizes", i + 1};
    for (size_t used = 0; used <= sizeof input.body; used++) {
        memset(&input.body, 0, sizeof input.body);
        memset(&input.body, 0xff, used);
        buffer = encoded(&input, &size);
        ck_assert_uint_le(size, input_encoded_most(&input));
        ck_assert_uint_eq(size == input_encoded_most(&input), used > sizeof input.body - 8);
        ck_assert_uint_eq(input_encode(&input, buffer), size);
        ck_assert_int_eq(input_decode(buffer, size, &output), (int64_t) size);
        ck_assert_mem_eq(&output.body, &input.body, sizeof input.body);
        free(buffer);
    }
}
END_TEST

START_TEST(what_is_refused)
{
    struct core_input input = sample(), output;
    const uint64_t too_long[] = {128, 1 << 20, INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
    uint32_t all = UINT32_MAX, kind = INPUT_KIND_COUNT;
    size_t size;
    char *buffer = encoded(&input, &size);

    ck_assert_uint_eq(size, too_long[0]);
    memcpy(buffer, &kind, sizeof kind);
    ck_assert_int_eq(input_decode(buffer, size, &output), -EBADMSG);
    input_encode(&input, buffer);
    memcpy(buffer + 4, &all, sizeof all); /* words that nobody has */
    ck_assert_int_eq(input_decode(buffer, size, &output), -EBADMSG);
    for (int bits = 1; bits < 24; bits++) { /* more than what is there */
        all = (UINT32_C(1) << bits) - 1;
        memcpy(buffer + 4, &all, sizeof all);
        ck_assert_int_eq(input_decode(buffer, 8 * (size_t) bits, &output), -EBADMSG);
    }
    input_encode(&input, buffer);
    for (size_t i = 0; i < sizeof too_long / sizeof *too_long; i++) {
        memcpy(buffer + 8 + 3 * 8, &too_long[i], 8); /* the first blob */
        ck_assert_int_eq(input_decode(buffer, size, &output), -EBADMSG);
    }
    free(buffer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("input");
    TCase *tcase = tcase_create("input");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, there_and_back);
    tcase_add_test(tcase, the_same_input_is_the_same_bytes);
    tcase_add_test(tcase, several_in_a_row);
    tcase_add_test(tcase, cut_at_every_byte);
    tcase_add_test(tcase, no_garbage_reads_out_of_bounds);
    tcase_add_test(tcase, what_is_not_there_takes_no_room);
    tcase_add_test(tcase, not_more_than_the_most);
    tcase_add_test(tcase, what_is_refused);
    suite_add_tcase(suite, tcase);
    return RUN_SUITE(suite);
}
