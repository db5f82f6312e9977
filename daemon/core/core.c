/* SPDX-License-Identifier: MIT */
#include "daemon/core/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

struct core *core_new(void)
{
    struct core *core = calloc(1, sizeof *core);

    if (!core)
        return NULL;
    STAILQ_INIT(&core->orders);
    TAILQ_INIT(&core->replies);
    TAILQ_INIT(&core->changed);
    TAILQ_INIT(&core->taken);
    TAILQ_INIT(&core->stores);
    core->absence.tag = DEADLINE_ABSENCE;
    core->events = calloc(EVENTS_KEPT_MAX, sizeof *core->events);
    if (!core->events || heap_reserve(&core->deadlines, 1) < 0) {
        free(core->events);
        free(core);
        return NULL;
    }
    return core;
}

static void free_answers(struct core *core)
{
    struct waiter *waiter;

    while ((waiter = TAILQ_FIRST(&core->replies))) {
        TAILQ_REMOVE(&core->replies, waiter, of_output);
        waiter_free(core, waiter);
    }
}

static struct object *any_object(const struct core *core)
{
    struct account *account, *next;

    HASH_ITER(hh, core->accounts, account, next)
        if (account->objects)
            return account->objects;
    return core->shared;
}

/* Those that count nothing: made by a load that failed before it came to what they are for. */
static void free_accounts(struct core *core)
{
    struct account *account, *next;

    HASH_ITER(hh, core->accounts, account, next) {
        HASH_DEL(core->accounts, account);
        words_free(account);
        free(account);
    }
}

struct core *core_free(struct core *core)
{
    struct client *client, *next_client;
    struct waiter *waiter, *next_waiter;
    struct process *process, *next_process;
    struct account *account, *next_account;
    struct object *object;
    struct order *order;

    if (!core)
        return NULL;
    /* Nothing is told any more: of what was half loaded it could not be. */
    HASH_ITER(hh, core->processes, process, next_process)
        process->restart.plan.policy = RESTART_POLICY_NO;
    HASH_ITER(hh, core->clients, client, next_client)
        client_bury(core, client);
    HASH_ITER(hh, core->waiters, waiter, next_waiter)
        waiter_undo(core, waiter);
    HASH_ITER(hh, core->processes, process, next_process)
        process_remove(core, process, false);
    while ((object = any_object(core)))
        object_remove(core, object);
    free_answers(core); /* of those who waited for what a burial has ended */
    HASH_ITER(hh, core->accounts, account, next_account) {
        HASH_DEL(core->accounts, account); /* left over only where a load has failed */
        words_free(account);
        free(account);
    }
    while ((order = STAILQ_FIRST(&core->orders)))
        order_drop(core, order);
    free_accounts(core);
    for (size_t i = 0; i < EVENTS_KEPT_MAX; i++) {
        title_unref(core->events[i].title);
        text_unref(core->events[i].text[0]);
        text_unref(core->events[i].text[1]);
    }
    free(core->events);
    heap_done(&core->deadlines);
    free(core);
    return NULL;
}

/* ---- steps that concern the whole ---- */

int step_shutdown(struct core *core, const struct core_input *input)
{
    struct process *process;

    /* what was to live on may still be told to end, not the other way round */
    if (core->counters.shutting_down && (!core->counters.detach || input->body.number))
        return 0;
    core->counters.shutting_down = 1;
    core->counters.detach = input->body.number != 0;
    /* the next one is not known before: one that ends here may be the one too many for another that has */
    for (process = core->processes; process; process = process->hh.next)
        if (core->counters.detach)
            restart_end(core, process);
        else if (process_visible(process) && !process_ended(process))
            process_stop(core, process, process->data.stop_signal, process->data.stop_span, NULL);
    return 0;
}

bool core_wants_to_leave(const struct core *core)
{
    struct process *process, *next;

    if (!core->counters.shutting_down)
        return false;
    if (core->counters.detach)
        return true;
    HASH_ITER(hh, core->processes, process, next)
        if (!process_ended(process) ||
            (process->data.flags & (PROCESS_STOPPING | PROCESS_TREE_GONE)) == PROCESS_STOPPING)
            return false;
    return true;
}

