/* SPDX-License-Identifier: MIT */
/* A connection to one broker: answers in pieces, interrupts, deadlines, sizes, forks. */
#include "client/lib/connection.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "tests/unit/client/fake_daemon.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

static void *serve_two(void *unused)
{
    struct fake_peer peer;
    json_t *request;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    request = fake_read(&peer, "daemon.ping");
    ck_assert_ptr_null(json_object_get(request, "key"));
    ck_assert_ptr_null(json_object_get(request, "params"));
    fake_send(&peer, json_pack("{s:s,s:s,s:{s:i}}", "jsonrpc", "2.0", "method", "other", "params", "n", 7));
    fake_answer(&peer, request, number(1));
    request = fake_read(&peer, "process.kill");
    ck_assert_int_gt(json_string_length(json_object_get(request, "key")), 16);
    fake_fail(&peer, request, -32001, "no such process");
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(answers_errors_and_notifications)
{
    struct connection_request request = {.method = "process.kill"};
    struct incoming incoming;
    json_t *error;

    open_with(serve_two);
    ck_assert_str_eq(connection_epoch(connection), "e");
    ck_assert_str_eq(connection_endpoint(connection)->path, fake.path);
    ck_assert_int_eq(ask_number("daemon.ping", NULL), 1);
    ck_assert(!connection_is_idle(connection));

    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &incoming), 0);
    ck_assert_int_eq(incoming_result(&incoming, NULL, &error), -32001);
    ck_assert_str_eq(text_of(error, "message"), "no such process");
    incoming_done(&incoming);

    /* What came meanwhile has kept. */
    ck_assert_int_eq(connection_receive(connection, 0, &incoming), 0);
    ck_assert_int_eq(incoming_id(&incoming), 0);
    ck_assert_str_eq(text_of(incoming.message, "method"), "other");
    incoming_done(&incoming);
    ck_assert_int_eq(connection_receive(connection, 0, &incoming), -ETIMEDOUT);
    ck_assert(connection_is_idle(connection));
    connection = connection_free(connection);
}
END_TEST

