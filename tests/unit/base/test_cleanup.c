/* SPDX-License-Identifier: MIT */
/* daemon/base/cleanup.h and clock.h: what a scope gives back, and what it hands over. */
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "tests/unit/base/descriptors.h"
#include "tests/unit/core/must.h"

START_TEST(a_scope_closes_its_descriptor)
{
    int number;

    {
        CLEANUP_FD int fd = dup(0);

        number = fd;
        ck_assert(descriptor_open(number));
        errno = ENOTTY;
    }
    ck_assert_int_eq(errno, ENOTTY);
    ck_assert(!descriptor_open(number));
}
END_TEST

START_TEST(a_descriptor_is_handed_over)
{
    int number;

    {
        CLEANUP_FD int fd = dup(0);

        number = take_fd(&fd);
        ck_assert_int_eq(fd, -1);
    }
    ck_assert(descriptor_open(number));
    ck_assert_int_eq(close_fd(number), -1);
    ck_assert(!descriptor_open(number));
}
END_TEST

START_TEST(nothing_is_fine)
{
    CLEANUP_FD int fd = -1;
    CLEANUP_MEMORY char *memory = NULL;

    errno = ENOTTY;
    ck_assert_int_eq(close_fd(-1), -1);
    ck_assert_int_eq(close_fd(1 << 20), -1); /* it fails; the caller's errno stays */
    ck_assert_int_eq(errno, ENOTTY);
    ck_assert_ptr_null(TAKE(memory));
    (void) fd;
}
END_TEST

START_TEST(memory_is_freed_or_handed_over)
{
    char *kept = NULL, *freed = malloc(16);

    {
        CLEANUP_MEMORY char *memory = malloc(16);

        kept = TAKE(memory);
        ck_assert_ptr_null(memory);
    }
    kept[0] = 'x'; /* a sanitizer sees it if it is gone */
    free(kept);
    errno = ENOTTY;
    cleanup_memory(&freed);
    ck_assert_ptr_null(freed);
    ck_assert_int_eq(errno, ENOTTY);
}
END_TEST

START_TEST(clocks)
{
    int64_t first = clock_monotonic(), wall = clock_realtime();

    ck_assert_int_gt(first, 0);
    ck_assert_int_le(first, clock_monotonic());
    ck_assert_int_gt(wall, INT64_C(1700000000) * NSEC_PER_SEC); /* nanoseconds of our century */
    ck_assert_int_lt(wall, INT64_C(7000000000) * NSEC_PER_SEC);
    ck_assert_int_lt(wall - (int64_t) time(NULL) * NSEC_PER_SEC, 10 * NSEC_PER_SEC);
    ck_assert_int_eq(NSEC_PER_MSEC * 1000, NSEC_PER_SEC);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cleanup");
    TCase *tcase = tcase_create("cleanup");

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, a_scope_closes_its_descriptor);
    tcase_add_test(tcase, a_descriptor_is_handed_over);
    tcase_add_test(tcase, nothing_is_fine);
    tcase_add_test(tcase, memory_is_freed_or_handed_over);
    tcase_add_test(tcase, clocks);
    return RUN_SUITE(suite);
}
