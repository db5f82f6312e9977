/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/broker.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/base/notify.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/manager.h"
#include "daemon/keeper/orders.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/respawn.h"
#include "daemon/keeper/store.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/upgrade.h"
#include "daemon/keeper/wire.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#define BACKOFF_FIRST    (100 * NSEC_PER_MSEC)
#define BACKOFF_MOST     (10 * NSEC_PER_SEC)
#define UNREADY_MOST     3 /* deaths in a row before LINK_READY: the state is thought to be the cause */
#define CLOSE_GRACE_MS   1000

/* ---- a role ---- */

static void role_plan(struct role *role, int64_t now)
{
    if (role->answered) {
        role->start_at = now;
        role->backoff = 0;
        return;
    }
    role->backoff = role->backoff == 0 ? BACKOFF_FIRST : role->backoff * 2;
    if (role->backoff > BACKOFF_MOST)
        role->backoff = BACKOFF_MOST;
    role->start_at = now + role->backoff;
}

/*
 * Between broker and look-up helper, of whom neither trusts the other, go words only: a descriptor whose
 * close blocks could hold up who gets it. Linux 6.16 and later. Clients' sockets and our own link are no
 * place for this: any request may carry descriptors, and whoever takes them has others close them.
 */
static void pass_words_only(int fd)
{
    int no = 0;

    (void) setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof no);
}

/* Starts it and watches its end. ret_fd: our end of its socket pair. */
static int role_begin(struct keeper *keeper, struct role *role, watch_fn *death, int *ret_fd)
{
    int pair[2], pidfd = -1, r;

    role->start_at = INT64_MAX;
    role->answered = false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -errno;
    for (int i = 0; i < 2 && role == &keeper->lookup; i++)
        pass_words_only(pair[i]);
    r = keeper->config->start(keeper->config, role->name, false, pair[1], &pidfd);
    if (r == 0)
        r = loop_add(&keeper->loop, &role->death, pidfd, EPOLLIN, death);
    close_fd(pair[1]);
    if (r < 0) {
        close_fd(pidfd);
        close_fd(pair[0]);
        return r;
    }
    role->pidfd = pidfd;
    role->pid = pidfd_number(pidfd);
    role->end_code = 0;
    *ret_fd = pair[0];
    return 0;
}

static void role_waited(struct role *role, const siginfo_t *info)
{
    role->pid = 0;
    role->end_code = info->si_code;
    role->end_status = info->si_status;
}

void broker_waited(struct keeper *keeper, const siginfo_t *info)
{
    if (info->si_pid == keeper->broker.pid)
        role_waited(&keeper->broker, info);
    else if (info->si_pid == keeper->lookup.pid)
        role_waited(&keeper->lookup, info);
}

/* A sweep may have waited for it. */
static void role_bury(struct keeper *keeper, struct role *role, bool is_wanted)
{
    siginfo_t info = {.si_pid = 0};

    if (waitid(P_PIDFD, (id_t) role->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0)
        role_waited(role, &info);
    if (is_wanted)
        log_debug("the %s ended", role->name);
    else if (role->end_code != 0)
        log_warning("the %s ended (%s %d)", role->name, role->end_code == CLD_EXITED ? "status" : "signal",
                    role->end_status);
    else
        log_warning("the %s ended", role->name);
    loop_remove(&keeper->loop, &role->death);
    role->pidfd = close_fd(role->pidfd);
}

/* ---- the look-up helper ---- */

static void lookup_died(struct keeper *keeper, struct watch *watch, uint32_t events)
{
    (void) watch;
    (void) events;
    role_bury(keeper, &keeper->lookup, false);
    if (keeper->link.fd >= 0 && keeper->state == STATE_RUNNING)
        role_plan(&keeper->lookup, keeper->now);
}

/* One for each broker: what an earlier one had asked is not answered to the next. */
static void lookup_start(struct keeper *keeper)
{
    struct role *role = &keeper->lookup;
    int pair[2], r;

    keeper->lookup_fd = close_fd(keeper->lookup_fd);
    if (role->pidfd >= 0) {
        pidfd_signal(role->pidfd, SIGKILL);
        loop_remove(&keeper->loop, &role->death);
        role->pidfd = close_fd(role->pidfd); /* the sweep finds its zombie */
        role->pid = 0;
    }
    r = role_begin(keeper, role, lookup_died, &keeper->lookup_fd);
    if (r == 0)
        return;
    log_error("the look-up helper cannot be started: %s", strerror(-r));
    role_plan(role, keeper->now);
    /* one that ends at once stands in for it */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0) {
        keeper->lookup_fd = pair[0];
        close_fd(pair[1]);
    }
}

