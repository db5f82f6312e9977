/* SPDX-License-Identifier: MIT */
/*
 * Semaphores in shared memory: no system call where a permit is free, and everything that holds through the
 * socket holds for those who do not use it. Both kinds of client meet on one semaphore.
 */
#include "proto/page.h"
#include "tests/integration/lib_sync.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAITING 6

/* As a client of any language does it: 1, 2, or 0 where nothing was acquired. */
static int ask(const char *verb, double timeout)
{
    json_t *params = strcmp(verb, "acquire") == 0
                         ? json_pack("{s:s,s:s,s:f}", "name", "s", "holder", "socket", "timeout", timeout)
                         : json_pack("{s:s}", "name", "s");
    json_t *result = NULL;
    char method[32];
    int r;

    snprintf(method, sizeof method, "%s.%s", strcmp(verb, "unlink") == 0 ? "object" : "semaphore", verb);
    r = procd_call(method, params, &result);
    if (r == 0)
        r = json_is_true(json_object_get(result, "acquired")) +
            json_is_true(json_object_get(result, "abandoned"));
    json_decref(params);
    json_decref(result);
    return r;
}

static void kill_broker(void)
{
    ck_assert_int_eq(kill((pid_t) daemon_fixture_info("broker_pid"), SIGKILL), 0);
}

static void must_be(procd_semaphore *semaphore, int value, size_t holders)
{
    ck_assert_int_eq(procd_semaphore_value(semaphore), value);
    ck_assert_uint_eq(lib_sync_info("s", "holders"), holders);
}

static void must_take(procd_semaphore *semaphore, int times)
{
    for (int i = 0; i < times; i++)
        ck_assert_int_eq(procd_semaphore_acquire(semaphore, PROCD_FOREVER), 1);
}

static void must_give(procd_semaphore *semaphore, int times)
{
    for (int i = 0; i < times; i++)
        ck_assert_int_eq(procd_semaphore_release(semaphore), 0);
}

/* ---- without a system call ---- */

/* The kernel ends it at any that is not the last one. */
static int silently(void)
{
    procd_semaphore *bounded = procd_bounded_semaphore_new("too", 3);
    procd_semaphore *plain = procd_semaphore_new("silent", 2);
    int wrong;

    /* now they are known */
    wrong = procd_semaphore_acquire(plain, 0) != 1 || procd_semaphore_release(plain) != 0;
    wrong |= procd_semaphore_acquire(bounded, 0) != 1 || procd_semaphore_release(bounded) != 0;
    if (wrong || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
        return 1;
    for (int i = 0; i < 1000; i++) {
        for (int k = 0; k < 3; k++)
            wrong |= procd_semaphore_acquire(bounded, k) != 1;
        wrong |= procd_semaphore_acquire(plain, PROCD_FOREVER) != 1;
        wrong |= procd_semaphore_acquire(plain, 0) != 1;
        for (int k = 0; k < 3; k++)
            wrong |= procd_semaphore_release(bounded) != 0;
        wrong |= procd_semaphore_release(plain) != 0 || procd_semaphore_release(plain) != 0;
    }
    syscall(SYS_exit, wrong);
    return 1;
}

START_TEST(a_free_permit_takes_no_system_call)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(silently());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", (unsigned) status);
}
END_TEST

/* ---- both kinds ---- */

START_TEST(both_kinds_meet)
{
    procd_semaphore *semaphore = procd_bounded_semaphore_new("s", 3);

    must_take(semaphore, 2);
    must_be(semaphore, 1, 2);
    ck_assert_int_eq(ask("acquire", 1), 1);
    ck_assert_int_eq(ask("acquire", 0), 0);
    ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 0);
    ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0.01), 0);
    must_be(semaphore, 0, 3);
    ck_assert_int_eq(ask("release", 0), 0);
    ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 1);
    must_give(semaphore, 3);
    ck_assert_int_eq(procd_semaphore_release(semaphore), PROCD_E_TOO_MANY_RELEASES);
    ck_assert_int_eq(ask("release", 0), PROCD_E_TOO_MANY_RELEASES);
    must_be(semaphore, 3, 0);
    procd_semaphore_free(semaphore);
}
END_TEST

/* As a signal: whoever gives has taken none. */
START_TEST(it_may_grow)
{
    procd_semaphore *semaphore = procd_semaphore_new("s", 0);

    ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 0);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(i % 2 ? procd_semaphore_release(semaphore) : ask("release", 0), 0);
    must_be(semaphore, 40, 0);
    must_take(semaphore, 40);
    ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 0);
    must_be(semaphore, 0, 40);
    must_give(semaphore, 40);
    must_be(semaphore, 40, 0);
    procd_semaphore_free(semaphore);
}
END_TEST

