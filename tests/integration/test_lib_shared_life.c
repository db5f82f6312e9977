/* SPDX-License-Identifier: MIT */
/*
 * A daemon that is killed to its last process closes no words. Whoever has used them is told all the same
 * that it is gone, as over the socket: what another daemon grants meanwhile nobody else believes to have.
 */
#include "tests/integration/lib_sync.h"

#include <string.h>

/* As a client of any language does it. Of lock.acquire and the like: was it acquired? */
static int ask(const char *method, const char *name)
{
    json_t *params = json_pack("{s:s,s:s,s:i}", "name", name, "holder", "socket", "timeout", 0);
    json_t *result = NULL;
    int r;

    if (!strstr(method, "acquire")) {
        json_object_del(params, "timeout");
        json_object_del(params, "holder");
    }
    r = procd_call(method, params, &result);
    if (r == 0 && strstr(method, "acquire"))
        r = json_is_true(json_object_get(result, "acquired"));
    json_decref(params);
    json_decref(result);
    return r;
}

/* What is held, and what is free, by words. */
static struct {
    procd_lock *held, *lock;
    procd_rlock *held_rlock, *rlock;
    procd_semaphore *held_semaphore, *semaphore;
    procd_event *event;
} old;

static void use_words(void)
{
    old.held = procd_lock_new("held");
    old.lock = procd_lock_new("lock");
    old.held_rlock = procd_rlock_new("held_rlock");
    old.rlock = procd_rlock_new("rlock");
    old.held_semaphore = procd_semaphore_new("held_semaphore", 1);
    old.semaphore = procd_semaphore_new("semaphore", 1);
    old.event = procd_event_new("event");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(procd_lock_acquire(old.lock, 0), 1);
        ck_assert_int_eq(procd_lock_release(old.lock), 0);
        ck_assert_int_eq(procd_rlock_acquire(old.rlock, 0), 1);
        ck_assert_int_eq(procd_rlock_release(old.rlock), 0);
        ck_assert_int_eq(procd_semaphore_acquire(old.semaphore, 0), 1);
        ck_assert_int_eq(procd_semaphore_release(old.semaphore), 0);
        ck_assert_int_eq(procd_event_set(old.event), 0);
    }
    ck_assert_int_eq(procd_lock_acquire(old.held, 0), 1);
    ck_assert_int_eq(procd_rlock_acquire(old.held_rlock, 0), 1);
    ck_assert_int_eq(procd_semaphore_acquire(old.held_semaphore, 0), 1);
}

static void nobody_believes_it(void)
{
    ck_assert_int_lt(procd_lock_acquire(old.lock, 0), 0);
    ck_assert_int_lt(procd_rlock_acquire(old.rlock, 0), 0);
    ck_assert_int_lt(procd_semaphore_acquire(old.semaphore, 0), 0);
    ck_assert_int_lt(procd_event_is_set(old.event), 0);
    ck_assert_int_lt(procd_event_set(old.event), 0);
    ck_assert_int_lt(procd_event_clear(old.event), 0);
    ck_assert_int_lt(procd_rlock_acquire(old.held_rlock, 0), 0); /* nor goes deeper */
    ck_assert_uint_eq(procd_lock_token(old.held), 0);
    ck_assert_int_lt(procd_lock_release(old.held), 0);
    ck_assert_int_lt(procd_rlock_release(old.held_rlock), 0);
    ck_assert_int_lt(procd_semaphore_release(old.held_semaphore), 0);
}

static void free_all(void)
{
    procd_lock_free(old.held);
    procd_lock_free(old.lock);
    procd_rlock_free(old.held_rlock);
    procd_rlock_free(old.rlock);
    procd_semaphore_free(old.held_semaphore);
    procd_semaphore_free(old.semaphore);
    procd_event_free(old.event);
}

START_TEST(nobody_has_what_is_gone)
{
    use_words();
    daemon_fixture_kill(&lib_sync_daemon);
    nobody_believes_it();
    free_all();
}
END_TEST

/* Their names are other objects' by now, and held. */
START_TEST(nobody_has_what_another_has)
{
    procd_lock *lock, *held;

    use_words();
    daemon_fixture_kill(&lib_sync_daemon);
    daemon_fixture_again(&lib_sync_daemon);
    lock = procd_lock_new("lock");
    held = procd_lock_new("held");
    ck_assert_int_eq(ask("lock.acquire", "lock"), 1);
    ck_assert_int_eq(ask("lock.acquire", "held"), 1);
    nobody_believes_it();
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 0);
    ck_assert_int_eq(ask("lock.release", "lock"), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(procd_lock_acquire(lock, 0), 1); /* the first asks for its word */
        ck_assert_int_eq(ask("lock.acquire", "lock"), 0);
        ck_assert_int_eq(procd_lock_release(lock), 0);
    }
    procd_lock_free(lock);
    free_all();
    procd_lock_free(held);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_shared_life");
    TCase *tcase = tcase_create("lib_shared_life");

    tcase_add_checked_fixture(tcase, lib_sync_begin, lib_sync_end);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, nobody_has_what_is_gone);
    tcase_add_test(tcase, nobody_has_what_another_has);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    return lib_sync_main(argc, argv, make_runner);
}
