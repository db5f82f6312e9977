/* SPDX-License-Identifier: MIT */
/*
 * A snapshot back into a core. What save.c writes in one order is read here in the same.
 */
#include "daemon/core/reader.h"
#include "daemon/core/save.h"
#include "daemon/core/saved.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void take_deadline(struct core *core, struct in *in, struct heap_node *node)
{
    bool queued = in_number(in);

    node->key = (int64_t) in_number(in);
    node->order = in_number(in);
    if (!queued || in->error || in_failed(in, heap_reserve(&core->deadlines, 1) < 0, -ENOMEM))
        return;
    heap_insert(&core->deadlines, node);
}

static void take_key(struct core *core, struct in *in, struct client *client)
{
    struct key *key = calloc(1, sizeof *key);
    size_t size;

    if (in_failed(in, !key, -ENOMEM)) {
        free(key);
        return;
    }
    TAILQ_INIT(&key->followers);
    in_take(in, key->text, sizeof key->text);
    size = in_number(in);
    key->answered = (uint32_t) in_number(in);
    key->told = (uint32_t) in_number(in);
    key->digest = in_number(in);
    in_take(in, &key->reply, sizeof key->reply);
    key->record = in_record(core, in);
    key->text_of[0] = in_text(in);
    key->text_of[1] = in_text(in);
    key->client = client;
    in_failed(in, !reply_is_sound(&key->reply, key->record, key->text_of), -EBADMSG);
    if (!in_failed(in, size > PROTO_KEY_MAX, -EBADMSG))
        HASH_ADD_KEYPTR(hh, client->key_table, key->text, size, key);
    if (in_failed(in, !key->hh.tbl, -ENOMEM)) {
        record_unref(core, key->record);
        text_unref(key->text_of[0]);
        text_unref(key->text_of[1]);
        free(key);
        return;
    }
    client->key_count++;
    TAILQ_INSERT_TAIL(&client->keys, key, of_client);
}

static void take_unasked(struct core *core, struct in *in, struct client *client)
{
    struct blob text = in_blob(in);
    uint32_t uid = (uint32_t) in_number(in);
    struct text *grant = in_text(in);
    struct key *key = NULL;

    if (!in->error && text.size > 0)
        HASH_FIND(hh, client->key_table, text.data, text.size, key);
    if (!in_failed(in, !key || !grant || key->grant || !key->answered, -EBADMSG))
        absence_grant(core, key, uid, grant);
    text_unref(grant);
}

static void take_account(struct core *core, struct in *in)
{
    uint32_t uid = (uint32_t) in_number(in);

    in_failed(in, !in->error && !account_get(core, uid), -ENOMEM);
}

static void take_client(struct core *core, struct in *in)
{
    struct core_input input = {.kind = INPUT_CLIENT};
    struct client_data data;
    struct client *client;
    uint64_t keys;

    in_take(in, &data, sizeof data);
    keys = in_number(in);
    input.body.connect = (struct input_connect){.client = data.id, .pid = data.pid, .uid = data.uid};
    if (in_failed(in, data.id == 0 || core_client(core, data.id), -EBADMSG) ||
        in_failed(in, step_client(core, &input) < 0, -ENOMEM))
        return;
    client = core_client(core, data.id);
    client->data = data;
    while (keys-- > 0 && !in->error)
        take_key(core, in, client);
    for (keys = in_number(in); keys > 0 && !in->error; keys--)
        take_unasked(core, in, client);
}

static void take_orders_of(struct in *in, struct process *process, uint64_t orders)
{
    for (int i = 0; i < PROCESS_ORDERS; i++) {
        if (orders & (UINT64_C(1) << i)) {
            process->orders[i] = process->orders[i] ? process->orders[i] : order_new();
            in_failed(in, !process->orders[i], -ENOMEM);
        } else {
            free(process->orders[i]);
            process->orders[i] = NULL;
        }
    }
}