/* ---- the broker ---- */

static void make_epoch(char *epoch)
{
    CLEANUP_FD int fd = open("/proc/sys/kernel/random/uuid", O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, epoch, LINK_EPOCH_MAX) != LINK_EPOCH_MAX)
        snprintf(epoch, LINK_EPOCH_MAX + 1, "%lld-%d", (long long) clock_realtime(), getpid());
}

/* Kept for whoever takes over, in the place of an earlier one. */
static int state_make(struct keeper *keeper)
{
    keeper->state_fd = memfd_create("procd-state", MFD_CLOEXEC);
    if (keeper->state_fd < 0)
        return -errno;
    store_memory(keeper, STATE_NAME, keeper->state_fd);
    return 0;
}

int broker_anew(struct keeper *keeper)
{
    int r = keeper->state_fd >= 0 ? 0 : state_make(keeper);

    make_epoch(keeper->epoch);
    keeper->fresh_state = true;
    respawn_drop_all(keeper);
    reports_again(keeper);
    return r;
}

static void begin_anew(struct keeper *keeper)
{
    log_error("%u brokers in a row have died before they served: the next begins with an EMPTY state, under "
              "another epoch; locks, events and restart policies are lost, processes are kept",
              keeper->unready_deaths);
    (void) broker_anew(keeper);
}

static void broker_died(struct keeper *keeper, struct watch *watch, uint32_t events)
{
    bool is_replaced;

    (void) watch;
    (void) events;
    orders_drain(keeper); /* the last one may be that it is to be replaced */
    is_replaced = upgrade_broker_ended(keeper);
    role_bury(keeper, &keeper->broker, is_replaced);
    if (keeper->state != STATE_RUNNING || is_replaced)
        return;
    if (!keeper->broker_was_ready && ++keeper->unready_deaths >= UNREADY_MOST)
        begin_anew(keeper);
    role_plan(&keeper->broker, keeper->now);
}

/* Whoever takes over must find it, before it has the state: it gets that with the hello. */
static int broker_note(struct keeper *keeper)
{
    pid_t pid = pidfd_number(keeper->broker.pidfd);

    keeper->broker_pid = pid > 0 ? pid : 0;
    keeper->broker_seen = clock_boot();
    return pid == -ESRCH || pid > 0 ? 0 : pid; /* it has ended already: that is seen to elsewhere */
}

static void broker_start(struct keeper *keeper)
{
    int fd = -1, r;

    keeper->broker_was_ready = keeper->ping_open = false;
    keeper->lookup.backoff = 0;
    lookup_start(keeper);
    r = role_begin(keeper, &keeper->broker, broker_died, &fd);
    if (r == 0)
        r = broker_note(keeper);
    if (r == 0)
        r = link_up(keeper, fd);
    else
        close_fd(fd);
    if (r < 0) {
        log_error("the broker cannot be started: %s", strerror(-r));
        if (keeper->broker.pidfd >= 0) /* its end sees to the rest */
            pidfd_signal(keeper->broker.pidfd, SIGKILL);
        else
            role_plan(&keeper->broker, keeper->now);
        return;
    }
    keeper->restarts = keeper->starts++;
}