static void *serve_byte_by_byte(void *unused)
{
    static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"n\":5}}\n";
    struct fake_peer peer;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    json_decref(fake_read(&peer, NULL));
    for (size_t i = 0; i < sizeof line - 1; i++)
        ck_assert_int_eq(send(peer.fd, line + i, 1, MSG_NOSIGNAL), 1);
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(byte_by_byte)
{
    open_with(serve_byte_by_byte);
    ck_assert_int_eq(ask_number("daemon.ping", NULL), 5);
    connection = connection_free(connection);
}
END_TEST

static _Atomic int interrupts;

static void count_interrupt(int signal)
{
    (void) signal;
    interrupts++;
}

static void *serve_after_interrupts(void *main_thread)
{
    struct fake_peer peer;
    json_t *request;
    int seen;

    (void) main_thread;
    fake_greet(&fake, &peer, "e");
    request = fake_read(&peer, NULL);
    for (seen = 0; seen < 20;)
        seen = interrupts;
    fake_answer(&peer, request, number(2));
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(interrupts_are_no_result)
{
    struct sigaction action = {.sa_handler = count_interrupt}; /* without SA_RESTART */
    struct itimerval often = {.it_interval.tv_usec = 500, .it_value.tv_usec = 500}, never = {0};
    sigset_t alarm_only;

    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigaction(SIGALRM, &action, NULL);
    pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
    open_with(serve_after_interrupts); /* its thread inherits the mask: the signals come to us */
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    ck_assert_int_eq(ask_number("daemon.ping", NULL), 2);
    setitimer(ITIMER_REAL, &never, NULL);
    ck_assert_int_ge(interrupts, 20);
    connection = connection_free(connection);
}
END_TEST

/* The deadline is the whole wait's, not each interrupted part's. */
static void *serve_nothing(void *unused)
{
    struct fake_peer peer;
    json_t *request, *cancel;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    request = fake_read(&peer, "process.join");
    cancel = fake_read(&peer, "cancel");
    ck_assert_ptr_null(json_object_get(cancel, "id"));
    ck_assert_int_eq(number_of(json_object_get(cancel, "params"), "id"), number_of(request, "id"));
    json_decref(cancel);
    fake_answer(&peer, request, number(1)); /* late: nobody may see it */
    fake_answer(&peer, fake_read(&peer, "daemon.ping"), number(2));
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(deadlines_cancel)
{
    struct connection_request request = {.method = "process.join"};
    int64_t begun = clock_monotonic();
    struct incoming incoming;

    open_with(serve_nothing);
    ck_assert_int_eq(connection_call(connection, &request, clock_monotonic() + 20 * NSEC_PER_MSEC, &incoming),
                     -ETIMEDOUT);
    ck_assert_int_ge(clock_monotonic() - begun, 20 * NSEC_PER_MSEC);
    ck_assert_int_eq(ask_number("daemon.ping", NULL), 2);
    ck_assert_int_eq(connection_receive(connection, 0, &incoming), -ETIMEDOUT);
    connection = connection_free(connection);
}
END_TEST

/* After the deadline of a connection_call_once nothing can be answered any more. */
static void *serve_too_late(void *unused)
{
    static const char note[] = "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{}}\n";
    struct fake_peer peer;
    json_t *request;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    request = fake_read(&peer, "lock.acquire");
    while (send(peer.fd, note, sizeof note - 1, MSG_NOSIGNAL) > 0)
        poll(NULL, 0, 1);
    ck_assert_int_eq(errno, EPIPE);
    json_decref(request);
    fake_hang_up(&peer);
    return NULL;
}

static bool is_watched;
static pthread_barrier_t at_shutdown;

/* In place of the system's: stops the caller, where the test wants it, right before. */
int shutdown(int fd, int how)
{
    if (is_watched) {
        pthread_barrier_wait(&at_shutdown);
        pthread_barrier_wait(&at_shutdown);
    }
    return (int) syscall(SYS_shutdown, fd, how);
}

/* Behind the deadline, and before the client has shut the socket. */
static void *serve_late(void *unused)
{
    struct fake_peer peer;
    json_t *request;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    request = fake_read(&peer, "lock.acquire");
    pthread_barrier_wait(&at_shutdown);
    fake_answer(&peer, request, json_pack("{s:i}", "n", 7));
    pthread_barrier_wait(&at_shutdown);
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(calls_once_and_hears_what_is_late)
{
    struct connection_request request = {.method = "lock.acquire"};
    int64_t deadline = clock_monotonic() + NSEC_PER_MSEC;
    struct incoming incoming;
    json_t *result;

    pthread_barrier_init(&at_shutdown, NULL, 2);
    is_watched = true;
    open_with(serve_late);
    ck_assert_int_eq(connection_call_once(connection, &request, deadline, &incoming), 0);
    ck_assert_int_eq(incoming_result(&incoming, &result, NULL), 0);
    ck_assert_int_eq(number_of(result, "n"), 7);
    ck_assert(!connection_is_idle(connection)); /* nobody else is to have it */
    incoming_done(&incoming);
    connection = connection_free(connection);
}
END_TEST

static void *serve_notes_and_answer(void *unused)
{
    struct fake_peer peer;
    json_t *request;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    request = fake_read(&peer, "lock.acquire");
    for (int i = 0; i < 1000; i++)
        fake_send(&peer,
                  json_pack("{s:s,s:s,s:{s:i}}", "jsonrpc", "2.0", "method", "event", "params", "n", i));
    fake_answer(&peer, request, json_pack("{s:i}", "n", 7));
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(calls_once)
{
    struct connection_request request = {.method = "lock.acquire"};
    struct incoming incoming;
    json_t *result;

    open_with(serve_notes_and_answer);
    ck_assert_int_eq(connection_call_once(connection, &request, CONNECTION_FOREVER, &incoming), 0);
    ck_assert_int_eq(incoming_result(&incoming, &result, NULL), 0);
    ck_assert_int_eq(number_of(result, "n"), 7);
    incoming_done(&incoming);
    connection = connection_free(connection);
}
END_TEST

START_TEST(calls_once_and_takes_back)
{
    struct connection_request request = {.method = "lock.acquire"};
    int64_t deadline = clock_monotonic() + 20 * NSEC_PER_MSEC;
    struct incoming incoming;

    open_with(serve_too_late);
    ck_assert_int_eq(connection_call_once(connection, &request, deadline, &incoming), -ETIMEDOUT);
    ck_assert(!connection_is_idle(connection));
    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &incoming), -ETIMEDOUT);
    pthread_join(fake.thread, NULL); /* it has seen that although we have closed nothing */
    fake.thread = 0;
    connection = connection_free(connection);
}
END_TEST

static void *serve_big(void *unused)
{
    struct fake_peer peer;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    for (int i = 0; i < 4; i++) {
        json_t *request = fake_read(&peer, "process.spawn");
        json_t *echo = json_incref(json_object_get(json_object_get(request, "params"), "s"));

        fake_answer(&peer, request, json_pack("{s:o}", "s", echo));
    }
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

/* More than a socket holds, both ways at once: who only writes, or only reads, would never end. */
START_TEST(big_lines)
{
    size_t size = FRAME_LINE_MAX - 200;
    CLEANUP_MEMORY char *text = malloc(size + 400);
    struct connection_request request = {.method = "process.spawn"};
    struct incoming incoming;
    json_t *result;

    memset(text, 'x', size + 400);
    request.params = json_pack("{s:s#}", "s", text, (int) size);
    open_with(serve_big);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(connection_send(connection, &request, NULL), 0);
    ck_assert_int_eq(connection_poll_events(connection), POLLIN | POLLOUT);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(connection_receive(connection, CONNECTION_FOREVER, &incoming), 0);
        ck_assert_int_eq(incoming_result(&incoming, &result, NULL), 0);
        ck_assert_uint_eq(json_string_length(json_object_get(result, "s")), size);
        incoming_done(&incoming);
    }
    ck_assert_int_eq(connection_poll_events(connection), POLLIN);
    json_decref(request.params);
    request.params = json_pack("{s:s#}", "s", text, (int) size + 400);
    ck_assert_int_eq(connection_send(connection, &request, NULL), -EMSGSIZE);
    json_decref(request.params);
    connection = connection_free(connection);
}
END_TEST

static void *serve_nonsense(void *unused)
{
    struct fake_peer peer;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    json_decref(fake_read(&peer, NULL));
    ck_assert_int_eq(send(peer.fd, "nonsense\n", 9, MSG_NOSIGNAL), 9);
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(nonsense)
{
    struct connection_request request = {.method = "daemon.ping"};
    struct incoming incoming;

    open_with(serve_nonsense);
    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &incoming), -EPROTO);
    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &incoming), -EPROTO);
    connection = connection_free(connection);
}
END_TEST

