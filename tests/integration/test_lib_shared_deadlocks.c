/* SPDX-License-Identifier: MIT */
/* Waits for each other, of which the daemon learns from words: a lock has gone on to the next one unseen. */
#include "tests/integration/lib_sync.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool sleeps(pid_t tid)
{
    char path[64], stat[512] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", tid);
    file = fopen(path, "re");
    if (!file)
        return false;
    if (!fgets(stat, sizeof stat, file))
        stat[0] = '\0';
    fclose(file);
    return strstr(stat, ") S ") != NULL;
}

static void *stay_awake(void *unused)
{
    for (;;)
        pause();
    return unused;
}

/* Waits for args[0], beside as many threads as args[1] says. */
PROCD_TARGET(wait_beside_threads)
{
    procd_lock *lock = procd_lock_from_json(json_array_get(args, 0));
    pthread_t thread;

    for (json_int_t i = 0; i < json_integer_value(json_array_get(args, 1)); i++)
        NEED(pthread_create(&thread, NULL, stay_awake, NULL) == 0);
    NEED(procd_lock_acquire(lock, PROCD_FOREVER) == 1);
    return 0;
}

/* Who waits for the lock first, and then for a process that waits behind it. */
static struct {
    procd_lock *lock;
    _Atomic(procd_process *) process;
    atomic_int tid; /* set when it has the lock */
    atomic_bool is_done;
    int result;
} joiner;

static void *join_who_waits(void *unused)
{
    procd_process *process = NULL;

    if (procd_lock_acquire(joiner.lock, PROCD_FOREVER) == 1)
        process = atomic_load(&joiner.process);
    atomic_store(&joiner.tid, (int) syscall(SYS_gettid));
    joiner.result = process ? procd_process_join(process, PROCD_FOREVER) : 0;
    atomic_store(&joiner.is_done, true);
    return unused;
}

/* For the daemon's answer, or it has had that. */
static bool joiner_waits(void *unused)
{
    pid_t tid = atomic_load(&joiner.tid);

    (void) unused;
    return atomic_load(&joiner.is_done) || (tid > 0 && sleeps(tid));
}

START_TEST(a_join_by_who_was_handed_the_lock)
{
    bool is_deadlock = _i == 0;
    procd_process *process;
    pthread_t thread;

    joiner.lock = procd_lock_new("l");
    ck_assert_int_eq(procd_lock_acquire(joiner.lock, 0), 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, join_who_waits, NULL), 0);
    lib_sync_wait_for("l", 1);
    process = lib_sync_start("wait_beside_threads", json_pack("[o,i]", procd_lock_json(joiner.lock), _i));
    lib_sync_wait_for("l", 2);
    atomic_store(&joiner.process, process);
    ck_assert_int_eq(procd_lock_release(joiner.lock), 0);
    daemon_fixture_wait(joiner_waits, NULL);
    (void) daemon_fixture_info("restarts"); /* asked behind what the joiner has asked */
    if (is_deadlock) {
        pthread_join(thread, NULL);
        ck_assert_int_eq(joiner.result, PROCD_E_DEADLOCK);
    } else {
        ck_assert(!atomic_load(&joiner.is_done));
    }
    ck_assert_int_eq(procd_process_kill(process), 0);
    if (!is_deadlock) {
        pthread_join(thread, NULL);
        ck_assert_int_eq(joiner.result, 1);
    }
    ck_assert_int_eq(lib_sync_finish(process), -SIGKILL);
    ck_assert_int_eq(procd_lock_release(joiner.lock), 0);
    procd_lock_free(joiner.lock);
}
END_TEST

/* ---- by whom it was taken unseen ---- */

/* Knows the lock's word, and says so; then, as soon as its parent sleeps for good, which can be in
 * procd_process_join only, acquires it. */
PROCD_TARGET(acquire_when_joined)
{
    procd_lock *lock = procd_lock_from_json(json_array_get(args, 0));
    procd_event *knows = procd_event_from_json(json_array_get(args, 2));
    int asleep = 0, r;

    for (int i = 0; i < 3; i++)
        NEED(procd_lock_acquire(lock, 0) == 1 && procd_lock_release(lock) == 0);
    NEED(procd_event_set(knows) == 0);
    while (asleep < 20) {
        asleep = sleeps((pid_t) json_integer_value(json_array_get(args, 1))) ? asleep + 1 : 0;
        poll(NULL, 0, 1);
    }
    r = procd_lock_acquire(lock, PROCD_FOREVER);
    procd_lock_free(lock);
    procd_event_free(knows);
    return r == PROCD_E_DEADLOCK ? 3 : 1;
}

START_TEST(an_acquire_of_what_its_joiner_took)
{
    procd_lock *lock = procd_lock_new("l");
    procd_event *knows = procd_event_new("e");
    procd_process *process;
    int exitcode = -1;

    for (int i = 0; i < 3; i++)
        ck_assert(procd_lock_acquire(lock, 0) == 1 && procd_lock_release(lock) == 0);
    process = lib_sync_start("acquire_when_joined",
                             json_pack("[o,i,o]", procd_lock_json(lock), getpid(), procd_event_json(knows)));
    ck_assert_int_eq(procd_event_wait(knows, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_lock_acquire(lock, 0), 1); /* by its word: nobody has told the daemon */
    ck_assert_int_eq(procd_process_join(process, PROCD_FOREVER), 1);
    ck_assert_int_eq(procd_process_exitcode(process, &exitcode), 1);
    ck_assert_int_eq(exitcode, 3);
    procd_process_free(process);
    ck_assert_int_eq(procd_lock_release(lock), 0);
    procd_lock_free(lock);
    procd_event_free(knows);
}
END_TEST

/* Names are each user's own. */
static void begin_as_nobody(void)
{
    if (getuid() == 0)
        ck_assert_int_eq(setgid(65534) + setuid(65534) + prctl(PR_SET_DUMPABLE, 1), 0);
    lib_sync_begin();
}

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_shared_deadlocks");
    TCase *tcase = tcase_create("lib_shared_deadlocks");

    tcase_add_checked_fixture(tcase, lib_sync_begin, lib_sync_end);
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, a_join_by_who_was_handed_the_lock, 0, 3);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("of a user");
    tcase_add_checked_fixture(tcase, begin_as_nobody, lib_sync_end);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, an_acquire_of_what_its_joiner_took);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    return lib_sync_main(argc, argv, make_runner);
}
