/* SPDX-License-Identifier: MIT */
/* One broker after the other, and one daemon after the other: what is asked again, and what is not. */
#include "client/lib/connection.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "tests/unit/client/fake_daemon.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

static struct fake fake;
static struct connection *connection;

static void begin(void)
{
    fake_begin(&fake);
}

static void end(void)
{
    connection = connection_free(connection);
    fake_end(&fake);
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static json_int_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* Opens the connection while part plays the daemon. */
static void open_with(void *(*part)(void *) )
{
    fake_run(&fake, part);
    ck_assert_int_eq(connection_open(NULL, &connection), 0);
}

/* Asks, and takes the result's member "n" apart. */
static json_int_t ask_number(const char *method, json_t *params)
{
    struct connection_request request = {.method = method, .params = params};
    CLEANUP(incoming_done) struct incoming answer = {0};
    json_t *result = NULL;

    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &answer), 0);
    ck_assert_int_eq(incoming_result(&answer, &result, NULL), 0);
    json_decref(params);
    return number_of(result, "n");
}

static json_t *number(int n)
{
    return json_pack("{s:i}", "n", n);
}

static void *leave_once(void *unused)
{
    struct fake_peer peer;

    (void) unused;
    fake_accept(&fake, &peer); /* idle: it leaves without a word */
    fake_hang_up(&peer);
    fake_accept(&fake, &peer); /* its broker dies with the request read */
    json_decref(fake_read(&peer, "daemon.hello"));
    fake_hang_up(&peer);
    fake_greet(&fake, &peer, "e");
    fake_answer(&peer, fake_read(&peer, "daemon.ping"), number(4));
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(end_before_the_first_answer)
{
    open_with(leave_once);
    ck_assert_int_eq(ask_number("daemon.ping", NULL), 4);
    connection = connection_free(connection);
}
END_TEST

static void *replace_during_join(void *unused)
{
    struct fake_peer peer;
    json_t *request;
    double timeout;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    request = fake_read(&peer, "process.join");
    timeout = json_number_value(json_object_get(json_object_get(request, "params"), "timeout"));
    ck_assert_double_eq(timeout, 60);
    ck_assert_ptr_null(json_object_get(request, "key"));
    json_decref(request);
    fake_hang_up(&peer);

    fake_greet(&fake, &peer, "e");
    request = fake_read(&peer, "process.join");
    timeout = json_number_value(json_object_get(json_object_get(request, "params"), "timeout"));
    ck_assert(timeout < 60 && timeout > 1);
    ck_assert_int_eq(number_of(json_object_get(request, "params"), "process"), 12);
    fake_answer(&peer, request, number(6));
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(broker_replaced_while_a_join_waits)
{
    json_t *params = json_pack("{s:i,s:f}", "process", 12, "timeout", 60.0);

    open_with(replace_during_join);
    ck_assert_int_eq(ask_number("process.join", json_incref(params)), 6);
    ck_assert_double_eq(json_number_value(json_object_get(params, "timeout")), 60); /* the caller's stays */
    json_decref(params);
    connection = connection_free(connection);
}
END_TEST

/* Those that wait for an object, or for the end of a tree. */
static const char *const keyed_waits[] = {"lock.acquire", "rlock.acquire", "semaphore.acquire", "event.wait",
                                          "condition.wait", "barrier.wait", "process.stop"};
static const char *keyed_wait;

static void *replace_while_it_waits(void *unused)
{
    struct fake_peer peer;
    json_t *first, *second;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    first = fake_read(&peer, keyed_wait);
    fake_hang_up(&peer);

    fake_greet(&fake, &peer, "e");
    second = fake_read(&peer, keyed_wait);
    ck_assert_str_ne(text_of(first, "key"), "");
    ck_assert_str_eq(text_of(first, "key"), text_of(second, "key"));
    /* the time-out, too: its clock goes on with the daemon */
    ck_assert(json_equal(json_object_get(first, "params"), json_object_get(second, "params")));
    json_decref(first);
    fake_answer(&peer, second, number(5));
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(broker_replaced_while_something_waits_with_a_key)
{
    keyed_wait = keyed_waits[_i];
    open_with(replace_while_it_waits);
    ck_assert_int_eq(ask_number(keyed_wait, json_pack("{s:s,s:f}", "name", "x", "timeout", 60.0)), 5);
    connection = connection_free(connection);
}
END_TEST

static void *replace_during_spawn(void *unused)
{
    struct fake_peer peer;
    json_t *first, *second;
    char byte = 0;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    first = fake_read(&peer, "process.spawn");
    ck_assert_uint_eq(peer.fd_count, 2);
    fake_hang_up(&peer);

    fake_greet(&fake, &peer, "e");
    second = fake_read(&peer, "process.spawn");
    ck_assert_uint_eq(peer.fd_count, 2);
    ck_assert_int_eq(write(peer.fds[1], "!", 1), 1);
    ck_assert_int_eq(read(peer.fds[0], &byte, 1), 1);
    ck_assert_int_eq(byte, '!');
    ck_assert_str_eq(text_of(first, "key"), text_of(second, "key"));
    ck_assert(json_equal(json_object_get(first, "params"), json_object_get(second, "params")));
    json_decref(first);
    fake_answer(&peer, second, number(8));
    second = fake_read(&peer, "process.spawn");
    ck_assert_str_ne(text_of(second, "key"), "");
    fake_answer(&peer, second, number(9));
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(broker_replaced_during_a_spawn)
{
    json_t *params = json_pack("{s:[s]}", "argv", "true");
    struct connection_request request = {.method = "process.spawn", .params = params, .fd_count = 2};
    struct incoming answer;
    json_t *result;
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    request.fds = ends;
    open_with(replace_during_spawn);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &answer), 0);
        ck_assert_int_eq(incoming_result(&answer, &result, NULL), 0);
        ck_assert_int_eq(number_of(result, "n"), 8 + i);
        incoming_done(&answer);
        request.fd_count = 0;
    }
    json_decref(params);
    close_fd(ends[0]);
    close_fd(ends[1]);
    connection = connection_free(connection);
}
END_TEST

static void *replace_daemon(void *unused)
{
    struct fake_peer peer;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    json_decref(fake_read(&peer, "process.join"));
    fake_hang_up(&peer);
    fake_greet(&fake, &peer, "another");
    ck_assert_ptr_null(fake_read(&peer, NULL)); /* ids of the old one must not be asked of this one */
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(another_daemon_is_not_asked_again)
{
    struct connection_request request = {.method = "process.join"};
    struct incoming answer;

    open_with(replace_daemon);
    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &answer), -ECONNRESET);
    ck_assert_int_eq(connection_send(connection, &request, NULL), -ECONNRESET);
    connection = connection_free(connection);
}
END_TEST

