/* SPDX-License-Identifier: MIT */
/*
 * The requests that clients make. Each step first looks up the key, then allocates everything, then changes
 * the state.
 */
#include "daemon/core/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- process.spawn ---- */

static void spawn_set(struct process *process, const struct core_input *input, struct client *creator)
{
    const struct input_request *request = &input->body.request;
    const struct process *parent = creator ? creator->self : NULL;
    bool inherited = parent && parent->data.flags & PROCESS_DAEMON;
    bool is_daemon = request->flags & REQUEST_DAEMON || (inherited && !(request->flags & REQUEST_NOT_DAEMON));

    process->data.state = PROCESS_STARTING;
    process->data.flags |= is_daemon ? PROCESS_DAEMON : 0;
    process->data.stop_signal = request->signal ? request->signal : NUMBER_OF_SIGTERM;
    process->data.stop_span = request->flags & REQUEST_DEADLINE ? request->span : STOP_GRACE_DEFAULT;
    process->data.oom = INPUT_OOM_UNKNOWN;
    process->data.parent = parent ? parent->data.id : 0;
    if (!creator)
        return;
    process->data.creator = creator->data.id;
    process->data.creator_pid = creator->data.pid;
    process->creator = creator;
    LIST_INSERT_HEAD(&creator->children, process, of_creator);
}

/* The oldest ended ones make room for the living. */
static void make_room(struct core *core, struct account *account)
{
    while (account->used[QUOTA_BYTES] > quota_limit(QUOTA_BYTES, account->uid) && account->ended > 0)
        process_remove(core, TAILQ_FIRST(&account->ended_list), true);
}

/* The objects that it has open from its start. -ENOENT: one is not there. */
static int spawn_open(struct core *core, struct process *process, const struct core_input *input)
{
    const char *at = input->blob[BLOB_OBJECTS].data;

    for (uint32_t i = 0; i < input->body.request.objects; i++) {
        struct object *object = core_object(core, process->data.uid, at, strlen(at));
        bool is_new;

        if (!object)
            return -ENOENT;
        if (!open_get(core, object, NULL, process, &is_new))
            return -ENOMEM;
        at += strlen(at) + 1;
    }
    return 0;
}

/* Everything is there: the process begins. */
static void spawn_give(struct core *core, struct process *process, struct waiter *waiter, struct order *order)
{
    process->spawner = waiter;
    waiter->links[0] = (struct wait_link){.waiter = waiter, .process = process, .id = process->data.id};
    quota_charge(process->account, QUOTA_STARTING);
    order->data.ticket = waiter->data.ticket;
    order->data.connection = waiter->data.connection;
    order_give(core, order, ORDER_SPAWN, process->data.id);
}

static int spawn_begin(struct core *core, const struct core_input *input, struct key *key)
{
    struct client *creator = core_client(core, input->body.request.creator);
    struct waiter *waiter = waiter_new(core, input, WAIT_SPAWN, 1);
    struct record *record = NULL;
    struct order *order = NULL;
    struct process *process = NULL;
    int r;

    if (!waiter)
        return -ENOMEM;
    record =
        record_new(waiter->account, input, creator && creator->self ? creator->self->record->title : NULL);
    order = order_new();
    if (record && order)
        process = process_new(core, waiter->account, core->counters.process + 1);
    if (!process) {
        free(order);
        record_unref(core, record);
        waiter_undo(core, waiter);
        return -ENOMEM;
    }
    process->record = record;
    if (input->body.request.flags & REQUEST_NOTIFY) {
        process->data.flags = PROCESS_NOTIFY;
        quota_charge(process->account, QUOTA_KEPT_FDS);
    }
    r = restart_plan(process, &input->body.spawn.restart);
    if (r == 0)
        r = spawn_open(core, process, input);
    if (r < 0) {
        if (r == -ENOENT)
            key_attach(key, waiter);
        free(order);
        opens_undo(core, &process->opens);
        quota_charge(process->account, QUOTA_STARTING); /* which its removal takes back */
        process_remove(core, process, false);
        if (r == -ENOENT)
            waiter_fail(core, waiter, ERROR_NO_SUCH_OBJECT);
        else
            waiter_undo(core, waiter);
        return r == -ENOENT ? 0 : r;
    }
    core->counters.process++;
    key_attach(key, waiter);
    spawn_set(process, input, creator);
    spawn_give(core, process, waiter, order);
    make_room(core, process->account);
    return 0;
}

