/* SPDX-License-Identifier: MIT */
/* The header's constants against proto/errors.def, both ways; words for every code; the last failure per
 * thread. */
#include "client/lib/library.h"
#include "daemon/base/cleanup.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

START_TEST(every_error_has_its_constant)
{
#define ERROR(identifier, name, code, message)           \
    ck_assert_int_eq(PROCD_E_##identifier, code);        \
    ck_assert_str_eq(procd_strerror(code), message);
#include "proto/errors.def"
#undef ERROR
}
END_TEST

static bool is_declared(const char *identifier)
{
#define ERROR(id, name, code, message)  \
    if (strcmp(identifier, #id) == 0)   \
        return true;
#include "proto/errors.def"
#undef ERROR
    return false;
}

/* A compiler cannot list an enum's members, so the header is read. */
START_TEST(every_constant_is_an_error)
{
    const char *top = getenv("TOP_SRCDIR");
    char path[4096], line[256], identifier[64];
    size_t found = 0;
    FILE *header;

    snprintf(path, sizeof path, "%s/client/lib/procd.h", top ? top : ".");
    header = fopen(path, "r");
    ck_assert_ptr_nonnull(header);
    while (fgets(line, sizeof line, header)) {
        if (sscanf(line, " PROCD_E_%63[A-Z_] =", identifier) == 1) {
            ck_assert_msg(is_declared(identifier), "%s is no error of the protocol", identifier);
            found++;
        }
    }
    fclose(header);
#define ERROR(id, name, code, message) found--;
#include "proto/errors.def"
#undef ERROR
    ck_assert_uint_eq(found, 0);
}
END_TEST

START_TEST(words)
{
    ck_assert_str_eq(procd_strerror(0), "success");
    ck_assert_str_eq(procd_strerror(7), "success");
    ck_assert_str_eq(procd_strerror(-ENOENT), strerror(ENOENT));
    ck_assert_str_eq(procd_strerror(-5000), "unknown error -5000");
    ck_assert_ptr_nonnull(procd_strerror(INT32_MIN));
}
END_TEST

static void *fail_elsewhere(void *unused)
{
    (void) unused;
    ck_assert_int_eq(procd_last_error()->code, 0);
    failure_note(-EPERM, "elsewhere");
    ck_assert_str_eq(procd_last_error()->message, "elsewhere");
    return NULL;
}

START_TEST(last_failure)
{
    const struct procd_failure *failure = procd_last_error();
    json_t *error = json_pack("{s:i,s:s,s:{s:s,s:s}}", "code", -32004, "message", "cannot", "data", "name",
                              "SpawnFailed", "errno", "ENOENT");
    pthread_t thread;

    ck_assert_int_eq(failure->code, 0);
    ck_assert_str_eq(failure->message, "success");
    ck_assert_ptr_null(failure->data);

    ck_assert_int_eq(failure_note_daemon(-32004, error), -32004);
    json_decref(error);
    pthread_create(&thread, NULL, fail_elsewhere, NULL);
    pthread_join(thread, NULL);
    failure = procd_last_error();
    ck_assert_int_eq(failure->code, PROCD_E_SPAWN_FAILED);
    ck_assert_str_eq(failure->message, "cannot");
    ck_assert_str_eq(json_string_value(json_object_get(failure->data, "errno")), "ENOENT");

    failure_note(-EINVAL, NULL);
    ck_assert_str_eq(procd_last_error()->message, strerror(EINVAL));
    ck_assert_ptr_null(procd_last_error()->data);
    failure_note_daemon(PROCD_E_CANCELLED, NULL);
    ck_assert_str_eq(procd_last_error()->message, "cancelled");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("error");
    TCase *tcase = tcase_create("error");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, every_error_has_its_constant);
    tcase_add_test(tcase, every_constant_is_an_error);
    tcase_add_test(tcase, words);
    tcase_add_test(tcase, last_failure);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
