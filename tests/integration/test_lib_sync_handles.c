/* SPDX-License-Identifier: MIT */
/* Handles of libprocd's synchronisation objects: names, counts, and the way through arguments. */
#include "tests/integration/lib_sync.h"

#include <errno.h>
#include <string.h>

#define THREADS 4

static void refuse(void *handle, int error)
{
    ck_assert_ptr_null(handle);
    ck_assert_int_eq(procd_last_error()->code, error);
}

START_TEST(what_makes_no_sense)
{
    procd_lock *lock = procd_lock_new("l");
    json_t *json = procd_lock_json(lock), *gone = json_pack("{s:s,s:s}", "procd", "event", "name", "none"),
           *lie = json_pack("{s:s,s:s}", "procd", "event", "name", "l");
    char name[257];

    memset(name, 'x', 256);
    name[256] = '\0';
    refuse(procd_lock_new(name), PROCD_E_INVALID_PARAMS);
    ck_assert_str_eq(json_string_value(json_object_get(procd_last_error()->data, "param")), "name");
    refuse(procd_event_new(""), PROCD_E_INVALID_PARAMS);
    refuse(procd_event_new(".hidden"), PROCD_E_INVALID_PARAMS);
    refuse(procd_event_new("a b"), PROCD_E_INVALID_PARAMS);
    refuse(procd_event_new("\xff"), -EINVAL);
    refuse(procd_barrier_new(NULL, 0, NULL, NULL), PROCD_E_INVALID_PARAMS);
    refuse(procd_bounded_semaphore_new(NULL, 0), PROCD_E_INVALID_PARAMS);
    refuse(procd_event_new("l"), PROCD_E_WRONG_KIND);
    ck_assert_str_eq(json_string_value(json_object_get(procd_last_error()->data, "kind")), "lock");
    refuse(procd_event_from_json(json), PROCD_E_WRONG_KIND);
    ck_assert_str_eq(json_string_value(json_object_get(procd_last_error()->data, "kind")), "lock");
    refuse(procd_event_from_json(lie), PROCD_E_WRONG_KIND);
    refuse(procd_event_from_json(gone), PROCD_E_NO_SUCH_OBJECT);
    refuse(procd_event_from_json(NULL), -EINVAL);
    refuse(procd_lock_json(NULL), -EINVAL);
    ck_assert_int_eq(procd_lock_acquire(NULL, 0), -EINVAL);
    ck_assert_int_eq(procd_rlock_release(NULL), -EINVAL);
    ck_assert_int_eq(procd_semaphore_value(NULL), -EINVAL);
    ck_assert_int_eq(procd_event_wait(NULL, 0), -EINVAL);
    ck_assert_int_eq(procd_condition_acquire(NULL, 0), -EINVAL);
    ck_assert_int_eq(procd_barrier_wait(NULL, 0, NULL), -EINVAL);
    ck_assert_int_eq(procd_condition_wait_for(NULL, NULL, NULL, 0), -EINVAL);
    ck_assert_uint_eq(lib_sync_count(), 1);
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1); /* nothing of that has touched it */
    procd_lock_free(lock);
    json_decref(json);
    json_decref(gone);
    json_decref(lie);
}
END_TEST

/* The lock args[0] cannot be had. */
PROCD_TARGET(find_it_taken)
{
    procd_lock *lock = procd_lock_from_json(json_array_get(args, 0));

    NEED(lock && procd_lock_acquire(lock, 0) == 0);
    procd_lock_free(lock);
    return 0;
}

