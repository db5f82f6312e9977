/* daemon/sandbox.c: what is refused to a broker, and what it goes on doing. */
#include "daemon/sandbox.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

/* Each test has a process of its own, which the sandbox is for. */
static void set_up(void)
{
    ck_assert_int_eq(sandbox_enter(0, 0), 0);
}

/* Not where a sanitizer needs what the filter forbids, nor on a machine that the filter does not know. */
static bool is_filtered(void)
{
    bool filtered = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2;

#if defined __x86_64__ && !defined HAVE_SANITIZERS
    ck_assert(filtered);
#endif
    return filtered;
}

static void *thread(void *data)
{
    *(int *) data = 1;
    return NULL;
}

START_TEST(it_cannot_gain_privileges)
{
    ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
}
END_TEST

static void must_refuse(long result)
{
    ck_assert_int_eq(result, -1);
    ck_assert_int_eq(errno, EPERM);
}

START_TEST(calls_are_refused)
{
    char *words[] = {(char *) "/bin/true", NULL};

    if (!is_filtered())
        return;
    must_refuse(fork());
    must_refuse(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    must_refuse(execv(words[0], words));
    must_refuse(socket(AF_UNIX, SOCK_STREAM, 0));
    must_refuse(socket(AF_INET, SOCK_STREAM, 0));
    must_refuse(ptrace(PTRACE_TRACEME, 0, 0, 0));
    must_refuse(unshare(CLONE_NEWUSER));
    must_refuse(chroot("/"));
}
END_TEST

START_TEST(threads_and_descriptors_go_on)
{
    int made = 0, fds[2];
    pthread_t id;

    ck_assert_int_eq(pthread_create(&id, NULL, thread, &made), 0);
    ck_assert_int_eq(pthread_join(id, NULL), 0);
    ck_assert_int_eq(made, 1);
    ck_assert_int_ge(epoll_create1(EPOLL_CLOEXEC), 0);
    ck_assert_int_ge(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), 0);
    ck_assert_int_ge(memfd_create("x", MFD_CLOEXEC), 0);
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_ge(open("/proc/self/statm", O_RDONLY), 0);
}
END_TEST

/* In a process of its own, for it comes back as somebody else. 0: all is as it should be. */
static int enter_as_nobody(void)
{
    char name[32] = "";

    (void) name;
    if (sandbox_enter(NOBODY, NOBODY) < 0)
        return 1;
    if (getuid() != NOBODY || geteuid() != NOBODY || getegid() != NOBODY || getgroups(0, NULL) != 0)
        return 2;
    if (setuid(0) == 0 || prctl(PR_CAPBSET_READ, 0, 0, 0, 0) != 0)
        return 3;
#ifndef HAVE_SANITIZERS
    if (open("/etc/passwd", O_RDONLY) >= 0 || open("/proc", O_RDONLY) >= 0)
        return 4;
    if (!getcwd(name, sizeof name) || name[0] != '/' || name[1] != '\0')
        return 5;
#endif
    return 0;
}

START_TEST(root_becomes_nobody)
{
    int status;
    pid_t pid;

    if (geteuid() != 0)
        return;
    pid = fork();
    if (pid == 0)
        _exit(enter_as_nobody());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox");
    TCase *inside = tcase_create("inside"), *root = tcase_create("root");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(inside, set_up, NULL);
    tcase_add_test(inside, it_cannot_gain_privileges);
    tcase_add_test(inside, calls_are_refused);
    tcase_add_test(inside, threads_and_descriptors_go_on);
    tcase_add_test(root, root_becomes_nobody);
    suite_add_tcase(suite, inside);
    suite_add_tcase(suite, root);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
