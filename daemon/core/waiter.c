/* SPDX-License-Identifier: MIT */
#include "daemon/core/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- making ---- */

static int waiter_index(struct core *core, struct waiter *waiter)
{
    /* one node for each waiter and each process, and that of the absent, is the most the heap can hold */
    size_t most = HASH_COUNT(core->waiters) + 1 + HASH_COUNT(core->processes) + 1;

    if (heap_reserve(&core->deadlines, most - core->deadlines.count) < 0)
        return -ENOMEM;
    HASH_ADD(hh, core->waiters, data.ticket, sizeof waiter->data.ticket, waiter);
    return waiter->hh.tbl ? 0 : -ENOMEM;
}

struct waiter *waiter_new(struct core *core, const struct core_input *input, enum wait_kind kind,
                          uint32_t link_count)
{
    const struct input_request *request = &input->body.request;
    struct account *account = account_get(core, request->uid);
    struct waiter *waiter;

    if (!account)
        return NULL;
    waiter = calloc(1, sizeof *waiter + link_count * sizeof waiter->links[0]);
    if (!waiter) {
        account_trim(core, account);
        return NULL;
    }
    waiter->data = (struct waiter_data){.ticket = request->ticket,
                                        .connection = request->connection,
                                        .kind = kind,
                                        .flags = request->flags,
                                        .uid = request->uid,
                                        .since = core->wall,
                                        .span = request->span};
    waiter->deadline.tag = DEADLINE_WAITER;
    waiter->link_count = link_count;
    if (waiter_index(core, waiter) < 0) {
        free(waiter);
        account_trim(core, account);
        return NULL;
    }
    waiter->account = account;
    quota_charge(account, QUOTA_WAITERS);
    waiter->connection = core_connection(core, request->connection);
    if (waiter->connection)
        TAILQ_INSERT_TAIL(&waiter->connection->waiters, waiter, of_connection);
    return waiter;
}

void waiter_link(struct waiter *waiter, uint32_t index, struct process *process)
{
    struct wait_link *link = &waiter->links[index];

    link->waiter = waiter;
    link->process = process;
    link->id = process->data.id;
    TAILQ_INSERT_TAIL(&process->waits, link, of_process);
}

void waiter_unlink(struct wait_link *link)
{
    if (link->process)
        TAILQ_REMOVE(&link->process->waits, link, of_process);
    link->process = NULL;
}

void waiter_set_deadline(struct core *core, struct waiter *waiter, int64_t when)
{
    waiter->deadline.key = when;
    waiter->deadline.order = ++core->counters.stamp;
    heap_insert(&core->deadlines, &waiter->deadline);
}

void waiter_start(struct core *core, struct waiter *waiter, int64_t span)
{
    if (waiter->data.flags & REQUEST_DEADLINE)
        waiter_set_deadline(core, waiter, span > INT64_MAX - core->mono ? INT64_MAX : core->mono + span);
}

bool waiter_refused(struct core *core, struct waiter *waiter)
{
    if (!quota_exceeded(waiter->account, QUOTA_WAITERS))
        return false;
    waiter_fail_quota(core, waiter, QUOTA_WAITERS);
    return true;
}

void waiter_park(struct core *core, struct waiter *waiter, int64_t span)
{
    if (!waiter_refused(core, waiter))
        waiter_start(core, waiter, span);
}

/* ---- leaving ---- */

/* Takes it out of everything that could still find it, but for its key and its processes' ids. */
static void waiter_detach(struct core *core, struct waiter *waiter)
{
    heap_remove(&core->deadlines, &waiter->deadline);
    wait_leave(core, waiter);
    for (uint32_t i = 0; i < waiter->link_count; i++) {
        struct wait_link *link = &waiter->links[i];

        if (link->process && waiter->data.kind == WAIT_SPAWN)
            link->process->spawner = NULL;
        else if (link->process)
            TAILQ_REMOVE(&link->process->waits, link, of_process);
    }
    if (waiter->connection)
        TAILQ_REMOVE(&waiter->connection->waiters, waiter, of_connection);
    if (waiter->absent)
        absence_over(core, waiter);
    if (waiter->account) {
        HASH_DEL(core->waiters, waiter);
        quota_release(waiter->account, QUOTA_WAITERS);
        account_trim(core, waiter->account);
        waiter->account = NULL;
    }
}

void waiter_free(struct core *core, struct waiter *waiter)
{
    record_unref(core, waiter->record);
    for (int i = 0; i < 2; i++)
        text_unref(waiter->text[i]);
    free(waiter);
}

void waiter_undo(struct core *core, struct waiter *waiter)
{
    waiter_detach(core, waiter);
    waiter_free(core, waiter);
}

/* Has the process what it waits for? One that is not there any more has ended. */
static bool link_is_done(const struct waiter *waiter, const struct process *process)
{
    if (waiter->data.flags & REQUEST_READY)
        return process && process_ready(process);
    return !process || process_ended(process);
}

/* The links of the others lose their ids, so that the answer can tell which are done. */
static void waiter_keep_done(struct waiter *waiter)
{
    for (uint32_t i = 0; i < waiter->link_count; i++)
        if (!link_is_done(waiter, waiter->links[i].process))
            waiter->links[i].id = 0;
}

/* Slots are those of one page, its own uid's. */
uint32_t waiter_bell(const struct waiter *waiter)
{
    const struct owner *owner = waiter->owner;

    if (!(waiter->data.flags & REQUEST_BELL) || !owner || owner->client->data.uid != waiter->data.uid)
        return 0;
    return owner->slot;
}

