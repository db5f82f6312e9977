/* SPDX-License-Identifier: MIT */
#include "daemon/core/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct process *core_process(const struct core *core, uint64_t id)
{
    struct process *process;

    HASH_FIND(hh, core->processes, &id, sizeof id, process);
    return process;
}

bool process_visible(const struct process *process)
{
    return process->data.state != PROCESS_STARTING;
}

bool process_ended(const struct process *process)
{
    return process->data.state == PROCESS_EXITED;
}

struct process *core_process_named(const struct core *core, uint32_t uid, const char *name, size_t size)
{
    struct process *process, *next, *newest = NULL;

    HASH_ITER(hh, core->processes, process, next) {
        const struct title *title = process->record->title;

        if (process->data.uid != uid || !process_visible(process) || title->name_size != size ||
            memcmp(title->name, name, size) != 0)
            continue;
        if (!newest || !process_ended(process) || process_ended(newest))
            newest = process;
    }
    return newest;
}

/* ---- making and removing ---- */

static void process_free(struct core *core, struct process *process)
{
    for (int i = 0; i < PROCESS_ORDERS; i++)
        free(process->orders[i]);
    record_unref(core, process->record);
    free(process);
}

struct process *process_new(struct core *core, struct account *account, uint64_t id)
{
    struct process *process = calloc(1, sizeof *process);
    size_t most = HASH_COUNT(core->waiters) + HASH_COUNT(core->processes) + 3;

    if (!process)
        return NULL;
    process->data.id = id;
    process->data.uid = account->uid;
    process->deadline.tag = DEADLINE_PROCESS;
    TAILQ_INIT(&process->waits);
    TAILQ_INIT(&process->opens);
    for (int i = 0; i < PROCESS_ORDERS_OF_ALL; i++)
        if (!(process->orders[i] = order_new()))
            goto fail;
    if (heap_reserve(&core->deadlines, most - core->deadlines.count) < 0)
        goto fail;
    HASH_ADD(hh, core->processes, data.id, sizeof process->data.id, process);
    if (!process->hh.tbl)
        goto fail;
    process->account = account;
    quota_charge(account, QUOTA_PROCESSES);
    return process;
fail:
    process_free(core, process);
    return NULL;
}

static void living_uncount(struct process *process)
{
    quota_release(process->account, QUOTA_PROCESSES);
    if (process->data.flags & PROCESS_NOTIFY)
        quota_release(process->account, QUOTA_KEPT_FDS);
    restart_uncharge(process);
}

/* What a process counts for: in STARTING and PROCESSES until its end, then among the ended. */
static void process_uncount(struct core *core, struct process *process)
{
    if (process->data.state == PROCESS_STARTING)
        quota_release(process->account, QUOTA_STARTING);
    if (process->data.state != PROCESS_EXITED) {
        living_uncount(process);
    } else {
        TAILQ_REMOVE(&process->account->ended_list, process, of_ended);
        process->account->ended--;
    }
    account_trim(core, process->account);
}

/* It has ended, and the waiter waits for others; but for the readiness of all of them it waits in vain. */
static void forget_link(struct core *core, struct wait_link *link)
{
    struct waiter *waiter = link->waiter;

    waiter_unlink(link);
    if (waiter->data.kind != WAIT_SET || !(waiter->data.flags & REQUEST_READY) || !ready_is_decided(waiter))
        return;
    waiter->reply.kind = REPLY_DONE;
    waiter_answer(core, waiter);
}

void process_remove(struct core *core, struct process *process, bool tell)
{
    struct wait_link *link;

    while ((link = TAILQ_FIRST(&process->waits))) {
        if (link->waiter->data.kind == WAIT_STOP)
            waiter_answer_process(core, link->waiter, REPLY_JOIN, process);
        else
            forget_link(core, link);
    }
    heap_remove(&core->deadlines, &process->deadline);
    opens_close(core, &process->opens, true);
    if (process->creator)
        LIST_REMOVE(process, of_creator);
    if (process->client)
        process->client->self = NULL;
    if (tell) {
        order_give(core, process->orders[PROCESS_ORDER_FORGET], ORDER_FORGET_PROCESS, process->data.id);
        process->orders[PROCESS_ORDER_FORGET] = NULL;
    }
    process_uncount(core, process);
    HASH_DEL(core->processes, process);
    process_free(core, process);
}

/* ---- stopping ---- */

void process_watch(struct core *core, struct process *process)
{
    struct order *order = process->orders[PROCESS_ORDER_WATCH];

    if (process->data.flags & PROCESS_WATCHED || !order)
        return;
    process->data.flags |= PROCESS_WATCHED;
    process->orders[PROCESS_ORDER_WATCH] = NULL;
    order_give(core, order, ORDER_WATCH_TREE, process->data.id);
}

static void set_deadline(struct core *core, struct process *process, int64_t when)
{
    heap_remove(&core->deadlines, &process->deadline);
    process->deadline.key = when;
    process->deadline.order = ++core->counters.stamp;
    heap_insert(&core->deadlines, &process->deadline);
}