/* What the keeper keeps for it after its start. */
static enum core_quota spawn_exceeds_kept(const struct account *account, const struct core_input *input)
{
    const struct input_restart *plan = &input->body.spawn.restart;
    bool restarts = plan->policy != RESTART_POLICY_NO;
    int64_t fds = (restarts ? plan->fds : 0) + (input->body.request.flags & REQUEST_NOTIFY ? 1 : 0);

    if (restarts && quota_full(account, QUOTA_RESTARTS))
        return QUOTA_RESTARTS;
    if (restarts &&
        account->used[QUOTA_KEPT_BYTES] + plan->size > quota_limit(QUOTA_KEPT_BYTES, account->uid))
        return QUOTA_KEPT_BYTES;
    if (fds > 0 && account->used[QUOTA_KEPT_FDS] + fds > quota_limit(QUOTA_KEPT_FDS, account->uid))
        return QUOTA_KEPT_FDS;
    return QUOTA_COUNT;
}

static bool has_all_processes(const struct account *account, const struct core_input *input)
{
    int64_t most = input->body.spawn.most;

    return most > 0 && account->used[QUOTA_PROCESSES] >= most;
}

/* The quota that a spawn would exceed, or QUOTA_COUNT. */
static enum core_quota spawn_exceeds(const struct account *account, const struct core_input *input)
{
    if (!account)
        return QUOTA_COUNT;
    if (quota_full(account, QUOTA_PROCESSES) || has_all_processes(account, input))
        return QUOTA_PROCESSES;
    if (quota_full(account, QUOTA_STARTING))
        return QUOTA_STARTING;
    if (account->used[QUOTA_OPENS] + input->body.request.objects > quota_limit(QUOTA_OPENS, account->uid))
        return QUOTA_OPENS;
    if (account->ended == 0 &&
        account->used[QUOTA_BYTES] + (int64_t) record_size(input) > quota_limit(QUOTA_BYTES, account->uid))
        return QUOTA_BYTES;
    return spawn_exceeds_kept(account, input);
}

static int refuse(struct core *core, const struct core_input *input, struct key *key, enum core_quota quota)
{
    struct waiter *waiter = waiter_new(core, input, WAIT_JOIN, 0);

    if (!waiter)
        return -ENOMEM;
    key_attach(key, waiter);
    if (core->counters.shutting_down)
        waiter_fail(core, waiter, ERROR_SHUTTING_DOWN);
    else if (quota == QUOTA_PROCESSES && !quota_full(waiter->account, quota))
        waiter_fail_limit(core, waiter, quota, input->body.spawn.most);
    else
        waiter_fail_quota(core, waiter, quota);
    return 0;
}

int step_spawn(struct core *core, const struct core_input *input)
{
    enum core_quota quota = spawn_exceeds(core_account(core, input->body.request.uid), input);
    struct key *key;
    int r = key_begin(core, input, &key);

    if (r != KEY_FRESH)
        return r < 0 ? r : 0;
    if (core->counters.shutting_down || quota != QUOTA_COUNT)
        r = refuse(core, input, key, quota);
    else
        r = spawn_begin(core, input, key);
    if (r < 0)
        key_undo(core, key);
    return r;
}

/* What a request may name: one that is being started is nobody's to wait for, as its start may be undone. */
static struct process *find(const struct core *core, uint64_t id)
{
    struct process *process = core_process(core, id);

