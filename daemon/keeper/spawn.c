/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/spawn.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/capture.h"
#include "daemon/keeper/cgroup.h"
#include "daemon/keeper/clients.h"
#include "daemon/keeper/copy.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/notified.h"
#include "daemon/keeper/plan.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/pty.h"
#include "daemon/keeper/rawcall.h"
#include "daemon/keeper/reap.h"
#include "daemon/keeper/share.h"
#include "daemon/keeper/store.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/ticket.h"
#include "daemon/keeper/ticket_kept.h"
#include "daemon/keeper/wire.h"
#include "daemon/keeper/zygote.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the result ---- */

static void put_failure(struct keeper *keeper, struct slot *slot, int error, uint32_t stage)
{
    slot->error = error;
    slot->stage = stage;
    slot->mono = clock_monotonic();
    slot->wall = clock_realtime();
    report_put(keeper, slot, LINK_SPAWN_FAILED);
}

void spawn_failed(struct keeper *keeper, struct slot *slot, int error, uint32_t stage)
{
    slot->failed = true;
    zygote_close(slot);
    capture_abandon(keeper, slot);
    notified_close(keeper, slot);
    if (!slot->again)
        ticket_drop(keeper, slot);
    put_failure(keeper, slot, error, stage);
}

void spawn_cancelled(struct keeper *keeper, struct slot *slot, int error, uint32_t stage)
{
    put_failure(keeper, slot, error, stage);
}

void spawn_succeeded(struct keeper *keeper, struct slot *slot)
{
    slot->mono = clock_monotonic();
    slot->wall = clock_realtime();
    report_put(keeper, slot, LINK_SPAWNED);
    if (slot->stop_seen)
        report_put(keeper, slot, slot->stop_seen);
    store_begin(keeper, slot);
}

/* Its memory is nobody's any more: the child is dead, or has memory of its own. */
static void job_end(struct keeper *keeper, struct job *job)
{
    share_end(keeper, job);
    loop_remove(&keeper->loop, &job->status);
    job->status_fd = close_fd(job->status_fd);
    if (job->client)
        job->client->jobs--;
    job->slot->job = NULL;
    TAILQ_REMOVE(&keeper->jobs, job, order);
    job_free(keeper, job);
}

/* End of file: the child has let go of the pipe, which it does only by its exec or its end. */
static void job_done(struct keeper *keeper, struct job *job)
{
    struct slot *slot = job->slot;
    uint32_t stage = job->plan.progress->stage;
    bool in_exec = job->plan.progress->in_exec;
    bool failed = job->failed;
    struct spawn_failure failure = job->failure;

    job_end(keeper, job);
    if (slot->failed) /* it was late, and has been reported so */
        slot_finish(keeper, slot);
    else if (failed)
        spawn_failed(keeper, slot, failure.error, failure.stage);
    else if (!in_exec)
        spawn_failed(keeper, slot, ECANCELED, stage);
    else
        spawn_succeeded(keeper, slot);
    link_report(keeper); /* whoever has asked need not wait for the rest of the turn */
}

static void read_status(struct keeper *keeper, struct job *job)
{
    struct spawn_failure failure;
    ssize_t size;

    share_settle(keeper, job); /* else our own copy of the other end would hide that it is closed */
    while ((size = TEMP_FAILURE_RETRY(read(job->status_fd, &failure, sizeof failure))) == sizeof failure) {
        if (failure.error == 0) {
            share_end(keeper, job);
            continue;
        }
        job->failed = true;
        job->failure = failure;
    }
    if (size == 0)
        job_done(keeper, job);
}

static void status_ready(struct keeper *keeper, struct watch *watch, uint32_t events)
{
    (void) events;
    read_status(keeper, owner_of(watch, struct job, status));
}

void spawn_settle(struct keeper *keeper, struct slot *slot, bool dead)
{
    if (slot->job && slot->job->copy.is_asked) /* there is no child yet */
        return;
    if (slot->job)
        read_status(keeper, slot->job);
    /* a dead one has closed its end; should that be wrong, its memory is free all the same */
    if (dead && slot->job)
        job_done(keeper, slot->job);
}