START_TEST(it_may_have_more_permits_than_words)
{
    procd_semaphore *semaphore = procd_bounded_semaphore_new("s", PAGE_PERMITS + 4);

    for (int i = 0; i < 3; i++) {
        must_take(semaphore, PAGE_PERMITS + 4);
        ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 0);
        must_give(semaphore, PAGE_PERMITS + 4 - i);
        ck_assert_int_eq(procd_semaphore_value(semaphore), PAGE_PERMITS + 4 - i);
        for (int k = 0; k < i; k++)
            ck_assert_int_eq(ask("release", 0), 0);
    }
    must_be(semaphore, PAGE_PERMITS + 4, 0);
    procd_semaphore_free(semaphore);
}
END_TEST

static int release(void *semaphore)
{
    return procd_semaphore_release(semaphore);
}

/* Another thread, another process: the daemon says whose it is. */
PROCD_TARGET(release_two)
{
    procd_semaphore *semaphore = procd_semaphore_from_json(json_array_get(args, 0));

    NEED(procd_semaphore_acquire(semaphore, 0) == 1); /* its own is given back first */
    NEED(procd_semaphore_release(semaphore) == 0);
    for (int i = 0; i < 2; i++)
        NEED(procd_semaphore_release(semaphore) == 0);
    procd_semaphore_free(semaphore);
    return 0;
}

START_TEST(others_may_release)
{
    procd_semaphore *semaphore = procd_bounded_semaphore_new("s", 4);

    must_take(semaphore, 3);
    ck_assert_int_eq(lib_sync_in_thread(release, semaphore), 0);
    must_be(semaphore, 2, 2);
    ck_assert_int_eq(
        lib_sync_finish(lib_sync_start("release_two", json_pack("[o]", procd_semaphore_json(semaphore)))), 0);
    must_be(semaphore, 4, 0);
    ck_assert_int_eq(procd_semaphore_release(semaphore), PROCD_E_TOO_MANY_RELEASES);
    procd_semaphore_free(semaphore);
}
END_TEST

/* ---- waiting ---- */

static int take(void *semaphore)
{
    return procd_semaphore_acquire(semaphore, PROCD_FOREVER);
}

struct waiting {
    pthread_t thread;
    procd_semaphore *semaphore;
    int *turn; /* under what they wait for */
    int mine;
};

static void *wait_for_turn(void *data)
{
    struct waiting *waiting = data;

    if (take(waiting->semaphore) == 1)
        waiting->mine = ++*waiting->turn;
    return NULL;
}

/* One after the other, though permits come back to words where anybody could take them. */
START_TEST(first_come_first_served)
{
    procd_semaphore *semaphore = procd_semaphore_new("s", 2);
    struct waiting waiting[6];
    int turn = 0;

    must_take(semaphore, 2);
    for (size_t i = 0; i < 6; i++) {
        waiting[i] = (struct waiting){.semaphore = semaphore, .turn = &turn};
        ck_assert_int_eq(pthread_create(&waiting[i].thread, NULL, wait_for_turn, &waiting[i]), 0);
        lib_sync_wait_for("s", i + 1);
    }
    for (int i = 0; i < 6; i++) {
        must_give(semaphore, 1);
        pthread_join(waiting[i].thread, NULL);
        ck_assert_int_eq(waiting[i].mine, i + 1);
        ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 0);
    }
    ck_assert_uint_eq(lib_sync_info("s", "waiters"), 0);
    must_give(semaphore, 2);
    must_be(semaphore, 2, 0);
    must_take(semaphore, 2);
    must_give(semaphore, 2);
    procd_semaphore_free(semaphore);
}
END_TEST

struct turns {
    procd_semaphore *semaphore;
    pthread_mutex_t gate; /* nobody gives before it is open */
    _Atomic int count, wrong;
};

static void *have_a_turn(void *data)
{
    struct turns *turns = data;

    turns->wrong += procd_semaphore_acquire(turns->semaphore, PROCD_FOREVER) != 1;
    turns->count++;
    pthread_mutex_lock(&turns->gate);
    pthread_mutex_unlock(&turns->gate);
    turns->wrong += procd_semaphore_release(turns->semaphore) != 0;
    return NULL;
}

static bool all_had_turns(void *count)
{
    return atomic_load((_Atomic int *) count) == WAITING;
}

