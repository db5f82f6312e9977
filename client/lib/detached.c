/* SPDX-License-Identifier: MIT */
#include "client/lib/detached.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int detached_find(const char *name, char *ret_path, size_t size)
{
    const char *path = getenv("PATH");

    if (strchr(name, '/'))
        return (size_t) snprintf(ret_path, size, "%s", name) < size ? 0 : -ENAMETOOLONG;
    for (path = path ? path : "/usr/local/bin:/usr/bin:/bin"; *path; path += *path == ':') {
        size_t span = strcspn(path, ":");

        if (*path == '/' && span + strlen(name) + 2 <= size) {
            snprintf(ret_path, size, "%.*s/%s", (int) span, path, name);
            if (access(ret_path, X_OK) == 0)
                return 0;
        }
        path += span;
    }
    return -ENOENT;
}

static long clone_process(uint64_t flags, int *ret_pidfd)
{
    struct clone_args args = {.flags = flags, .pidfd = (uintptr_t) ret_pidfd};

    return syscall(SYS_clone3, &args, sizeof args);
}

static void reset_signals(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        sigaction(number, &plain, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The program to be, until its exec. The report descriptor may itself be below 3. */
static _Noreturn void become_program(const struct detached *plan)
{
    int error, report = fcntl(plan->report, F_DUPFD_CLOEXEC, 3);

    error = report < 0 ? errno : plan->prepare(plan);
    if (!error && syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        error = errno;
    if (!error) {
        reset_signals();
        execve(plan->program, (char *const *) plan->argv, plan->environment);
        error = errno;
    }
    if (report >= 0)
        send(report, &error, sizeof error, MSG_NOSIGNAL);
    _exit(127);
}

/* The process between caller and program: its end gives the program away to init. Reports a pidfd, or an
 * errno. */
static _Noreturn void become_middleman(const struct detached *plan)
{
    int pidfd = -1, error = 0;
    struct iovec iov = {.iov_base = &error, .iov_len = sizeof error};
    long pid;

    if (plan->in_session)
        setsid();
    pid = clone_process(CLONE_PIDFD, &pidfd);
    if (pid == 0)
        become_program(plan);
    error = pid < 0 ? errno : 0;
    fdpass_send(plan->report, &iov, 1, &pidfd, pid > 0);
    _exit(0);
}

/* Both reports: the middleman's with the pidfd, and the program's if its exec failed (else the exec closes
 * the pair). */
static int read_reports(int socket)
{
    CLEANUP_FD int pidfd = -1;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    int error = 0;
    struct iovec iov = {.iov_base = &error, .iov_len = sizeof error};

    for (;;) {
        struct msghdr message = {
            .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        struct cmsghdr *header = size > 0 ? CMSG_FIRSTHDR(&message) : NULL;

        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return pidfd >= 0 ? take_fd(&pidfd) : -ECONNREFUSED;
        if (header)
            memcpy(&pidfd, CMSG_DATA(header), sizeof pidfd);
        if (error)
            return -error;
    }
}

/* Without an exit signal: the caller's SIGCHLD handler and its wait() calls never hear of the middleman. */
static int launch(struct detached *plan, int socket)
{
    sigset_t all, before;
    long pid;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = clone_process(0, NULL);
    if (pid == 0)
        become_middleman(plan);
    error = pid < 0 ? -errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    plan->report = close_fd(plan->report);
    if (error)
        return error;
    while (waitpid((pid_t) pid, NULL, __WALL) < 0 && errno == EINTR)
        ;
    return read_reports(socket);
}

int detached_start(struct detached *plan)
{
    int pair[2], error;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    plan->report = pair[1];
    error = launch(plan, pair[0]);
    close_fd(plan->report);
    close_fd(pair[0]);
    return error;
}