    return process && process_visible(process) ? process : NULL;
}

/* ---- process.join and process.wait ---- */

/* Who joins shows in the graph, and must not wait for itself. 1: refused; 0: it may wait; or -ENOMEM. */
static int join_as(struct core *core, const struct core_input *input, struct waiter *waiter,
                   struct process *process)
{
    struct client *client = core_client(core, input->body.request.creator);
    struct owner *owner = client ? owner_get(client, &input->blob[BLOB_HOLDER]) : NULL;
    struct text *cycle = NULL;
    int r = 0;

    if (!owner)
        return client ? -ENOMEM : 0;
    if (!(waiter->data.flags & REQUEST_DEADLINE))
        r = deadlock_check(core, owner, NULL, process, &input->blob[BLOB_THREADS], &cycle);
    if (r == DEADLOCK_CERTAIN) {
        event_deadlock(core, waiter->data.uid, text_ref(cycle));
        r = !(waiter->data.flags & REQUEST_WAIT_ANYWAY);
    }
    if (r == 0)
        wait_own(waiter, owner);
    if (r == 1)
        waiter->text[0] = text_ref(cycle);
    text_unref(cycle);
    owner_unref(owner);
    return r;
}

static int join_later(struct core *core, const struct core_input *input, struct waiter *waiter,
                      struct process *process)
{
    int r = join_as(core, input, waiter, process);

    if (r < 0) {
        waiter_undo(core, waiter);
        return r;
    }
    waiter_link(waiter, 0, process);
    if (r == 0)
        waiter_park(core, waiter, input->body.request.span);
    else
        waiter_fail(core, waiter, ERROR_DEADLOCK);
    return 0;
}

int step_join(struct core *core, const struct core_input *input)
{
    struct process *process = find(core, input->body.request.process);
    struct waiter *waiter;

    if (!process)
        return answer_at_once(core, input, ERROR_NO_SUCH_PROCESS);
    waiter = waiter_new(core, input, WAIT_JOIN, 1);
    if (!waiter)
        return -ENOMEM;
    waiter->left = 1;
    if (!process_ended(process) && !(waiter->data.flags & REQUEST_NO_WAIT))
        return join_later(core, input, waiter, process);
    waiter_link(waiter, 0, process);
    if (process_ended(process)) {
        waiter_answer_process(core, waiter, REPLY_JOIN, process);
    } else {
        waiter->reply.kind = REPLY_PENDING;
        waiter_answer(core, waiter);
    }
    return 0;
}

static bool wait_is_decided(const struct waiter *waiter)
{
    if (waiter->data.flags & REQUEST_READY)
        return ready_is_decided(waiter);
    return waiter->left == 0 || (!(waiter->data.flags & REQUEST_ALL) && waiter->left < waiter->link_count);
}

int step_wait(struct core *core, const struct core_input *input)
{
    const struct input_request *request = &input->body.request;
    struct waiter *waiter;
    uint64_t id;

    for (uint32_t i = 0; i < request->count; i++) {
        memcpy(&id, input->blob[BLOB_PROCESSES].data + i * sizeof id, sizeof id);
        if (!find(core, id))
            return answer_at_once(core, input, ERROR_NO_SUCH_PROCESS);
    }
    waiter = waiter_new(core, input, WAIT_SET, request->count);
    if (!waiter)
        return -ENOMEM;
    for (uint32_t i = 0; i < request->count; i++) {
        memcpy(&id, input->blob[BLOB_PROCESSES].data + i * sizeof id, sizeof id);
        waiter_link(waiter, i, find(core, id));
        waiter->left += !process_ended(waiter->links[i].process);
    }
    if (request->flags & REQUEST_NO_WAIT || wait_is_decided(waiter)) {
        waiter->reply.kind = REPLY_DONE;
        waiter_answer(core, waiter);
    } else {
        waiter_park(core, waiter, request->span);
    }
    return 0;
}

