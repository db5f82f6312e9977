/* SPDX-License-Identifier: MIT */
/* daemon/keeper/proc.c: who a number belongs to, and how a stranger's child has ended. */
#include "daemon/keeper/proc.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "tests/unit/base/descriptors.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static pid_t sleeper(void)
{
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* The clock of /proc ticks a hundred times a second. */
static void next_tick(void)
{
    poll(NULL, 0, 25);
}

START_TEST(who_had_the_number)
{
    int64_t before = clock_boot();
    pid_t pid;
    int pidfd;

    next_tick();
    pid = sleeper();
    ck_assert_int_eq(pidfd_open_seen(pid, before), -ESRCH); /* it came to it later */
    pidfd = pidfd_open_seen(pid, clock_boot());
    ck_assert_int_ge(pidfd, 0);
    ck_assert_int_eq(pidfd_number(pidfd), pid);
    close(pidfd);
    pidfd = pidfd_open_seen(pid, INT64_MAX);
    ck_assert_int_ge(pidfd, 0);
    kill(pid, SIGKILL);
    while (pidfd_alive(pidfd))
        ;
    ck_assert_int_eq(close_fd(pidfd_open_seen(pid, INT64_MAX)), -1); /* its zombie has it still */
    ck_assert_int_eq(pidfd_number(pidfd), pid);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(pidfd_open_seen(pid, INT64_MAX), -ESRCH);
    ck_assert_int_eq(pidfd_number(pidfd), -ESRCH);
    close(pidfd);
    ck_assert_int_eq(pidfd_open_seen(0, INT64_MAX), -ESRCH);
    ck_assert_int_eq(pidfd_open_seen(-1, INT64_MAX), -ESRCH);
}
END_TEST

/* Ends with this status, or by this signal where it is negative. */
static void ends_with(int how)
{
    int pipe_fds[2], pidfd, status, told, r;
    pid_t pid;

    ck_assert_int_eq(pipe(pipe_fds), 0);
    pid = fork();
    if (pid == 0) {
        close(pipe_fds[1]);
        (void) !read(pipe_fds[0], &told, 1);
        if (how >= 0)
            _exit(how);
        signal(-how, SIG_DFL); /* not as our runner has it */
        for (;;)
            raise(-how);
    }
    pidfd = pidfd_open_process(pid); /* before its end: the kernel keeps what somebody may ask for */
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    while (pidfd_alive(pidfd))
        ;
    r = pidfd_status(pidfd, &told);
    ck_assert(r == -EAGAIN || r == -ENOSYS); /* nobody has waited for it */
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    r = pidfd_status(pidfd, &told);
    ck_assert(r == 0 || r == -ENOSYS);
    if (r == 0)
        ck_assert_int_eq(told, status);
    close(pidfd);
}

/* Where the kernel tells it is what wait(2) has told its parent. */
START_TEST(how_it_ended)
{
    int told;

    ends_with(0);
    ends_with(1);
    ends_with(255);
    ends_with(-SIGTERM);
    ends_with(-SIGKILL);
    ends_with(-SIGABRT);
    ck_assert_int_eq(pidfd_status(0, &told), -ENOSYS); /* no pidfd at all */
}
END_TEST

START_TEST(has_it_come_through_an_exec)
{
    struct proc_entry entry;
    pid_t pid = sleeper();

    ck_assert_int_eq(proc_read(pid, &entry), 0);
    ck_assert(!entry.began_program);
    end(pid);
    pid = fork();
    if (pid == 0)
        execl("/bin/sleep", "sleep", "1000", NULL);
    do
        ck_assert_int_eq(proc_read(pid, &entry), 0);
    while (!entry.began_program);
    kill(pid, SIGKILL);
    do
        ck_assert_int_eq(proc_read(pid, &entry), 0);
    while (entry.state != 'Z');
    ck_assert(entry.began_program);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

/* One descriptor is free, for the directory, and none for what is in it: that is not nobody. */
START_TEST(without_descriptors_nothing_is_known)
{
    struct proc_entry *entries, entry;
    struct rlimit limit, few;
    int last = dup(0);
    ssize_t count;

    ck_assert_int_gt(proc_scan(&entries), 1);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = (struct rlimit){.rlim_cur = (rlim_t) last + 1, .rlim_max = limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    ck_assert(tells_nothing(proc_read(getpid(), &entry)));
    close(last);
    count = proc_scan(&entries);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(count, -EMFILE);
    ck_assert_int_gt(proc_scan(&entries), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proc");
    TCase *tcase = tcase_create("proc");

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, who_had_the_number);
    tcase_add_test(tcase, how_it_ended);
    tcase_add_test(tcase, has_it_come_through_an_exec);
    tcase_add_test(tcase, without_descriptors_nothing_is_known);
    return RUN_SUITE(suite);
}
