/* SPDX-License-Identifier: MIT */
/*
 * Events in shared memory: no system call where nobody waits, and whoever does is woken, whichever way he and
 * the one who sets it have come.
 */
#include "daemon/base/clock.h"
#include "tests/integration/lib_sync.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* As a client of any language does it: what "set" says, or an error. */
static int ask(const char *method, double timeout)
{
    json_t *params = timeout < 0 ? json_pack("{s:s}", "name", "e")
                                 : json_pack("{s:s,s:f}", "name", "e", "timeout", timeout);
    json_t *result = NULL;
    int r = procd_call(method, params, &result);

    if (r == 0)
        r = json_is_true(json_object_get(result, "set"));
    json_decref(params);
    json_decref(result);
    return r;
}

static void kill_broker(void)
{
    ck_assert_int_eq(kill((pid_t) daemon_fixture_info("broker_pid"), SIGKILL), 0);
}

/* The kernel ends it at any call that is not the last one. */
static int silently(void)
{
    procd_event *event = procd_event_new("silent");
    int wrong = procd_event_set(event) != 0; /* now it is known */

    if (wrong || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
        return 1;
    for (int i = 0; i < 1000; i++) {
        wrong |= procd_event_set(event) != 0 || procd_event_is_set(event) != 1;
        wrong |= procd_event_wait(event, PROCD_FOREVER) != 1 || procd_event_wait(event, 0) != 1;
        wrong |= procd_event_clear(event) != 0 || procd_event_is_set(event) != 0;
        wrong |= procd_event_clear(event) != 0 || procd_event_wait(event, 0) != 0;
    }
    syscall(SYS_exit, wrong);
    return 1;
}

START_TEST(an_event_takes_no_system_call)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(silently());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", (unsigned) status);
}
END_TEST

static void *wait_in_thread(void *event)
{
    static int woken;

    woken = procd_event_wait(event, PROCD_FOREVER);
    return &woken;
}

static void *wait_by_socket(void *unused)
{
    static int woken;

    (void) unused;
    woken = ask("event.wait", 20);
    return &woken;
}

START_TEST(both_kinds_meet)
{
    void *(*const ways[])(void *) = {wait_in_thread, wait_by_socket};
    procd_event *event = procd_event_new("e");

    ck_assert_int_eq(procd_event_set(event), 0);
    ck_assert_int_eq(ask("event.is_set", -1), 1);
    ck_assert_int_eq(ask("event.wait", 0), 1);
    ck_assert_int_eq(ask("event.clear", -1), 0);
    ck_assert_int_eq(procd_event_is_set(event), 0);
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        void *woken;

        ck_assert_int_eq(pthread_create(&thread, NULL, ways[i % 2], event), 0);
        lib_sync_wait_for("e", 1);
        ck_assert_int_eq(procd_event_is_set(event), 0);
        ck_assert_int_eq(i < 2 ? procd_event_set(event) : ask("event.set", -1), 0);
        pthread_join(thread, &woken);
        ck_assert_int_eq(*(int *) woken, 1);
        ck_assert_int_eq(procd_event_is_set(event), 1);
        ck_assert_int_eq(procd_event_clear(event), 0);
        ck_assert_int_eq(procd_event_wait(event, 0.01), 0);
    }
    procd_event_free(event);
}
END_TEST

START_TEST(it_outlives_brokers)
{
    procd_event *event = procd_event_new("e");

    ck_assert_int_eq(procd_event_clear(event), 0);
    for (int i = 0; i < 6; i++) {
        if (i % 3)
            kill_broker();
        else
            ck_assert_int_eq(procd_call("daemon.restart", NULL, NULL), 0);
        ck_assert_int_eq(i % 2 ? procd_event_set(event) : procd_event_clear(event), 0);
        ck_assert_int_eq(ask("event.is_set", -1), i % 2);
        ck_assert_int_eq(procd_event_is_set(event), i % 2);
    }
    procd_event_free(event);
}
END_TEST

START_TEST(what_is_unlinked_is_made_anew)
{
    procd_event *event = procd_event_new("e");
    json_t *name = json_pack("{s:s}", "name", "e");

    ck_assert_int_eq(procd_event_set(event), 0);
    ck_assert_int_eq(procd_call("object.unlink", name, NULL), 0);
    ck_assert_int_eq(procd_event_set(event), 0); /* another one, by use */
    ck_assert_int_eq(ask("event.is_set", -1), 1);
    json_decref(name);
    procd_event_free(event);
}
END_TEST

/* ---- who sleeps in memory is woken ---- */

#define SOON (5 * NSEC_PER_SEC) /* half of what it sleeps without a bell */

