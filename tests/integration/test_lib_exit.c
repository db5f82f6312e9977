/* SPDX-License-Identifier: MIT */
/* libprocd against a whole daemon: the end of a program, of a broker, of a daemon. */
#include "client/lib/procd.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "tests/integration/daemon_fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct daemon_fixture procd;

/* ---- targets ---- */

/* Exits with args[0]. */
PROCD_TARGET(leave)
{
    return (int) json_integer_value(json_array_get(args, 0));
}

/* Until it is signalled, or for a minute. */
PROCD_TARGET(linger)
{
    poll(NULL, 0, 60000);
    return 0;
}

/* ---- helpers ---- */

static void begin(void)
{
    daemon_fixture_begin(&procd);
}

static void end(void)
{
    daemon_fixture_end(&procd);
}

static procd_process *start(struct procd_options options)
{
    procd_process *process = procd_process_new(&options);

    ck_assert_msg(process != NULL, "%s", procd_last_error()->message);
    ck_assert_msg(procd_process_start(process) == 0, "%s", procd_last_error()->message);
    return process;
}

static procd_process *start_target(const char *target, json_t *args)
{
    return start((struct procd_options) {.target = target, .args = args});
}

/* Joins, and gives the status and the handle back. */
static int finish(procd_process *process)
{
    int exitcode;

    ck_assert_msg(procd_process_join(process, PROCD_FOREVER) == 1, "%s", procd_last_error()->message);
    ck_assert_int_eq(procd_process_exitcode(process, &exitcode), 1);
    ck_assert_int_eq(procd_process_is_alive(process), 0);
    procd_process_free(process);
    return exitcode;
}

static int number_of(const json_t *object, const char *name)
{
    return (int) json_integer_value(json_object_get(object, name));
}

/* ---- another broker, another daemon ---- */

static void *join_for_ever(void *process)
{
    ck_assert_int_eq(procd_process_join(process, PROCD_FOREVER), 1);
    return NULL;
}

static bool is_joined(void *unused)
{
    (void) unused;
    return daemon_fixture_info("connections") >= 2;
}

START_TEST(broker_dies_while_a_join_waits)
{
    procd_process *process = start_target("linger", NULL);
    pid_t broker = (pid_t) daemon_fixture_info("broker_pid");
    pthread_t waiting;

    ck_assert_int_eq(pthread_create(&waiting, NULL, join_for_ever, process), 0);
    daemon_fixture_wait(is_joined, NULL);
    ck_assert_int_eq(kill(broker, SIGKILL), 0);
    ck_assert_int_eq(procd_process_is_alive(process), 1);
    ck_assert_int_eq(finish(start_target("leave", json_pack("[i]", 4))), 4);
    ck_assert_int_ne(daemon_fixture_info("broker_pid"), broker);
    ck_assert_int_eq(procd_process_kill(process), 0);
    pthread_join(waiting, NULL);
    ck_assert_int_eq(finish(process), -SIGKILL);
}
END_TEST

START_TEST(daemon_dies_while_a_join_waits)
{
    procd_process *process = start_target("leave", json_pack("[i]", 0)),
                  *lasting = start_target("linger", NULL);
    int64_t begun;

    ck_assert_int_eq(finish(process), 0);
    daemon_fixture_kill(&procd);
    begun = clock_monotonic();
    ck_assert_int_lt(procd_process_join(lasting, PROCD_FOREVER), 0);
    ck_assert_int_lt(procd_process_terminate(lasting), 0);
    ck_assert_int_lt(clock_monotonic() - begun, 8 * NSEC_PER_SEC);
    kill(procd_process_pid(lasting), SIGKILL); /* nobody else does */
    procd_process_free(lasting);
}
END_TEST

/* ---- the end of a program: this file once more, as a program of its own ---- */

static const char *own_path(void)
{
    static char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    ck_assert_int_gt(length, 0);
    path[length] = '\0';
    return path;
}

/* Runs a scene, with a pipe whose end tells that all of its processes are gone. Returns its status. */
static int play(const char *scene, int *ret_pipe)
{
    int ends[2], status;
    pid_t pid;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], 9);
        execl(own_path(), "scene", scene, (char *) NULL);
        _exit(99);
    }
    close_fd(ends[1]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    *ret_pipe = ends[0];
    return status;
}

/* True when nobody has the pipe open any more. */
static bool is_over(int fd, int milliseconds)
{
    struct pollfd entry = {.fd = fd};

    return poll(&entry, 1, milliseconds) == 1 && entry.revents & POLLHUP;
}

static void leave_child(const char *target, enum procd_daemon_flag flag, json_t *args)
{
    struct procd_options options = {.target = target, .daemon = flag, .args = args};
    procd_process *process;

    options.extra = json_pack("{s:[[i,i]],s:f}", "fds", 9, 9, "stop_timeout", 0.2);
    process = procd_process_new(&options);
    if (!process || procd_process_start(process) < 0)
        exit(98);
    procd_process_free(process);
}