static int64_t moment_after(const struct core *core, int64_t span)
{
    return span > INT64_MAX - core->mono ? INT64_MAX : core->mono + span;
}

void process_stop(struct core *core, struct process *process, int signal, int64_t span, struct order *extra)
{
    int64_t when = moment_after(core, span);
    bool again = process->data.flags & PROCESS_STOPPING;
    struct order *order = extra ? extra : again ? NULL : process->orders[PROCESS_ORDER_STOP];

    restart_end(core, process);
    if (process->data.flags & PROCESS_TREE_GONE) {
        free(extra);
        return;
    }
    process->data.flags |= PROCESS_STOPPING;
    if (order && order == process->orders[PROCESS_ORDER_STOP])
        process->orders[PROCESS_ORDER_STOP] = NULL;
    if (order)
        order_give_signal(core, order, process->data.id, signal, true);
    if (order && !again && span > 0) {
        process->data.flags |= PROCESS_UNTOLD;
        order->data.grace = 1;
        order->data.ticket = (uint64_t) span;
    }
    process_watch(core, process);
    /* of two stops the more impatient counts */
    if (process->deadline.index == 0 ? !process->orders[PROCESS_ORDER_KILL] : process->deadline.key <= when)
        return;
    set_deadline(core, process, when);
}

void process_told(struct core *core, uint64_t id, int64_t span)
{
    struct process *process = core_process(core, id);

    if (!process || !(process->data.flags & PROCESS_UNTOLD))
        return;
    process->data.flags &= ~(uint32_t) PROCESS_UNTOLD;
    /* it has passed meanwhile */
    if (process->deadline.index == 0 && !(process->data.flags & PROCESS_TREE_GONE))
        set_deadline(core, process, moment_after(core, span));
}

/* The grace is over, if it has begun: a keeper that stood still sends both signals at once. Or the pause
 * between two runs is. */
void process_deadline(struct core *core, struct process *process)
{
    struct order *order = process->orders[PROCESS_ORDER_KILL];

    if (process->restart.plan.policy != RESTART_POLICY_NO) {
        restart_due(core, process);
        return;
    }
    if (!order || process->data.flags & PROCESS_UNTOLD)
        return;
    process->orders[PROCESS_ORDER_KILL] = NULL;
    order_give_signal(core, order, process->data.id, NUMBER_OF_SIGKILL, true);
}

/* ---- what the keeper reports ---- */

static void process_set_start(struct process *process, const struct input_report *report)
{
    process->data.pid = report->pid;
    process->data.started_mono = report->mono;
    process->data.started_wall = report->wall;
    process->data.state = PROCESS_RUNNING;
}

/* The same one, and nothing of its last run's end. */
static void process_begun_again(struct core *core, struct process *process, const struct input_report *report)
{
    struct process_data *data = &process->data;

    process_set_start(process, report);
    data->flags &= ~(uint32_t) (PROCESS_RESPAWNED | PROCESS_KNOWN | PROCESS_CORE | PROCESS_READY);
    data->ended_mono = data->ended_wall = 0;
    data->exitcode = 0;
    data->oom = INPUT_OOM_UNKNOWN;
    data->rusage = (struct input_rusage){.utime = 0};
    data->seq = event_process(core, EVENT_PROCESS_SPAWNED, process);
    process_wake(core, process, false); /* whoever waits for its readiness, if it has that from its start */
}

static void process_begun(struct core *core, struct process *process, const struct input_report *report)
{
    process_set_start(process, report);
    quota_release(process->account, QUOTA_STARTING);
    title_number(process->record->title,
                 process->creator ? ++process->creator->data.spawned : process->data.id);
    process->data.seq = event_process(core, EVENT_PROCESS_SPAWNED, process);
}

int step_spawned(struct core *core, const struct core_input *input)
{
    struct process *process = core_process(core, input->body.report.process);

    if (!process)
        return 0;
    if (restart_executed(core, process))
        process_begun_again(core, process, &input->body.report);
    else if (process->data.state == PROCESS_STARTING)
        process_begun(core, process, &input->body.report);
    else
        return 0;
    if (process->spawner)
        waiter_answer_process(core, process->spawner, REPLY_INFO, process);
    if (core->counters.shutting_down ||
        (process->data.flags & PROCESS_ORPHANED && process->data.flags & PROCESS_DAEMON))
        process_stop(core, process, process->data.stop_signal, process->data.stop_span, NULL);
    return 0;
}

void process_undo(struct core *core, struct process *process)
{
    if (process->spawner)
        waiter_fail(core, process->spawner, ERROR_CANCELLED);
    process_remove(core, process, false);
}