void spawn_talks(struct keeper *keeper, struct slot *slot)
{
    struct job *job = slot->job;

    if (job && !job->copy.is_asked && !slot->failed && job->plan.progress->in_exec)
        job_done(keeper, job);
}

void spawn_settle_all(struct keeper *keeper)
{
    struct job *job, *next;

    for (job = TAILQ_FIRST(&keeper->jobs); job; job = next) {
        next = TAILQ_NEXT(job, order);
        read_status(keeper, job);
    }
}

/* We stood still (SIGSTOP, a frozen cgroup), and so may our children have: nobody's time passed meanwhile. */
static void spawn_forgive(struct keeper *keeper, int64_t late)
{
    struct job *job;

    TAILQ_FOREACH(job, &keeper->jobs, order)
        job->deadline += late + SPAWN_LATE;
}

/* It may just have begun, and made others: tree_ended finds them. */
static void kill_begun(struct keeper *keeper, struct slot *slot)
{
    pidfd_signal(slot->pidfd, SIGKILL);
    slot->kill_again = true;
    ledger_touch(keeper, slot);
}

int64_t spawn_expire(struct keeper *keeper)
{
    struct job *job;

    TAILQ_FOREACH(job, &keeper->jobs, order) {
        struct slot *slot = job->slot;

        if (job->expired)
            continue;
        if (keeper->now - job->deadline > SPAWN_LATE)
            spawn_forgive(keeper, keeper->now - job->deadline);
        if (job->deadline > keeper->now)
            return job->deadline;
        job->expired = true;
        spawn_settle(keeper, slot, false);
        if (!slot->job) /* it made it at the last moment: the list has changed */
            return keeper->now;
        log_info("process %llu: no exec within 10 s, killed", (unsigned long long) slot->process);
        kill_begun(keeper, slot);
        spawn_failed(keeper, slot, ETIMEDOUT, job->plan.progress->stage);
    }
    return INT64_MAX;
}

void spawn_disown(struct keeper *keeper, const struct client *client)
{
    struct job *job;

    TAILQ_FOREACH(job, &keeper->jobs, order)
        if (job->client == client)
            job->client = NULL;
    copy_disown(keeper, client);
}

/* ---- the clone ---- */

static long clone_child(struct keeper *keeper, struct job *job, struct slot *slot,
                        const struct cgroup *cgroup)
{
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_PIDFD | CLONE_PARENT_SETTID,
        .pidfd = (uintptr_t) &slot->pidfd,
        .parent_tid = (uintptr_t) ledger_number(keeper, slot),
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t) job->stack,
        .stack_size = sizeof job->stack,
    };

    if (job->plan.shares)
        args.flags |= CLONE_FILES;
    if (cgroup) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t) cgroup->dir;
    }
    ledger_clone(keeper, slot, cgroup);
    return raw_clone3(&args, spawn_child, &job->plan);
}

/* It was made a threaded one, or given controllers: cgroups(7). */
static struct cgroup *take_another(struct keeper *keeper, struct cgroup *cgroup)
{
    cgroup->is_spoilt = true;
    cgroup_leave(keeper, cgroup, true);
    return cgroup_take(keeper);
}

