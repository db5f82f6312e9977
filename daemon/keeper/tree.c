/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/tree.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/cgroup.h"
#include "daemon/keeper/killing.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/table.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define PASSES_MAX  64 /* a tree that is born faster than it is signalled is left to the next order */
#define PID_NUMBERS (1 << 22) /* the kernel's own limit */
#define DUE_MOST    1024
#define LOOK_AGAIN  (100 * NSEC_PER_MSEC)
#define SEARCH_SHARE 20 /* at most this part of the time goes to trees that nobody waits for */

/* ---- sets of pids ---- */

struct pid_set {
    uint64_t *bits;
};

static bool set_empty(struct pid_set *set)
{
    if (!set->bits)
        set->bits = memory_reserve(PID_NUMBERS / 8);
    else
        madvise(set->bits, PID_NUMBERS / 8, MADV_DONTNEED);
    return set->bits != NULL;
}

static bool set_has(const struct pid_set *set, pid_t pid)
{
    return pid > 0 && pid < PID_NUMBERS && set->bits[pid / 64] >> (pid % 64) & 1;
}

static void set_add(struct pid_set *set, pid_t pid)
{
    if (pid > 0 && pid < PID_NUMBERS)
        set->bits[pid / 64] |= UINT64_C(1) << (pid % 64);
}

static struct pid_set members, reached;

/* ---- signals ---- */

struct round {
    struct keeper *keeper;
    struct slot *const *slots; /* NULL: all that have no cgroup */
    unsigned count;
    int signal;
    unsigned news; /* signalled in this pass */
    bool missed;   /* somebody could not be looked at */
};

static bool holds(struct round *round, pid_t pid)
{
    int r = cgroup_holds(round->keeper, round->slots[0]->cgroup, pid);

    round->missed |= tells_nothing(r);
    return r > 0;
}

/* The descriptor first, the proof after it: whoever holds the number then is signalled, or has ended. */
static void signal_in_cgroup(pid_t pid, void *data)
{
    struct round *round = data;
    CLEANUP_FD int pidfd = -1;

    if (set_has(&reached, pid))
        return;
    pidfd = pidfd_open_process(pid);
    round->missed |= tells_nothing(pidfd);
    if (pidfd < 0 || !holds(round, pid) || pidfd_signal(pidfd, round->signal) < 0)
        return;
    set_add(&reached, pid);
    round->news++;
}

static void signal_entry(struct round *round, const struct proc_entry *entry)
{
    struct proc_entry again;
    CLEANUP_FD int pidfd = -1;
    int r;

    if (set_has(&reached, entry->pid) || entry->state == 'Z' || entry->state == 'X')
        return;
    pidfd = pidfd_open_process(entry->pid);
    r = pidfd < 0 ? pidfd : proc_read(entry->pid, &again);
    round->missed |= tells_nothing(r);
    if (r < 0 || again.start != entry->start || pidfd_signal(pidfd, round->signal) < 0)
        return;
    set_add(&reached, entry->pid);
    round->news++;
}

/* A member's descendants are members, and so is whoever is in the session of one. */
static void find_members(const struct proc_entry *entries, ssize_t count)
{
    bool grown = true;

    while (grown) {
        grown = false;
        for (ssize_t i = 0; i < count; i++) {
            if (set_has(&members, entries[i].pid) ||
                !(set_has(&members, entries[i].parent) || set_has(&members, entries[i].session)))
                continue;
            set_add(&members, entries[i].pid);
            grown = true;
        }
    }
}

/* One pass over their sessions. */
static void signal_sessions(struct round *round)
{
    struct proc_entry *entries;
    ssize_t count = proc_scan(&entries);
    struct slot *slot;

    if (count < 0 || !set_empty(&members)) {
        round->missed = true;
        return;
    }
    for (unsigned i = 0; i < round->count; i++)
        set_add(&members, round->slots[i]->pid);
    if (!round->slots)
        TAILQ_FOREACH(slot, &round->keeper->table.used, order)
            if (!slot->cgroup && !slot->reaped)
                set_add(&members, slot->pid);
    find_members(entries, count);
    for (ssize_t i = 0; i < count; i++)
        if (set_has(&members, entries[i].pid))
            signal_entry(round, &entries[i]);
}