static void take_restart(struct in *in, struct process *process)
{
    struct restart_data *restart = &process->restart;

    if (in_number(in) == RESTART_POLICY_NO || in->error)
        return;
    in_take(in, restart, sizeof *restart);
    if (in_failed(in, !restart_is_sound(restart) || process_ended(process), -EBADMSG))
        restart->plan.policy = RESTART_POLICY_NO;
    restart_charge(process);
}

/* With a policy the deadline is that of a pause, whose end needs its order; without one there is no pause. */
static bool restart_is_whole(const struct process *process)
{
    bool between = process->data.state == PROCESS_RESTARTING;
    bool ordered = process->data.flags & PROCESS_RESPAWNED;
    bool pauses = between && !ordered;

    if (process->restart.plan.policy == RESTART_POLICY_NO || (ordered && !between))
        return !pauses && (!ordered || between);
    return pauses == (process->deadline.index > 0) && (!pauses || process->orders[PROCESS_ORDER_RESPAWN]);
}

static void join_creator(struct core *core, struct process *process)
{
    if (process_ended(process) || process->data.flags & PROCESS_ORPHANED)
        return;
    process->creator = core_client(core, process->data.creator);
    if (process->creator)
        LIST_INSERT_HEAD(&process->creator->children, process, of_creator);
}

static void join_client(struct core *core, struct in *in, struct process *process)
{
    uint64_t id = in_number(in);
    struct client *client = id ? core_client(core, id) : NULL;
    bool bad = id && (!client || client->self || client->data.process != process->data.id);

    if (!in_failed(in, bad, -EBADMSG) && client)
        client_is_process(client, process);
}

static void take_process(struct core *core, struct in *in)
{
    struct process_data data;
    struct account *account;
    struct process *process;
    uint64_t orders;

    in_take(in, &data, sizeof data);
    orders = in_number(in);
    if (in_failed(in, !process_is_sound(&data) || core_process(core, data.id), -EBADMSG) ||
        in_failed(in, data.id == 0 || data.id > in->counters.process, -EBADMSG))
        return;
    account = account_get(core, data.uid);
    process = account ? process_new(core, account, data.id) : NULL;
    if (in_failed(in, !process, -ENOMEM))
        return;
    process->data = data;
    take_orders_of(in, process, orders);
    take_restart(in, process);
    take_deadline(core, in, &process->deadline);
    in_failed(in, !restart_is_whole(process), -EBADMSG);
    process->record = in_record(core, in);
    in_failed(in, !process->record, -EBADMSG);
    if (data.state == PROCESS_STARTING)
        quota_charge(account, QUOTA_STARTING);
    if (data.state != PROCESS_EXITED && data.flags & PROCESS_NOTIFY)
        quota_charge(account, QUOTA_KEPT_FDS);
    if (data.state == PROCESS_EXITED) {
        quota_release(account, QUOTA_PROCESSES);
        account->ended++;
        TAILQ_INSERT_TAIL(&account->ended_list, process, of_ended);
    }
    join_creator(core, process);
    join_client(core, in, process);
}

static void take_ended(struct core *core, struct in *in)
{
    struct account *account = account_get(core, (uint32_t) in_number(in));
    uint64_t count = in_number(in);

    if (in_failed(in, !account, -ENOMEM))
        return;
    while (count-- > 0 && !in->error) {
        struct process *process = core_process(core, in_number(in));

        if (in_failed(in, !process || !process_ended(process) || process->account != account, -EBADMSG))
            return;
        TAILQ_REMOVE(&account->ended_list, process, of_ended);
        TAILQ_INSERT_TAIL(&account->ended_list, process, of_ended);
    }
}