int step_spawn_failed(struct core *core, const struct core_input *input)
{
    const struct input_report *report = &input->body.report;
    struct process *process = core_process(core, report->process);

    if (!process)
        return 0;
    if (restart_executed(core, process)) {
        event_spawn_failed(core, process, report->error, report->stage);
        restart_failed(core, process, report->final);
        return 0;
    }
    if (process->data.state != PROCESS_STARTING)
        return 0;
    if (report->undone) {
        process_undo(core, process);
        return 0;
    }
    event_spawn_failed(core, process, report->error, report->stage);
    if (process->spawner) {
        process->spawner->reply.spawn_errno = report->error;
        process->spawner->reply.spawn_stage = report->stage;
        waiter_fail(core, process->spawner, ERROR_SPAWN_FAILED);
    }
    process_remove(core, process, false);
    return 0;
}

static void process_set_end(struct process *process, const struct input_report *report)
{
    struct process_data *data = &process->data;

    data->ended_mono = report->mono;
    data->ended_wall = report->wall;
    data->exitcode = report->exitcode;
    data->oom = report->oom;
    data->rusage = report->rusage;
    data->flags |= (report->known ? PROCESS_KNOWN : 0) | (report->core ? PROCESS_CORE : 0);
}

/* Does it have what it waited for? */
static bool waiter_satisfied(const struct waiter *waiter, const struct process *process)
{
    if (waiter->data.kind == WAIT_SET && waiter->data.flags & REQUEST_READY)
        return ready_is_decided(waiter);
    if (!process_ended(process))
        return false; /* the rest of its tree may be gone before itself */
    if (waiter->data.kind == WAIT_STOP)
        return process->data.flags & PROCESS_TREE_GONE;
    return waiter->data.kind == WAIT_JOIN || !(waiter->data.flags & REQUEST_ALL) || waiter->left == 0;
}

void process_wake(struct core *core, struct process *process, bool has_ended)
{
    struct wait_link *link, *next;

    for (link = TAILQ_FIRST(&process->waits); link; link = next) {
        struct waiter *waiter = link->waiter;
        uint32_t links = 1;

        next = TAILQ_NEXT(link, of_process);
        /* a process that a request names twice has two links, side by side: the answer takes both away */
        for (; next && next->waiter == waiter; links++)
            next = TAILQ_NEXT(next, of_process);
        if (has_ended)
            waiter->left -= links;
        if (!waiter_satisfied(waiter, process))
            continue;
        if (waiter->data.kind == WAIT_SET) {
            waiter->reply.kind = REPLY_DONE;
            waiter_answer(core, waiter);
        } else {
            waiter_answer_process(core, waiter, REPLY_JOIN, process);
        }
    }
}

/* The last of those that have ended, which are counted, and it may be one too many. */
static void process_count_ended(struct core *core, struct process *process)
{
    struct account *account = process->account;

    living_uncount(process);
    TAILQ_INSERT_TAIL(&account->ended_list, process, of_ended);
    if (++account->ended > ENDED_KEPT_MAX)
        process_remove(core, TAILQ_FIRST(&account->ended_list), true);
}

void process_finish(struct core *core, struct process *process)
{
    process->data.state = PROCESS_EXITED;
    restart_end(core, process);
    opens_close(core, &process->opens, true);
    if (process->creator)
        LIST_REMOVE(process, of_creator);
    process->creator = NULL;
    process->data.seq = event_process(core, EVENT_PROCESS_EXITED, process);
    process_wake(core, process, true);
    process_count_ended(core, process);
}

int step_exited(struct core *core, const struct core_input *input)
{
    struct process *process = core_process(core, input->body.report.process);

    if (!process || (process->data.state != PROCESS_RUNNING && process->data.state != PROCESS_STOPPED))
        return 0;
    process_set_end(process, &input->body.report);
    process->data.state = PROCESS_EXITED;
    /* who joins a dead holder finds its locks free already: its client is buried before anybody is told */
    if (process->client)
        client_bury(core, process->client);
    if (process->data.oom == INPUT_OOM_YES)
        event_process(core, EVENT_PROCESS_OOM, process);
    if (!restart_after_run(core, process))
        process_finish(core, process);
    return 0;
}

int step_stopped(struct core *core, const struct core_input *input)
{
    struct process *process = core_process(core, input->body.report.process);

    if (!process || process->data.state != PROCESS_RUNNING)
        return 0;
    process->data.state = PROCESS_STOPPED;
    process->data.seq = event_process(core, EVENT_PROCESS_STOPPED, process);
    return 0;
}

int step_continued(struct core *core, const struct core_input *input)
{
    struct process *process = core_process(core, input->body.report.process);

    if (!process || process->data.state != PROCESS_STOPPED)
        return 0;
    process->data.state = PROCESS_RUNNING;
    process->data.seq = event_process(core, EVENT_PROCESS_CONTINUED, process);
    return 0;
}

int step_tree_gone(struct core *core, const struct core_input *input)
{
    struct process *process = core_process(core, input->body.report.process);

    if (!process)
        return 0;
    process->data.flags |= PROCESS_TREE_GONE;
    if (process->restart.plan.policy == RESTART_POLICY_NO)
        heap_remove(&core->deadlines, &process->deadline);
    process_wake(core, process, false);
    return 0;
}
