/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/keeper.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/adopted.h"
#include "daemon/keeper/begin.h"
#include "daemon/keeper/broker.h"
#include "daemon/keeper/capture.h"
#include "daemon/keeper/cgroup.h"
#include "daemon/keeper/clients.h"
#include "daemon/keeper/copy.h"
#include "daemon/keeper/handover.h"
#include "daemon/keeper/handover_layout.h"
#include "daemon/keeper/killing.h"
#include "daemon/keeper/leave.h"
#include "daemon/keeper/limits.h"
#include "daemon/keeper/manager.h"
#include "daemon/keeper/notified.h"
#include "daemon/keeper/pages.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/reap.h"
#include "daemon/keeper/respawn.h"
#include "daemon/keeper/role.h"
#include "daemon/keeper/share.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/store.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/tree.h"
#include "daemon/keeper/wire.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- signals ---- */

static void signals_ready(struct keeper *keeper, struct watch *watch, uint32_t events)
{
    struct signalfd_siginfo infos[16];
    ssize_t got = read(watch->fd, infos, sizeof infos);

    (void) events;
    for (ssize_t i = 0; i < got / (ssize_t) sizeof *infos; i++) {
        switch (infos[i].ssi_signo) {
        case SIGCHLD:
            reap_signalled(keeper, (pid_t) infos[i].ssi_pid);
            break;
        case SIGHUP:
            keeper->link.due |= DUE_RESTART;
            break;
        default:
            leave_signalled(keeper);
        }
    }
}

/* The C library keeps two signals to itself, and does not show that our parent had them ignored. The kernel's
 * own struct, all zero, is SIG_DFL in each of its layouts. */
static void signals_of_the_c_library(void)
{
    static const char by_default[64];

    for (int number = 32; number < 34; number++)
        syscall(SYS_rt_sigaction, number, by_default, NULL, 8);
}

/*
 * All are blocked for good, and none is ignored or handled but the closer's, so that a child has nothing but
 * that and its mask to reset. A sanitizer's own handlers go with the exec. SIGABRT is let through: the
 * service manager's watchdog ends us by it.
 */
static int signals_open(struct keeper *keeper)
{
    sigset_t all, ours;
    int fd, r;

    sigfillset(&all);
    sigdelset(&all, SIGABRT);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;

        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            signal(number, SIG_DFL);
    }
    signals_of_the_c_library();
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    r = loop_add(&keeper->loop, &keeper->signals, fd, EPOLLIN, signals_ready);
    if (r < 0)
        close_fd(fd);
    return r;
}

/* ---- begin ---- */

/*
 * A child shares memory with us until its exec, and the kernel keeps the OOM scores of all who do the same:
 * written in the child, 0 would be ours, too. So everybody has 0.
 */
static void reset_oom_score(void)
{
    CLEANUP_FD int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, "0", 1) < 0)
        log_debug("oom_score_adj: %s", strerror(errno));
}

static void know_oneself(struct identity *own)
{
    uid_t uid[3] = {0};
    gid_t gid[3] = {0};

    own->group_count = getgroups(OWN_GROUPS_MAX, own->groups);
    if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0 ||
        uid[0] != uid[1] || uid[1] != uid[2] || gid[0] != gid[1] || gid[1] != gid[2])
        own->group_count = -1;
    own->uid = uid[0];
    own->gid = gid[0];
}

static int become_keeper(struct keeper *keeper)
{
    reset_oom_score(); /* before /proc/self is root's */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return -errno;
    keeper->privileged = geteuid() == 0;
    know_oneself(&keeper->own);
    return 0;
}

/* A process that has ended, for whoever asks for the descriptor of one. Its end was a signal: nobody can read
 * success from it. */
static int make_dead_pidfd(void)
{
    int pidfd = -1;
    struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t) &pidfd, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &args, sizeof args);
    siginfo_t info;

    if (pid == 0)
        for (;;)
            pause();
    if (pid < 0)
        return -errno;
    pidfd_signal(pidfd, SIGKILL);
    waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED);
    return pidfd;
}