static void take_connection(struct core *core, struct in *in)
{
    struct core_input input = {.kind = INPUT_CONNECT};
    struct connection_data data;
    struct client *client;
    uint64_t ordinal;

    in_take(in, &data, sizeof data);
    client = core_client(core, data.client);
    if (in_failed(in, !client || core_connection(core, data.id), -EBADMSG))
        return;
    ordinal = client->data.connections;
    input.body.connect = (struct input_connect){
        .connection = data.id, .client = data.client, .pid = client->data.pid, .uid = data.uid};
    if (in_failed(in, step_connect(core, &input) < 0, -ENOMEM))
        return;
    client->data.connections = ordinal;
    core_connection(core, data.id)->data = data;
}

/* Only a start is found by its process here; the other links are made in the order of the process's queue. */
static void take_links(struct core *core, struct in *in, struct waiter *waiter)
{
    struct process *process;

    for (uint32_t i = 0; i < waiter->link_count && !in->error; i++) {
        waiter->links[i].waiter = waiter;
        waiter->links[i].id = in_number(in);
    }
    if (waiter->data.kind != WAIT_SPAWN)
        return;
    process = waiter->link_count == 1 ? core_process(core, waiter->links[0].id) : NULL;
    if (in_failed(in, !process || process->spawner || process->data.state != PROCESS_STARTING, -EBADMSG))
        return;
    waiter->links[0].process = process;
    process->spawner = waiter;
}

static void take_waiter_key(struct core *core, struct in *in, struct waiter *waiter)
{
    struct blob text = in_blob(in);
    struct client *client = core_client(core, in_number(in));
    struct key *key = NULL;

    if (in->error || text.size == 0)
        return;
    if (client)
        HASH_FIND(hh, client->key_table, text.data, text.size, key);
    if (in_failed(in, !key || key->answered, -EBADMSG) ||
        in_failed(in, waiter->connection && waiter->connection->client != client, -EBADMSG))
        return;
    if (waiter->data.kind != WAIT_FOLLOW) {
        if (!in_failed(in, key->waiter != NULL, -EBADMSG))
            key_attach(key, waiter);
    } else {
        waiter->key = key;
        TAILQ_INSERT_TAIL(&key->followers, waiter, of_key);
    }
}

static void take_absence(struct core *core, struct in *in, struct waiter *waiter, uint64_t client)
{
    bool bad = waiter->connection || !waiter_can_be_absent(waiter) || waiter->key->client->data.id != client;

    if (client && !in_failed(in, bad, -EBADMSG))
        absence_begin(core, waiter);
}

static void take_waiter(struct core *core, struct in *in)
{
    struct core_input input = {.kind = INPUT_JOIN};
    struct waiter_data data;
    struct waiter *waiter;
    uint64_t links, left, connected, absent;

    in_take(in, &data, sizeof data);
    links = in_number(in);
    left = in_number(in);
    connected = in_number(in);
    absent = in_number(in);
    HASH_FIND(hh, core->waiters, &data.ticket, sizeof data.ticket, waiter);
    if (in_failed(in, links > in->left || data.kind > WAIT_BARRIER || waiter, -EBADMSG))
        return;
    input.body.request = (struct input_request){.ticket = data.ticket,
                                                .connection = connected ? data.connection : 0,
                                                .uid = data.uid,
                                                .flags = data.flags};
    waiter = waiter_new(core, &input, (enum wait_kind) data.kind, (uint32_t) links);
    if (in_failed(in, !waiter, -ENOMEM))
        return;
    waiter->data = data;
    waiter->left = (uint32_t) left;
    take_deadline(core, in, &waiter->deadline);
    take_waiter_key(core, in, waiter);
    take_absence(core, in, waiter, absent);
    take_links(core, in, waiter);
}

static void take_wait(struct core *core, struct in *in, struct process *process)
{
    uint64_t ticket = in_number(in), index = in_number(in);
    struct waiter *waiter;

    HASH_FIND(hh, core->waiters, &ticket, sizeof ticket, waiter);
    if (in_failed(in, !waiter || waiter->data.kind == WAIT_SPAWN || index >= waiter->link_count, -EBADMSG) ||
        in_failed(in, waiter->links[index].process || waiter->links[index].id != process->data.id, -EBADMSG))
        return;
    waiter_link(waiter, (uint32_t) index, process);
}

