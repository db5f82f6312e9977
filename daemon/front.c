/* SPDX-License-Identifier: MIT */
#include "daemon/front.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/base/fdpass.h"
#include "daemon/base/log.h"
#include "daemon/base/notify.h"
#include "daemon/keeper/manager.h"
#include "daemon/keeper/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ATTACH_MS      15000 /* a keeper that says nothing for so long hangs */
#define EXIT_UNKNOWN   1
#define EXIT_SIGNALED  128
#define DEATH_MS       5000
#define SHORT_LIFE     (1 * NSEC_PER_SEC)
#define DEATH_PAUSE_MS 50
#define PAUSES_MOST    10

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
    notify_store(FRONT_NAME, NULL, 0);
}

/* Where a close may block, a process of its own has the last copy and ends: that blocks nobody. Whoever waits
 * for orphans waits for it, too. */
static void drop_aside(struct front *front, const char *name)
{
    int pipe_fds[2] = {-1, -1};
    char byte;
    pid_t pid = pipe2(pipe_fds, O_CLOEXEC) < 0 ? -1 : fork();

    if (pid == 0) {
        close_fd(pipe_fds[1]);
        (void) !read(pipe_fds[0], &byte, 1); /* our copy is the last one then */
        _exit(0);
    }
    shelf_drop(&front->shelf, name);
    close_fd(pipe_fds[0]);
    close_fd(pipe_fds[1]);
}

/* What is kept, and is no longer, and what it knows of orphans. False: it is a word for the manager. */
static bool take_kept(struct front *front, const char *text, struct fdpass *fds)
{
    char name[SHELF_NAME_MAX + 1];

    if (fds->count == 1 && sscanf(text, NOTIFY_KEEP_READ, name) == 1) {
        (void) notify_keep(name, fds->fd[0]);
        (void) shelf_put(&front->shelf, name, take_fd(&fds->fd[0]));
    } else if (sscanf(text, NOTIFY_DROP_READ, name) == 1) {
        (void) notify_drop(name);
        if (shelf_may_block(name))
            drop_aside(front, name);
        else
            shelf_drop(&front->shelf, name);
    } else {
        return orphans_hear(&front->orphans, text);
    }
    return true;
}

