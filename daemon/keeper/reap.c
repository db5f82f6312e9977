/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/reap.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/adopted.h"
#include "daemon/keeper/broker.h"
#include "daemon/keeper/capture.h"
#include "daemon/keeper/cgroup.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/ledger_layout.h"
#include "daemon/keeper/notified.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/store.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/tree.h"
#include "daemon/keeper/wire.h"
#include "daemon/keeper/zygote.h"

#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SWEEP_PAUSE (50 * NSEC_PER_MSEC)
#define SWEEP_MOST  10000 /* then the loop has its turn */
#define STOPS_MOST  64    /* one by one */
#define SCAN_SHARE  20 /* at most this part of the time goes into scans of /proc */

/* The system call: glibc's waitid has no rusage. 0 and info, or -errno; info->si_pid 0: nothing. */
static int wait_for(idtype_t type, id_t id, int options, siginfo_t *ret_info, struct rusage *ret_usage)
{
    long r;

    memset(ret_info, 0, sizeof *ret_info);
    do
        r = syscall(SYS_waitid, type, id, ret_info, options | WNOHANG, ret_usage);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

/* ---- when to look ---- */

static int64_t sweep_pause(const struct keeper *keeper)
{
    int64_t fair = keeper->scan_cost * SCAN_SHARE;

    return fair > SWEEP_PAUSE ? fair : SWEEP_PAUSE;
}

void reap_request_sweep(struct keeper *keeper)
{
    int64_t at = keeper->swept + sweep_pause(keeper);

    keeper->table.unsearched = true;
    if (keeper->sweep_at > at)
        keeper->sweep_at = at > keeper->now ? at : keeper->now;
}

/* ---- the end ---- */

static int64_t timeval_ns(struct timeval value)
{
    return (int64_t) value.tv_sec * NSEC_PER_SEC + (int64_t) value.tv_usec * 1000;
}

static void fill_end(struct keeper *keeper, struct slot *slot, const siginfo_t *info,
                     const struct rusage *usage)
{
    slot->end = (struct link_exited){
        .process = slot->process,
        .exitcode = info->si_code == CLD_EXITED ? info->si_status : -info->si_status,
        .core = info->si_code == CLD_DUMPED,
        .oom = (uint8_t) (slot->cgroup ? cgroup_oom(keeper, slot->cgroup) : LINK_UNKNOWN),
        .known = 1,
        .mono = clock_monotonic(),
        .wall = clock_realtime(),
        .rusage = {.utime = timeval_ns(usage->ru_utime),
                   .stime = timeval_ns(usage->ru_stime),
                   .maxrss = (int64_t) usage->ru_maxrss * 1024,
                   .minflt = usage->ru_minflt,
                   .majflt = usage->ru_majflt,
                   .inblock = usage->ru_inblock,
                   .oublock = usage->ru_oublock,
                   .nvcsw = usage->ru_nvcsw,
                   .nivcsw = usage->ru_nivcsw},
    };
}

void reap_ended(struct keeper *keeper, struct slot *slot, const siginfo_t *info, const struct rusage *usage,
                bool reaped)
{
    bool is_empty;

    ledger_touch(keeper, slot);
    slot->ended = true;
    keeper->table.live--;
    if (reaped)
        slot_reaped(keeper, slot);
    notified_drain(keeper, slot); /* what it has said before comes first */
    notified_close(keeper, slot);
    zygote_close(slot);
    if (slot->failed && slot->again)
        ; /* nothing has run: that of its last run stays */
    else if (info)
        fill_end(keeper, slot, info, usage);
    else
        slot->end = (struct link_exited){.process = slot->process,
                                         .oom = LINK_UNKNOWN,
                                         .mono = clock_monotonic(),
                                         .wall = clock_realtime()};
    if (slot->cgroup && slot->end.exitcode == -SIGKILL && !slot->kill_due)
        slot->cgroup->is_spoilt = true; /* not by us: perhaps by its cgroup.kill */
    capture_ended(keeper, slot);
    is_empty = tree_empty(keeper, slot);
    if (!slot->failed)
        report_put(keeper, slot, LINK_EXITED);
    link_report(keeper); /* whoever joins need not wait for the rest */
    loop_remove(&keeper->loop, &slot->exit);
    store_leave(keeper, slot); /* its end is in the ledger by now */
    tree_ended(keeper, slot, is_empty);
    if (slot->lingers || slot->failed)
        reap_request_sweep(keeper);
    slot_finish(keeper, slot);
}

static void reap_slot(struct keeper *keeper, struct slot *slot)
{
    bool hold = !slot->cgroup; /* as a zombie, see tree.h */
    struct ledger_wait *wait = ledger_wait(keeper, slot);
    int r = wait_for(P_PIDFD, (id_t) slot->pidfd, WEXITED | (hold ? WNOWAIT : 0), &wait->info, &wait->usage);

    if (r == 0 && wait->info.si_pid == 0)
        return;
    /* what it did before its end comes first; that may show that it never began */
    spawn_settle(keeper, slot, true);
    reap_ended(keeper, slot, r == 0 ? &wait->info : NULL, &wait->usage, r < 0 || !hold);
}

void reap_ready(struct keeper *keeper, struct watch *watch, uint32_t events)
{
    struct slot *slot = owner_of(watch, struct slot, exit);

    (void) events;
    if (slot->adopted)
        adopted_ready(keeper, slot);
    else
        reap_slot(keeper, slot);
}

/* ---- stops and strangers ---- */

void reap_stopped(struct keeper *keeper, struct slot *slot, int code)
{
    uint32_t kind = code == CLD_CONTINUED ? LINK_CONTINUED : LINK_STOPPED;

    if (slot->ended || slot->failed)
        return;
    if (slot->job || slot->reports[REPORT_START].kind == 0)
        slot->stop_seen = kind;
    else
        report_put(keeper, slot, kind);
    ledger_touch(keeper, slot);
}

/* What was left behind and came to us, or a role, whose own watch comes later. */
static void stranger_ended(struct keeper *keeper, pid_t pid)
{
    struct rusage usage;
    siginfo_t info;

    if (wait_for(P_PID, (id_t) pid, WEXITED, &info, &usage) == 0 && info.si_pid != 0)
        broker_waited(keeper, &info);
}

/* What a wait has returned. An end was only seen, not waited for. */
static void waited(struct keeper *keeper, const siginfo_t *info)
{
    struct slot *slot = slot_by_pid(keeper, info->si_pid);
    bool ended = info->si_code == CLD_EXITED || info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED;

    if (slot && !ended)
        reap_stopped(keeper, slot, info->si_code);
    else if (slot && !slot->ended)
        reap_slot(keeper, slot);
    else if (!slot && ended)
        stranger_ended(keeper, info->si_pid);
}

void reap_signalled(struct keeper *keeper, pid_t pid)
{
    struct slot *slot = slot_by_pid(keeper, pid);
    struct rusage usage;
    siginfo_t info;

    if (slot && wait_for(P_PID, (id_t) pid, WSTOPPED | WCONTINUED, &info, &usage) == 0 && info.si_pid != 0)
        reap_stopped(keeper, slot, info.si_code);
    else if (!slot)
        stranger_ended(keeper, pid);
    reap_request_sweep(keeper);
}

static void wait_all(struct keeper *keeper, int options)
{
    struct rusage usage;
    siginfo_t info;

    for (int i = 0; i < SWEEP_MOST; i++) {
        if (wait_for(P_ALL, 0, options, &info, &usage) < 0 || info.si_pid == 0)
            return;
        waited(keeper, &info);
    }
    keeper->sweep_at = keeper->now + SWEEP_PAUSE;
}

/* For each that a wait for anybody tells of the kernel looks through all children: where there are many of
 * them, each child is asked for once. */
static void wait_stopped(struct keeper *keeper)
{
    const int options = WSTOPPED | WCONTINUED;
    struct rusage usage;
    struct slot *slot;
    siginfo_t info;

    for (int i = 0; i < STOPS_MOST; i++) {
        if (wait_for(P_ALL, 0, options, &info, &usage) < 0 || info.si_pid == 0)
            return;
        waited(keeper, &info);
    }
    TAILQ_FOREACH(slot, &keeper->table.used, order)
        if (slot->pidfd >= 0 && !slot->ended && !slot->adopted &&
            wait_for(P_PIDFD, (id_t) slot->pidfd, options, &info, &usage) == 0 && info.si_pid != 0)
            reap_stopped(keeper, slot, info.si_code);
    keeper->sweep_at = keeper->now + SWEEP_PAUSE; /* one may have done both, or again */
}

/* Those that were killed because they cannot be watched, for one. */
static void wait_killed(struct keeper *keeper)
{
    struct slot *slot, *next;

    for (slot = TAILQ_FIRST(&keeper->table.used); slot; slot = next) {
        next = TAILQ_NEXT(slot, order);
        if (slot->kill_again && !slot->ended && !slot->adopted && slot->pidfd >= 0)
            reap_slot(keeper, slot);
    }
}

int64_t reap_sweep(struct keeper *keeper)
{
    /* where ended children are held as zombies, or may have to be, a wait for anybody would take them away */
    bool sessions = keeper->table.sessions > 0, again;

    if (keeper->sweep_at > keeper->now)
        return keeper->sweep_at;
    keeper->sweep_at = INT64_MAX;
    wait_stopped(keeper);
    if (sessions)
        wait_killed(keeper);
    else
        wait_all(keeper, WEXITED | WNOWAIT);
    again = tree_sweep(keeper, sessions);
    keeper->swept = clock_monotonic();
    if (again && keeper->sweep_at > keeper->swept + sweep_pause(keeper))
        keeper->sweep_at = keeper->swept + sweep_pause(keeper);
    return keeper->sweep_at;
}
