/* SPDX-License-Identifier: MIT */
/* The environment as a memfd: which variables count, and that nobody changes it any more. */
#include "client/lib/environment.h"
#include "daemon/base/cleanup.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* It holds these bytes, from its front. */
static void check_block(char *const *variables, const char *wanted, size_t size)
{
    CLEANUP_FD int fd = environment_write(variables);
    char bytes[256];

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, bytes, sizeof bytes, 0), (ssize_t) size);
    ck_assert_int_eq(memcmp(bytes, wanted, size), 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

START_TEST(as_exec_passes_it_on)
{
    static const char wanted[] = "A=1\0A=2\0B=\0E=x=y\0F=\xff\0\xff=G";
    char *variables[] = {"A=1", "A=2", "B=", "C", "=D", "E=x=y", "F=\xff", "\xff=G", "", NULL};
    char *none[] = {NULL};

    check_block(variables, wanted, sizeof wanted);
    check_block(none, "", 0);
    check_block(NULL, "", 0);
}
END_TEST

static const char *value(const json_t *env, const char *name)
{
    return json_string_value(json_object_get(env, name));
}

START_TEST(as_getenv_sees_it)
{
    char *variables[] = {"A=1", "A=2", "B=", "C", "=D", "E=x=y", "F=\xff", "\xff=G", NULL}, *none[] = {NULL};
    json_t *env = environment_pack(variables);

    ck_assert_uint_eq(json_object_size(env), 4);
    ck_assert_str_eq(value(env, "A"), "1");
    ck_assert_str_eq(value(env, "B"), "");
    ck_assert_str_eq(value(env, "E"), "x=y");
    ck_assert_str_eq(value(json_object_get(env, "F"), "b64"), "/w==");
    json_decref(env);
    env = environment_pack(none);
    ck_assert_uint_eq(json_object_size(env), 0);
    json_decref(env);
    env = environment_pack(NULL);
    ck_assert_uint_eq(json_object_size(env), 0);
    json_decref(env);
}
END_TEST

START_TEST(up_to_what_the_daemon_takes)
{
    char *text = malloc((1 << 20) + 1), *variables[] = {text, NULL};
    int fd;

    memset(text, '=', 1 << 20);
    text[0] = 'A';
    text[1 << 20] = '\0';
    ck_assert_int_eq(environment_write(variables), -EMSGSIZE);
    text[(1 << 20) - 1] = '\0';
    fd = environment_write(variables);
    ck_assert_int_ge(fd, 0);
    close_fd(fd);
    free(text);
}
END_TEST

static ino_t inode_of(char *const *variables)
{
    CLEANUP_FD int fd = environment_write(variables);
    struct stat status;

    ck_assert_int_eq(fstat(fd, &status), 0);
    return status.st_ino;
}

static int lowest_free(void)
{
    CLEANUP_FD int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    return fd;
}

START_TEST(the_same_is_made_once)
{
    char text[] = "A=1", *variables[] = {text, NULL}, *more[] = {text, "B=2", NULL};
    ino_t first = inode_of(variables), other;
    int lowest = lowest_free();

    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(inode_of(variables), first);
    text[2] = '2';
    other = inode_of(variables);
    ck_assert_uint_ne(other, first);
    check_block(variables, "A=2", 4);
    ck_assert_uint_eq(inode_of(variables), other);
    check_block(more, "A=2\0B=2", 8);
    check_block(variables, "A=2", 4);
    ck_assert_int_eq(lowest_free(), lowest); /* one is kept */
}
END_TEST

/* Somebody closes what is not theirs, and opens something else. */
START_TEST(what_is_gone_is_made_anew)
{
    char *variables[] = {"A=1", NULL};
    int highest = 0, other;

    inode_of(variables);
    for (int fd = 3; fd < 100; fd++) /* ours is among them */
        if (fcntl(fd, F_GET_SEALS) > 0)
            highest = fd;
    ck_assert_int_gt(highest, 0);
    close(highest);
    check_block(variables, "A=1", 4);
    for (int fd = 3; fd < 100; fd++)
        if (fcntl(fd, F_GET_SEALS) > 0)
            highest = fd;
    other = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(dup2(other, highest), highest);
    check_block(variables, "A=1", 4);
    ck_assert_int_eq(fcntl(highest, F_GET_SEALS), -1); /* it was not closed */
    close(highest);
    close(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("environment");
    TCase *tcase = tcase_create("environment");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, as_exec_passes_it_on);
    tcase_add_test(tcase, as_getenv_sees_it);
    tcase_add_test(tcase, up_to_what_the_daemon_takes);
    tcase_add_test(tcase, the_same_is_made_once);
    tcase_add_test(tcase, what_is_gone_is_made_anew);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