/* Two permits go through the hands of all, who sleep, while nobody can be asked. */
START_TEST(they_are_handed_out_where_the_daemon_stands_still)
{
    procd_semaphore *semaphore = procd_bounded_semaphore_new("s", 2);
    pid_t broker = (pid_t) daemon_fixture_info("broker_pid");
    struct turns turns = {.semaphore = semaphore, .gate = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[WAITING];

    must_take(semaphore, 2);
    for (size_t i = 0; i < WAITING; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, have_a_turn, &turns), 0);
        lib_sync_wait_for("s", i + 1);
    }
    daemon_fixture_halt(broker);
    pthread_mutex_lock(&turns.gate); /* else one may go through all, and nobody is left for the other */
    must_give(semaphore, 2);
    pthread_mutex_unlock(&turns.gate);
    daemon_fixture_wait(all_had_turns, &turns.count);
    kill(broker, SIGCONT);
    for (size_t i = 0; i < WAITING; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(turns.wrong, 0);
    must_be(semaphore, 2, 0);
    must_take(semaphore, 2);
    must_give(semaphore, 2);
    procd_semaphore_free(semaphore);
}
END_TEST

/* ---- deaths ---- */

PROCD_TARGET(die_with_two)
{
    procd_semaphore *semaphore = procd_semaphore_from_json(json_array_get(args, 0));

    for (int i = 0; i < 3; i++)
        NEED(procd_semaphore_acquire(semaphore, 0) == 1 && procd_semaphore_release(semaphore) == 0);
    NEED(procd_semaphore_acquire(semaphore, 0) == 1);
    NEED(procd_semaphore_acquire(semaphore, 0) == 1);
    raise(SIGKILL);
    return 1;
}

static void let_one_die(procd_semaphore *semaphore)
{
    json_t *args = json_pack("[o]", procd_semaphore_json(semaphore));

    ck_assert_int_eq(lib_sync_finish(lib_sync_start("die_with_two", args)), -SIGKILL);
}

START_TEST(a_bounded_one_gets_back_what_the_dead_had)
{
    procd_semaphore *semaphore = procd_bounded_semaphore_new("s", 3);

    must_take(semaphore, 1);
    for (int i = 0; i < 4; i++) {
        let_one_die(semaphore);
        must_be(semaphore, 2, 1);
        ck_assert_int_eq(i % 2 ? ask("acquire", 0) : procd_semaphore_acquire(semaphore, 0), 2);
        ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 2);
        must_give(semaphore, 2);
        must_take(semaphore, 2); /* told once */
        must_give(semaphore, 2);
    }
    must_give(semaphore, 1);
    must_be(semaphore, 3, 0);
    procd_semaphore_free(semaphore);
}
END_TEST

START_TEST(a_plain_one_does_not)
{
    procd_semaphore *semaphore = procd_semaphore_new("s", 5);

    for (int left = 5; left > 1; left -= 2) {
        must_be(semaphore, left, 0);
        must_take(semaphore, 1);
        must_give(semaphore, 1);
        let_one_die(semaphore);
        must_take(semaphore, left - 2); /* nobody is told */
        ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 0);
        must_give(semaphore, left - 2);
    }
    must_be(semaphore, 1, 0);
    must_give(semaphore, 4);
    must_take(semaphore, 5);
    must_give(semaphore, 5);
    procd_semaphore_free(semaphore);
}
END_TEST

/* It goes on without a broker, and the next one knows what has happened. */
START_TEST(brokers_come_and_go)
{
    procd_semaphore *semaphore = procd_bounded_semaphore_new("s", 4);

    must_take(semaphore, 1);
    for (int i = 0; i < 5; i++) {
        if (i % 2)
            kill_broker();
        else
            ck_assert_int_eq(procd_call("daemon.restart", NULL, NULL), 0);
        must_give(semaphore, 1);
        must_take(semaphore, 2);
        must_be(semaphore, 2, 2);
        kill_broker();
        must_take(semaphore, 1);
        must_give(semaphore, 2);
        ck_assert_int_eq(ask("acquire", 0), 1);
        must_be(semaphore, 2, 2);
        kill_broker();
        must_take(semaphore, 1);
        ck_assert_int_eq(ask("acquire", 1), 1);
        ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 0);
        must_give(semaphore, 2); /* of this thread */
        ck_assert_int_eq(ask("release", 0), 0);
        must_be(semaphore, 3, 1);
    }
    must_give(semaphore, 1);
    must_be(semaphore, 4, 0);
    procd_semaphore_free(semaphore);
}
END_TEST

