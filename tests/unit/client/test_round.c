/* SPDX-License-Identifier: MIT */
/* Who waits for an event by its word's round, against a daemon that is played. */
#include "client/lib/connection_state.h"
#include "client/lib/library.h"
#include "client/lib/shared.h"
#include "daemon/base/clock.h"
#include "tests/unit/client/fake_page.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <math.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUND UINT64_C(0x100000007)

static procd_event *event;

static void begin(void)
{
    fake_page_begin();
    atomic_store(&page->words[3].round, ROUND);
}

static void create(void)
{
    answer("object.create", json_pack("{s:s,s:b}", "name", "e", "created", 1));
    answer_map(mapped(3, 9), memory);
}

/* A wait that has seen the round. The caller's. */
static json_t *asked(void)
{
    json_t *request = fake_read(&peer, "event.wait"), *params = json_object_get(request, "params");

    ck_assert_int_eq(json_integer_value(json_object_get(params, "round")), (json_int_t) ROUND);
    ck_assert_ptr_nonnull(json_object_get(params, "holder"));
    return request;
}

static long wake(_Atomic uint32_t *futex)
{
    return syscall(SYS_futex, futex, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Wakes it for nothing, once it sleeps: it sleeps again. */
static void wake_sleeper(_Atomic uint32_t *futex)
{
    while (wake(futex) == 0)
        usleep(100);
}

static void ring(void)
{
    atomic_store(&page->bells[9].is_set, 0);
    wake(&page->bells[9].is_set);
}

static void end_round(void)
{
    wake_sleeper(page_round_futex(&page->words[3]));
    usleep(1000); /* asleep or not yet: it has to see it either way */
    atomic_store(&page->words[3].round, ROUND + 1);
    wake(page_round_futex(&page->words[3]));
}

static json_t *set(bool is_set)
{
    return json_pack("{s:b}", "set", is_set);
}

static void tell_by_round(void)
{
    create();
    json_decref(asked());
    end_round();
    answer("object.close", json_object());
}

static void wait_for_it(void (*part)(void), double timeout, int outcome)
{
    int64_t begun = clock_monotonic();

    serve(part);
    event = procd_event_new("e");
    ck_assert_ptr_nonnull(event);
    ck_assert_int_eq(procd_event_wait(event, timeout), outcome);
    ck_assert_int_lt(clock_monotonic() - begun, 5 * NSEC_PER_SEC);
}

/* The connection serves at once, though nothing was answered; what there is to free of the request is
 * left for later. */
START_TEST(another_round_is_the_answer)
{
    wait_for_it(tell_by_round, PROCD_FOREVER, 1);
    ck_assert_uint_eq(library()->idle_count, 1);
    ck_assert_ptr_nonnull(library()->idle[0]->spent);
    ck_assert(!connection_is_owed(library()->idle[0]));
    ck_assert(connection_is_idle(library()->idle[0]));
    procd_event_free(event);
}
END_TEST

/* ... and what comes for it nevertheless is nobody's. */
static void tell_and_answer(void)
{
    json_t *request;

    create();
    request = asked();
    end_round();
    fake_answer(&peer, request, set(false));
    answer("event.is_set", set(true));
    answer("object.close", json_object());
}

START_TEST(a_late_answer_is_nobodys)
{
    wait_for_it(tell_and_answer, PROCD_FOREVER, 1);
    atomic_store(&page->words[3].value, WORD_CLOSED);
    ck_assert_int_eq(procd_event_is_set(event), 1);
    procd_event_free(event);
}
END_TEST

static void answer_and_ring(void)
{
    json_t *request;

    create();
    request = asked();
    wake_sleeper(&page->bells[9].is_set);
    fake_answer(&peer, request, set(true));
    ring();
    answer("object.close", json_object());
}

START_TEST(an_answer_is_rung_for)
{
    wait_for_it(answer_and_ring, PROCD_FOREVER, 1);
    procd_event_free(event);
}
END_TEST

/* The other round is another word's, as this one's is not over. */
static void refuse_to_wait(void)
{
    json_t *request;

    create();
    fake_answer(&peer, asked(), set(false));
    ring();
    request = fake_read(&peer, "event.wait");
    ck_assert_ptr_null(json_object_get(json_object_get(request, "params"), "round"));
    fake_answer(&peer, request, set(true));
    answer("object.close", json_object());
}

START_TEST(who_is_not_let_wait_asks_without)
{
    wait_for_it(refuse_to_wait, PROCD_FOREVER, 1);
    procd_event_free(event);
}
END_TEST

/* There was a set between its look and its request. */
static void tell_that_it_was_late(void)
{
    json_t *request;

    create();
    request = asked();
    atomic_store(&page->words[3].round, ROUND + 1);
    fake_answer(&peer, request, set(false));
    ring();
    wake(page_round_futex(&page->words[3]));
    answer("object.close", json_object());
}

START_TEST(a_set_before_the_request_counts)
{
    wait_for_it(tell_that_it_was_late, PROCD_FOREVER, 1);
    procd_event_free(event);
}
END_TEST

static void let_the_time_pass(void)
{
    json_t *request;

    create();
    request = asked();
    usleep(300000); /* as long as is waited for */
    fake_answer(&peer, request, set(false));
    ring();
    answer("object.close", json_object());
}

START_TEST(a_time_out_is_an_answer)
{
    wait_for_it(let_the_time_pass, 0.2, 0);
    procd_event_free(event);
}
END_TEST

/* Whoever does not wait has no use for a bell. */
static void look_only(void)
{
    answer("object.create", json_pack("{s:s,s:b}", "name", "e", "created", 1));
    answer_map(mapped(3, 9), memory);
    answer("object.close", json_object());
}

START_TEST(who_does_not_wait_looks)
{
    wait_for_it(look_only, 0, 0);
    procd_event_free(event);
}
END_TEST

/* The daemon is away for a while, and asked again when it is back: who waits then sleeps on what tells it. */
static void go_and_come_back(void)
{
    create();
    json_decref(asked());
    fake_hang_up(&peer);
    ring();
    for (int i = 0; i < 3; i++) { /* it is tried, and given up */
        fake_accept(&fake, &peer);
        json_decref(fake_read(&peer, "daemon.hello"));
        ck_assert_ptr_null(fake_read(&peer, NULL));
        fake_hang_up(&peer);
    }
    fake_greet(&fake, &peer, "e");
    json_decref(asked());
    end_round();
    answer("object.close", json_object());
}

START_TEST(who_has_asked_again_is_told_by_the_round)
{
    wait_for_it(go_and_come_back, PROCD_FOREVER, 1);
    procd_event_free(event);
}
END_TEST

/* Of an older daemon, which writes none. */
static void wait_by_answer(void)
{
    json_t *request;

    create();
    request = fake_read(&peer, "event.wait");
    ck_assert_ptr_null(json_object_get(json_object_get(request, "params"), "round"));
    ck_assert_ptr_null(json_object_get(json_object_get(request, "params"), "holder"));
    fake_answer(&peer, request, set(true));
    answer("object.close", json_object());
}

START_TEST(where_there_is_no_round_there_is_an_answer)
{
    atomic_store(&page->words[3].round, 0);
    wait_for_it(wait_by_answer, PROCD_FOREVER, 1);
    procd_event_free(event);
}
END_TEST

static void create_only(void)
{
    create();
    answer("object.close", json_object());
}

START_TEST(children_do_not_touch_it)
{
    int status;
    pid_t pid;

    serve(create_only);
    event = procd_event_new("e");
    ck_assert_int_eq(procd_event_is_set(event), 0);
    pid = fork();
    if (pid == 0)
        _exit(procd_event_wait(event, 1) != -EINVAL || procd_event_wait(event, 0) != -EINVAL ||
              procd_event_wait(NULL, 1) != -EINVAL || procd_event_wait(event, NAN) != -EINVAL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    procd_event_free(event);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("round");
    TCase *tcase = tcase_create("round");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, begin, fake_page_end);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, another_round_is_the_answer);
    tcase_add_test(tcase, a_late_answer_is_nobodys);
    tcase_add_test(tcase, an_answer_is_rung_for);
    tcase_add_test(tcase, who_is_not_let_wait_asks_without);
    tcase_add_test(tcase, a_set_before_the_request_counts);
    tcase_add_test(tcase, a_time_out_is_an_answer);
    tcase_add_test(tcase, who_does_not_wait_looks);
    tcase_add_test(tcase, who_has_asked_again_is_told_by_the_round);
    tcase_add_test(tcase, where_there_is_no_round_there_is_an_answer);
    tcase_add_test(tcase, children_do_not_touch_it);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
