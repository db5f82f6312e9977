/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/upgrade.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/closer.h"
#include "daemon/base/log.h"
#include "daemon/keeper/handover.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/role.h"
#include "daemon/keeper/store.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CHECK_MOST  (10 * NSEC_PER_SEC) /* a state is read at more than 100 MB a second */
#define LEAVE_GRACE (5 * NSEC_PER_SEC)
#define EXEC_HURRY  (11 * NSEC_PER_SEC) /* left of it, a second has been for closes to end by themselves */
#define EXEC_MOST   (12 * NSEC_PER_SEC) /* a spawn comes to its end within 10 s */
#define LOOK_AGAIN  (10 * NSEC_PER_MSEC)

/* ---- the verdict ---- */

__attribute__((format(printf, 2, 3))) static void refuse(struct keeper *keeper, const char *format, ...)
{
    struct upgrade *upgrade = &keeper->upgrade;
    va_list arguments;

    upgrade->phase = UPGRADE_NONE;
    upgrade->verdict = (struct link_checked){.refused = 1};
    va_start(arguments, format);
    vsnprintf(upgrade->verdict.why, sizeof upgrade->verdict.why, format, arguments);
    va_end(arguments);
    keeper->link.due |= DUE_CHECKED;
    role_reject();
}

/* It ended, and should have said something before. status 0: nobody knows how. */
static void refuse_silent(struct keeper *keeper, const siginfo_t *info)
{
    if (info->si_pid == 0)
        refuse(keeper, "%s ended at its check, and did not say why", role_name());
    else if (info->si_code == CLD_EXITED)
        refuse(keeper, "%s ended at its check with status %d, and did not say why", role_name(),
               info->si_status);
    else
        refuse(keeper, "%s was killed at its check by signal %d", role_name(), info->si_status);
}