static int use_in_child(procd_semaphore *semaphore)
{
    procd_semaphore *own;
    int wrong = procd_semaphore_release(semaphore) != -EINVAL;

    wrong |= procd_semaphore_acquire(semaphore, 0) != -EINVAL;
    own = procd_semaphore_new("s", 1);
    wrong |= procd_semaphore_acquire(own, 0) != 1 || procd_semaphore_acquire(own, 0) != 0;
    return wrong; /* with one that does not come back */
}

START_TEST(forked_children_have_none)
{
    procd_semaphore *semaphore = procd_semaphore_new("s", 2);
    int status;
    pid_t pid;

    must_take(semaphore, 1);
    pid = fork();
    if (pid == 0)
        _exit(use_in_child(semaphore));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 0);
    must_give(semaphore, 1);
    must_take(semaphore, 1);
    must_give(semaphore, 1);
    procd_semaphore_free(semaphore);
}
END_TEST

START_TEST(what_is_unlinked_is_made_anew)
{
    procd_semaphore *semaphore = procd_semaphore_new("s", 2), *other;

    for (int value = 3; value > 0; value--) { /* more words than this handle knows, and fewer */
        must_take(semaphore, 1);
        ck_assert_int_eq(ask("unlink", 0), 0);
        ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), PROCD_E_NO_SUCH_OBJECT);
        other = procd_semaphore_new("s", (unsigned) value);
        must_take(semaphore, value);
        ck_assert_int_eq(procd_semaphore_acquire(other, 0), 0);
        must_give(semaphore, value);
        must_take(other, value);
        ck_assert_int_eq(procd_semaphore_acquire(semaphore, 0), 0);
        must_give(other, value);
        procd_semaphore_free(other);
    }
    procd_semaphore_free(semaphore);
}
END_TEST

/* Its words are free with the last handle, though the semaphore is gone before: there are only so many. */
START_TEST(words_are_free_with_the_handle)
{
    json_t *params = json_pack("{s:s,s:s}", "name", "s", "holder", "any"), *result;
    procd_semaphore *semaphore;

    for (int i = 0; i < PAGE_WORDS / PAGE_PERMITS + 10; i++) {
        semaphore = procd_semaphore_new("s", PAGE_PERMITS);
        must_take(semaphore, 1);
        must_give(semaphore, 1);
        ck_assert_int_eq(ask("unlink", 0), 0);
        procd_semaphore_free(semaphore);
    }
    semaphore = procd_semaphore_new("s", PAGE_PERMITS);
    ck_assert_int_eq(procd_call("object.map", params, &result), 0);
    ck_assert(json_is_true(json_object_get(result, "mapped")));
    json_decref(result);
    json_decref(params);
    procd_semaphore_free(semaphore);
}
END_TEST

/* What it is handed may be in a word that this handle does not know. */
START_TEST(who_sleeps_by_an_older_handle_is_served)
{
    procd_semaphore *older = procd_semaphore_new("s", 1), *semaphore;
    struct turns turns = {.semaphore = older, .gate = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[2];

    must_take(older, 1);
    ck_assert_int_eq(ask("unlink", 0), 0);
    semaphore = procd_semaphore_new("s", 3);
    must_take(semaphore, 3);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, have_a_turn, &turns), 0);
        lib_sync_wait_for("s", i + 1);
    }
    must_give(semaphore, 2);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(turns.wrong, 0);
    must_give(semaphore, 1);
    must_be(semaphore, 3, 0);
    procd_semaphore_free(semaphore);
    procd_semaphore_free(older);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_shared_semaphores");
    TCase *tcase = tcase_create("lib_shared_semaphores");

    tcase_add_checked_fixture(tcase, lib_sync_begin, lib_sync_end);
    tcase_set_timeout(tcase, 60);
    if (!lib_sync_is_watched())
        tcase_add_test(tcase, a_free_permit_takes_no_system_call);
    tcase_add_test(tcase, both_kinds_meet);
    tcase_add_test(tcase, it_may_grow);
    tcase_add_test(tcase, it_may_have_more_permits_than_words);
    tcase_add_test(tcase, others_may_release);
    tcase_add_test(tcase, first_come_first_served);
    tcase_add_test(tcase, they_are_handed_out_where_the_daemon_stands_still);
    tcase_add_test(tcase, a_bounded_one_gets_back_what_the_dead_had);
    tcase_add_test(tcase, a_plain_one_does_not);
    tcase_add_test(tcase, brokers_come_and_go);
    tcase_add_test(tcase, forked_children_have_none);
    tcase_add_test(tcase, what_is_unlinked_is_made_anew);
    tcase_add_test(tcase, words_are_free_with_the_handle);
    tcase_add_test(tcase, who_sleeps_by_an_older_handle_is_served);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    return lib_sync_main(argc, argv, make_runner);
}