/* Clients are told first: the one that an adopted process is may be there already. */
static void join_client(struct core *core, struct process *process)
{
    struct client *client, *next;

    HASH_ITER(hh, core->clients, client, next)
        if (client->data.process == process->data.id)
            client_is_process(client, process);
}

/* A child that only the keeper remembers: its arguments are gone with the state. */
int step_adopt(struct core *core, const struct core_input *input)
{
    const struct input_adopt *adopt = &input->body.adopt;
    struct account *account;
    struct process *process;
    struct record *record;

    /* a core that knew them all has removed those that it does not know: their reports do not come again */
    if (!core->counters.adopts || core_process(core, adopt->process))
        return 0;
    account = account_get(core, adopt->uid);
    if (!account)
        return -ENOMEM;
    record = record_new(account, input, NULL);
    process = record ? process_new(core, account, adopt->process) : NULL;
    if (!process) {
        if (record)
            record_unref(core, record); /* trims the account, too */
        else
            account_trim(core, account);
        return -ENOMEM;
    }
    title_number(record->title, adopt->process);
    process->record = record;
    join_client(core, process);
    process->data.state = adopt->pid ? PROCESS_RUNNING : PROCESS_STARTING;
    process->data.flags = PROCESS_ORPHANED | (adopt->daemon ? PROCESS_DAEMON : 0);
    if (adopt->notify) {
        process->data.flags |= PROCESS_NOTIFY;
        quota_charge(account, QUOTA_KEPT_FDS);
    }
    process->data.pid = adopt->pid;
    process->data.parent = adopt->creator_process;
    process->data.started_mono = adopt->mono;
    process->data.started_wall = adopt->wall;
    process->data.stop_signal = NUMBER_OF_SIGTERM;
    process->data.stop_span = STOP_GRACE_DEFAULT;
    process->data.oom = INPUT_OOM_UNKNOWN;
    if (!adopt->pid)
        quota_charge(account, QUOTA_STARTING);
    if (adopt->process > core->counters.process)
        core->counters.process = adopt->process;
    return 0;
}

static void deadline_passed(struct core *core, struct heap_node *node)
{
    heap_remove(&core->deadlines, node);
    if (node->tag == DEADLINE_ABSENCE) {
        absences_end(core, node->key);
    } else if (node->tag == DEADLINE_PROCESS) {
        process_deadline(core, (struct process *) ((char *) node - offsetof(struct process, deadline)));
    } else {
        struct waiter *waiter = (struct waiter *) ((char *) node - offsetof(struct waiter, deadline));

        if (waiter->object) {
            wait_timed_out(core, waiter);
            return;
        }
        waiter->reply.kind = waiter->data.kind == WAIT_SET ? REPLY_DONE : REPLY_PENDING;
        waiter_answer(core, waiter);
    }
}

int step_time(struct core *core, const struct core_input *input)
{
    struct heap_node *node;

    while ((node = heap_first(&core->deadlines)) && node->key <= input->mono)
        deadline_passed(core, node);
    return 0;
}

int64_t core_next_deadline(const struct core *core)
{
    const struct heap_node *node = heap_first(&core->deadlines);

    return node ? node->key : INT64_MAX;
}

/* Is one of these objects another one than first use would make? */
static bool any_differs(struct object *table)
{
    struct object *object, *next;

    HASH_ITER(hh, table, object, next) {
        bool made_by_use = object_is_lock(object) || object->data.kind == OBJECT_EVENT;
        bool has_own_mode = object->data.flags & OBJECT_SHARED && object->data.mode != OBJECT_MODE_DEFAULT;

        if (!made_by_use || has_own_mode || object->data.flags & (OBJECT_SET | OBJECT_TRACE) ||
            object->data.abandoned || !TAILQ_EMPTY(&object->holds) || word_is_mapped(object))
            return true;
    }
    return false;
}

bool core_is_idle(const struct core *core)
{
    struct account *account, *next_account;
    struct process *process, *next;

    if (core->absences > 0)
        return false;
    HASH_ITER(hh, core->processes, process, next)
        if (!process_ended(process) || !(process->data.flags & PROCESS_READ))
            return false;
    HASH_ITER(hh, core->accounts, account, next_account)
        if (any_differs(account->objects))
            return false;
    return !any_differs(core->shared);
}

