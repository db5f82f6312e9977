/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/copy.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/cgroup.h"
#include "daemon/keeper/drop.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/reap.h"
#include "daemon/keeper/said.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/wire.h"
#include "daemon/keeper/zygote.h"
#include "proto/zygote.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define COPIES_MAX 256 /* asked at once: each keeps descriptors, of which others want some, too */
#define GO_TRIES   10  /* that the kernel has no memory for a byte */

_Static_assert(PLAN_LIMITS_MAX <= ZYGOTE_LIMITS_MAX, "the order has no room for all limits");

/* ---- may it be one? ---- */

/* Who is not root may not put a process into a cgroup of ours. We could, once it is there; but that makes
 * the whole machine wait for a moment, and us as well. */
static bool may_place(const struct keeper *keeper, const struct spawn_plan *plan)
{
    return keeper->cgroups.base < 0 || !keeper->privileged || plan->uid == 0;
}

/* What only the keeper can do for a child before its exec is done for that. */
static bool is_plain(const struct slot *slot, const struct spawn_plan *plan)
{
    const uint32_t others = LINK_SPAWN_NOTIFY | LINK_SPAWN_ZYGOTE;

    /* to open a file may block, or change it, and a copy may never begin */
    for (int i = 0; i < 3; i++)
        if (plan->spec->stdio[i].kind != LINK_STDIO_NULL && plan->spec->stdio[i].kind != LINK_STDIO_FD)
            return false;
    return !(slot->flags & others) && !(plan->spec->flags & LINK_SPEC_AS) && plan->terminal == 0 &&
           plan->journal_name[0] == '\0' &&
           sizeof(struct zygote_order) + plan->spec->size <= ZYGOTE_ORDER_MAX;
}

/* ---- the order ---- */

static void let_go(struct keeper *keeper, struct copy *copy)
{
    while (copy->count > copy->own_from)
        close_fd(copy->fds[--copy->count]);
    drop_held(keeper, copy->fds, copy->count);
    copy->count = 0;
}

static int send_order(int zygote, const struct spawn_plan *plan, const struct copy *copy, int theirs)
{
    struct zygote_order order = {.version = ZYGOTE_VERSION,
                                 .flags = copy->cgroup ? ZYGOTE_IN_CGROUP : 0,
                                 .spec_size = plan->spec->size,
                                 .limit_count = plan->limit_count};
    const struct iovec parts[2] = {{.iov_base = &order, .iov_len = sizeof order},
                                   {.iov_base = (void *) plan->spec, .iov_len = plan->spec->size}};
    int fds[FDPASS_MAX];
    size_t count = copy->count;
    ssize_t sent;

    for (uint32_t i = 0; i < plan->limit_count; i++)
        order.limits[i] = (struct link_limit){.resource = plan->limits[i].resource,
                                              .soft = plan->limits[i].value.rlim_cur,
                                              .hard = plan->limits[i].value.rlim_max};
    memcpy(fds, copy->fds, count * sizeof *fds);
    fds[count++] = theirs;
    if (copy->cgroup)
        fds[count++] = copy->cgroup->dir;
    sent = fdpass_send(zygote, parts, 2, fds, count);
    return sent < 0 ? (int) sent : 0;
}

static void copy_ready(struct keeper *keeper, struct watch *watch, uint32_t events);

/* From here on a copy may be made, and only the end of its socket tells that there is none. */
static int ask(struct keeper *keeper, struct slot *slot, struct job *job, int zygote)
{
    CLEANUP_FD int ours = -1, theirs = -1;
    int pair[2], yes = 1, r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    ours = pair[0];
    theirs = pair[1];
    if (setsockopt(ours, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) < 0)
        return -errno;
    r = loop_add(&keeper->loop, &job->status, ours, EPOLLIN, copy_ready);
    if (r < 0)
        return r;
    slot->uid = job->plan.uid;
    slot->gid = job->plan.gid;
    ledger_intend(keeper, slot);
    ledger_clone(keeper, slot, job->copy.cgroup);
    r = send_order(zygote, &job->plan, &job->copy, theirs);
    if (r < 0) {
        loop_remove(&keeper->loop, &job->status);
        return r;
    }
    job->status_fd = take_fd(&ours);
    return 0;
}