static void signal_passes(struct round *round)
{
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        round->news = 0;
        if (round->slots && round->slots[0]->cgroup)
            round->missed |= cgroup_each(round->keeper, round->slots[0]->cgroup, signal_in_cgroup, round) < 0;
        else
            signal_sessions(round);
        if (round->news == 0)
            return;
    }
}

static void set_kill_again(struct keeper *keeper, struct slot *slot, bool again)
{
    if (slot->kill_again == again)
        return;
    slot->kill_again = again;
    ledger_touch(keeper, slot);
}

/* The leaders first: who is about to die of it makes no others while those that there are are looked for.
 * Either one slot, or some that have no cgroup. */
static void signal_trees(struct keeper *keeper, struct slot *const *slots, unsigned count, int signal)
{
    struct round round = {.keeper = keeper, .slots = slots, .count = count, .signal = signal};

    round.missed = !set_empty(&reached);
    for (unsigned i = 0; i < count; i++)
        if (!slots[i]->ended && pidfd_signal(slots[i]->pidfd, signal) == 0 && !round.missed)
            set_add(&reached, slots[i]->pid);
    if (!round.missed)
        signal_passes(&round);
    /* nobody else comes back to it: whoever has asked waits for the end of the tree, also if another signal
     * is sent meanwhile */
    if (signal == SIGKILL)
        for (unsigned i = 0; i < count; i++)
            set_kill_again(keeper, slots[i], round.missed);
}

void tree_signal_all(struct keeper *keeper, struct slot *slot, int signal)
{
    if (!slot->cgroup || signal != SIGKILL || cgroup_kill(keeper, slot->cgroup) != 0)
        signal_trees(keeper, &slot, 1, signal);
    else if (!slot->ended) /* who may can have left it, or been put elsewhere by a zygote */
        pidfd_signal(slot->pidfd, SIGKILL);
}

void tree_signal(struct keeper *keeper, struct slot *slot, int signal)
{
    if (signal == SIGKILL)
        set_kill_again(keeper, slot, false);
    if (slot->tree_gone || slot->pid <= 0)
        return;
    if (slot->cgroup && signal == SIGKILL && !slot->ended && pidfd_signal(slot->pidfd, SIGKILL) == 0)
        killing_begin(keeper, slot);
    else
        tree_signal_all(keeper, slot, signal);
}

static struct slot *due[DUE_MOST];
static unsigned due_count;
static int due_signal;

bool tree_signal_joins(struct slot *slot, int signal)
{
    if (slot->cgroup || slot->adopted || slot->tree_gone || slot->pid <= 0)
        return false;
    if (due_count > 0 && signal != due_signal)
        return false;
    if (slot->is_due) /* what comes twice is to be seen twice, where that can be */
        return signal == SIGKILL;
    if (due_count == DUE_MOST)
        return false;
    due_signal = signal;
    due[due_count++] = slot;
    slot->is_due = true;
    return true;
}

unsigned tree_signals_due(void)
{
    return due_count;
}

bool tree_signal_due(struct keeper *keeper)
{
    if (due_count == 0)
        return false;
    signal_trees(keeper, due, due_count, due_signal);
    while (due_count > 0)
        due[--due_count]->is_due = false;
    return true;
}

void tree_kill_all(struct keeper *keeper)
{
    struct round round = {.keeper = keeper, .signal = SIGKILL};
    struct slot *slot;

    TAILQ_FOREACH(slot, &keeper->table.used, order)
        if (slot->cgroup && !slot->tree_gone)
            cgroup_kill(keeper, slot->cgroup);
    cgroup_kill_orphans(keeper);
    if (keeper->table.sessions > 0 && set_empty(&reached))
        signal_passes(&round);
}

/* ---- who is one of it ---- */

#define GENERATIONS_MAX 64

/* Of a session: its leader, who is in it, and whose ancestor is. */
static bool session_holds(const struct slot *slot, pid_t pid)
{
    struct proc_entry entry = {.parent = pid};

    for (int i = 0; i < GENERATIONS_MAX && entry.parent > 1; i++) {
        if (entry.parent == slot->pid)
            return true;
        if (proc_read(entry.parent, &entry) < 0)
            return false;
        if (entry.session == slot->pid)
            return true;
    }
    return false;
}

