/* SPDX-License-Identifier: MIT */
/* procd_zygote: what a copy is, and that nothing depends on there being one. */
#include "daemon/base/cleanup.h"
#include "tests/integration/lib_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- targets ---- */

PROCD_TARGET(say_copy)
{
    return daemon_fixture_is_copy() ? 7 : 8;
}

/* Until the pipe args[0] is closed at its other end. */
PROCD_TARGET(wait_for_end)
{
    char byte;

    return read((int) json_integer_value(json_array_get(args, 0)), &byte, 1) == 0 &&
                   daemon_fixture_is_copy()
               ? 0
               : 1;
}

/* What the C library knows of the calling thread is about this process. */
PROCD_TARGET(know_thread)
{
    pthread_mutex_t recursive;
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&recursive, &attributes);
    NEED(daemon_fixture_is_copy());
    NEED(pthread_mutex_lock(&recursive) == 0 && pthread_mutex_lock(&recursive) == EDEADLK);
    NEED(getsid(0) == getpid() && getppid() != getpid());
    raise(SIGUSR1);
    return 2;
}

/* Ends with the robust mutex of the descriptor args[0]. */
PROCD_TARGET(die_with_mutex)
{
    pthread_mutex_t *mutex = mmap(NULL, sizeof *mutex, PROT_READ | PROT_WRITE, MAP_SHARED,
                                  (int) json_integer_value(json_array_get(args, 0)), 0);

    NEED(daemon_fixture_is_copy() && mutex != MAP_FAILED && pthread_mutex_lock(mutex) == 0);
    return 0;
}

/* 0: of all descriptors it has these. */
PROCD_TARGET(count_descriptors)
{
    for (int fd = 0; fd < 256; fd++) {
        bool is_wanted = fd < 3;
        size_t index;
        json_t *wanted;

        json_array_foreach(args, index, wanted)
            is_wanted |= json_integer_value(wanted) == fd;
        if ((fcntl(fd, F_GETFD) >= 0) != is_wanted) {
            fprintf(stderr, "%d is %s\n", fd, is_wanted ? "missing" : "there");
            return 1;
        }
        NEED(!is_wanted || !(fcntl(fd, F_GETFD) & FD_CLOEXEC));
    }
    return daemon_fixture_is_copy() ? 0 : 1;
}

/* The last holder of the lock is a process that has ended. */
PROCD_TARGET(leave_locked)
{
    static procd_lock *lock;

    lock = procd_lock_from_json(json_array_get(args, 0));
    NEED(daemon_fixture_is_copy() && lock && procd_lock_acquire(lock, PROCD_FOREVER) == 1);
    return 0;
}

/* Takes it over, tells so by its end. */
PROCD_TARGET(acquire)
{
    procd_lock *lock = procd_lock_from_json(json_array_get(args, 0));
    int r = procd_lock_acquire(lock, PROCD_FOREVER);

    NEED(procd_lock_release(lock) == 0);
    procd_lock_free(lock);
    return r;
}

/* Is its own program's creator: waits for a child that it has let go of, ends a daemon child. */
PROCD_TARGET(have_children)
{
    struct procd_options lasting = {.target = "wait_for_signal", .daemon = PROCD_DAEMON};
    struct procd_options short_one = {.target = "write_later", .args = json_incref(args)};
    procd_process *a = procd_process_new(&lasting), *b;

    short_one.extra = json_pack("{s:[[O,O]]}", "fds", json_array_get(args, 0), json_array_get(args, 0));
    b = procd_process_new(&short_one);
    NEED(daemon_fixture_is_copy() && a && b && procd_active_children(NULL) == 0);
    NEED(procd_process_start(a) == 0 && procd_process_start(b) == 0 && procd_active_children(NULL) == 2);
    procd_process_free(a);
    procd_process_free(b);
    return 0;
}

PROCD_TARGET(wait_for_signal)
{
    poll(NULL, 0, 60000);
    return 1;
}

PROCD_TARGET(write_later)
{
    poll(NULL, 0, 50);
    NEED(write((int) json_integer_value(json_array_get(args, 0)), "x", 1) == 1);
    return 0;
}

/* A zygote of a copy's own. */
PROCD_TARGET(copy_again)
{
    struct procd_options options = {.target = "say_copy"};
    procd_process *process = procd_process_new(&options);
    int exitcode;

    NEED(daemon_fixture_is_copy() && procd_zygote() == 0 && process && procd_process_start(process) == 0);
    NEED(procd_process_join(process, PROCD_FOREVER) == 1 && procd_process_exitcode(process, &exitcode) == 1);
    procd_process_free(process);
    return exitcode;
}

/* ---- helpers ---- */

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static json_t *of_zygote(const char *member)
{
    json_t *result, *process, *value = NULL, *params = json_pack("{s:b}", "alive", 1);
    size_t index;

    ck_assert_int_eq(procd_call("process.list", params, &result), 0);
    json_array_foreach(json_object_get(result, "processes"), index, process)
        if (strcmp(text_of(process, "name"), "zygote") == 0)
            value = json_object_get(process, member);
    value = json_incref(value);
    json_decref(result);
    json_decref(params);
    return value;
}