bool copy_begin(struct keeper *keeper, struct slot *slot, struct job *job, const int *fds, size_t fd_count,
                size_t count)
{
    struct copy *copy = &job->copy;
    int zygote = zygote_find(keeper, job->zygote, &job->plan), r;

    if (zygote < 0 || !is_plain(slot, &job->plan) || !may_place(keeper, &job->plan) ||
        count + 2 > FDPASS_MAX || keeper->copy_count >= COPIES_MAX || keeper->state != STATE_RUNNING)
        return false;
    memcpy(copy->fds, fds, count * sizeof *fds);
    copy->count = count;
    copy->own_from = fd_count;
    copy->cgroup = cgroup_take(keeper);
    r = ask(keeper, slot, job, zygote);
    if (r < 0) {
        if (copy->cgroup)
            cgroup_give_back(keeper, copy->cgroup);
        return false;
    }
    copy->is_asked = true;
    job->slot = slot;
    slot->job = job;
    job->deadline = keeper->now + COPY_PATIENCE;
    busy_poll_expect(&keeper->busy, clock_monotonic());
    TAILQ_INSERT_TAIL(&keeper->copies, job, order);
    keeper->copy_count++;
    keeper->table.live++;
    return true;
}

/* ---- its end ---- */

/* Nothing more is heard of the zygote or its copy. The latter, if there is one, ends. */
static void end(struct keeper *keeper, struct job *job)
{
    loop_remove(&keeper->loop, &job->status);
    said_end(keeper, job->status_fd);
    job->status_fd = -1;
    TAILQ_REMOVE(&keeper->copies, job, order);
    keeper->copy_count--;
    keeper->table.live--;
    job->copy.is_asked = false;
    job->slot->job = NULL;
}

/* With whoever is in it, who was never to be. */
static void leave_cgroup(struct keeper *keeper, struct copy *copy)
{
    if (!copy->cgroup)
        return;
    cgroup_kill(keeper, copy->cgroup);
    cgroup_begun(keeper, copy->cgroup);
    cgroup_leave(keeper, TAKE(copy->cgroup), false);
    reap_request_sweep(keeper);
}

static void fail(struct keeper *keeper, struct job *job, int error, uint32_t stage)
{
    struct slot *slot = job->slot;

    end(keeper, job);
    leave_cgroup(keeper, &job->copy);
    let_go(keeper, &job->copy);
    if (job->client)
        job->client->jobs--;
    job_free(keeper, job);
    spawn_undone(keeper, slot, error, stage);
}

static void execute(struct keeper *keeper, struct job *job)
{
    struct slot *slot = job->slot;
    int r;

    if (keeper->state >= STATE_LEAVING) {
        fail(keeper, job, ECANCELED, LINK_STAGE_CLONE);
        return;
    }
    end(keeper, job);
    leave_cgroup(keeper, &job->copy);
    r = spawn_run(keeper, job, slot, job->copy.fds, job->copy.count, false);
    let_go(keeper, &job->copy);
    if (r == 0)
        return;
    if (job->client)
        job->client->jobs--;
    job_free(keeper, job);
    spawn_undone(keeper, slot, -r, LINK_STAGE_CLONE);
}

/* ---- the answer ---- */

static bool is_role(const struct keeper *keeper, pid_t pid)
{
    return pid == keeper->broker.pid || pid == keeper->lookup.pid;
}

/* A child of ours that lives, is nobody yet, runs as it should, and has a session of its own, which is its
 * tree where there are no cgroups: its descriptor, or -1. What is told by number is about it, as nobody else
 * waits for it. */
