/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/adopted.h"

#include "daemon/base/log.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/ledger_layout.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/reap.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/store.h"
#include "daemon/keeper/tree.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

#define LOOK_AGAIN (10 * NSEC_PER_MSEC)
#define LOOKS_MOST 64 /* at once: the front tells us, or the descriptor does, of most of them */

/* ---- on the way to the exec ---- */

static bool is_starting(const struct slot *slot)
{
    return slot->adopted && !slot->ended && !slot->failed && slot->reports[REPORT_START].kind == 0;
}

/* It has ended. Whether it had become another program is in its zombie, or in what it has written: where that
 * says that it was in its exec, it is taken for done, as a child of our own is. */
static void start_ended(struct keeper *keeper, struct slot *slot, bool began_program)
{
    const struct spawn_progress progress = *ledger_progress(keeper, slot);

    if (progress.error > 0)
        spawn_failed(keeper, slot, progress.error, progress.stage);
    else if (began_program || progress.in_exec || progress.is_copy)
        spawn_succeeded(keeper, slot);
    else
        spawn_failed(keeper, slot, ECANCELED, progress.stage);
}

/* What /proc tells of its number is about it, as long as it was not waited for. */
static bool look_at(const struct slot *slot, struct proc_entry *ret_entry)
{
    return slot->pidfd >= 0 && proc_read(slot->pid, ret_entry) == 0 && pidfd_signal(slot->pidfd, 0) != -ESRCH;
}

/* True: it is decided. */
static bool start_look(struct keeper *keeper, struct slot *slot)
{
    struct proc_entry entry;
    bool is_there = look_at(slot, &entry);

    if (!is_there || entry.state == 'Z' || entry.state == 'X') {
        start_ended(keeper, slot, is_there && entry.began_program);
    } else if (entry.began_program || ledger_progress(keeper, slot)->is_copy) {
        spawn_succeeded(keeper, slot);
    } else if (slot->mono + SPAWN_DEADLINE <= keeper->now) {
        pidfd_signal(slot->pidfd, SIGKILL);
        spawn_failed(keeper, slot, ETIMEDOUT, ledger_progress(keeper, slot)->stage);
    } else {
        return false;
    }
    return true;
}

static int64_t starts_tick(struct keeper *keeper)
{
    struct slot *slot, *next;

    if (keeper->starting == 0 || keeper->starting_at > keeper->now)
        return keeper->starting == 0 ? INT64_MAX : keeper->starting_at;
    for (slot = TAILQ_FIRST(&keeper->table.used); slot; slot = next) {
        next = TAILQ_NEXT(slot, order);
        if (is_starting(slot) && start_look(keeper, slot))
            keeper->starting--;
    }
    keeper->starting_at = keeper->now + LOOK_AGAIN;
    return keeper->starting == 0 ? INT64_MAX : keeper->starting_at;
}

/* ---- the end ---- */

static void fade(struct keeper *keeper, struct slot *slot)
{
    loop_arm(&keeper->loop, &slot->exit, 0); /* that it was waited for is told all the same (Linux 6.11) */
    if (slot->is_fading)
        return;
    store_leave_young(keeper, slot);
    slot->is_fading = true;
    slot->end.mono = keeper->now;
    TAILQ_INSERT_TAIL(&keeper->fading, slot, apart);
    keeper->fading_at = keeper->now + LOOK_AGAIN;
}

/* info NULL: nobody knows how. */
static void ended(struct keeper *keeper, struct slot *slot, const siginfo_t *info, const struct rusage *usage)
{
    if (slot->is_fading)
        TAILQ_REMOVE(&keeper->fading, slot, apart);
    slot->is_fading = false;
    if (is_starting(slot)) {
        slot->mono = keeper->now - SPAWN_DEADLINE; /* no more time for it */
        (void) start_look(keeper, slot);
        keeper->starting -= keeper->starting > 0;
    }
    if (!info && !slot->failed)
        log_warning("process %" PRIu64 " (%d) has ended, nobody knows how: it was an earlier keeper's child",
                    slot->process, slot->pid);
    reap_ended(keeper, slot, info, usage, true);
}

static void ended_with(struct keeper *keeper, struct slot *slot, int status)
{
    static const struct rusage unknown;
    siginfo_t info = {.si_code = CLD_EXITED};

    if (!WIFEXITED(status))
        info.si_code = WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
    info.si_status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    ended(keeper, slot, &info, &unknown);
}