/* What a program says that may be any. */
static void judge(struct keeper *keeper, struct link_checked *said)
{
    for (char *at = said->why; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    if (!said->refused) {
        keeper->upgrade.phase = UPGRADE_PASSED;
        keeper->upgrade.verdict = (struct link_checked){.refused = 0};
        keeper->link.due |= DUE_CHECKED;
    } else if (said->error > 0) {
        refuse(keeper, "%s cannot be executed: %s", role_name(), strerror(said->error));
    } else {
        refuse(keeper, "%.64s: %.160s", role_name(), said->why);
    }
}

/* ---- the check ---- */

static void forget_check(struct keeper *keeper)
{
    struct upgrade *upgrade = &keeper->upgrade;

    loop_remove(&keeper->loop, &upgrade->death);
    upgrade->pidfd = close_fd(upgrade->pidfd);
    upgrade->answer_fd = close_fd(upgrade->answer_fd);
    upgrade->check_until = INT64_MAX;
}

/* An end with a message of ours unread is told as ECONNRESET once, before what is queued for us. */
static ssize_t read_answer(const struct upgrade *upgrade, struct link_checked *ret_said)
{
    ssize_t size;

    for (int turn = 0; turn < 2; turn++) {
        size = TEMP_FAILURE_RETRY(
            recv(upgrade->answer_fd, ret_said, sizeof *ret_said, MSG_DONTWAIT | MSG_TRUNC));
        if (size >= 0 || errno != ECONNRESET)
            break;
    }
    return size;
}

/* Its end is the moment to read what it said: nothing of it is left to do anything else. */
static void check_ended(struct keeper *keeper, struct watch *watch, uint32_t events)
{
    struct upgrade *upgrade = &keeper->upgrade;
    struct link_checked said;
    siginfo_t info = {.si_pid = 0};
    ssize_t size = read_answer(upgrade, &said);

    (void) watch;
    (void) events;
    waitid(P_PIDFD, (id_t) upgrade->pidfd, &info, WEXITED | WNOHANG);
    forget_check(keeper);
    if (upgrade->phase != UPGRADE_CHECKING) /* nobody waits for it any more */
        return;
    if (size != sizeof said || said.head.kind != LINK_CHECKED || said.head.size != sizeof said) {
        refuse_silent(keeper, &info);
        return;
    }
    said.why[sizeof said.why - 1] = '\0';
    judge(keeper, &said);
}

/* The copies, and ours beside the broker's. 0, or -errno. */
static int send_copies(const struct keeper *keeper, int fd, int state_fd)
{
    struct link_head head = {.kind = LINK_CHECK, .size = sizeof head};
    const struct iovec iov = {.iov_base = &head, .iov_len = sizeof head};
    CLEANUP_FD int memory = handover_write(keeper);
    int fds[2] = {state_fd, memory};
    ssize_t sent = memory < 0 ? memory : fdpass_send(fd, &iov, 1, fds, 2);

    return sent < 0 ? (int) sent : 0;
}

/* Starts it, and gives it what it is to read. 0, or -errno. */
static int check_start(struct keeper *keeper, int state_fd)
{
    struct upgrade *upgrade = &keeper->upgrade;
    CLEANUP_FD int ours = -1, theirs = -1;
    int pair[2], r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -errno;
    ours = pair[0];
    theirs = pair[1];
    r = send_copies(keeper, ours, state_fd);
    if (r < 0)
        return r;
    r = keeper->config->start(keeper->config, "check", true, theirs, &upgrade->pidfd);
    if (r < 0)
        return r;
    r = loop_add(&keeper->loop, &upgrade->death, upgrade->pidfd, EPOLLIN, check_ended);
    if (r < 0) {
        pidfd_signal(upgrade->pidfd, SIGKILL);
        upgrade->pidfd = close_fd(upgrade->pidfd); /* the sweep finds its zombie */
        return r;
    }
    upgrade->answer_fd = take_fd(&ours);
    upgrade->check_until = keeper->now + CHECK_MOST;
    return 0;
}

void upgrade_check(struct keeper *keeper, int state_fd)
{
    struct upgrade *upgrade = &keeper->upgrade;
    int r;

    if (upgrade->phase == UPGRADE_CHECKING || upgrade->phase >= UPGRADE_ACCEPTED)
        return;
    if (keeper->state != STATE_RUNNING || keeper->stop_at != INT64_MAX) {
        refuse(keeper, "the daemon is about to end");
        return;
    }
    if (state_fd < 0 || upgrade->pidfd >= 0) {
        refuse(keeper, state_fd < 0 ? "there is no state" : "an earlier check has not ended yet");
        return;
    }
    upgrade->phase = UPGRADE_CHECKING;
    r = check_start(keeper, state_fd);
    if (r < 0)
        refuse(keeper, "%s cannot be checked: %s", role_name(), strerror(-r));
}

/* ---- the replacement ---- */

void upgrade_replace(struct keeper *keeper)
{
    struct upgrade *upgrade = &keeper->upgrade;

    if (upgrade->phase != UPGRADE_PASSED || keeper->state != STATE_RUNNING)
        return;
    upgrade->phase = UPGRADE_ACCEPTED;
    upgrade->leave_until = keeper->now + LEAVE_GRACE;
}

bool upgrade_broker_ended(struct keeper *keeper)
{
    struct upgrade *upgrade = &keeper->upgrade;
    bool is_accepted = upgrade->phase == UPGRADE_ACCEPTED;

    upgrade->phase = UPGRADE_NONE;
    upgrade->leave_until = INT64_MAX;
    keeper->link.due &= ~(uint32_t) DUE_CHECKED;
    if (upgrade->pidfd >= 0) /* a copy of a state that has gone on since */
        pidfd_signal(upgrade->pidfd, SIGKILL);
    if (!is_accepted || keeper->state != STATE_RUNNING) {
        role_reject();
        return false;
    }
    upgrade->phase = UPGRADE_READY;
    upgrade->exec_until = keeper->now + EXEC_MOST;
    return true;
}

/* ---- the exec ---- */

/* A spawn's child shares our memory until its exec, and tells there how far it has come; and a thread that
 * hangs in close would hold up our own exec, however long that takes. */
static bool may_exec(const struct keeper *keeper)
{
    if (closer_pending() > 0 && keeper->upgrade.exec_until - keeper->now < EXEC_HURRY)
        closer_hurry();
    return keeper->job_count == 0 && keeper->starting == 0 && closer_pending() == 0 && store_settled(keeper);
}

/* After the exec there is no way back: what is written must be what can be read. */
static int rehearse(int memory)
{
    const struct handover_head *head = handover_open(memory);
    int r = head ? handover_rehearse(head) : -EBADMSG;

    if (head)
        handover_close(head);
    return r;
}

/* Returns only where it could not: -errno. */
static int become(struct keeper *keeper)
{
    CLEANUP_FD int memory = -1;
    int r;

    ledger_flush(keeper); /* what is still to be written there is not handed on */
    memory = handover_write(keeper);
    if (memory < 0)
        return memory;
    r = rehearse(memory);
    if (r < 0)
        return r;
    log_info("another program takes over: %s", role_name());
    r = handover_inherit(keeper, memory, true);
    if (r == 0)
        r = role_exec(memory);
    (void) handover_inherit(keeper, memory, false);
    return r;
}

/* The broker of this program reads its own snapshot. */
static void go_on(struct keeper *keeper, const char *why)
{
    log_error("%s does not take over, this program goes on: %s", role_name(), why);
    role_reject();
    keeper->upgrade.phase = UPGRADE_NONE;
    keeper->broker.start_at = keeper->now;
}

static int64_t exec_tick(struct keeper *keeper)
{
    struct upgrade *upgrade = &keeper->upgrade;

    if (upgrade->phase != UPGRADE_READY)
        return INT64_MAX;
    if (keeper->state != STATE_RUNNING || keeper->stop_at != INT64_MAX) {
        role_reject(); /* a broker is needed for the end, and this one does */
        upgrade->phase = UPGRADE_NONE;
        keeper->broker.start_at = keeper->now;
    } else if (may_exec(keeper)) {
        go_on(keeper, strerror(-become(keeper)));
    } else if (upgrade->exec_until <= keeper->now) {
        go_on(keeper, "spawns or closes do not come to an end");
    } else {
        return keeper->now + LOOK_AGAIN;
    }
    return keeper->now;
}

/* ---- time ---- */

int64_t upgrade_tick(struct keeper *keeper)
{
    struct upgrade *upgrade = &keeper->upgrade;
    int64_t next = exec_tick(keeper);

    if (upgrade->check_until <= keeper->now) {
        upgrade->check_until = INT64_MAX;
        pidfd_signal(upgrade->pidfd, SIGKILL);
        refuse(keeper, "%s took longer than 10 s for its check", role_name());
    }
    if (upgrade->leave_until <= keeper->now) {
        upgrade->leave_until = INT64_MAX;
        pidfd_signal(keeper->broker.pidfd, SIGKILL);
    }
    next = next < upgrade->check_until ? next : upgrade->check_until;
    return next < upgrade->leave_until ? next : upgrade->leave_until;
}

void upgrade_open(struct keeper *keeper)
{
    keeper->upgrade =
        (struct upgrade){.pidfd = -1, .answer_fd = -1, .check_until = INT64_MAX, .leave_until = INT64_MAX};
}

void upgrade_close(struct keeper *keeper)
{
    if (keeper->upgrade.pidfd >= 0)
        pidfd_signal(keeper->upgrade.pidfd, SIGKILL);
    forget_check(keeper);
}
