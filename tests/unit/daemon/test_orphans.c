/* SPDX-License-Identifier: MIT */
/* daemon/orphans.c: how the children of a keeper that has died ended, for the one that takes over. */
#include "daemon/orphans.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/keeper/manager.h"
#include "tests/unit/base/descriptors.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct orphans orphans;
static int ours, its; /* the link: the front's end, and the keeper's */
static size_t before;

static void set_up(void)
{
    int pair[2];

    before = descriptors_count();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    ours = pair[0];
    its = pair[1];
    orphans_open(&orphans);
}

static void tear_down(void)
{
    close(ours);
    close(its);
    ck_assert_uint_eq(descriptors_count(), before);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}

/* Becomes ours by the death of its parent; ends at once with this status, or waits for a signal. */
static pid_t orphan(int status)
{
    int pipe_fds[2];
    pid_t parent, pid;

    ck_assert_int_eq(pipe(pipe_fds), 0);
    parent = fork();
    if (parent == 0) {
        signal(SIGTERM, SIG_DFL); /* not as our runner has it */
        pid = fork();
        if (pid == 0) {
            while (status < 0)
                pause();
            _exit(status);
        }
        (void) !write(pipe_fds[1], &pid, sizeof pid);
        _exit(0);
    }
    ck_assert_int_eq(read(pipe_fds[0], &pid, sizeof pid), sizeof pid);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return pid;
}

static bool is_zombie(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};

    return waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/* The keeper's next word; false: there is none. */
static bool hear(char text[MANAGER_TEXT_MAX])
{
    ssize_t size = recv(its, text, MANAGER_TEXT_MAX - 1, MSG_DONTWAIT);

    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

static pid_t hear_end(int *ret_code, int *ret_status)
{
    char text[MANAGER_TEXT_MAX];
    long long utime, stime;
    long more[7];
    int pid;

    ck_assert(hear(text));
    ck_assert_int_eq(sscanf(text, MANAGER_ENDED, &pid, ret_code, ret_status, &utime, &stime, &more[0],
                            &more[1], &more[2], &more[3], &more[4], &more[5], &more[6]), 12);
    return pid;
}

static void record(pid_t pid)
{
    char text[MANAGER_TEXT_MAX];

    snprintf(text, sizeof text, MANAGER_RECORDED, pid);
    ck_assert(orphans_hear(&orphans, text));
}

/* One after the other, and each is waited for only once it is on record. */
START_TEST(ends_are_told)
{
    pid_t first = orphan(3), second = orphan(-1), told[2];
    int code, status;

    while (!is_zombie(first))
        ;
    kill(second, SIGTERM);
    while (!is_zombie(second))
        ;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(orphans_patience(&orphans), -1);
        orphans_look(&orphans, ours, 0);
        told[i] = hear_end(&code, &status);
        ck_assert_int_eq(code, told[i] == first ? CLD_EXITED : CLD_KILLED);
        ck_assert_int_eq(status, told[i] == first ? 3 : SIGTERM);
        ck_assert_int_gt(orphans_patience(&orphans), 0);
        orphans_look(&orphans, ours, 0);
        ck_assert(!hear((char[MANAGER_TEXT_MAX]){0}));
        record(first + second); /* of somebody else */
        ck_assert(is_zombie(told[i]));
        record(told[i]);
        ck_assert(!is_zombie(told[i]));
    }
    ck_assert_int_eq(told[0] + told[1], first + second);
    orphans_look(&orphans, ours, 0);
    ck_assert(!hear((char[MANAGER_TEXT_MAX]){0}));
}
END_TEST

/* A keeper that does not answer hears it again; and so does the one that comes after it. */
START_TEST(told_again)
{
    pid_t pid = orphan(0);
    int code, status;

    while (!is_zombie(pid))
        ;
    orphans_look(&orphans, -1, 0); /* nobody is there */
    orphans_open(&orphans);
    orphans_look(&orphans, ours, 0);
    ck_assert_int_eq(hear_end(&code, &status), pid);
    poll(NULL, 0, orphans_patience(&orphans) + 1);
    orphans_look(&orphans, ours, 0);
    ck_assert_int_eq(hear_end(&code, &status), pid);
    orphans_open(&orphans);
    orphans_look(&orphans, ours, 0);
    ck_assert_int_eq(hear_end(&code, &status), pid);
    record(pid);
}
END_TEST

START_TEST(stops_are_told)
{
    pid_t pid = orphan(-1);
    char text[MANAGER_TEXT_MAX];
    int code, status, about;

    kill(pid, SIGSTOP);
    do
        orphans_look(&orphans, ours, 0);
    while (!hear(text));
    ck_assert_int_eq(sscanf(text, MANAGER_STOPPED, &about, &code), 2);
    ck_assert(about == pid && code == CLD_STOPPED);
    kill(pid, SIGCONT);
    do
        orphans_look(&orphans, ours, 0);
    while (!hear(text));
    ck_assert_int_eq(sscanf(text, MANAGER_STOPPED, &about, &code), 2);
    ck_assert(about == pid && code == CLD_CONTINUED);
    kill(pid, SIGKILL);
    while (!is_zombie(pid))
        ;
    orphans_look(&orphans, ours, 0);
    ck_assert_int_eq(hear_end(&code, &status), pid);
    record(pid);
}
END_TEST

/* Its end is not an orphan's, and whoever made it waits for it. */
START_TEST(the_keeper_itself)
{
    pid_t keeper = orphan(1);

    while (!is_zombie(keeper))
        ;
    orphans_look(&orphans, ours, keeper);
    ck_assert(!hear((char[MANAGER_TEXT_MAX]){0}));
    ck_assert_int_eq(waitpid(keeper, NULL, 0), keeper);
    ck_assert(!orphans_hear(&orphans, MANAGER_READY));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("orphans");
    TCase *tcase = tcase_create("orphans");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, ends_are_told);
    tcase_add_test(tcase, told_again);
    tcase_add_test(tcase, stops_are_told);
    tcase_add_test(tcase, the_keeper_itself);
    return RUN_SUITE(suite);
}