static int rooms_open(struct keeper *keeper)
{
    int r;

    TAILQ_INIT(&keeper->jobs);
    TAILQ_INIT(&keeper->sharing);
    TAILQ_INIT(&keeper->copies);
    TAILQ_INIT(&keeper->free_jobs);
    TAILQ_INIT(&keeper->killing);
    TAILQ_INIT(&keeper->respawns);
    TAILQ_INIT(&keeper->mute);
    keeper->speak_at = INT64_MAX;
    TAILQ_INIT(&keeper->fading);
    TAILQ_INIT(&keeper->store.young);
    keeper->stop_at = keeper->sweep_at = INT64_MAX;
    keeper->link.executed_at = keeper->link.retry_at = INT64_MAX;
    keeper->link.fd = keeper->loop.epoll = keeper->state_fd = keeper->cgroups.base = -1;
    keeper->now = clock_monotonic();
    keeper->socket = keeper->config->socket;
    if ((r = become_keeper(keeper)) < 0 || (r = loop_open(&keeper->loop)) < 0 ||
        (r = signals_open(keeper)) < 0 || (r = table_open(&keeper->table)) < 0 ||
        (r = cgroups_begin(&keeper->cgroups)) < 0 || (r = clients_open(keeper)) < 0 ||
        (r = capture_open(keeper)) < 0)
        return r;
    broker_open(keeper);
    return manager_open(keeper);
}

static int keeper_open(struct keeper *keeper)
{
    int r;

    share_reserve();
    keeper->started = clock_realtime();
    if ((r = rooms_open(keeper)) < 0 || (r = begin(keeper)) < 0)
        return r;
    keeper->table.dead_pidfd = make_dead_pidfd();
    share_release();
    return 0;
}

/* Limits are those that we were started with, and not what we have made of them. */
static int keeper_reopen(struct keeper *keeper, const struct handover_head *head, int memory)
{
    int r;

    for (int i = 0; i < RLIM_NLIMITS; i++)
        keeper->base_limits[i] =
            (struct rlimit64){.rlim_cur = head->limits[i][0], .rlim_max = head->limits[i][1]};
    share_reserve();
    r = rooms_open(keeper);
    if (r == 0)
        r = begin_again(keeper, head);
    share_release();
    if (r < 0) /* nobody else can go on with it */
        role_again(memory, keeper->config->attempts, r);
    (void) handover_inherit(keeper, memory, false);
    handover_close(head);
    close_fd(memory);
    return r;
}

/* ---- the loop ---- */

static int64_t earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* Everything that waits for the clock or for room. Returns when the first of it is due. */
static int64_t tick(struct keeper *keeper)
{
    int64_t next = earlier(share_tick(keeper), reap_sweep(keeper));

    respawn_tick(keeper);
    next = earlier(next, killing_tick(keeper));
    next = earlier(next, cgroup_tick(keeper));
    next = earlier(next, spawn_expire(keeper));
    next = earlier(next, copy_expire(keeper));
    next = earlier(next, notified_tick(keeper));
    next = earlier(next, leave_tick(keeper));
    next = earlier(next, capture_tick(keeper));
    next = earlier(next, broker_tick(keeper));
    next = earlier(next, link_tick(keeper));
    next = earlier(next, adopted_tick(keeper));
    next = earlier(next, store_tick(keeper));
    link_flush(keeper);
    next = earlier(next, keeper->link.retry_at);
    return earlier(next, clients_gate(keeper));
}

static int keeper_loop(struct keeper *keeper)
{
    for (;;) {
        int64_t next = tick(keeper);
        bool spare_time = cgroup_wanted(keeper);
        int ready;

        if (keeper->state == STATE_DONE)
            return 0;
        ready = loop_turn(keeper, &keeper->loop, keeper->now, spare_time ? 0 : next);
        if (ready < 0)
            return ready;
        keeper->now = clock_monotonic();
        if (spare_time && ready == 0)
            cgroup_tidy(keeper);
    }
}

static void keeper_close(struct keeper *keeper)
{
    broker_close(keeper);
    store_close(keeper);
    manager_close(keeper);
    clients_stop_listening(keeper);
    capture_close(keeper);
    pages_close(keeper);
    cgroups_close(keeper);
    close_fd(keeper->table.dead_pidfd);
    if (keeper->signals.ready)
        close_fd(keeper->signals.fd);
    loop_close(&keeper->loop);
}

static struct keeper the_keeper; /* too large for a stack; there is one per process */

static int run(struct keeper *keeper, int r)
{
    if (r == 0)
        r = keeper_loop(keeper);
    keeper_close(keeper);
    return r;
}

int keeper_run(const struct keeper_config *config)
{
    int r = limits_open(&the_keeper);

    the_keeper.config = config;
    return r < 0 ? r : run(&the_keeper, keeper_open(&the_keeper));
}

int keeper_resume(const struct keeper_config *config, const struct handover_head *head, int memory)
{
    the_keeper.config = config;
    return run(&the_keeper, keeper_reopen(&the_keeper, head, memory));
}