/* ---- process.terminate, kill, signal ---- */

int step_signal(struct core *core, const struct core_input *input)
{
    const struct input_request *request = &input->body.request;
    struct process *process;
    struct waiter *waiter;
    struct order *order;
    struct key *key;
    int r = key_begin(core, input, &key);

    if (r != KEY_FRESH)
        return r < 0 ? r : 0;
    waiter = waiter_new(core, input, WAIT_JOIN, 0);
    order = order_new();
    if (!waiter || !order) {
        if (waiter)
            waiter_undo(core, waiter);
        free(order);
        key_undo(core, key);
        return -ENOMEM;
    }
    key_attach(key, waiter);
    process = find(core, request->process);
    if (process && !process_ended(process))
        order_give_signal(core, order, process->data.id, request->signal, request->flags & REQUEST_TREE);
    else
        free(order);
    if (process && request->flags & REQUEST_FINAL)
        restart_end(core, process);
    if (process)
        waiter_answer(core, waiter);
    else
        waiter_fail(core, waiter, ERROR_NO_SUCH_PROCESS);
    return 0;
}

/* ---- process.stop ---- */

static void stop_begin(struct core *core, struct process *process, const struct input_request *request,
                       struct waiter *waiter, struct order *order)
{
    int signal = request->signal ? request->signal : process->data.stop_signal;
    int64_t span = request->flags & REQUEST_DEADLINE ? request->span : process->data.stop_span;
    bool gone = process_ended(process) && process->data.flags & PROCESS_TREE_GONE;

    if (!gone && quota_exceeded(waiter->account, QUOTA_WAITERS)) {
        free(order);
        waiter_fail_quota(core, waiter, QUOTA_WAITERS);
        return;
    }
    waiter->left = !process_ended(process);
    waiter_link(waiter, 0, process);
    process_stop(core, process, signal, span, order);
    if (gone)
        waiter_answer_process(core, waiter, REPLY_JOIN, process);
}

int step_stop(struct core *core, const struct core_input *input)
{
    const struct input_request *request = &input->body.request;
    struct process *process;
    struct waiter *waiter;
    struct order *order;
    struct key *key;
    int r = key_begin(core, input, &key);

    if (r != KEY_FRESH)
        return r < 0 ? r : 0;
    waiter = waiter_new(core, input, WAIT_STOP, 1);
    order = order_new();
    if (!waiter || !order) {
        if (waiter)
            waiter_undo(core, waiter);
        free(order);
        key_undo(core, key);
        return -ENOMEM;
    }
    key_attach(key, waiter);
    process = find(core, request->process);
    if (process) {
        stop_begin(core, process, request, waiter, order);
    } else {
        free(order);
        waiter_fail(core, waiter, ERROR_NO_SUCH_PROCESS);
    }
    return 0;
}

/* ---- process.close ---- */

int step_close(struct core *core, const struct core_input *input)
{
    struct process *process;
    struct waiter *waiter;
    struct key *key;
    int r = key_begin(core, input, &key);

    if (r != KEY_FRESH)
        return r < 0 ? r : 0;
    waiter = waiter_new(core, input, WAIT_JOIN, 0);
    if (!waiter) {
        key_undo(core, key);
        return -ENOMEM;
    }
    key_attach(key, waiter);
    process = find(core, input->body.request.process);
    if (!process) {
        waiter_fail(core, waiter, ERROR_NO_SUCH_PROCESS);
    } else if (!process_ended(process)) {
        waiter_fail(core, waiter, ERROR_STILL_RUNNING);
    } else {
        waiter_answer(core, waiter);
        process_remove(core, process, true);
    }
    return 0;
}

int step_read(struct core *core, const struct core_input *input)
{
    struct process *process = core_process(core, input->body.number);

    if (process && process_ended(process))
        process->data.flags |= PROCESS_READ;
    return 0;
}