static void take_waits(struct core *core, struct in *in)
{
    struct process *process, *next;

    HASH_ITER(hh, core->processes, process, next)
        for (uint64_t count = in_number(in); count > 0 && !in->error; count--)
            take_wait(core, in, process);
}

/* Everything that waits waits for something, and can be told. */
static bool waiter_is_whole(const struct core *core, const struct waiter *waiter)
{
    const struct wait_link *link = &waiter->links[0];

    if (!waiter->connection && !waiter->absent && waiter->data.kind != WAIT_SPAWN)
        return false;
    switch ((enum wait_kind) waiter->data.kind) {
    case WAIT_SPAWN:
    case WAIT_JOIN:
    case WAIT_STOP:
        return waiter->link_count == 1 && link->process;
    case WAIT_SET:
        return !waiter->key;
    case WAIT_FOLLOW:
        return waiter->link_count == 1 && !link->process && waiter->key;
    case WAIT_HOLD:
    case WAIT_EVENT:
    case WAIT_CONDITION:
    case WAIT_RELOCK:
    case WAIT_BARRIER:
        return wait_is_whole(core, waiter);
    }
    return false;
}

static void check_waiters(const struct core *core, struct in *in)
{
    struct waiter *waiter, *next;
    struct client *client, *next_client;
    const struct key *key;

    HASH_ITER(hh, core->waiters, waiter, next)
        in_failed(in, !waiter_is_whole(core, waiter) || !reply_is_sound(&waiter->reply, NULL, waiter->text),
                  -EBADMSG);
    HASH_ITER(hh, core->clients, client, next_client)
        TAILQ_FOREACH(key, &client->keys, of_client)
            in_failed(in, !key->answered && !key->waiter, -EBADMSG);
}

static void take_order(struct core *core, struct in *in)
{
    struct order *order = order_new();

    if (in_failed(in, !order, -ENOMEM)) {
        free(order);
        return;
    }
    in_take(in, &order->data, sizeof order->data);
    in_failed(in, order->data.kind >= ORDER_KIND_COUNT, -EBADMSG);
    in_failed(in, order->data.number > in->counters.order, -EBADMSG);
    in_failed(in, order->data.number <= in->last_order, -EBADMSG);
    in->last_order = order->data.number;
    STAILQ_INSERT_TAIL(&core->orders, order, pending);
}

/* What the head says of one of its parts; with a reference of the caller's. */
static struct title *event_title(struct in *in, uint64_t head, const struct event_entry *before)
{
    enum saved saved = saved_part(head, 0);
    struct title *title = saved == SAVED_HERE     ? in_title(in)
                          : saved == SAVED_BEFORE ? title_ref(before->title)
                                                  : NULL;

    in_failed(in, !title && saved != SAVED_NONE, -EBADMSG);
    return title;
}

static struct text *event_text(struct in *in, uint64_t head, const struct event_entry *before, unsigned i)
{
    enum saved saved = saved_part(head, 1 + i);
    struct text *text = saved == SAVED_HERE     ? in_text(in)
                        : saved == SAVED_BEFORE ? text_ref(before->text[i])
                                                : NULL;

    in_failed(in, !text && saved != SAVED_NONE, -EBADMSG);
    return text;
}

/* Its head. */
static uint64_t take_event_data(struct in *in, struct event_data *ret_data)
{
    uint64_t words[SAVED_WORDS], head = in_number(in);

    for (size_t i = 0; i < SAVED_WORDS; i++)
        words[i] = head >> i & 1 ? in_number(in) : 0;
    memcpy(ret_data, words, sizeof *ret_data);
    in_failed(in, head >> SAVED_BITS || ret_data->seq == 0 || ret_data->seq > in->counters.seq, -EBADMSG);
    return head;
}