static void unlink_it(void)
{
    json_t *name = json_pack("{s:s}", "name", "e");

    ck_assert_int_eq(procd_call("object.unlink", name, NULL), 0);
    json_decref(name);
}

static void set_it(void)
{
    ck_assert_int_eq(ask("event.set", -1), 0);
    ck_assert_int_eq(ask("event.clear", -1), 0);
}

static void set_it_behind_a_death(void)
{
    kill_broker();
    set_it();
}

START_TEST(who_sleeps_is_woken)
{
    static const struct {
        void (*act)(void);
        int woken;
    } ways[] = {{set_it, 1}, {set_it_behind_a_death, 1}, {unlink_it, PROCD_E_OBJECT_GONE}};
    procd_event *event = procd_event_new("e");
    pthread_t thread;
    void *woken;
    int64_t begun;

    ck_assert_int_eq(procd_event_clear(event), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_in_thread, event), 0);
    lib_sync_wait_for("e", 1);
    begun = clock_monotonic();
    ways[_i].act();
    pthread_join(thread, &woken);
    ck_assert_int_lt(clock_monotonic() - begun, SOON);
    ck_assert_int_eq(*(int *) woken, ways[_i].woken);
    procd_event_free(event);
}
END_TEST

/* An older kernel, as it seems; or a sandbox. */
static int forbid_two_bells(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex_waitv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

START_TEST(an_older_kernel_will_do)
{
    procd_event *parents = procd_event_new("e");
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        procd_event *event = procd_event_new("e"), *other = procd_event_new("other");

        if (_i == 1 && procd_event_wait(other, 0.001) != 0) /* it could be done until now */
            _exit(2);
        _exit(forbid_two_bells() != 0 || procd_event_wait(event, PROCD_FOREVER) != 1);
    }
    lib_sync_wait_for("e", 1);
    ck_assert_int_eq(ask("event.set", -1), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", (unsigned) status);
    procd_event_free(parents);
}
END_TEST

START_TEST(a_time_out_is_kept)
{
    procd_event *event = procd_event_new("e");
    int64_t begun = clock_monotonic();

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(procd_event_wait(event, 0.1), 0);
    ck_assert_int_ge(clock_monotonic() - begun, 3 * NSEC_PER_SEC / 10);
    ck_assert_int_lt(clock_monotonic() - begun, SOON);
    procd_event_free(event);
}
END_TEST

/* ---- nobody sleeps on what is set ---- */

#define ROUNDS 4000

/* args: two events; of each that is set by the other side it answers by the second one. */
PROCD_TARGET(answer)
{
    procd_event *asked = procd_event_from_json(json_array_get(args, 0));
    procd_event *answered = procd_event_from_json(json_array_get(args, 1));

    NEED(asked && answered);
    for (int i = 0; i < ROUNDS; i++) {
        NEED(procd_event_wait(asked, PROCD_FOREVER) == 1);
        NEED(procd_event_clear(asked) == 0);
        NEED(procd_event_set(answered) == 0);
    }
    procd_event_free(asked);
    procd_event_free(answered);
    return 0;
}

START_TEST(to_and_fro_while_brokers_die)
{
    procd_event *asked = procd_event_new(NULL), *answered = procd_event_new(NULL);
    procd_process *process =
        lib_sync_start("answer", json_pack("[o,o]", procd_event_json(asked), procd_event_json(answered)));

    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(procd_event_set(asked), 0);
        if (i % 200 == 100)
            kill_broker();
        ck_assert_int_eq(procd_event_wait(answered, PROCD_FOREVER), 1);
        ck_assert_int_eq(procd_event_clear(answered), 0);
    }
    ck_assert_int_eq(lib_sync_finish(process), 0);
    procd_event_free(asked);
    procd_event_free(answered);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_shared_events");
    TCase *tcase = tcase_create("lib_shared_events");

    tcase_add_checked_fixture(tcase, lib_sync_begin, lib_sync_end);
    tcase_set_timeout(tcase, 60);
    if (!lib_sync_is_watched())
        tcase_add_test(tcase, an_event_takes_no_system_call);
    tcase_add_test(tcase, both_kinds_meet);
    tcase_add_test(tcase, it_outlives_brokers);
    tcase_add_test(tcase, what_is_unlinked_is_made_anew);
    tcase_add_loop_test(tcase, who_sleeps_is_woken, 0, 3);
    tcase_add_loop_test(tcase, an_older_kernel_will_do, 0, 2);
    tcase_add_test(tcase, a_time_out_is_kept);
    tcase_add_test(tcase, to_and_fro_while_brokers_die);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    return lib_sync_main(argc, argv, make_runner);
}
