/* SPDX-License-Identifier: MIT */
#include "daemon/front.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/base/fdpass.h"
#include "daemon/base/log.h"
#include "daemon/base/notify.h"
#include "daemon/keeper/manager.h"
#include "daemon/keeper/proc.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define STORE_NAME    "keeper"
#define ATTACH_MS     15000 /* a keeper that says nothing for so long hangs */
#define EXIT_UNKNOWN  1
#define EXIT_SIGNALED 128

/* ---- the keeper ---- */

static bool is_dead(const struct front *front)
{
    struct pollfd poll_fd = {.fd = front->keeper, .events = POLLIN};

    return poll(&poll_fd, 1, 0) != 0;
}

static void let_go(struct front *front)
{
    front->link = close_fd(front->link);
    front->keeper = close_fd(front->keeper);
    notify_store(STORE_NAME, NULL, 0);
}

/* What it says is meant for the manager. Length, 0 when nothing is left to be read, or -errno. */
static int hear(const struct front *front, char *text, size_t size)
{
    ssize_t length = recv(front->link, text, size - 1, MSG_DONTWAIT);

    if (length < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    text[length] = '\0';
    return (int) length;
}

/* ---- attach ---- */

static int greet(const struct front *front, int listen_fd, int64_t watchdog)
{
    char text[MANAGER_TEXT_MAX];
    struct iovec iov = {.iov_base = text};
    ssize_t sent;

    iov.iov_len = (size_t) snprintf(text, sizeof text, MANAGER_ATTACH, (long long) watchdog);
    sent = fdpass_send(front->link, &iov, 1, &listen_fd, listen_fd >= 0);
    return sent < 0 ? (int) sent : 0;
}

/* What it answers now, and not what it said while nobody listened. */
static bool answers(const struct front *front, int listen_fd, int64_t watchdog)
{
    struct pollfd poll_fds[2] = {{.fd = front->link, .events = POLLIN},
                                 {.fd = front->keeper, .events = POLLIN}};
    char text[MANAGER_TEXT_MAX];

    while (hear(front, text, sizeof text) > 0)
        ;
    if (greet(front, listen_fd, watchdog) < 0)
        return false;
    if (poll(poll_fds, 2, ATTACH_MS) == 0) {
        log_error("the keeper does not answer: killing it");
        pidfd_signal(front->keeper, SIGKILL);
        return false;
    }
    if (hear(front, text, sizeof text) <= 0 || strcmp(text, MANAGER_STOPPING) == 0)
        return false;
    notify_send(text);
    return true;
}

bool front_attach(struct front *front, int listen_fd, int64_t watchdog)
{
    if (front->link < 0 && front->keeper < 0)
        return false;
    if (front->link >= 0 && front->keeper >= 0 && !is_dead(front) && answers(front, listen_fd, watchdog))
        return true;
    let_go(front);
    return false;
}

/* ---- begin ---- */

static void block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

int front_fork(struct front *front, int *ret_link)
{
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    block_signals(); /* none is lost before front_serve waits for them */
    pid = fork();
    if (pid == 0) {
        setsid();
        close_fd(pair[0]);
        *ret_link = pair[1];
        return 0;
    }
    close_fd(pair[1]);
    front->keeper = pid < 0 ? -errno : pidfd_open_process(pid);
    if (front->keeper < 0) {
        close_fd(pair[0]);
        return front->keeper;
    }
    front->link = pair[0];
    notify_store(STORE_NAME, (int[2]){front->link, front->keeper}, 2);
    return 1;
}

/* ---- serve ---- */

/* Everything it has said, passed on. False where there was nothing. */
static bool pass_on(const struct front *front, bool *stopping)
{
    char text[MANAGER_TEXT_MAX];
    bool heard = false;

    while (hear(front, text, sizeof text) > 0) {
        heard = true;
        *stopping = *stopping || strcmp(text, MANAGER_STOPPING) == 0;
        notify_send(text);
    }
    return heard;
}

/* The watchdog's. Where it was we who had been stopped, the keeper has gone on talking. */
__attribute__((noreturn)) static void abort_with(const struct front *front)
{
    bool stopping = false;
    sigset_t none;

    if (!pass_on(front, &stopping)) {
        log_error("the keeper hangs: killing it");
        pidfd_signal(front->keeper, SIGKILL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    abort();
}

/* True: the front leaves, the keeper stays. */
static bool take_signal(const struct front *front, int signals)
{
    struct signalfd_siginfo info;

    if (read(signals, &info, sizeof info) != sizeof info)
        return false;
    if (info.ssi_signo == SIGUSR1)
        return true;
    if (info.ssi_signo == SIGABRT)
        abort_with(front);
    pidfd_signal(front->keeper, (int) info.ssi_signo);
    return false;
}

/* An earlier front may be its parent: then there is only what it has said. */
static int status_of(const struct front *front, bool stopping)
{
    siginfo_t info = {.si_pid = 0};

    if (waitid(P_PIDFD, (id_t) front->keeper, &info, WEXITED) < 0)
        return stopping ? 0 : EXIT_UNKNOWN;
    return info.si_code == CLD_EXITED ? info.si_status : EXIT_SIGNALED + info.si_status;
}

int front_serve(struct front *front)
{
    CLEANUP_FD int signals = -1;
    bool stopping = false;
    sigset_t ours;

    block_signals();
    prctl(PR_SET_NAME, "procd-front");
    sigemptyset(&ours);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGUSR1);
    sigaddset(&ours, SIGABRT);
    signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return EXIT_UNKNOWN;
    for (;;) {
        struct pollfd poll_fds[3] = {{.fd = front->keeper, .events = POLLIN},
                                     {.fd = signals, .events = POLLIN},
                                     {.fd = front->link, .events = POLLIN}};

        poll(poll_fds, 3, -1);
        /* signals first: a watchdog's must see what the keeper has said meanwhile */
        if (poll_fds[1].revents && take_signal(front, signals))
            return 0;
        if (poll_fds[2].revents && !pass_on(front, &stopping) && poll_fds[2].revents & POLLHUP)
            front->link = close_fd(front->link); /* poll skips what is negative: its end is at hand */
        if (poll_fds[0].revents)
            return status_of(front, stopping);
    }
}