static void take_event(struct core *core, struct in *in)
{
    static const struct event_entry none;
    struct event_data data;
    uint64_t head = take_event_data(in, &data);
    const struct event_entry *before = in->error ? NULL : core_event(core, data.seq - 1);
    struct event_entry *entry;

    if (in->error)
        return;
    before = before ? before : &none;
    entry = &core->events[data.seq % EVENTS_KEPT_MAX];
    entry->data = data;
    title_unref(entry->title);
    entry->title = event_title(in, head, before);
    for (unsigned i = 0; i < 2; i++) {
        text_unref(entry->text[i]);
        entry->text[i] = event_text(in, head, before, i);
    }
    in_failed(in, !event_is_sound(entry), -EBADMSG);
}

/* ---- the whole ---- */

static void take_each(struct core *core, struct in *in, void (*one)(struct core *core, struct in *in))
{
    uint64_t count = in_number(in);

    while (count-- > 0 && !in->error)
        one(core, in);
}

static void take_format(struct core *core, struct in *in)
{
    (void) core;
    in_failed(in, in_number(in) != STATE_FORMAT && !in->error, -EPROTONOSUPPORT);
}

static void take_counters(struct core *core, struct in *in)
{
    (void) core;
    in_take(in, &in->counters, sizeof in->counters);
}

static void take_accounts(struct core *core, struct in *in)
{
    take_each(core, in, take_account);
}

static void take_clients(struct core *core, struct in *in)
{
    take_each(core, in, take_client);
}

static void take_processes(struct core *core, struct in *in)
{
    take_each(core, in, take_process);
    take_each(core, in, take_ended);
}

static void take_connections(struct core *core, struct in *in)
{
    take_each(core, in, take_connection);
}

static void take_waiters(struct core *core, struct in *in)
{
    take_each(core, in, take_waiter);
    take_waits(core, in);
}

static void take_objects(struct core *core, struct in *in)
{
    in_sync(core, in);
    check_waiters(core, in);
}

static void take_orders(struct core *core, struct in *in)
{
    take_each(core, in, take_order);
}

/* Of those that are kept none is missing. */
static void take_events(struct core *core, struct in *in)
{
    take_each(core, in, take_event);
    /* a number of JSON; and there is one behind it */
    if (in_failed(in, in->counters.seq > INT64_MAX, -EBADMSG))
        return;
    core->counters = in->counters;
    for (uint64_t seq = core_first_event(core); seq <= core->counters.seq && !in->error; seq++)
        in_failed(in, !core_event(core, seq), -EBADMSG);
}

static void take_end_of_absence(struct core *core, struct in *in)
{
    take_deadline(core, in, &core->absence);
    in_failed(in, core->absence.index > 0 && core->absences == 0, -EBADMSG);
}

static void take_end(struct core *core, struct in *in)
{
    (void) core;
    in_failed(in, in->left > 0, -EBADMSG);
}

/* Each refers to nothing but what stands before it. */
static const struct {
    const char *name;
    void (*take)(struct core *core, struct in *in);
} parts[] = {
    {"format", take_format},     {"counters", take_counters},       {"accounts", take_accounts},
    {"clients", take_clients},   {"processes", take_processes},     {"connections", take_connections},
    {"waiters", take_waiters},   {"objects and queues", take_objects}, {"orders", take_orders},
    {"events", take_events},     {"absence", take_end_of_absence},         {"end", take_end},
};

int core_load_part(const char *data, size_t size, struct core **ret_core, const char **ret_part)
{
    struct in in = {.data = data, .left = size};
    struct core *core = core_new();

    *ret_part = parts[0].name;
    if (!core)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !in.error; i++) {
        *ret_part = parts[i].name;
        parts[i].take(core, &in);
    }
    free(in.records);
    if (in.error) {
        core_free(core);
        return in.error;
    }
    *ret_core = core;
    return 0;
}

int core_load(const char *data, size_t size, struct core **ret_core)
{
    const char *part;

    return core_load_part(data, size, ret_core, &part);
}