START_TEST(handles_are_counted)
{
    procd_lock *a = procd_lock_new("l"), *b = procd_lock_new("l"), *c;
    json_t *json = procd_lock_json(a);

    c = procd_lock_from_json(json);
    ck_assert_int_eq(procd_lock_acquire(a, 0), 1);
    procd_lock_free(a);
    procd_lock_free(c);
    ck_assert_int_eq(lib_sync_finish(lib_sync_start("find_it_taken", json_pack("[O]", json))), 0);
    ck_assert_int_eq(procd_lock_release(b), 0); /* any handle is as good */
    ck_assert_int_eq(procd_lock_acquire(b, 0), 1);
    procd_lock_free(b);
    ck_assert_uint_eq(lib_sync_count(), 0);
    refuse(procd_lock_from_json(json), PROCD_E_NO_SUCH_OBJECT);
    json_decref(json);
}
END_TEST

static void *open_and_free(void *rounds)
{
    for (int i = 0; i < *(int *)rounds; i++) {
        procd_lock *lock = procd_lock_new("busy");

        ck_assert_msg(lock != NULL, "%s", procd_last_error()->message);
        ck_assert_int_ge(procd_lock_acquire(lock, PROCD_FOREVER), 1);
        ck_assert_int_eq(procd_lock_release(lock), 0); /* no other thread's close has ended it */
        procd_lock_free(lock);
    }
    return NULL;
}

START_TEST(handles_come_and_go)
{
    int rounds = getenv("TEST_LONG") ? 1000 : 40;
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, open_and_free, &rounds), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

/* args: [{"deep": [semaphore]}], kwargs: {"event": event, "condition": condition}; nobody else has them. */
PROCD_TARGET(use_all)
{
    json_t *deep = json_array_get(json_object_get(json_array_get(args, 0), "deep"), 0);
    procd_semaphore *semaphore = procd_semaphore_from_json(deep);
    procd_event *event = procd_event_from_json(json_object_get(kwargs, "event"));
    procd_condition *condition = procd_condition_from_json(json_object_get(kwargs, "condition"));

    NEED(semaphore && procd_semaphore_value(semaphore) == 3);
    NEED(event && procd_event_is_set(event) == 1);
    NEED(condition && procd_condition_acquire(condition, 0) == 1);
    NEED(procd_condition_wait(condition, 0.01) == 0);
    procd_semaphore_free(semaphore);
    procd_event_free(event);
    procd_condition_free(condition);
    return 0;
}

START_TEST(children_have_them_from_the_start)
{
    procd_semaphore *semaphore = procd_bounded_semaphore_new(NULL, 3);
    procd_event *event = procd_event_new(NULL);
    procd_condition *condition = procd_condition_new(NULL, NULL);
    struct procd_options options = {.target = "use_all"};
    procd_process *process;

    procd_event_set(event);
    options.args = json_pack("[{s:[o]}]", "deep", procd_semaphore_json(semaphore));
    options.kwargs = json_pack("{s:o,s:o}", "event", procd_event_json(event), "condition",
                               procd_condition_json(condition));
    process = procd_process_new(&options);
    ck_assert_int_eq(procd_process_start(process), 0);
    procd_semaphore_free(semaphore);
    procd_event_free(event);
    procd_condition_free(condition);
    ck_assert_int_eq(lib_sync_finish(process), 0);
}
END_TEST

START_TEST(what_is_gone_cannot_be_given)
{
    procd_lock *lock = procd_lock_new(NULL);
    struct procd_options options = {.target = "find_it_taken",
                                    .args = json_pack("[o]", procd_lock_json(lock))};
    procd_process *process = procd_process_new(&options);

    procd_lock_free(lock);
    ck_assert_int_eq(procd_process_start(process), PROCD_E_NO_SUCH_OBJECT);
    procd_process_free(process);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_sync_handles");
    TCase *tcase = tcase_create("lib_sync_handles");

    tcase_add_checked_fixture(tcase, lib_sync_begin, lib_sync_end);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, what_makes_no_sense);
    tcase_add_test(tcase, handles_are_counted);
    tcase_add_test(tcase, handles_come_and_go);
    tcase_add_test(tcase, children_have_them_from_the_start);
    tcase_add_test(tcase, what_is_gone_cannot_be_given);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    return lib_sync_main(argc, argv, make_runner);
}