/* One of its words. Length, 0 when nothing is left to be read, or -errno. */
static int hear(struct front *front, char *text, size_t size)
{
    CLEANUP(fdpass_close) struct fdpass fds = {.count = 0};
    ssize_t length;

    do {
        fdpass_close(&fds);
        length = front->link < 0 ? 0 : fdpass_receive(front->link, text, size - 1, &fds);
        if (length <= 0)
            return length == -EAGAIN ? 0 : (int) length;
        text[length] = '\0';
    } while (take_kept(front, text, &fds));
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
static bool answers(struct front *front, int listen_fd, int64_t watchdog)
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
        (void) poll(&poll_fds[1], 1, DEATH_MS); /* who takes over must find it dead */
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
    front->began = clock_monotonic();
    if (front->link >= 0 && front->keeper >= 0 && !is_dead(front) && answers(front, listen_fd, watchdog)) {
        front->served = true;
        return true;
    }
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

/*
 * Nothing before the link is kept: a keeper whose front dies sooner would be alone, and stop all children
 * that it has just taken over.
 */
static void wait_for_start(int link)
{
    char start;

    if (recv(link, &start, sizeof start, 0) != sizeof start)
        _exit(EXIT_UNKNOWN);
}

static void start(const struct front *front)
{
    notify_store(FRONT_NAME, (int[2]){front->link, front->keeper}, 2);
    (void) send(front->link, "s", 1, MSG_NOSIGNAL);
}

int front_fork(struct front *front, int *ret_link)
{
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    block_signals(); /* none is lost before front_serve waits for them */
    orphans_open(&front->orphans); /* with its birth */
    pid = fork();
    if (pid == 0) {
        setsid();
        prctl(PR_SET_NAME, "procd");
        close_fd(pair[0]);
        wait_for_start(pair[1]);
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
    front->keeper_pid = pid;
    front->began = clock_monotonic();
    front->stopping = false;
    start(front);
    return 1;
}

/* ---- serve ---- */

/* Everything it has said, passed on. False where there was nothing. */
static bool pass_on(struct front *front)
{
    char text[MANAGER_TEXT_MAX];
    bool heard = false;

    while (hear(front, text, sizeof text) > 0) {
        heard = true;
        if (strcmp(text, MANAGER_STOPPING) == 0) {
            front->stopping = true;
            shelf_drop(&front->shelf, FRONT_LISTEN); /* nobody is to connect any more */
        }
        front->served = front->served || strcmp(text, MANAGER_READY) == 0;
        notify_send(text);
    }
    return heard;
}

/* The watchdog's. Where it was we who had been stopped, the keeper has gone on talking. */
__attribute__((noreturn)) static void abort_with(struct front *front)
{
    sigset_t none;

    if (!pass_on(front)) {
        log_error("the keeper hangs: killing it");
        pidfd_signal(front->keeper, SIGKILL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    abort();
}

/* True: the front leaves, the keeper stays. */
static bool take_signal(struct front *front, int signals)
{
    struct signalfd_siginfo info;

    if (read(signals, &info, sizeof info) != sizeof info)
        return false;
    if (info.ssi_signo == SIGUSR1)
        return true;
    if (info.ssi_signo == SIGABRT)
        abort_with(front);
    if (info.ssi_signo == SIGCHLD) /* merged with others: orphans_look looks at all */
        return false;
    pidfd_signal(front->keeper, (int) info.ssi_signo);
    return false;
}

/* Another one is to follow one that was killed, soon; and less soon where each of them is. Whether it makes
 * sense at all the manager decides until one has served. */
static bool again(struct front *front)
{
    bool was_short = clock_monotonic() - front->began < SHORT_LIFE;

    front->deaths = was_short ? front->deaths + 1 : 1;
    if (front->stopping || !front->served)
        return false;
    if (front->deaths > 1)
        poll(NULL, 0, DEATH_PAUSE_MS * (int) (front->deaths < PAUSES_MOST ? front->deaths - 1 : PAUSES_MOST));
    return true;
}

/* An earlier front may be its parent: then there is only what it has said. */
static int keeper_ended(struct front *front, bool *ret_again)
{
    siginfo_t info = {.si_pid = 0};
    int status = front->stopping ? 0 : EXIT_UNKNOWN;
    bool killed = true;

    pass_on(front);
    if (waitid(P_PIDFD, (id_t) front->keeper, &info, WEXITED) == 0) {
        killed = info.si_code != CLD_EXITED;
        status = killed ? EXIT_SIGNALED + info.si_status : info.si_status;
    }
    let_go(front);
    *ret_again = killed && again(front);
    if (*ret_again)
        log_error("the keeper was killed (status %d): another one takes over", status);
    return status;
}

static int signals_open(void)
{
    sigset_t ours;

    sigemptyset(&ours);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGUSR1);
    sigaddset(&ours, SIGABRT);
    sigaddset(&ours, SIGCHLD);
    return signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
}

int front_serve(struct front *front, bool *ret_again)
{
    CLEANUP_FD int signals = -1;

    *ret_again = false;
    block_signals();
    prctl(PR_SET_NAME, "procd-front");
    signals = signals_open();
    if (signals < 0)
        return EXIT_UNKNOWN;
    for (;;) {
        struct pollfd poll_fds[3] = {{.fd = front->keeper, .events = POLLIN},
                                     {.fd = signals, .events = POLLIN},
                                     {.fd = front->link, .events = POLLIN}};

        orphans_look(&front->orphans, front->link, front->keeper_pid);
        poll(poll_fds, 3, orphans_patience(&front->orphans));
        /* signals first: a watchdog's must see what the keeper has said meanwhile */
        if (poll_fds[1].revents && take_signal(front, signals))
            return 0;
        if (poll_fds[2].revents && !pass_on(front) && poll_fds[2].revents & POLLHUP)
            front->link = close_fd(front->link); /* poll skips what is negative: its end is at hand */
        if (poll_fds[0].revents)
            return keeper_ended(front, ret_again);
    }
}