PROCD_TARGET(work_a_while)
{
    poll(NULL, 0, 200);
    return write(9, "done", 4) == 4 ? 0 : 1;
}

PROCD_TARGET(refuse_to_end)
{
    signal(SIGTERM, SIG_IGN);
    (void) !write(9, "deaf", 4);
    poll(NULL, 0, 60000);
    return 0;
}

static int run_scene(const char *scene)
{
    if (strcmp(scene, "children") == 0) {
        leave_child("work_a_while", PROCD_NOT_DAEMON, NULL);
        leave_child("linger", PROCD_DAEMON, NULL);
        leave_child("refuse_to_end", PROCD_DAEMON, NULL);
        return 3;
    }
    if (strcmp(scene, "forked") == 0) { /* a forked child's end is not its parent's */
        leave_child("linger", PROCD_NOT_DAEMON, NULL);
        if (fork() == 0)
            exit(5);
        wait(NULL);
        _exit(4);
    }
    if (strcmp(scene, "killed") == 0) {
        leave_child("linger", PROCD_DAEMON, NULL);
        leave_child("work_a_while", PROCD_NOT_DAEMON, NULL);
        raise(SIGKILL);
    }
    if (strcmp(scene, "no daemon") == 0) {
        json_t *info;

        leave_child("linger", PROCD_NOT_DAEMON, NULL);
        procd_call("daemon.info", NULL, &info);
        kill((pid_t) json_integer_value(json_object_get(info, "pid")), SIGKILL);
        kill((pid_t) json_integer_value(json_object_get(info, "broker_pid")), SIGKILL);
        json_decref(info);
        return 6;
    }
    return 97;
}

static void expect_text(int fd, const char *text)
{
    char buffer[64] = "";

    ck_assert_int_ge(read(fd, buffer, sizeof buffer - 1), 0);
    ck_assert_msg(strstr(buffer, text) != NULL, "%s", buffer);
}

START_TEST(exit_waits_for_children)
{
    int pipe_end, status = play("children", &pipe_end);

    ck_assert_int_eq(status, 3 << 8);
    ck_assert(is_over(pipe_end, 0)); /* all of them ended before it did */
    expect_text(pipe_end, "done");
    close_fd(pipe_end);
}
END_TEST

static long first_id(void)
{
    json_t *list;
    long id;

    ck_assert_int_eq(procd_call("process.list", NULL, &list), 0);
    id = number_of(json_array_get(json_object_get(list, "processes"), 0), "id");
    json_decref(list);
    return id;
}

START_TEST(forked_child_does_not_wait)
{
    int pipe_end, status = play("forked", &pipe_end);
    procd_process *process;

    ck_assert_int_eq(status, 4 << 8);
    ck_assert(!is_over(pipe_end, 0)); /* the child lives on */
    close_fd(pipe_end);
    process = procd_process_open(first_id());
    ck_assert_ptr_nonnull(process);
    procd_process_kill(process);
    ck_assert_int_eq(finish(process), -SIGKILL);
}
END_TEST

START_TEST(killed_program_takes_its_daemons_along)
{
    int pipe_end, status = play("killed", &pipe_end);

    ck_assert_int_eq(status, SIGKILL);
    ck_assert(is_over(pipe_end, 20000));
    expect_text(pipe_end, "done"); /* what is no daemon lives on, to its own end */
    close_fd(pipe_end);
}
END_TEST

START_TEST(exit_without_a_daemon)
{
    int64_t begun = clock_monotonic();
    int pipe_end, status = play("no daemon", &pipe_end);

    ck_assert_int_eq(status, 6 << 8);
    ck_assert_int_lt(clock_monotonic() - begun, 8 * NSEC_PER_SEC);
    ck_assert_int_eq(waitpid(procd.pid, NULL, 0), procd.pid);
    procd.pid = 0;
    close_fd(pipe_end);
}
END_TEST

static SRunner *make_runner(void)
{
    Suite *suite = suite_create("lib_exit");
    TCase *tcase = tcase_create("lib_exit");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, broker_dies_while_a_join_waits);
    tcase_add_test(tcase, daemon_dies_while_a_join_waits);
    tcase_add_test(tcase, exit_waits_for_children);
    tcase_add_test(tcase, forked_child_does_not_wait);
    tcase_add_test(tcase, killed_program_takes_its_daemons_along);
    tcase_add_test(tcase, exit_without_a_daemon);
    suite_add_tcase(suite, tcase);
    return srunner_create(suite);
}

int main(int argc, char **argv)
{
    SRunner *runner;
    int failed;

    procd_init(argc, argv);
    if (argc == 2 && strcmp(argv[0], "scene") == 0)
        return run_scene(argv[1]);
    runner = make_runner();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