void broker_ready(struct keeper *keeper)
{
    keeper->broker.answered = keeper->broker_was_ready = true;
    ledger_served(keeper);
    keeper->unready_deaths = 0;
    keeper->fresh_state = false;
    if (!keeper->told_ready)
        notify_send(MANAGER_READY);
    keeper->told_ready = true;
}

void broker_pong(struct keeper *keeper)
{
    keeper->broker.answered = true;
    keeper->ping_open = false;
    if (keeper->watchdog > 0)
        notify_send("WATCHDOG=1");
}

/* ---- time ---- */

static int64_t earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* A broker without its link cannot serve, and one without a broker needs none. */
static void check_link(struct keeper *keeper)
{
    if (keeper->broker.pidfd >= 0 && keeper->link.fd < 0 && !keeper->broker_killed) {
        keeper->broker_killed = true;
        pidfd_signal(keeper->broker.pidfd, SIGKILL);
    }
    if (keeper->broker.pidfd < 0)
        keeper->broker_killed = false;
}

/* Four in the watchdog's time: a broker that leaves one unanswered is replaced, and the next one's answer is
 * in time. Until it is ready none is expected: a state is read for as long as it takes. Where we stood still
 * ourselves, so may it have: it is asked again. */
static void ping(struct keeper *keeper)
{
    bool stood_still = keeper->now - keeper->ping_at > keeper->watchdog / 8;

    if (keeper->ping_open && keeper->broker.pidfd >= 0 && !stood_still) {
        log_error("the broker does not answer: killing it");
        pidfd_signal(keeper->broker.pidfd, SIGKILL);
    }
    keeper->ping_open = keeper->broker_was_ready && keeper->broker.pidfd >= 0;
    keeper->link.due |= DUE_PING;
    keeper->ping_at = keeper->now + keeper->watchdog / 4;
}

int64_t broker_tick(struct keeper *keeper)
{
    int64_t now = keeper->now;

    if (keeper->state == STATE_RUNNING) {
        check_link(keeper);
        if (keeper->broker.start_at <= now) {
            broker_start(keeper);
        } else if (keeper->lookup.start_at <= now && keeper->link.fd >= 0) {
            lookup_start(keeper);
            keeper->link.due |= DUE_LOOKUP;
        }
    }
    if (keeper->ping_at <= now)
        ping(keeper);
    return earlier(earlier(keeper->broker.start_at, upgrade_tick(keeper)),
                   earlier(keeper->lookup.start_at, keeper->ping_at));
}

void broker_open(struct keeper *keeper)
{
    keeper->broker = (struct role){.name = "broker", .pidfd = -1, .start_at = keeper->now};
    keeper->lookup = (struct role){.name = "lookup", .pidfd = -1, .start_at = INT64_MAX};
    keeper->lookup_fd = keeper->state_fd = -1;
    upgrade_open(keeper);
    keeper->watchdog = keeper->config->watchdog;
    keeper->ping_at = keeper->watchdog > 0 ? keeper->now + keeper->watchdog / 4 : INT64_MAX;
}

int broker_begin(struct keeper *keeper)
{
    make_epoch(keeper->epoch);
    return state_make(keeper);
}

/* One that cannot even be killed now (a cgroup that is frozen, a disk that hangs) is left to whoever
 * inherits it. */
static void end_one(int pidfd)
{
    struct pollfd wait_for = {.fd = pidfd, .events = POLLIN};
    siginfo_t info;

    if (pidfd < 0)
        return;
    if (poll(&wait_for, 1, CLOSE_GRACE_MS) != 1) {
        pidfd_signal(pidfd, SIGKILL);
        (void) poll(&wait_for, 1, CLOSE_GRACE_MS);
    }
    waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED | WNOHANG);
    close_fd(pidfd);
}

void broker_close(struct keeper *keeper)
{
    link_down(keeper);
    keeper->lookup_fd = close_fd(keeper->lookup_fd);
    upgrade_close(keeper);
    end_one(keeper->broker.pidfd);
    end_one(keeper->lookup.pidfd);
    keeper->state_fd = close_fd(keeper->state_fd);
}