/* Who has inherited us waits for its dead; others may not. */
static bool is_hopeless(const struct keeper *keeper, const struct slot *slot)
{
    struct proc_entry entry;

    return slot->is_fading && slot->end.mono + ADOPTED_PATIENCE <= keeper->now &&
           !(proc_read(slot->pid, &entry) == 0 && entry.parent == getppid());
}

void adopted_ready(struct keeper *keeper, struct slot *slot)
{
    bool was_waited_for = pidfd_signal(slot->pidfd, 0) == -ESRCH; /* then the next line is final */
    int status, r = pidfd_status(slot->pidfd, &status);

    if (r == 0)
        ended_with(keeper, slot, status);
    else if (was_waited_for || is_hopeless(keeper, slot))
        ended(keeper, slot, NULL, NULL);
    else
        fade(keeper, slot);
}

/* One of our own may have come to the number since. */
static struct slot *find(const struct keeper *keeper, pid_t pid)
{
    struct node *node = *map_bucket(&keeper->table.by_pid, (uint64_t) pid);

    for (; node; node = node->next) {
        struct slot *slot = owner_of(node, struct slot, by_pid);

        if (node->key == (uint64_t) pid && slot->adopted && !slot->ended)
            return slot;
    }
    return NULL;
}

void adopted_told(struct keeper *keeper, pid_t pid, const siginfo_t *info, const struct rusage *usage)
{
    struct slot *slot = find(keeper, pid);

    if (slot)
        ended(keeper, slot, info, usage);
}

void adopted_stopped(struct keeper *keeper, pid_t pid, int code)
{
    struct slot *slot = find(keeper, pid);

    if (slot)
        reap_stopped(keeper, slot, code);
}

static int64_t ends_tick(struct keeper *keeper)
{
    const struct slot *last = TAILQ_LAST(&keeper->fading, slot_list), *looked_at = NULL;

    if (!last)
        return INT64_MAX;
    if (keeper->fading_at > keeper->now)
        return keeper->fading_at;
    for (int i = 0; i < LOOKS_MOST && looked_at != last; i++) {
        struct slot *slot = TAILQ_FIRST(&keeper->fading);

        looked_at = slot;
        TAILQ_REMOVE(&keeper->fading, slot, apart);
        TAILQ_INSERT_TAIL(&keeper->fading, slot, apart);
        adopted_ready(keeper, slot);
    }
    keeper->fading_at = keeper->now + LOOK_AGAIN;
    return TAILQ_EMPTY(&keeper->fading) ? INT64_MAX : keeper->fading_at;
}

/* ---- the whole ---- */

static bool was_waited_for(const struct ledger_wait *wait, const struct slot *slot)
{
    return wait->process == slot->process && wait->info.si_pid != 0;
}

/* A stop, or its end, that somebody has waited for who told nobody. */
static void stop_look(struct keeper *keeper, struct slot *slot)
{
    bool was_stopped = slot->reports[REPORT_STOP].kind == LINK_STOPPED || slot->stop_seen == LINK_STOPPED;
    struct proc_entry entry;

    if (slot->ended || !look_at(slot, &entry) || (entry.state == 'T') == was_stopped)
        return;
    reap_stopped(keeper, slot, was_stopped ? CLD_CONTINUED : CLD_STOPPED);
}

void adopted_begin(struct keeper *keeper, struct slot *slot, const struct ledger_wait *wait)
{
    if (slot->ended) {
        if (!slot->tree_gone && !slot->cgroup)
            tree_give_up(keeper, slot);
        return;
    }
    if (is_starting(slot)) {
        slot->mono = keeper->now;
        keeper->starting += !start_look(keeper, slot);
        keeper->starting_at = keeper->now + LOOK_AGAIN;
    }
    if (was_waited_for(wait, slot))
        ended(keeper, slot, &wait->info, &wait->usage);
    else if (slot->pidfd < 0)
        ended(keeper, slot, NULL, NULL);
    else
        stop_look(keeper, slot);
}

int64_t adopted_tick(struct keeper *keeper)
{
    int64_t starts = starts_tick(keeper), ends = ends_tick(keeper);

    return starts < ends ? starts : ends;
}