bool tree_holds(struct keeper *keeper, const struct slot *slot, pid_t pid)
{
    CLEANUP_FD int pidfd = -1;
    bool holds;

    if (pid == slot->pid)
        return true;
    pidfd = pidfd_open_process(pid);
    if (pidfd < 0)
        return pidfd == -ESRCH;
    holds = slot->cgroup ? cgroup_holds(keeper, slot->cgroup, pid) > 0 : session_holds(slot, pid);
    return holds || !pidfd_alive(pidfd); /* it may have gone while we looked */
}

/* ---- what is left ---- */

void tree_give_up(struct keeper *keeper, struct slot *slot)
{
    slot->tree_gone = true;
    ledger_touch(keeper, slot);
    if (slot->lingers)
        TAILQ_REMOVE(&keeper->table.lingering, slot, linger);
    slot->lingers = false;
    tree_forget(keeper, slot, true);
    slot_finish(keeper, slot);
    if (slot->tree_watched)
        report_put(keeper, slot, LINK_TREE_GONE);
}

void tree_forget(struct keeper *keeper, struct slot *slot, bool gone)
{
    siginfo_t info;

    if (!slot->reaped) { /* the zombie that held the session's number */
        waitid(P_PIDFD, (id_t) slot->pidfd, &info, WEXITED | WNOHANG);
        slot_reaped(keeper, slot);
    }
    if (killing_end(keeper, slot) && slot->cgroup && !gone) /* nobody comes back to it */
        cgroup_kill(keeper, slot->cgroup);
    if (slot->cgroup)
        cgroup_leave(keeper, slot->cgroup, gone || cgroup_empty(keeper, slot->cgroup));
    slot->cgroup = NULL;
    ledger_touch(keeper, slot);
}

static bool is_waited_for(const struct slot *slot)
{
    return slot->tree_watched || slot->respawns;
}

void tree_linger(struct keeper *keeper, struct slot *slot)
{
    slot->lingers = true;
    if (is_waited_for(slot))
        TAILQ_INSERT_HEAD(&keeper->table.lingering, slot, linger);
    else
        TAILQ_INSERT_TAIL(&keeper->table.lingering, slot, linger);
}

/* What was killed on its way should not have run; where that came late it may, and may have made others. */
static void kill_failed(struct keeper *keeper, struct slot *slot)
{
    if (slot->cgroup ? !cgroup_empty(keeper, slot->cgroup) : slot->kill_again && !slot->adopted)
        tree_signal_all(keeper, slot, SIGKILL);
}

static void count_member(pid_t pid, void *data)
{
    (void) pid;
    ++*(unsigned *) data;
}

/* Is anybody else alive in it? It counts as populated until the dead one has left it, too. */
static bool outlives(const struct keeper *keeper, const struct cgroup *cgroup)
{
    unsigned count = 0;

    return cgroup_each(keeper, cgroup, count_member, &count) < 0 || count > 0 ||
           cgroup_has_others(keeper, cgroup) != 0;
}

bool tree_empty(struct keeper *keeper, struct slot *slot)
{
    if (!slot->cgroup)
        return slot->adopted;
    if (cgroup_empty(keeper, slot->cgroup))
        return true;
    if (outlives(keeper, slot->cgroup))
        slot->cgroup->is_spoilt = true; /* what will kill them may be its cgroup.kill */
    return false;
}

void tree_ended(struct keeper *keeper, struct slot *slot, bool is_empty)
{
    bool kill_due = killing_end(keeper, slot);

    if (slot->failed) {
        kill_failed(keeper, slot);
        slot->tree_gone = true;
        tree_forget(keeper, slot, false);
        if (slot->again && slot->tree_watched)
            report_put(keeper, slot, LINK_TREE_GONE);
    } else if (is_empty) {
        tree_give_up(keeper, slot);
    } else {
        tree_linger(keeper, slot);
        if (kill_due)
            tree_signal(keeper, slot, SIGKILL);
    }
}

