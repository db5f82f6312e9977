/* SPDX-License-Identifier: MIT */
/* The environment's text: which variables count, and that a change is seen though the last text is kept. */
#include "client/lib/environment.h"
#include "daemon/base/cleanup.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *decode(char *const *variables)
{
    CLEANUP_MEMORY char *text = environment_encode(variables);
    CLEANUP_MEMORY char *object = NULL;
    json_t *params, *env;

    ck_assert_ptr_nonnull(text);
    ck_assert_int_gt(asprintf(&object, "{%s}", text), 0);
    params = json_loads(object, JSON_REJECT_DUPLICATES, NULL);
    env = json_incref(json_object_get(params, "env"));
    ck_assert(json_is_object(env));
    json_decref(params);
    return env;
}

static const char *value(const json_t *env, const char *name)
{
    return json_string_value(json_object_get(env, name));
}

START_TEST(as_getenv_sees_it)
{
    char *variables[] = {"A=1", "A=2", "B=", "C", "=D", "E=x=y", "F=\xff", "\xff=G", NULL}, *none[] = {NULL};
    json_t *env = decode(variables);

    ck_assert_uint_eq(json_object_size(env), 4);
    ck_assert_str_eq(value(env, "A"), "1");
    ck_assert_str_eq(value(env, "B"), "");
    ck_assert_str_eq(value(env, "E"), "x=y");
    ck_assert_str_eq(value(json_object_get(env, "F"), "b64"), "/w==");
    json_decref(env);
    env = decode(none);
    ck_assert_uint_eq(json_object_size(env), 0);
    json_decref(env);
    env = decode(NULL);
    ck_assert_uint_eq(json_object_size(env), 0);
    json_decref(env);
}
END_TEST

START_TEST(changes_are_seen)
{
    json_t *env;

    for (int i = 0; i < 6; i++) {
        char text[16];

        snprintf(text, sizeof text, "%d", i / 2); /* each twice */
        setenv("CHANGING", text, 1);
        env = decode(environ);
        ck_assert_str_eq(value(env, "CHANGING"), text);
        json_decref(env);
    }
    unsetenv("CHANGING");
    env = decode(environ);
    ck_assert_ptr_null(json_object_get(env, "CHANGING"));
    json_decref(env);
    /* The same bytes, cut elsewhere, are another environment. */
    {
        char *one[] = {"A=B", "C=D", NULL}, *other[] = {"A=BC", "=D", NULL};

        json_decref(decode(one));
        env = decode(other);
        ck_assert_str_eq(value(env, "A"), "BC");
        json_decref(env);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("environment");
    TCase *tcase = tcase_create("environment");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, as_getenv_sees_it);
    tcase_add_test(tcase, changes_are_seen);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