static int prove(struct keeper *keeper, const struct spawn_plan *plan, const struct ucred *who)
{
    CLEANUP_FD int pidfd = -1;
    siginfo_t info = {.si_pid = 0};

    if (who->pid <= 0 || who->uid != plan->uid || who->gid != plan->gid || is_role(keeper, who->pid) ||
        slot_by_pid(keeper, who->pid))
        return -1;
    pidfd = pidfd_open_process(who->pid);
    if (pidfd < 0 || waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return -1;
    if (info.si_pid != 0 || getsid(who->pid) != who->pid) /* it has ended, or is in its zygote's */
        return -1;
    return take_fd(&pidfd);
}

/* What is known of it is known to whoever comes after us before it may begin. */
static void note(struct keeper *keeper, struct slot *slot, struct copy *copy, pid_t pid)
{
    ledger_progress(keeper, slot)->stage = LINK_STAGE_EXEC;
    ledger_progress(keeper, slot)->is_copy = 1;
    atomic_signal_fence(memory_order_seq_cst); /* a number says that it has begun */
    *ledger_number(keeper, slot) = pid;
    ledger_cloned(keeper, slot);
    slot->cgroup = TAKE(copy->cgroup);
    if (slot->cgroup)
        cgroup_begun(keeper, slot->cgroup);
    else
        keeper->table.sessions++;
    keeper->table.live++;
    slot_set_pid(keeper, slot, pid);
    ledger_touch(keeper, slot);
    ledger_flush(keeper);
}

/* Where it cannot be told it has ended, or ends by SIGKILL: a process that did not get far. */
static void let_begin(int fd)
{
    const char go = ZYGOTE_GO;
    const struct iovec part = {.iov_base = (void *) &go, .iov_len = 1};
    ssize_t r = -EAGAIN;

    for (int i = 0; i < GO_TRIES && (r == -EAGAIN || fdpass_is_short(r)); i++)
        r = fdpass_send(fd, &part, 1, NULL, 0);
}

static void begin(struct keeper *keeper, struct job *job, pid_t pid, int pidfd)
{
    struct slot *slot = job->slot;
    int r;

    r = loop_add(&keeper->loop, &slot->exit, pidfd, EPOLLIN, reap_ready);
    if (r < 0) {
        close_fd(pidfd);
        fail(keeper, job, -r, LINK_STAGE_CLONE);
        return;
    }
    slot->pidfd = pidfd;
    note(keeper, slot, &job->copy, pid);
    let_begin(job->status_fd);
    end(keeper, job);
    spawn_succeeded(keeper, slot);
    link_report(keeper); /* who waits for that need not wait for the rest */
    let_go(keeper, &job->copy);
    if (job->client)
        job->client->jobs--;
    job_free(keeper, job);
}

/* Whatever is wrong with it, it is executed, which tells what is. */
static void take_answer(struct keeper *keeper, struct job *job)
{
    static struct said said;
    int pidfd = -1;

    if (!said_receive(job->status_fd, &said) && said.size == -EAGAIN)
        return;
    drop_descriptors(said.fds, said.fd_count);
    if (said.size == 1 && said.text[0] == ZYGOTE_READY)
        pidfd = prove(keeper, &job->plan, &said.who);
    if (pidfd >= 0)
        begin(keeper, job, said.who.pid, pidfd);
    else
        execute(keeper, job);
}

static void copy_ready(struct keeper *keeper, struct watch *watch, uint32_t events)
{
    (void) events;
    take_answer(keeper, owner_of(watch, struct job, status));
}

/* ---- time ---- */

/* We stood still, and so may others have. */
static void forgive(struct keeper *keeper, int64_t late)
{
    struct job *job;

    TAILQ_FOREACH(job, &keeper->copies, order)
        job->deadline += late + SPAWN_LATE;
}

/* Who does not read is of no more use; and what it has not read of ours, as somebody's pipe, is to go. */
static void give_up(struct keeper *keeper, struct job *job)
{
    struct slot *zygote = slot_find(keeper, job->zygote);

    log_info("process %llu: its zygote hangs, it is executed", (unsigned long long) job->slot->process);
    if (zygote && zygote->zygote) {
        zygote_close(zygote);
        pidfd_signal(zygote->pidfd, SIGKILL);
    }
    execute(keeper, job);
}

int64_t copy_expire(struct keeper *keeper)
{
    struct job *job;

    while ((job = TAILQ_FIRST(&keeper->copies))) {
        if (keeper->now - job->deadline > SPAWN_LATE)
            forgive(keeper, keeper->now - job->deadline);
        if (job->deadline > keeper->now)
            return job->deadline;
        take_answer(keeper, job);
        if (TAILQ_FIRST(&keeper->copies) == job)
            give_up(keeper, job);
    }
    return INT64_MAX;
}

void copy_disown(struct keeper *keeper, const struct client *client)
{
    struct job *job;

    TAILQ_FOREACH(job, &keeper->copies, order)
        if (job->client == client)
            job->client = NULL;
}
