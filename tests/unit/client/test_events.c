/* SPDX-License-Identifier: MIT */
/* Streams of events through procd.h: what the descriptor shows, gaps, and another broker. */
#include "client/lib/procd.h"
#include "daemon/base/cleanup.h"
#include "tests/unit/client/fake_daemon.h"

#include <check.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

static struct fake fake;
static struct fake_peer peer;
static pthread_barrier_t step;

static void begin(void)
{
    fake_begin(&fake);
    pthread_barrier_init(&step, NULL, 2);
}

static void end(void)
{
    fake_end(&fake);
}

static json_t *event(int seq)
{
    return json_pack("{s:s,s:s,s:{s:i,s:i,s:s}}", "jsonrpc", "2.0", "method", "event", "params",
                     "subscription", 1, "seq", seq, "kind", "process.exited");
}

static void accept_subscription(int first, int last, int gap)
{
    fake_greet(&fake, &peer, "e");
    fake_answer(&peer, fake_read(&peer, "events.subscribe"),
                json_pack("{s:i,s:i,s:i,s:b}", "subscription", 1, "first", first, "last", last, "gap", gap));
}

static void expect(procd_events *events, int seq, const char *kind)
{
    json_t *got = NULL;

    ck_assert_int_eq(procd_events_next(events, PROCD_FOREVER, &got), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(got, "seq")), seq);
    ck_assert_str_eq(json_string_value(json_object_get(got, "kind")), kind);
    json_decref(got);
}

static int readable(procd_events *events, int milliseconds)
{
    struct pollfd entry = {.fd = procd_events_fd(events), .events = POLLIN};

    return poll(&entry, 1, milliseconds);
}

static void *send_three(void *unused)
{
    (void) unused;
    accept_subscription(1, 0, 0);
    pthread_barrier_wait(&step);
    fake_send(&peer, event(1));
    fake_send(&peer, event(2));
    fake_send(&peer, event(3));
    pthread_barrier_wait(&step);
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

/* All three come with one read: the descriptor must show the rest, too. */
START_TEST(descriptor_shows_what_is_there)
{
    procd_events *events;
    json_t *none;

    fake_run(&fake, send_three);
    events = procd_events_open(PROCD_EVENTS_NEW, NULL);
    ck_assert_ptr_nonnull(events);
    ck_assert_int_eq(readable(events, 0), 0);
    ck_assert_int_eq(procd_events_next(events, 0, &none), 0);
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(readable(events, -1), 1);
        expect(events, i, "process.exited");
    }
    ck_assert_int_eq(readable(events, 0), 0);
    ck_assert_int_eq(procd_events_next(events, 0.001, &none), 0);
    ck_assert_int_eq(procd_events_next(events, NAN, &none), -EINVAL);
    procd_events_free(events);
}
END_TEST

static void *begin_with_gap(void *unused)
{
    (void) unused;
    accept_subscription(8, 10, 1);
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(gap_before_the_first)
{
    const char *const kinds[] = {"process.*", NULL};
    procd_events *events;
    json_t *gap;

    fake_run(&fake, begin_with_gap);
    events = procd_events_open(5, kinds);
    ck_assert_int_eq(readable(events, 0), 1);
    ck_assert_int_eq(procd_events_next(events, 0, &gap), 1);
    ck_assert_str_eq(json_string_value(json_object_get(gap, "kind")), "gap");
    ck_assert_int_eq(json_integer_value(json_object_get(gap, "from")), 6);
    ck_assert_int_eq(json_integer_value(json_object_get(gap, "to")), 7);
    json_decref(gap);
    ck_assert_int_eq(readable(events, 0), 0);
    procd_events_free(events);
}
END_TEST

static void *replace(void *unused)
{
    (void) unused;
    accept_subscription(1, 1, 0);
    fake_hang_up(&peer);
    accept_subscription(1, 1, 0);
    fake_send(&peer, event(2));
    pthread_barrier_wait(&step);
    fake_send(&peer, event(3));
    fake_close(&fake);
    fake_hang_up(&peer);
    return NULL;
}

/* Who only polls hears of the new broker's events, and of the daemon's end. */
START_TEST(descriptor_outlives_brokers)
{
    procd_events *events;
    int fd, r;
    json_t *got;

    fake_run(&fake, replace);
    events = procd_events_open(PROCD_EVENTS_NEW, NULL);
    fd = procd_events_fd(events);
    do {
        ck_assert_int_eq(readable(events, -1), 1);
        r = procd_events_next(events, 0, &got);
    } while (r == 0);
    ck_assert_int_eq(r, 1);
    ck_assert_int_eq(json_integer_value(json_object_get(got, "seq")), 2);
    json_decref(got);
    pthread_barrier_wait(&step);
    ck_assert_int_eq(readable(events, -1), 1);
    expect(events, 3, "process.exited");
    ck_assert_int_eq(readable(events, -1), 1);
    ck_assert_int_eq(procd_events_next(events, PROCD_FOREVER, &got), -ECONNRESET);
    ck_assert_int_eq(procd_events_fd(events), fd);
    procd_events_free(events);
}
END_TEST

static void *refuse(void *unused)
{
    (void) unused;
    fake_greet(&fake, &peer, "e");
    fake_fail(&peer, fake_read(&peer, "events.subscribe"), -32602, "kinds");
    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    return NULL;
}

START_TEST(refused)
{
    fake_run(&fake, refuse);
    ck_assert_ptr_null(procd_events_open(PROCD_EVENTS_NEW, NULL));
    ck_assert_int_eq(procd_last_error()->code, PROCD_E_INVALID_PARAMS);
    ck_assert_ptr_null(procd_events_open(UINT64_MAX - 1, NULL));
    ck_assert_int_eq(procd_last_error()->code, -EINVAL);
    procd_events_free(NULL);
}
END_TEST

START_TEST(forked_child_is_refused)
{
    procd_events *events;
    json_t *got;
    int status;
    pid_t pid;

    fake_run(&fake, begin_with_gap);
    events = procd_events_open(5, NULL);
    pid = fork();
    if (pid == 0)
        _exit(procd_events_next(events, 0, &got) == -EINVAL && procd_events_fd(events) == -EINVAL ? 0 : 1);
    waitpid(pid, &status, 0);
    ck_assert_int_eq(status, 0);
    procd_events_free(events);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("events");
    TCase *tcase = tcase_create("events");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, descriptor_shows_what_is_there);
    tcase_add_test(tcase, gap_before_the_first);
    tcase_add_test(tcase, descriptor_outlives_brokers);
    tcase_add_test(tcase, refused);
    tcase_add_test(tcase, forked_child_is_refused);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
