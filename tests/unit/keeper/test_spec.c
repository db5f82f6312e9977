/* SPDX-License-Identifier: MIT */
/* A spec from a hostile broker: nothing that is out of bounds may be let through, nothing may crash. */
#include "daemon/keeper/spec.h"
#include "tests/unit/keeper/spec_builder.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

static struct spec_builder builder;

static int checked(size_t fd_count)
{
    return spec_check(builder.data, spec_head(&builder)->size, fd_count);
}

static struct link_spec *valid(void)
{
    const struct link_limit limit = {.resource = 7, .soft = 10, .hard = 20};
    const struct link_placed_fd placed[2] = {{.fd = 0, .target = 3}, {.fd = 1, .target = 9}};
    const uint32_t groups[2] = {4, 5};
    struct link_spec *head = spec_head(&builder);

    spec_shell(&builder, "true");
    head->limits = spec_add(&builder, &limit, sizeof limit);
    head->limit_count = 1;
    head->placed = spec_add(&builder, placed, sizeof placed);
    head->placed_count = 2;
    head->groups = spec_add(&builder, groups, sizeof groups);
    head->group_count = 2;
    head->stdio[1] = (struct link_stdio){.kind = LINK_STDIO_WRITE, .path = spec_text(&builder, "/tmp/x")};
    return head;
}

START_TEST(a_valid_one_passes)
{
    valid();
    ck_assert_int_eq(checked(2), 0);
}
END_TEST

START_TEST(each_member_is_checked)
{
    struct link_spec *head;

#define REFUSED(change)                        \
    do {                                       \
        head = valid();                        \
        change;                                \
        ck_assert_int_eq(checked(2), -EINVAL); \
    } while (0)
    REFUSED(head->flags = 8);
    REFUSED(head->argc = 0);
    REFUSED(head->argc = UINT32_MAX);
    REFUSED(head->envc = 1000000);
    REFUSED(head->argv = head->size);
    REFUSED(head->argv = UINT32_MAX);
    REFUSED(head->search = UINT32_MAX - 1);
    REFUSED(head->search = spec_text(&builder, "/bin:"));
    REFUSED(head->search = spec_text(&builder, "bin"));
    REFUSED(head->search = spec_text(&builder, "/bin::/usr"));
    REFUSED(head->cwd = head->size);
    REFUSED(head->umask = 01000);
    REFUSED(head->flags = LINK_SPEC_NICE; head->nice = 20);
    REFUSED(head->flags = LINK_SPEC_NICE; head->nice = -21);
    REFUSED(head->flags = LINK_SPEC_EXE_FD; head->exe_fd = 2);
    REFUSED(head->flags = LINK_SPEC_AS; head->as_uid = UINT32_MAX);
    REFUSED(head->flags = LINK_SPEC_AS; head->as_gid = UINT32_MAX);
    REFUSED(head->group_count = UINT32_MAX);
    REFUSED(head->groups += 2);
    REFUSED(head->groups = UINT32_MAX & ~7u);
    REFUSED(*(uint32_t *) (void *) (builder.data + head->groups) = UINT32_MAX);
    REFUSED(head->limit_count = 17);
    REFUSED(head->limits += 4);
    REFUSED(*(int32_t *) (void *) (builder.data + head->limits) = 16);
    REFUSED(*(int32_t *) (void *) (builder.data + head->limits) = -1);
    REFUSED(head->placed_count = UINT32_MAX / 8 + 3);
    REFUSED(((struct link_placed_fd *) (void *) (builder.data + head->placed))[1].target = 3);
    REFUSED(((struct link_placed_fd *) (void *) (builder.data + head->placed))[1].target = 2);
    REFUSED(((struct link_placed_fd *) (void *) (builder.data + head->placed))[1].fd = 2);
    REFUSED(head->stdio[0].kind = 5);
    REFUSED(head->stdio[1].path = head->size);
    REFUSED(head->stdio[2].kind = LINK_STDIO_FD; head->stdio[2].fd = 2);
    REFUSED(builder.data[head->size - 1] = 'x');
    head = valid();
    ck_assert_int_eq(spec_check(builder.data, head->size - 1, 2), -EINVAL);
    ck_assert_int_eq(spec_check(builder.data, sizeof *head - 1, 2), -EINVAL);
    ck_assert_int_eq(spec_check(builder.data, 0, 2), -EINVAL);
}
END_TEST

/* The copy is exactly as large as it says, in memory of its own: a sanitizer sees every step beyond. */
START_TEST(mutations_never_crash)
{
    unsigned seed = 1, passed = 0;

    for (int round = 0; round < 200000; round++) {
        uint32_t size, whole = valid()->size;
        unsigned char *copy;

        for (int i = rand_r(&seed) % 4; i >= 0; i--) {
            uint32_t word = (uint32_t) rand_r(&seed);
            uint32_t at = (uint32_t) rand_r(&seed) % (rand_r(&seed) % 4 ? (uint32_t) sizeof(struct link_spec)
                                                                        : whole - 4);

            if (rand_r(&seed) % 2)
                word %= 300;
            memcpy(builder.data + at, &word, rand_r(&seed) % 2 ? 4 : 1);
        }
        size = spec_head(&builder)->size;
        if (size > sizeof builder.data || rand_r(&seed) % 8 == 0)
            size = (uint32_t) rand_r(&seed) % 512;
        copy = malloc(size ? size : 1);
        memcpy(copy, builder.data, size);
        passed += spec_check(copy, size, 2) == 0;
        free(copy);
    }
    ck_assert_uint_gt(passed, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spec");
    TCase *test = tcase_create("spec");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, test);
    tcase_set_timeout(test, 60);
    tcase_add_test(test, a_valid_one_passes);
    tcase_add_test(test, each_member_is_checked);
    tcase_add_test(test, mutations_never_crash);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
