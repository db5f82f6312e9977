/* SPDX-License-Identifier: MIT */
/* daemon/base/shelf.c: descriptors by name. */
#include "daemon/base/shelf.h"

#include "daemon/base/cleanup.h"
#include "tests/unit/base/descriptors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct shelf shelf;
static size_t before;

static void set_up(void)
{
    before = descriptors_count();
    shelf.count = 0;
}

static void tear_down(void)
{
    shelf_clear(&shelf);
    ck_assert_uint_eq(shelf.count, 0);
    ck_assert_uint_eq(descriptors_count(), before);
}

static int any(void)
{
    return fcntl(0, F_DUPFD_CLOEXEC, 3);
}

START_TEST(put_find_take_drop)
{
    int one = any(), two = any(), three = any();

    ck_assert_int_eq(shelf_put(&shelf, "one", one), 0);
    ck_assert_int_eq(shelf_put(&shelf, "two", two), 0);
    ck_assert_int_eq(shelf_put(&shelf, "three", three), 0);
    ck_assert_int_eq(shelf_find(&shelf, "two"), two);
    ck_assert_int_eq(shelf_find(&shelf, "tw"), -1);
    ck_assert_int_eq(shelf_take(&shelf, "one"), one);
    ck_assert_int_eq(shelf_take(&shelf, "one"), -1);
    ck_assert(descriptor_open(one));
    close(one);
    shelf_drop(&shelf, "two");
    ck_assert(!descriptor_open(two));
    shelf_drop(&shelf, "two");
    ck_assert_int_eq(shelf_find(&shelf, "three"), three);
    ck_assert_uint_eq(shelf.count, 1);
}
END_TEST

START_TEST(the_same_name_again)
{
    int first = any(), second = any();

    ck_assert_int_eq(shelf_put(&shelf, "x", first), 0);
    ck_assert_int_eq(shelf_put(&shelf, "x", second), 0);
    ck_assert(!descriptor_open(first));
    ck_assert_int_eq(shelf_find(&shelf, "x"), second);
    ck_assert_uint_eq(shelf.count, 1);
}
END_TEST

START_TEST(names_that_are_none)
{
    char name[SHELF_NAME_MAX + 2];

    ck_assert_int_eq(shelf_put(&shelf, "", any()), -EINVAL);
    memset(name, 'n', sizeof name);
    name[SHELF_NAME_MAX + 1] = '\0';
    ck_assert_int_eq(shelf_put(&shelf, name, any()), -EINVAL);
    ck_assert_uint_eq(descriptors_count(), before);
    name[SHELF_NAME_MAX] = '\0';
    ck_assert_int_eq(shelf_put(&shelf, name, any()), 0);
}
END_TEST

START_TEST(full)
{
    char name[16];

    for (int i = 0; i < SHELF_MAX; i++) {
        snprintf(name, sizeof name, "%d", i);
        ck_assert_int_eq(shelf_put(&shelf, name, any()), 0);
    }
    ck_assert_int_eq(shelf_put(&shelf, "more", any()), -ENOSPC);
    ck_assert_int_eq(shelf_put(&shelf, "7", any()), 0); /* in the place of another */
    ck_assert_uint_eq(descriptors_count(), before + SHELF_MAX);
    shelf_drop(&shelf, "0");
    ck_assert_int_eq(shelf_put(&shelf, "more", any()), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shelf");
    TCase *tcase = tcase_create("shelf");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, put_find_take_drop);
    tcase_add_test(tcase, the_same_name_again);
    tcase_add_test(tcase, names_that_are_none);
    tcase_add_test(tcase, full);
    return RUN_SUITE(suite);
}