static pthread_barrier_t gone;

static void *end_daemon(void *unused)
{
    struct fake_peer peer;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    json_decref(fake_read(&peer, "process.join"));
    fake_close(&fake);
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(gone_daemon_fails_at_once)
{
    struct connection_request request = {.method = "process.join"};
    int64_t begun = clock_monotonic();
    struct incoming answer;

    open_with(end_daemon);
    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &answer), -ECONNRESET);
    ck_assert_int_lt(clock_monotonic() - begun, 5 * NSEC_PER_SEC);
    connection = connection_free(connection);
}
END_TEST

static void *replace_daemon_while_idle(void *unused)
{
    struct fake_peer peer;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    fake_hang_up(&peer);
    pthread_barrier_wait(&gone);
    fake_greet(&fake, &peer, "another");
    fake_answer(&peer, fake_read(&peer, "daemon.ping"), number(1));
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

/* Nothing had been asked: what is asked now is for the new one, unless it is about something of the old
 * one's. */
START_TEST(idle_connection_goes_to_the_new_daemon)
{
    struct connection_request request = {.method = "process.info", .epoch = "e"};
    struct incoming answer;

    pthread_barrier_init(&gone, NULL, 2);
    open_with(replace_daemon_while_idle);
    pthread_barrier_wait(&gone);
    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &answer), 0);
    ck_assert_int_eq(incoming_result(&answer, NULL, NULL), -ESTALE);
    incoming_done(&answer);
    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &answer), -ESTALE);
    ck_assert_int_eq(ask_number("daemon.ping", NULL), 1);
    connection = connection_free(connection);
}
END_TEST

static void *replace_during_restart(void *unused)
{
    struct fake_peer peer;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    json_decref(fake_read(&peer, "daemon.restart"));
    fake_hang_up(&peer);
    fake_greet(&fake, &peer, "e");
    json_decref(fake_read(&peer, "daemon.stop"));
    fake_hang_up(&peer);
    fake_greet(&fake, &peer, "e");
    fake_answer(&peer, fake_read(&peer, "daemon.ping"), number(1));
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(restart_and_stop_are_asked_once)
{
    struct connection_request request = {.method = "daemon.restart"};
    struct incoming answer;

    open_with(replace_during_restart);
    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &answer), 0);
    ck_assert_int_eq(incoming_result(&answer, NULL, NULL), 0);
    incoming_done(&answer);
    request.method = "daemon.stop";
    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &answer), 0);
    ck_assert_int_eq(incoming_result(&answer, NULL, NULL), -ECONNRESET);
    incoming_done(&answer);
    ck_assert_int_eq(ask_number("daemon.ping", NULL), 1);
    connection = connection_free(connection);
}
END_TEST

