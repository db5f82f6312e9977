/* SPDX-License-Identifier: MIT */
/* What a program's end asks of the daemon, and when it stops asking. The program is a forked child of the
 * test. */
#include "client/lib/process.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/fdpass.h"
#include "tests/unit/client/fake_daemon.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct fake fake;
static struct fake_peer peer;

PROCD_TARGET(some)
{
    return 0;
}

static void begin(void)
{
    fake_begin(&fake);
}

static void end(void)
{
    fake_end(&fake);
}

static void answer_spawn(int id, int daemon)
{
    json_t *request = fake_read(&peer, "process.spawn");
    char line[300];
    struct iovec iov = {.iov_base = line};
    int pidfd = (int) syscall(SYS_pidfd_open, getpid(), 0);

    iov.iov_len = (size_t) snprintf(
        line, sizeof line,
        "{\"jsonrpc\":\"2.0\",\"id\":%d,\"fds\":1,\"result\":{\"id\":%d,\"name\":\"n\","
        "\"pid\":1,\"daemon\":%s,\"pidfd\":0}}\n",
        (int) json_integer_value(json_object_get(request, "id")), id, daemon ? "true" : "false");
    ck_assert_int_gt(fdpass_send(peer.fd, &iov, 1, &pidfd, 1), 0);
    json_decref(request);
    close_fd(pidfd);
}

static json_t *expect(const char *method, int id)
{
    json_t *request = fake_read(&peer, method);

    ck_assert_ptr_nonnull(request);
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(request, "params"), "process")), id);
    return request;
}

static json_t *exited(void)
{
    return json_pack("{s:b,s:i}", "exited", 1, "exitcode", 0);
}

/* A program that starts four children, frees their handles, and ends. */
static pid_t run_program(void)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    close_fd(fake.listener);
    exit_prepare(); /* as procd_init does in a program of its own */
    for (int i = 0; i < 4; i++) {
        struct procd_options options = {.target = "some"};
        procd_process *process = procd_process_new(&options);

        if (procd_process_start(process) < 0)
            _exit(1);
        procd_process_free(process);
    }
    exit(7);
}

static void serve_start(void)
{
    fake_greet(&fake, &peer, "e");
    answer_spawn(1, 0);
    answer_spawn(2, 1);
    answer_spawn(3, 0);
    answer_spawn(4, 1);
}

static void expect_end(pid_t pid)
{
    int status;

    ck_assert_ptr_null(fake_read(&peer, NULL));
    fake_hang_up(&peer);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 7 << 8);
}

START_TEST(daemons_are_stopped_then_all_joined)
{
    pid_t pid = run_program();
    json_t *stop[2];

    serve_start();
    stop[0] = expect("process.stop", 2); /* both at once: the slowest counts, not their sum */
    stop[1] = expect("process.stop", 4);
    fake_answer(&peer, stop[1], exited());
    fake_fail(&peer, stop[0], -32001, "no such process");
    fake_answer(&peer, expect("process.join", 1), exited());
    fake_fail(&peer, expect("process.join", 2), -32001, "no such process");
    fake_answer(&peer, expect("process.join", 3), exited());
    fake_answer(&peer, expect("process.join", 4), exited());
    expect_end(pid);
}
END_TEST

START_TEST(deadlock_ends_the_wait)
{
    pid_t pid = run_program();

    serve_start();
    fake_answer(&peer, expect("process.stop", 2), exited());
    fake_answer(&peer, expect("process.stop", 4), exited());
    fake_fail(&peer, expect("process.join", 1), -32007, "deadlock");
    expect_end(pid);
}
END_TEST

START_TEST(gone_daemon_ends_the_wait)
{
    pid_t pid = run_program();

    serve_start();
    json_decref(expect("process.stop", 2));
    fake_close(&fake);
    json_decref(fake_read(&peer, "process.stop"));
    shutdown(peer.fd, SHUT_RDWR);
    expect_end(pid);
}
END_TEST

/* As multiprocessing: a child made by fork(2) has its parent's handlers, but none of its children. */
START_TEST(forked_child_waits_for_nobody)
{
    pid_t pid = run_program(), forked;
    int status;

    serve_start();
    forked = fork();
    if (forked == 0)
        exit(3);
    ck_assert_int_eq(waitpid(forked, &status, 0), forked);
    ck_assert_int_eq(status, 3 << 8);
    fake_answer(&peer, expect("process.stop", 2), exited());
    fake_answer(&peer, expect("process.stop", 4), exited());
    fake_fail(&peer, expect("process.join", 1), -32007, "deadlock");
    expect_end(pid);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("exit");
    TCase *tcase = tcase_create("exit");
    SRunner *runner;
    int failed;

    procd_init(argc, argv);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, daemons_are_stopped_then_all_joined);
    tcase_add_test(tcase, deadlock_ends_the_wait);
    tcase_add_test(tcase, gone_daemon_ends_the_wait);
    tcase_add_test(tcase, forked_child_waits_for_nobody);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