/* ---- the step ---- */

static int (*const steps[INPUT_KIND_COUNT])(struct core *core, const struct core_input *input) = {
    [INPUT_RESTARTED] = step_restarted,
    [INPUT_CONNECT] = step_connect,
    [INPUT_DISCONNECT] = step_disconnect,
    [INPUT_CLIENT] = step_client,
    [INPUT_CLIENT_DEAD] = step_client_dead,
    [INPUT_SPAWN] = step_spawn,
    [INPUT_JOIN] = step_join,
    [INPUT_WAIT] = step_wait,
    [INPUT_SIGNAL] = step_signal,
    [INPUT_STOP] = step_stop,
    [INPUT_CLOSE] = step_close,
    [INPUT_CANCEL] = step_cancel,
    [INPUT_READ] = step_read,
    [INPUT_SHUTDOWN] = step_shutdown,
    [INPUT_OBJECT_CREATE] = step_object_create,
    [INPUT_OBJECT_OPEN] = step_object_open,
    [INPUT_OBJECT_CLOSE] = step_object_close,
    [INPUT_OBJECT_UNLINK] = step_object_unlink,
    [INPUT_OBJECT_BREAK] = step_object_break,
    [INPUT_OBJECT_MAP] = step_object_map,
    [INPUT_ACQUIRE] = step_acquire,
    [INPUT_RELEASE] = step_release,
    [INPUT_EVENT_SET] = step_event_set,
    [INPUT_EVENT_IS_SET] = step_event_is_set,
    [INPUT_EVENT_WAIT] = step_event_wait,
    [INPUT_CONDITION_WAIT] = step_condition_wait,
    [INPUT_CONDITION_NOTIFY] = step_condition_notify,
    [INPUT_BARRIER_WAIT] = step_barrier_wait,
    [INPUT_BARRIER_DONE] = step_barrier_done,
    [INPUT_BARRIER_RESET] = step_barrier_reset,
    [INPUT_BARRIER_ABORT] = step_barrier_abort,
    [INPUT_UNDELIVERED] = step_undelivered,
    [INPUT_SPAWNED] = step_spawned,
    [INPUT_SPAWN_FAILED] = step_spawn_failed,
    [INPUT_EXITED] = step_exited,
    [INPUT_STOPPED] = step_stopped,
    [INPUT_CONTINUED] = step_continued,
    [INPUT_TREE_GONE] = step_tree_gone,
    [INPUT_NOTIFIED] = step_notified,
    [INPUT_EXECUTED] = step_executed,
    [INPUT_ADOPT] = step_adopt,
    [INPUT_TIME] = step_time,
    [INPUT_WORDS] = step_words,
};

/* Told twice, applied once; and a request whose connection is closed has nobody to be answered to. */
static bool out_of_date(const struct core *core, const struct core_input *input)
{
    if (input->report > 0)
        return input->report <= core->counters.report;
    if ((input->kind < INPUT_SPAWN || input->kind > INPUT_CLOSE) &&
        (input->kind < INPUT_OBJECT_CREATE || input->kind > INPUT_BARRIER_ABORT))
        return false;
    return input->body.request.connection > 0 && !core_connection(core, input->body.request.connection);
}

int core_step(struct core *core, const struct core_input *input)
{
    int r;

    if (input->kind >= INPUT_KIND_COUNT || !steps[input->kind])
        return -EINVAL;
    if (out_of_date(core, input))
        return 0;
    core->mono = input->mono;
    core->wall = input->wall;
    r = steps[input->kind](core, input);
    if (r == 0 && input->kind != INPUT_WORDS)
        words_decide(core);
    if (r == 0 && input->report > 0)
        core->counters.report = input->report;
    return r;
}

void core_delivered(struct core *core)
{
    struct word *word;

    free_answers(core);
    while ((word = TAILQ_FIRST(&core->stores))) {
        TAILQ_REMOVE(&core->stores, word, of_list);
        word->list = NULL;
    }
    core->first_new = NULL;
}