/* Without its cgroup rather than not at all: the tree is then the session. */
static int job_clone(struct keeper *keeper, struct job *job, struct slot *slot)
{
    struct cgroup *cgroup = cgroup_take(keeper);
    long pid = clone_child(keeper, job, slot, cgroup);

    /* it was removed: a service manager does so with what is empty, where it sees an end of ours */
    if (cgroup && (pid == -ENOENT || pid == -ENODEV)) {
        cgroup_give_back(keeper, cgroup);
        cgroups_renew(keeper);
        cgroup = cgroup_take(keeper);
        pid = clone_child(keeper, job, slot, cgroup);
    }
    if (cgroup && (pid == -EOPNOTSUPP || pid == -EBUSY)) {
        cgroup = take_another(keeper, cgroup);
        pid = clone_child(keeper, job, slot, cgroup);
    }
    if (pid < 0 && cgroup && pid != -EAGAIN && pid != -ENOMEM) {
        if (log_again(&keeper->cgroups.tell_unused_at, keeper->now))
            log_warning("no process can be made in a cgroup: %s", strerror((int) -pid));
        cgroup_give_back(keeper, cgroup);
        cgroup = NULL;
        pid = clone_child(keeper, job, slot, NULL);
    }
    if (pid < 0) {
        slot->pidfd = -1;
        if (cgroup)
            cgroup_give_back(keeper, cgroup);
        return (int) pid;
    }
    ledger_cloned(keeper, slot);
    slot->pidfd = share_park_many(keeper, slot->pidfd);
    slot->cgroup = cgroup;
    if (cgroup)
        cgroup_begun(keeper, cgroup);
    else
        keeper->table.sessions++;
    slot_set_pid(keeper, slot, (pid_t) pid);
    return 0;
}