static void send_event(struct fake_peer *peer, int subscription, int seq)
{
    fake_send(peer, json_pack("{s:s,s:s,s:{s:i,s:i,s:s}}", "jsonrpc", "2.0", "method", "event", "params",
                              "subscription", subscription, "seq", seq, "kind", "process.exited"));
}

static void answer_subscribe(struct fake_peer *peer, int since, int subscription, int first, int last,
                             int gap)
{
    json_t *request = fake_read(peer, "events.subscribe"), *params = json_object_get(request, "params");

    ck_assert_int_eq(since < 0 ? -1 : number_of(params, "since"), since);
    ck_assert_ptr_nonnull(json_object_get(params, "kinds"));
    fake_answer(peer, request,
                json_pack("{s:i,s:i,s:i,s:b}", "subscription", subscription, "first", first, "last", last,
                          "gap", gap));
}

static void *replace_during_events(void *unused)
{
    struct fake_peer peer;
    json_t *request;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    answer_subscribe(&peer, -1, 1, 1, 10, 0);
    answer_subscribe(&peer, 5, 2, 1, 10, 0);
    send_event(&peer, 1, 11);
    fake_answer(&peer, fake_read(&peer, "events.unsubscribe"), json_object());
    fake_hang_up(&peer);

    fake_greet(&fake, &peer,
               "e"); /* only the second is left; it has seen nothing since 5, and 6 to 7 are lost */
    answer_subscribe(&peer, 5, 1, 8, 12, 1);
    send_event(&peer, 1, 12);
    answer_subscribe(&peer, -1, 2, 8, 12, 0); /* a number that the caller has already */
    send_event(&peer, 2, 13);
    request = fake_read(&peer, "events.unsubscribe");
    ck_assert_int_eq(number_of(json_object_get(request, "params"), "subscription"), 1);
    fake_answer(&peer, request, json_object());
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

static json_int_t subscribe(json_int_t since)
{
    json_t *params = json_pack("{s:[s]}", "kinds", "process.*"), *result;
    struct connection_request request = {.method = "events.subscribe", .params = params};
    struct incoming answer;
    json_int_t subscription;

    if (since >= 0)
        json_object_set_new(params, "since", json_integer(since));
    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &answer), 0);
    ck_assert_int_eq(incoming_result(&answer, &result, NULL), 0);
    subscription = number_of(result, "subscription");
    incoming_done(&answer);
    json_decref(params);
    return subscription;
}

static void expect_event(json_int_t subscription, json_int_t seq, const char *kind)
{
    struct incoming incoming;
    json_t *params;

    ck_assert_int_eq(connection_receive(connection, CONNECTION_FOREVER, &incoming), 0);
    params = json_object_get(incoming.message, "params");
    ck_assert_int_eq(number_of(params, "subscription"), subscription);
    ck_assert_int_eq(number_of(params, "seq"), seq);
    ck_assert_str_eq(text_of(params, "kind"), kind);
    if (strcmp(kind, "gap") == 0) {
        ck_assert_int_eq(number_of(params, "from"), 6);
        ck_assert_int_eq(number_of(params, "to"), 7);
    }
    incoming_done(&incoming);
}

START_TEST(events_go_on_with_the_next_broker)
{
    open_with(replace_during_events);
    ck_assert_int_eq(subscribe(-1), 1);
    ck_assert_int_eq(subscribe(5), 2);
    expect_event(1, 11, "process.exited");
    ask_number("events.unsubscribe", json_pack("{s:i}", "subscription", 1));
    expect_event(2, 7, "gap");
    expect_event(2, 12, "process.exited");
    ck_assert_int_eq(subscribe(-1), 3);
    expect_event(3, 13, "process.exited");
    ask_number("events.unsubscribe", json_pack("{s:i}", "subscription", 2));
    connection = connection_free(connection);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reconnect");
    TCase *tcase = tcase_create("reconnect");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, end_before_the_first_answer);
    tcase_add_test(tcase, broker_replaced_while_a_join_waits);
    tcase_add_loop_test(tcase, broker_replaced_while_something_waits_with_a_key, 0,
                        sizeof keyed_waits / sizeof keyed_waits[0]);
    tcase_add_test(tcase, broker_replaced_during_a_spawn);
    tcase_add_test(tcase, another_daemon_is_not_asked_again);
    tcase_add_test(tcase, gone_daemon_fails_at_once);
    tcase_add_test(tcase, idle_connection_goes_to_the_new_daemon);
    tcase_add_test(tcase, restart_and_stop_are_asked_once);
    tcase_add_test(tcase, events_go_on_with_the_next_broker);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