/* Which sessions have somebody alive in them goes into `members`. */
static bool scan_sessions(bool strangers, const struct keeper *keeper)
{
    struct proc_entry *entries;
    ssize_t count = proc_scan(&entries);
    siginfo_t info;

    if (count < 0 || !set_empty(&members))
        return false;
    for (ssize_t i = 0; i < count; i++) {
        const struct proc_entry *entry = &entries[i];

        if (entry->state != 'Z' && entry->state != 'X')
            set_add(&members, entry->session);
        else if (strangers && entry->parent == getpid() && !slot_by_pid(keeper, entry->pid))
            waitid(P_PID, (id_t) entry->pid, &info, WEXITED | WNOHANG);
    }
    return true;
}

/* Without a scan nothing is known of sessions. */
static bool has_nobody(struct keeper *keeper, const struct slot *slot, bool scanned)
{
    return slot->cgroup ? cgroup_empty(keeper, slot->cgroup) : scanned && !set_has(&members, slot->pid);
}

static bool somebody_waits(const struct keeper *keeper)
{
    const struct slot *first = TAILQ_FIRST(&keeper->table.lingering);

    return first && is_waited_for(first);
}

static void look_at_watched(struct keeper *keeper, bool scanned)
{
    struct slot *slot, *next;

    for (slot = TAILQ_FIRST(&keeper->table.lingering); slot && is_waited_for(slot); slot = next) {
        next = TAILQ_NEXT(slot, linger);
        if (has_nobody(keeper, slot, scanned))
            tree_give_up(keeper, slot);
    }
}

/* Not while others are looked at: it looks for itself, and what was found is forgotten. */
static void kill_watched_again(struct keeper *keeper)
{
    struct slot *slot;

    for (slot = TAILQ_FIRST(&keeper->table.lingering); slot && is_waited_for(slot);
         slot = TAILQ_NEXT(slot, linger)) {
        if (!slot->kill_again || tree_signal_joins(slot, SIGKILL))
            continue;
        tree_signal_due(keeper);
        if (!tree_signal_joins(slot, SIGKILL))
            tree_signal(keeper, slot, SIGKILL);
    }
    tree_signal_due(keeper);
}

static void look_at_all(struct keeper *keeper, bool scanned)
{
    struct table *table = &keeper->table;
    int64_t begun = clock_used();
    struct slot *slot, *next;

    table->unsearched = table->sessions > 0 && !scanned;
    for (slot = TAILQ_FIRST(&table->lingering); slot; slot = next) {
        next = TAILQ_NEXT(slot, linger);
        if (has_nobody(keeper, slot, scanned))
            tree_give_up(keeper, slot);
        else if (slot->end.mono + LOOK_AGAIN > keeper->now)
            table->unsearched = true;
    }
    cgroup_sweep(keeper);
    table->search_after = clock_monotonic() + (clock_used() - begun) * SEARCH_SHARE;
}

bool tree_sweep(struct keeper *keeper, bool strangers)
{
    struct table *table = &keeper->table;
    int64_t begun = clock_used();
    bool scanned = table->sessions > 0 && scan_sessions(strangers, keeper);

    look_at_watched(keeper, scanned);
    keeper->scan_cost = clock_used() - begun;
    if (table->unsearched && (table->search_after <= keeper->now || keeper->state == STATE_LEAVING))
        look_at_all(keeper, scanned);
    begun = clock_used();
    kill_watched_again(keeper);
    keeper->scan_cost += clock_used() - begun;
    return table->unsearched || somebody_waits(keeper);
}

void tree_rank(struct keeper *keeper, struct slot *slot)
{
    if (!slot->lingers)
        return;
    TAILQ_REMOVE(&keeper->table.lingering, slot, linger);
    tree_linger(keeper, slot);
}

void tree_watch(struct keeper *keeper, struct slot *slot)
{
    bool before = is_waited_for(slot);

    slot->tree_watched = true;
    ledger_touch(keeper, slot);
    if (slot->tree_gone) /* also to a core that has lost its state and asks again */
        report_put(keeper, slot, LINK_TREE_GONE);
    else if (!before)
        tree_rank(keeper, slot);
}
