/* SPDX-License-Identifier: MIT */
/* Synchronisation objects against a daemon that is played: what is asked, in which order, and what is not. */
#include "client/lib/library.h"
#include "daemon/base/clock.h"
#include "tests/unit/client/fake_daemon.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

static struct fake fake;
static struct fake_peer peer;

PROCD_TARGET(nothing)
{
    return 0;
}

static void begin(void)
{
    fake_begin(&fake);
}

static void end(void)
{
    struct library *here = library();

    while (here->idle_count > 0)
        connection_free(here->idle[--here->idle_count]);
    fake_end(&fake);
}

static void *greet(void *part)
{
    fake_greet(&fake, &peer, "e");
    ((void (*)(void))part)();
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

/* One connection, on which part plays the daemon until it is closed. */
static void serve(void (*part)(void))
{
    ck_assert_int_eq(pthread_create(&fake.thread, NULL, greet, (void *)part), 0);
}

static json_t *param(json_t *request, const char *name)
{
    return json_object_get(json_object_get(request, "params"), name);
}

static const char *text(json_t *request, const char *name)
{
    return json_string_value(param(request, name));
}

/* The next request, which is about that object. */
static json_t *expect(const char *method, const char *name)
{
    json_t *request = fake_read(&peer, method);

    ck_assert_ptr_nonnull(request);
    ck_assert_str_eq(text(request, "name"), name);
    return request;
}

static void answer(const char *method, const char *name, json_t *result)
{
    fake_answer(&peer, expect(method, name), result);
}

static json_t *created(const char *name)
{
    return json_pack("{s:s,s:b}", "name", name, "created", 1);
}

static json_t *acquired(int is_acquired, int is_abandoned, int token)
{
    return json_pack("{s:b,s:b,s:i}", "acquired", is_acquired, "abandoned", is_abandoned, "token", token);
}

/* ---- one lock ---- */

static char holders[2][24];

static void lock_and_release(void)
{
    json_t *request = fake_read(&peer, "object.create");

    ck_assert_str_eq(text(request, "kind"), "rlock");
    ck_assert(json_is_true(param(request, "exist_ok")));
    ck_assert(json_is_null(param(request, "name")));
    ck_assert(json_is_string(json_object_get(request, "key")));
    fake_answer(&peer, request, created("@1"));

    request = expect("object.map", "@1"); /* a daemon that does not know it is not asked again */
    strcpy(holders[0], text(request, "holder"));
    fake_fail(&peer, request, PROCD_E_METHOD_NOT_FOUND, "no such method");
    request = expect("rlock.acquire", "@1");
    ck_assert(json_is_null(param(request, "timeout")));
    ck_assert(json_is_string(json_object_get(request, "key")));
    ck_assert_str_eq(text(request, "holder"), holders[0]);
    fake_answer(&peer, request, acquired(1, 0, 7));
    request = expect("rlock.acquire", "@1");
    ck_assert_double_eq(json_number_value(param(request, "timeout")), 0.5);
    strcpy(holders[1], text(request, "holder")); /* the other thread's */
    fake_answer(&peer, request, acquired(0, 0, 0));
    request = expect("rlock.acquire", "@1");
    ck_assert_double_eq(json_number_value(param(request, "timeout")), 0);
    fake_answer(&peer, request, acquired(1, 1, 8));
    fake_fail(&peer, expect("rlock.acquire", "@1"), PROCD_E_DEADLOCK, "in a ring");
    request = expect("rlock.release", "@1");
    ck_assert_str_eq(text(request, "holder"), holders[0]);
    ck_assert(json_is_string(json_object_get(request, "key")));
    fake_answer(&peer, request, json_object());
    request = expect("object.close", "@1");
    ck_assert(json_is_string(json_object_get(request, "key")));
    fake_answer(&peer, request, json_object());
}

static void *try(void *lock)
{
    ck_assert_int_eq(procd_rlock_acquire(lock, 0.5), 0);
    return NULL;
}

START_TEST(what_is_asked)
{
    procd_rlock *lock;
    pthread_t thread;

    serve(lock_and_release);
    lock = procd_rlock_new(NULL);
    ck_assert_int_eq(procd_rlock_acquire(lock, PROCD_FOREVER), 1);
    ck_assert_uint_eq(procd_rlock_token(lock), 7);
    ck_assert_int_eq(pthread_create(&thread, NULL, try, lock), 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(procd_rlock_token(lock), 7);
    ck_assert_int_eq(procd_rlock_acquire(lock, -3), 2);
    ck_assert_uint_eq(procd_rlock_token(lock), 8);
    ck_assert_int_eq(procd_rlock_acquire(lock, 1e10), PROCD_E_DEADLOCK);
    ck_assert_str_eq(procd_last_error()->message, "in a ring");
    ck_assert_int_eq(procd_rlock_release(lock), 0);
    procd_rlock_free(lock);
    ck_assert_str_ne(holders[0], holders[1]);
}
END_TEST

/* ---- handles of one object ---- */

static void two_handles(void)
{
    answer("object.create", "l", created("l"));
    answer("object.create", "l", created("l"));
    fake_fail(&peer, expect("object.create", "l"), PROCD_E_WRONG_KIND, "wrong kind");
    answer("object.info", "l", json_pack("{s:s}", "kind", "lock"));
    answer("object.open", "l", json_object());
    fake_fail(&peer, expect("object.info", "m"), PROCD_E_NO_SUCH_OBJECT, "no such object");
    answer("object.info", "l", json_pack("{s:s}", "kind", "event"));
    answer("lock.release", "l", json_object()); /* by the last handle */
    answer("object.close", "l", json_object());
}

START_TEST(the_last_handle_closes)
{
    json_t *json, *missing = json_pack("{s:s,s:s}", "procd", "lock", "name", "m");
    procd_lock *a, *b, *c;

    serve(two_handles);
    a = procd_lock_new("l");
    b = procd_lock_new("l");
    ck_assert_ptr_null(procd_event_new("l"));
    json = procd_lock_json(a);
    c = procd_lock_from_json(json);
    ck_assert_ptr_null(procd_lock_from_json(missing));
    ck_assert_int_eq(procd_last_error()->code, PROCD_E_NO_SUCH_OBJECT);
    ck_assert_ptr_null(procd_lock_from_json(json));
    ck_assert_int_eq(procd_last_error()->code, PROCD_E_WRONG_KIND);
    procd_lock_free(a);
    procd_lock_free(b);
    ck_assert_int_eq(procd_lock_release(c), 0);
    procd_lock_free(c);
    json_decref(json);
    json_decref(missing);
}
END_TEST

static void *open_again(void *unused)
{
    procd_lock *lock = procd_lock_new("l");

    (void)unused;
    ck_assert_ptr_nonnull(lock);
    procd_lock_free(lock);
    return NULL;
}

static pthread_t opener;

/* Somebody wants it again while the close is under way. */
static void slow_close(void)
{
    struct pollfd listener = {.fd = fake.listener, .events = POLLIN};
    json_t *closing;

    answer("object.create", "l", created("l"));
    closing = expect("object.close", "l");
    ck_assert_int_eq(pthread_create(&opener, NULL, open_again, NULL), 0);
    ck_assert_int_eq(poll(&listener, 1, 50), 0); /* it does not even connect */
    fake_answer(&peer, closing, json_object());
    answer("object.create", "l", created("l"));
    answer("object.close", "l", json_object());
}

START_TEST(an_open_does_not_overtake_a_close)
{
    procd_lock *lock;

    serve(slow_close);
    lock = procd_lock_new("l");
    procd_lock_free(lock);
    pthread_join(opener, NULL);
}
END_TEST

static pthread_barrier_t replaced;

static void *another_daemon(void *unused)
{
    (void)unused;
    fake_greet(&fake, &peer, "e");
    answer("object.create", "l", created("l"));
    fake_close(&fake);
    fake_hang_up(&peer);
    fake_listen(&fake);
    pthread_barrier_wait(&replaced);
    fake_greet(&fake, &peer, "f");
    ck_assert_ptr_null(fake_read(&peer, NULL)); /* nothing is asked of it */
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(handles_do_not_outlive_their_daemon)
{
    procd_lock *lock;

    pthread_barrier_init(&replaced, NULL, 2);
    fake_run(&fake, another_daemon);
    lock = procd_lock_new("l");
    pthread_barrier_wait(&replaced);
    ck_assert_int_eq(procd_lock_acquire(lock, PROCD_FOREVER), PROCD_E_NO_SUCH_OBJECT);
    ck_assert_str_eq(procd_last_error()->message, "the daemon that kept it is gone");
    procd_lock_free(lock);
}
END_TEST

static void *another_broker(void *unused)
{
    json_t *request, *again;

    (void)unused;
    fake_greet(&fake, &peer, "e");
    answer("object.create", "l", created("l"));
    answer("object.map", "l", json_pack("{s:b}", "mapped", 0));
    request = expect("lock.acquire", "l");
    fake_hang_up(&peer);
    fake_greet(&fake, &peer, "e");
    again = expect("lock.acquire", "l");
    ck_assert(json_equal(json_object_get(request, "key"), json_object_get(again, "key")));
    ck_assert(json_equal(json_object_get(request, "params"), json_object_get(again, "params")));
    fake_answer(&peer, again, acquired(1, 0, 3));
    answer("object.close", "l", json_object());
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    json_decref(request);
    return NULL;
}

START_TEST(waits_outlive_brokers)
{
    procd_lock *lock;

    fake_run(&fake, another_broker);
    lock = procd_lock_new("l");
    ck_assert_int_eq(procd_lock_acquire(lock, 5), 1);
    procd_lock_free(lock);
}
END_TEST

/* ---- conditions and barriers ---- */

static void condition_with_a_lock(void)
{
    json_t *request = expect("object.create", "c");

    ck_assert(!param(request, "lock"));
    fake_answer(&peer, request, created("c"));
    answer("object.info", "c", json_pack("{s:s,s:s}", "kind", "condition", "lock", "mine"));
    answer("object.info", "mine", json_pack("{s:s}", "kind", "lock")); /* not what the library would make */
    answer("object.open", "mine", json_object());
    answer("lock.acquire", "mine", acquired(1, 0, 3));
    request = expect("condition.wait", "c");
    ck_assert_int_gt(json_string_length(param(request, "holder")), 0);
    ck_assert(json_is_null(param(request, "timeout")));
    fake_answer(&peer, request, json_pack("{s:b,s:b}", "notified", 1, "abandoned", 1));
    answer("condition.wait", "c", json_pack("{s:b,s:b}", "notified", 0, "abandoned", 1));
    request = expect("condition.notify", "c");
    ck_assert_int_eq(json_integer_value(param(request, "n")), 3);
    fake_answer(&peer, request, json_pack("{s:i}", "woken", 2));
    answer("condition.notify_all", "c", json_pack("{s:s}", "woken", "two"));
    answer("lock.release", "mine", json_object());
    answer("object.close", "mine", json_object());
    answer("object.close", "c", json_object());
}

START_TEST(conditions)
{
    procd_condition *condition;

    serve(condition_with_a_lock);
    condition = procd_condition_new("c", NULL);
    ck_assert_int_eq(procd_condition_acquire(condition, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_condition_wait(condition, PROCD_FOREVER), 2);
    ck_assert_int_eq(procd_condition_wait(condition, 0.1), 0);
    ck_assert_int_eq(procd_condition_notify(condition, 3), 2);
    ck_assert_int_eq(procd_condition_notify_all(condition), -EPROTO);
    ck_assert_int_eq(procd_condition_release(condition), 0);
    procd_condition_free(condition);
}
END_TEST

static void lockless_condition(void)
{
    answer("object.create", "c", created("c"));
    answer("object.info", "c", json_pack("{s:s,s:n}", "kind", "condition", "lock"));
    answer("object.close", "c", json_object());
}

START_TEST(condition_without_its_lock)
{
    serve(lockless_condition);
    ck_assert_ptr_null(procd_condition_new("c", NULL));
    ck_assert_int_eq(procd_last_error()->code, PROCD_E_NO_SUCH_OBJECT);
}
END_TEST

static void barrier_with_actions(void)
{
    json_t *request = expect("object.create", "b");

    ck_assert_int_eq(json_integer_value(param(request, "parties")), 3);
    fake_answer(&peer, request, created("b"));
    request = expect("barrier.wait", "b");
    ck_assert(json_is_true(param(request, "action")));
    fake_answer(&peer, request, json_pack("{s:b}", "run_action", 1));
    request = expect("barrier.done", "b");
    ck_assert(json_is_true(param(request, "ok")));
    fake_answer(&peer, request, json_pack("{s:i}", "index", 2));
    answer("barrier.wait", "b", json_pack("{s:b}", "run_action", 1));
    request = expect("barrier.done", "b");
    ck_assert(json_is_false(param(request, "ok")));
    fake_fail(&peer, request, PROCD_E_BROKEN_BARRIER, "broken");
    request = expect("barrier.wait", "b");
    ck_assert(json_is_false(param(request, "action")));
    fake_answer(&peer, request, json_pack("{s:i}", "index", 1));
    answer("object.close", "b", json_object());
}

static int action(void *result)
{
    return *(int *)result;
}

START_TEST(barriers)
{
    procd_barrier *barrier;
    int result = 0, index = -1;

    serve(barrier_with_actions);
    barrier = procd_barrier_new("b", 3, action, &result);
    ck_assert_int_eq(procd_barrier_wait(barrier, PROCD_FOREVER, &index), 0);
    ck_assert_int_eq(index, 2);
    result = 1;
    ck_assert_int_eq(procd_barrier_wait(barrier, PROCD_FOREVER, &index), PROCD_E_BROKEN_BARRIER);
    ck_assert_int_eq(index, 2);
    ck_assert_int_eq(procd_barrier_set_action(barrier, NULL, NULL), 0);
    ck_assert_int_eq(procd_barrier_wait(barrier, 1, &index), 0);
    ck_assert_int_eq(index, 1);
    procd_barrier_free(barrier);
}
END_TEST

/* ---- arguments ---- */

static void look_for_objects(void)
{
    json_t *request = fake_read(&peer, "process.spawn"),
           *wanted = json_pack("[s,s,s,s]", "extra", "deep", "once", "k");

    ck_assert_ptr_nonnull(request);
    ck_assert(json_equal(param(request, "objects"), wanted));
    fake_fail(&peer, request, PROCD_E_NO_SUCH_OBJECT, "no such object");
    json_decref(wanted);
}

static json_t *reference(const char *kind, const char *name)
{
    return json_pack("{s:s,s:s}", "procd", kind, "name", name);
}

START_TEST(objects_among_the_arguments)
{
    struct procd_options options = {.target = "nothing",
                                    .extra = json_pack("{s:[s]}", "objects", "extra"),
                                    .kwargs = json_pack("{s:o,s:n}", "k", reference("barrier", "k"), "name")};
    procd_process *process;

    options.args = json_pack("[{s:[[o]]},o,o,o,s,{s:s}]", "a", reference("semaphore", "deep"),
                             reference("bounded_semaphore", "once"), reference("event", "once"),
                             reference("no kind", "unheard-of"), "procd", "procd", "lock");
    serve(look_for_objects);
    process = procd_process_new(&options);
    ck_assert_int_eq(procd_process_start(process), PROCD_E_NO_SUCH_OBJECT);
    procd_process_free(process);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("sync");
    TCase *tcase = tcase_create("sync");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, what_is_asked);
    tcase_add_test(tcase, the_last_handle_closes);
    tcase_add_test(tcase, an_open_does_not_overtake_a_close);
    tcase_add_test(tcase, handles_do_not_outlive_their_daemon);
    tcase_add_test(tcase, waits_outlive_brokers);
    tcase_add_test(tcase, conditions);
    tcase_add_test(tcase, condition_without_its_lock);
    tcase_add_test(tcase, barriers);
    tcase_add_test(tcase, objects_among_the_arguments);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    SRunner *runner;
    int failed;

    procd_init(argc, argv);
    runner = make_runner();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
