/* SPDX-License-Identifier: MIT */
/* daemon/sandbox.c: what is refused to a broker, and what it goes on doing. */
#include "daemon/sandbox.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
    int fds[2];

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
    must_refuse(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
}
END_TEST

/* By the filter: where it is root's, the broker has no files at all (root_becomes_nobody). */
START_TEST(files_are_not_written)
{
    static const int flags[] = {O_WRONLY, O_RDWR, O_WRONLY | O_APPEND, O_RDONLY | O_CREAT, O_RDONLY | O_TRUNC,
                                O_RDWR | O_TMPFILE};
    static const char name[] = "/tmp/of-a-broker";
    const uint64_t how[3] = {O_RDONLY};

    (void) how;
    if (!is_filtered())
        return;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        must_refuse(open(flags[i] & O_DIRECTORY ? "/tmp" : name, flags[i], 0600));
        must_refuse(syscall(SYS_openat, AT_FDCWD, name, flags[i], 0600));
#ifdef SYS_open
        must_refuse(syscall(SYS_open, name, flags[i], 0600));
#endif
    }
    must_refuse(creat(name, 0600));
    must_refuse(mkdir(name, 0700));
    must_refuse(mknod(name, S_IFIFO | 0600, 0));
    must_refuse(unlink(name));
    must_refuse(rmdir(name));
    must_refuse(rename(name, name));
    must_refuse(link(name, name));
    must_refuse(symlink(name, name));
    must_refuse(chmod(name, 0777));
    must_refuse(chown(name, 0, 0));
    must_refuse(truncate(name, 0));
#ifdef SYS_openat2 /* which would hide its flags in memory */
    ck_assert_int_eq(syscall(SYS_openat2, AT_FDCWD, "/", how, sizeof how), -1);
    ck_assert_int_eq(errno, ENOSYS);
#endif
}
END_TEST

START_TEST(threads_and_descriptors_go_on)
{
    int made = 0, fds[2], memory;
    pthread_t id;

    ck_assert_int_eq(pthread_create(&id, NULL, thread, &made), 0);
    ck_assert_int_eq(pthread_join(id, NULL), 0);
    ck_assert_int_eq(made, 1);
    ck_assert_int_ge(epoll_create1(EPOLL_CLOEXEC), 0);
    ck_assert_int_ge(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), 0);
    ck_assert_int_ge(memory = memfd_create("x", MFD_CLOEXEC), 0);
    ck_assert_int_eq(write(memory, "x", 1), 1);
    ck_assert_int_eq(ftruncate(memory, 4096), 0);
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
    tcase_add_test(inside, files_are_not_written);
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