/* From here on there is a child, and only its end or its exec ends the job. */
int spawn_run(struct keeper *keeper, struct job *job, struct slot *slot, const int *fds, size_t count,
              bool share)
{
    int status[2], r;

    if (pipe2(status, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    plan_descriptors(&job->plan, fds, count, status[1]);
    slot->uid = job->plan.uid;
    slot->gid = job->plan.gid;
    ledger_intend(keeper, slot);
    job->plan.progress = ledger_progress(keeper, slot);
    busy_poll_expect(&keeper->busy, clock_monotonic()); /* its exec */
    if (share)
        share_begin(keeper, job);
    r = job_clone(keeper, job, slot);
    if (r < 0)
        share_undo(keeper, job);
    if (r < 0 || !share)
        close_fd(status[1]);
    if (r < 0) {
        close_fd(status[0]);
        return r;
    }
    job->status_fd = share_park_many(keeper, status[0]);
    job->slot = slot;
    slot->job = job;
    keeper->table.live++;
    job->deadline = keeper->now + SPAWN_DEADLINE;
    TAILQ_INSERT_TAIL(&keeper->jobs, job, order);
    r = loop_add(&keeper->loop, &job->status, job->status_fd, EPOLLIN, status_ready);
    if (r == 0)
        r = loop_add(&keeper->loop, &slot->exit, slot->pidfd, EPOLLIN, reap_ready);
    if (r < 0) {
        /* what cannot be watched (ENOMEM, ENOSPC) has failed, however far it came; the sweep finds its end */
        job->failed = true;
        job->failure = (struct spawn_failure){.error = -r, .stage = LINK_STAGE_CLONE};
        kill_begun(keeper, slot);
    }
    return 0;
}

/* Are its descriptors its job's? A zygote was asked for it, and may be in vain; or its child shares them. */
static bool has_descriptors(const struct slot *slot)
{
    return slot->job && (slot->job->copy.is_asked || slot->job->is_sharing);
}

/* A plan that is filled begins; where that fails the job is freed. share: the descriptors can become the
 * job's, which has_descriptors tells. */
static int run_plan(struct keeper *keeper, struct job *job, struct slot *slot, const int *fds, size_t count,
                    bool share, uint32_t *ret_stage)
{
    size_t all = count;
    int placed[FDPASS_MAX], r = 0;

    memcpy(placed, fds, count * sizeof *fds);
    *ret_stage = LINK_STAGE_NOTIFY;
    if (slot->flags & LINK_SPAWN_NOTIFY)
        r = notified_open(keeper, slot, job);
    if (r == 0) {
        *ret_stage = LINK_STAGE_PTY;
        r = pty_begin(keeper, slot, &job->plan, placed, &all);
    }
    if (r == 0) {
        *ret_stage = LINK_STAGE_STDIO;
        r = capture_begin(keeper, slot, &job->plan, placed, &all);
    }
    if (r == 0) {
        *ret_stage = LINK_STAGE_STDIO;
        r = zygote_begin(slot, &job->plan, placed, &all);
    }
    if (r == 0) {
        *ret_stage = LINK_STAGE_CLONE;
        r = copy_begin(keeper, slot, job, placed, count, all)
                ? 0
                : spawn_run(keeper, job, slot, placed, all, share && !slot->zygote);
    }
    while (all > count && !has_descriptors(slot)) /* the child's ends: it alone has them now */
        close_fd(placed[--all]);
    if (r < 0)
        job_free(keeper, job);
    return r;
}

static int try_spawn(struct keeper *keeper, struct slot *slot, const struct link_spawn *order,
                     const void *spec, struct fdpass *fds, uint32_t *ret_stage)
{
    struct connection *connection = connection_find(keeper, order->connection);
    bool memfd = order->spec_size == 0;
    size_t count = fds->count - memfd;
    struct job *job;
    int r;

    *ret_stage = LINK_STAGE_CREDENTIALS;
    if (!connection) /* whether its client lives is asked at last, in plan_fill */
        return -ESRCH;
    *ret_stage = LINK_STAGE_SPEC;
    if (fds->truncated || (memfd && fds->count == 0))
        return -EBADF;
    *ret_stage = LINK_STAGE_CLONE;
    if (table_full(keeper) || connection->client->jobs >= SPAWN_JOBS_CLIENT_MAX)
        return -EAGAIN;
    *ret_stage = LINK_STAGE_SPEC;
    r = plan_begin(keeper, connection, spec, order->spec_size, memfd ? fds->fd[0] : -1, count, &job);
    if (r < 0)
        return r;
    r = plan_fill(keeper, connection, job, ret_stage);
    if (r == 0 && order->flags & LINK_SPAWN_TICKET)
        r = ticket_new(keeper, &job->plan, fds->fd + memfd, count, &slot->ticket);
    if (r < 0) {
        job_free(keeper, job);
        return r;
    }
    ticket_keep(keeper, slot);
    job->zygote = order->zygote;
    r = run_plan(keeper, job, slot, fds->fd + memfd, count, share_may(keeper, fds->fd + memfd, count),
                 ret_stage);
    if (r < 0)
        return r;
    if (has_descriptors(slot))
        fds->count = memfd;
    job->client = connection->client;
    job->client->jobs++;
    return 0;
}

/* There is nothing to wait for. */
void spawn_undone(struct keeper *keeper, struct slot *slot, int error, uint32_t stage)
{
    slot->reaped = slot->ended = true;
    slot->tree_gone = slot->again;
    spawn_failed(keeper, slot, error, stage);
}

void spawn_begin(struct keeper *keeper, const struct link_spawn *order, const void *spec, struct fdpass *fds)
{
    struct slot *slot;
    uint32_t stage;
    int r;

    if (order->process == 0 || slot_find(keeper, order->process) ||
        !(slot = slot_new(keeper, order->process))) {
        log_error("spawn of process %llu refused: the number is in use, or the table is full",
                  (unsigned long long) order->process);
        return;
    }
    slot->spawn_order = order->head.number;
    slot->creator = order->creator;
    slot->creator_process = order->creator_process;
    slot->flags = order->flags;
    ledger_name(keeper, slot, order->name);
    r = try_spawn(keeper, slot, order, spec, fds, &stage);
    if (r < 0)
        spawn_undone(keeper, slot, -r, stage);
    else
        pty_offer(keeper, slot, order->tag);
}

void spawn_again(struct keeper *keeper, struct slot *slot)
{
    uint32_t stage = LINK_STAGE_CLONE;
    struct job *job;
    int r;

    ledger_begin_again(keeper, slot);
    slot->adopted = false;
    slot->pid = 0;
    slot->failed = slot->ended = slot->reaped = slot->tree_gone = slot->tree_watched = false;
    slot->kill_again = false;
    slot->stop_seen = 0;
    slot->flags &= ~(uint32_t) (LINK_SPAWN_PIDFD | LINK_SPAWN_ATTACH); /* they were promised of the first */
    r = ticket_plan(keeper, slot->ticket, &job);
    if (r == 0)
        r = run_plan(keeper, job, slot, slot->ticket->fds, slot->ticket->fd_count, false, &stage);
    if (r < 0)
        spawn_undone(keeper, slot, -r, stage);
}