static int zygote_number(const char *member)
{
    json_t *value = of_zygote(member);
    int number = (int) json_integer_value(value);

    json_decref(value);
    return number;
}

static bool is_gone(void *pid)
{
    return kill(*(pid_t *) pid, 0) < 0 && errno == ESRCH;
}

static void kill_zygote(void)
{
    pid_t pid = zygote_number("pid");

    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    daemon_fixture_wait(is_gone, &pid);
}

static void begin(void)
{
    lib_sync_begin();
    ck_assert_int_eq(procd_zygote(), 0);
    ck_assert_int_eq(procd_zygote(), 0);
}

static void end(void)
{
    if (lib_sync_daemon.pid == 0) { /* it was killed */
        daemon_fixture_end(&lib_sync_daemon);
        return;
    }
    daemon_fixture_end_zygotes();
    lib_sync_end();
}

static int run(const char *target, json_t *args)
{
    return lib_sync_finish(lib_sync_start(target, args));
}

/* ---- the tests ---- */

START_TEST(a_copy)
{
    procd_process *process = lib_sync_start("know_thread", NULL);

    ck_assert_int_eq(lib_sync_finish(process), -SIGUSR1);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(run("say_copy", NULL), 7);
    ck_assert_int_eq(run("copy_again", NULL), 7);
}
END_TEST