void waiter_answer(struct core *core, struct waiter *waiter)
{
    struct connection *connection = waiter->connection;

    if (waiter->reply.kind == REPLY_DONE)
        waiter_keep_done(waiter);
    waiter_detach(core, waiter);
    if (waiter->key && waiter->data.kind != WAIT_FOLLOW)
        key_answered(core, waiter->key, waiter);
    waiter->key = NULL;
    if (connection && !connection->is_closing)
        TAILQ_INSERT_TAIL(&core->replies, waiter, of_output);
    else
        waiter_free(core, waiter);
}

void waiter_fail(struct core *core, struct waiter *waiter, enum proto_error error)
{
    waiter->reply.error = error;
    waiter_answer(core, waiter);
}

void waiter_fail_quota(struct core *core, struct waiter *waiter, enum core_quota quota)
{
    waiter_fail_limit(core, waiter, quota, quota_limit(quota, waiter->data.uid));
}

void waiter_fail_limit(struct core *core, struct waiter *waiter, enum core_quota quota, int64_t value)
{
    waiter->reply.quota = quota;
    waiter->reply.value = value;
    waiter_fail(core, waiter, ERROR_LIMIT_EXCEEDED);
}

void waiter_answer_process(struct core *core, struct waiter *waiter, enum reply_kind kind,
                           struct process *process)
{
    waiter->reply.kind = kind;
    waiter->reply.process = process->data;
    waiter->record = record_ref(process->record);
    if (process_ended(process) && waiter->connection)
        process->data.flags |= PROCESS_READ;
    waiter_answer(core, waiter);
}

/* ---- giving up ---- */

/* One link in the place of another, in the queue of the process or as the one that waits for its start. */
static void link_replace(struct wait_link *old, struct wait_link *link)
{
    link->process = old->process;
    link->id = old->id;
    if (link->waiter->data.kind == WAIT_SPAWN) {
        link->process->spawner = link->waiter;
    } else {
        TAILQ_INSERT_AFTER(&link->process->waits, old, link, of_process);
        TAILQ_REMOVE(&link->process->waits, old, of_process);
    }
    old->process = NULL;
}

/* The first that repeated the request takes its place, and the one that gives up waits for nothing any more.
 * Neither leaves the table of waiters, which could need memory to take it back. False: nobody repeated it. */
static bool waiter_hand_over(struct core *core, struct waiter *waiter)
{
    bool leads = waiter->key && waiter->data.kind != WAIT_FOLLOW;
    struct waiter *follower = leads ? TAILQ_FIRST(&waiter->key->followers) : NULL;

    if (!follower)
        return false;
    TAILQ_REMOVE(&waiter->key->followers, follower, of_key);
    follower->data.kind = waiter->data.kind;
    follower->data.flags = waiter->data.flags;
    follower->left = waiter->left;
    key_attach(waiter->key, follower);
    waiter->key = NULL;
    if (waiter->link_count > 0 && waiter->links[0].process)
        link_replace(&waiter->links[0], &follower->links[0]);
    wait_replace(core, waiter, follower);
    return true;
}

bool waiter_is_repeated(const struct waiter *waiter)
{
    return waiter->key && waiter->data.kind != WAIT_FOLLOW && !TAILQ_EMPTY(&waiter->key->followers);
}

bool waiter_can_be_absent(const struct waiter *waiter)
{
    return waiter->key && waiter->data.kind != WAIT_FOLLOW && waiter->data.kind != WAIT_SPAWN;
}

void waiter_come_back(struct core *core, struct waiter *waiter)
{
    waiter_hand_over(core, waiter);
    waiter_undo(core, waiter);
}

/* Leaves the queue of those that repeat a request. */
static void waiter_unfollow(struct waiter *waiter)
{
    if (waiter->data.kind == WAIT_FOLLOW && waiter->key)
        TAILQ_REMOVE(&waiter->key->followers, waiter, of_key);
    if (waiter->data.kind == WAIT_FOLLOW)
        waiter->key = NULL;
}

void waiter_abandon(struct core *core, struct waiter *waiter)
{
    if (!waiter_hand_over(core, waiter) && waiter->data.kind == WAIT_SPAWN) {
        /* the start goes on, and its outcome is recorded under the key */
        TAILQ_REMOVE(&waiter->connection->waiters, waiter, of_connection);
        waiter->connection = NULL;
        return;
    }
    waiter_unfollow(waiter);
    wait_given_up(core, waiter);
    if (waiter->key)
        key_free(core, waiter->key);
    waiter_undo(core, waiter);
}

void waiter_cancel(struct core *core, struct waiter *waiter)
{
    if (waiter->data.kind == WAIT_SPAWN)
        return; /* it will be answered by its outcome: a process that was begun is never lost */
    waiter_hand_over(core, waiter);
    waiter_unfollow(waiter);
    wait_given_up(core, waiter);
    waiter_fail(core, waiter, ERROR_CANCELLED);
}

int answer_at_once(struct core *core, const struct core_input *input, enum proto_error error)
{
    struct waiter *waiter = waiter_new(core, input, WAIT_JOIN, 0);

    if (!waiter)
        return -ENOMEM;
    waiter_fail(core, waiter, error);
    return 0;
}

int step_cancel(struct core *core, const struct core_input *input)
{
    struct waiter *waiter;

    HASH_FIND(hh, core->waiters, &input->body.number, sizeof input->body.number, waiter);
    if (waiter)
        waiter_cancel(core, waiter);
    return 0;
}