static void *serve_hello_only(void *unused)
{
    struct fake_peer peer;

    (void) unused;
    fake_greet(&fake, &peer, "e");
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(forked_child_is_refused)
{
    struct connection_request request = {.method = "daemon.ping"};
    struct incoming incoming;
    int status;
    pid_t pid;

    open_with(serve_hello_only);
    pid = fork();
    if (pid == 0)
        _exit(connection_call(connection, &request, CONNECTION_FOREVER, &incoming) == -EINVAL &&
                      connection_receive(connection, 0, &incoming) == -EINVAL
                  ? 0
                  : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    connection = connection_free(connection);
}
END_TEST

static void *serve_adopted(void *socket)
{
    struct fake_peer peer = {.fd = *(int *) socket};
    json_t *hello = fake_read(&peer, "daemon.hello");

    fake_answer(&peer, hello, json_pack("{s:i,s:s}", "protocol", 1, "epoch", "e"));
    fake_answer(&peer, fake_read(&peer, "daemon.ping"), number(3));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(adopted_socket)
{
    struct connection_request request = {.method = "daemon.ping"};
    struct incoming incoming;
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(pthread_create(&fake.thread, NULL, serve_adopted, &pair[1]), 0);
    ck_assert_int_eq(connection_adopt(pair[0], &connection), 0);
    ck_assert_int_eq(ask_number("daemon.ping", NULL), 3);
    ck_assert_int_eq(connection_call(connection, &request, CONNECTION_FOREVER, &incoming), -ECONNRESET);
    connection = connection_free(connection);
}
END_TEST

START_TEST(no_daemon)
{
    int64_t begun = clock_monotonic();

    fake_close(&fake);
    ck_assert_int_eq(connection_open(NULL, &connection), -ENOENT);
    ck_assert_int_lt(clock_monotonic() - begun, 5 * NSEC_PER_SEC);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("connection");
    TCase *tcase = tcase_create("connection");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, answers_errors_and_notifications);
    tcase_add_test(tcase, byte_by_byte);
    tcase_add_test(tcase, interrupts_are_no_result);
    tcase_add_test(tcase, deadlines_cancel);
    tcase_add_test(tcase, calls_once);
    tcase_add_test(tcase, calls_once_and_takes_back);
    tcase_add_test(tcase, calls_once_and_hears_what_is_late);
    tcase_add_test(tcase, big_lines);
    tcase_add_test(tcase, nonsense);
    tcase_add_test(tcase, forked_child_is_refused);
    tcase_add_test(tcase, adopted_socket);
    tcase_add_test(tcase, no_daemon);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