START_TEST(robust_mutexes)
{
    CLEANUP_FD int fd = memfd_create("mutex", MFD_CLOEXEC);
    pthread_mutexattr_t attributes;
    pthread_mutex_t *mutex;
    struct procd_options options = {.target = "die_with_mutex", .args = json_pack("[i]", 5)};
    procd_process *process;

    options.extra = json_pack("{s:[[i,i]]}", "fds", fd, 5);
    ck_assert_int_eq(ftruncate(fd, sizeof *mutex), 0);
    mutex = mmap(NULL, sizeof *mutex, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert(mutex != MAP_FAILED);
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    ck_assert_int_eq(pthread_mutex_init(mutex, &attributes), 0);
    process = procd_process_new(&options);
    ck_assert_int_eq(procd_process_start(process), 0);
    ck_assert_int_eq(lib_sync_finish(process), 0);
    ck_assert_int_eq(pthread_mutex_lock(mutex), EOWNERDEAD);
    pthread_mutex_consistent(mutex);
    pthread_mutex_unlock(mutex);
    munmap(mutex, sizeof *mutex);
}
END_TEST

/* Whatever numbers they have on the way, and are to have. */
START_TEST(descriptors)
{
    for (int first = 3; first < 20; first++) {
        CLEANUP_FD int a = open("/dev/null", O_RDONLY | O_CLOEXEC), b = dup(a);
        struct procd_options options = {.target = "count_descriptors",
                                        .args = json_pack("[i,i,i]", first, first + 3, 200 - first)};
        procd_process *process;

        options.extra =
            json_pack("{s:[[i,i],[i,i],[i,i]]}", "fds", a, first, b, 200 - first, a, first + 3);
        process = procd_process_new(&options);
        ck_assert_int_eq(procd_process_start(process), 0);
        ck_assert_int_eq(lib_sync_finish(process), 0);
        close(b);
    }
    ck_assert_int_eq(run("count_descriptors", json_array()), 0);
}
END_TEST

/* The same errors as of an exec. */
START_TEST(what_cannot_begin)
{
    static const struct {
        const char *member, *value, *error, *stage;
    } cases[] = {
        {"stdout", "{\"file\": \"/does/not/exist\"}", "ENOENT", "stdio"},
        {"stdin", "{\"file\": \"/does/not/exist\"}", "ENOENT", "stdio"},
        {"cwd", "\"/does/not/exist\"", "ENOENT", "chdir"},
        {"limits", "{\"nofile\": [100, 99999999999]}", "EPERM", "limits"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct procd_options options = {.target = "say_copy", .stdio = {PROCD_NULL, PROCD_NULL, PROCD_NULL}};
        procd_process *process;
        options.extra = json_object();
        json_object_set_new(options.extra, cases[i].member,
                            json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        process = procd_process_new(&options);
        ck_assert_int_eq(procd_process_start(process), PROCD_E_SPAWN_FAILED);
        ck_assert_str_eq(text_of(procd_last_error()->data, "errno"), cases[i].error);
        ck_assert_str_eq(text_of(procd_last_error()->data, "stage"), cases[i].stage);
        procd_process_free(process);
    }
    ck_assert_int_eq(run("say_copy", NULL), 7);
}
END_TEST

START_TEST(objects_and_the_dead)
{
    procd_lock *lock = procd_lock_new(NULL);

    ck_assert_int_eq(run("leave_locked", json_pack("[o]", procd_lock_json(lock))), 0);
    ck_assert_int_eq(run("acquire", json_pack("[o]", procd_lock_json(lock))), 2);
    ck_assert_int_eq(run("acquire", json_pack("[o]", procd_lock_json(lock))), 1);
    procd_lock_free(lock);
}
END_TEST

START_TEST(its_own_children)
{
    int ends[2];
    char byte = 0;
    struct procd_options options = {.target = "have_children", .args = json_pack("[i]", 9)};
    procd_process *process;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    options.extra = json_pack("{s:[[i,i]]}", "fds", ends[1], 9);
    process = procd_process_new(&options);
    ck_assert_int_eq(procd_process_start(process), 0);
    close(ends[1]);
    ck_assert_int_eq(lib_sync_finish(process), 0);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1); /* before its end */
    close(ends[0]);
}
END_TEST

START_TEST(logs_and_files)
{
    struct procd_options options = {.target = "say_copy", .stdio = {PROCD_NULL, PROCD_LOG, PROCD_LOG}};
    procd_process *process = procd_process_new(&options);

    ck_assert_int_eq(procd_process_start(process), 0);
    ck_assert_int_eq(lib_sync_finish(process), 7);
}
END_TEST

/* It is begun again, and never needed. */
START_TEST(without_it)
{
    int id = zygote_number("id");

    kill_zygote();
    ck_assert_int_ge(run("say_copy", NULL), 7); /* a copy of a new one, where that was not tried just now */
    ck_assert_int_eq(procd_zygote(), 0);
    ck_assert_int_ne(zygote_number("id"), id);
    ck_assert_int_eq(run("say_copy", NULL), 7);
}
END_TEST

START_TEST(stopped)
{
    pid_t pid = zygote_number("pid");

    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    ck_assert_int_eq(run("say_copy", NULL), 8); /* after a second */
    daemon_fixture_wait(is_gone, &pid);
    ck_assert_int_eq(procd_zygote(), 0);
    ck_assert_int_eq(run("say_copy", NULL), 7);
}
END_TEST

/* The keeper's, not the broker's: it outlives that. */
START_TEST(broker_dies)
{
    pid_t broker = (pid_t) daemon_fixture_info("broker_pid");
    int id = zygote_number("id"), ends[2];
    struct procd_options options = {.target = "wait_for_end", .args = json_pack("[i]", 9)};
    procd_process *process;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    options.extra = json_pack("{s:[[i,i]]}", "fds", ends[0], 9);
    process = procd_process_new(&options);
    ck_assert_int_eq(procd_process_start(process), 0);
    close(ends[0]);
    ck_assert_int_eq(kill(broker, SIGKILL), 0);
    daemon_fixture_wait(is_gone, &broker);
    ck_assert_int_eq(zygote_number("id"), id);
    ck_assert_int_eq(run("say_copy", NULL), 7);
    close(ends[1]);
    ck_assert_int_eq(lib_sync_finish(process), 0);
}
END_TEST

/* Also where it does not see that. */
START_TEST(keeper_dies)
{
    pid_t zygote = zygote_number("pid");

    ck_assert_int_eq(run("say_copy", NULL), 7); /* it has come to where it waits */
    ck_assert_int_eq(kill(zygote, SIGSTOP), 0);
    daemon_fixture_kill(&lib_sync_daemon);
    daemon_fixture_wait(is_gone, &zygote);
}
END_TEST

static void *start_many(void *rounds)
{
    for (int i = 0; i < *(int *) rounds; i++)
        ck_assert_int_eq(run("say_copy", NULL), 7);
    return NULL;
}

START_TEST(in_threads)
{
    pthread_t of[8];
    int rounds = getenv("TEST_LONG") ? 2500 : 20;

    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        ck_assert_int_eq(pthread_create(&of[i], NULL, start_many, &rounds), 0);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        pthread_join(of[i], NULL);
}
END_TEST

/* A forked child has none; its own ends with it, by whatever. */
START_TEST(of_whom_it_is)
{
    int status, told[2];
    pid_t pid, zygote = 0;

    ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        int other = zygote_number("id");

        zygote = run("say_copy", NULL) == 8 && procd_zygote() == 0 && zygote_number("id") != other &&
                         run("say_copy", NULL) == 7
                     ? zygote_number("pid")
                     : -1;
        (void) !write(told[1], &zygote, sizeof zygote);
        kill(getpid(), SIGKILL);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ck_assert_int_eq(read(told[0], &zygote, sizeof zygote), sizeof zygote);
    ck_assert_int_gt(zygote, 0);
    daemon_fixture_wait(is_gone, &zygote);
    close(told[0]);
    close(told[1]);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_zygote");
    TCase *tcase = tcase_create("lib_zygote");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_copy);
    tcase_add_test(tcase, robust_mutexes);
    tcase_add_test(tcase, descriptors);
    tcase_add_test(tcase, what_cannot_begin);
    tcase_add_test(tcase, objects_and_the_dead);
    tcase_add_test(tcase, its_own_children);
    tcase_add_test(tcase, logs_and_files);
    tcase_add_test(tcase, without_it);
    tcase_add_test(tcase, stopped);
    tcase_add_test(tcase, broker_dies);
    tcase_add_test(tcase, in_threads);
    tcase_add_test(tcase, keeper_dies);
    tcase_add_test(tcase, of_whom_it_is);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    return lib_sync_main(argc, argv, make_runner);
}
