/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/invariants.h"

#include "tests/unit/core/must.h"

#include <string.h>

/* ---- records: who refers to them, and what they are charged ---- */

static void each_record(struct core *core, void (*one)(struct record *record))
{
    struct process *process, *next_process;
    struct client *client, *next_client;
    struct key *key;

    HASH_ITER(hh, core->processes, process, next_process)
        one(process->record);
    HASH_ITER(hh, core->clients, client, next_client)
        TAILQ_FOREACH(key, &client->keys, of_client)
            if (key->record)
                one(key->record);
}

/* Taken down to 0 by those who are known to hold it; whoever is left over holds it without our knowing. */
static void record_count_down(struct record *record)
{
    must(record->refs > 0);
    if (--record->refs == 0)
        record->account->used[QUOTA_BYTES] -= record->charged;
}

static void record_count_up(struct record *record)
{
    if (record->refs++ == 0)
        record->account->used[QUOTA_BYTES] += record->charged;
}

static void record_is_counted_down(struct record *record)
{
    must(record->refs == 0);
    must(record->charged == sizeof *record + record->argv_size + record->cwd_size + 1 + record->labels_size);
}

static void check_records(struct core *core)
{
    struct account *account, *next;

    each_record(core, record_count_down);
    each_record(core, record_is_counted_down);
    HASH_ITER(hh, core->accounts, account, next)
        must(account->used[QUOTA_BYTES] == 0);
    each_record(core, record_count_up);
}

/* ---- accounts ---- */

static void count(struct core *core, uint32_t uid, enum core_quota quota, int by)
{
    struct account *account = core_account(core, uid);

    must(account != NULL);
    account->used[quota] += by;
}

/* What the keeper keeps for it. */
static void count_kept(const struct process *process, int by)
{
    const struct input_restart *plan = &process->restart.plan;

    if (process->data.state != PROCESS_EXITED && process->data.flags & PROCESS_NOTIFY)
        process->account->used[QUOTA_KEPT_FDS] += by;
    if (plan->policy == RESTART_POLICY_NO)
        return;
    process->account->used[QUOTA_RESTARTS] += by;
    process->account->used[QUOTA_KEPT_BYTES] += by * (int64_t) plan->size;
    process->account->used[QUOTA_KEPT_FDS] += by * (int64_t) plan->fds;
}

static void count_all(struct core *core, int by)
{
    struct connection *connection, *next_connection;
    struct process *process, *next_process;
    struct waiter *waiter, *next_waiter;
    struct client *client, *next_client;

    HASH_ITER(hh, core->connections, connection, next_connection)
        count(core, connection->data.uid, QUOTA_CONNECTIONS, by);
    HASH_ITER(hh, core->waiters, waiter, next_waiter)
        count(core, waiter->data.uid, QUOTA_WAITERS, by);
    HASH_ITER(hh, core->processes, process, next_process) {
        if (process->data.state != PROCESS_EXITED)
            count(core, process->data.uid, QUOTA_PROCESSES, by);
        if (process->data.state == PROCESS_STARTING)
            count(core, process->data.uid, QUOTA_STARTING, by);
        count_kept(process, by);
    }
    HASH_ITER(hh, core->clients, client, next_client)
        core_account(core, client->data.uid)->clients += (uint32_t) by;
    count_sync(core, by);
}

static void check_ended_list(const struct account *account)
{
    const struct process *process;
    uint64_t seq = 0;
    uint32_t length = 0;

    TAILQ_FOREACH(process, &account->ended_list, of_ended)
    {
        must(process->account == account);
        must(process->data.state == PROCESS_EXITED);
        must(process->data.seq > seq); /* the event of its end: oldest first */
        seq = process->data.seq;
        length++;
    }
    must(length == account->ended);
    must(length <= ENDED_KEPT_MAX);
}

static void check_accounts(struct core *core)
{
    struct account *account, *next;

    count_all(core, -1);
    HASH_ITER(hh, core->accounts, account, next) {
        for (int quota = 0; quota < QUOTA_COUNT; quota++)
            must(quota == QUOTA_BYTES || account->used[quota] == 0);
        must(account->clients == 0);
    }
    count_all(core, 1);
    HASH_ITER(hh, core->accounts, account, next) {
        bool counts = account->clients > 0 || account->ended > 0 || account->words;

        for (int quota = 0; quota < QUOTA_COUNT; quota++)
            counts |= account->used[quota] > 0;
        must(counts); /* an account that counts nothing has vanished */
        check_ended_list(account);
    }
}

/* ---- waiters ---- */

static void check_waiter_key(const struct waiter *waiter)
{
    if (waiter->data.kind == WAIT_FOLLOW) {
        must(waiter->key && !waiter->key->answered);
    } else if (waiter->key) {
        must(waiter->key->waiter == waiter);
        must(!waiter->key->answered);
    }
    if (waiter->absent) { /* nobody repeats it who was not put into its place */
        must(waiter->key && waiter->key->client == waiter->absent && waiter->data.kind != WAIT_FOLLOW);
        must(TAILQ_EMPTY(&waiter->key->followers));
    }
}

/* Its answer is still open: it may become ready what counts, and nothing that would be enough is. */
static void check_ready_wait(const struct waiter *waiter)
{
    bool all = waiter->data.flags & REQUEST_ALL;
    uint32_t open = 0, ready = 0;

    for (uint32_t i = 0; i < waiter->link_count; i++) {
        const struct process *process = waiter->links[i].process;
        bool runs = process && process->data.state != PROCESS_EXITED;
        bool says = process && process->data.flags & PROCESS_NOTIFY;
        bool is_ready = process && process->data.state != PROCESS_RESTARTING &&
                        (says ? process->data.flags & PROCESS_READY : true);

        ready += is_ready;
        open += runs && !is_ready;
    }
    must(open > 0);
    must(all ? open + ready == waiter->link_count : ready == 0);
}

static void check_links(const struct core *core, const struct waiter *waiter)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < waiter->link_count; i++) {
        const struct wait_link *link = &waiter->links[i];

        must(link->waiter == waiter);
        if (!link->process)
            continue;
        must(core_process(core, link->id) == link->process);
        left += !process_ended(link->process);
        if (waiter->data.kind == WAIT_SPAWN)
            must(link->process->spawner == waiter);
    }
    if (waiter->data.kind == WAIT_SPAWN || waiter->object)
        return;
    must(waiter->left == left);
    if (waiter->data.kind == WAIT_SET && waiter->data.flags & REQUEST_READY) {
        check_ready_wait(waiter);
        return;
    }
    /* nobody waits for what is there already */
    if (waiter->data.kind == WAIT_JOIN)
        must(left == 1);
    if (waiter->data.kind == WAIT_SET)
        must(waiter->data.flags & REQUEST_ALL ? left > 0 : left == waiter->link_count);
    if (waiter->data.kind == WAIT_STOP)
        must(left == 1 || !(waiter->links[0].process->data.flags & PROCESS_TREE_GONE));
}

/* The table of waiters is in the order in which they asked; so is each list that a load makes by it. */
static void check_order_of_waiters(const struct core *core)
{
    struct connection *connection, *next_connection;
    struct waiter *waiter, *next;
    uint64_t ticket = 0;

    HASH_ITER(hh, core->waiters, waiter, next) {
        must(waiter->data.ticket > ticket);
        ticket = waiter->data.ticket;
    }
    HASH_ITER(hh, core->connections, connection, next_connection) {
        ticket = 0;
        TAILQ_FOREACH(waiter, &connection->waiters, of_connection)
        {
            must(waiter->data.ticket > ticket);
            ticket = waiter->data.ticket;
        }
    }
}

static void check_waiters(const struct core *core)
{
    struct waiter *waiter, *next;
    struct connection *connection, *next_connection;
    unsigned connected = 0;

    HASH_ITER(hh, core->waiters, waiter, next) {
        must(waiter->account == core_account(core, waiter->data.uid));
        /* nobody waits for a closed connection */
        must(waiter->connection || waiter->absent || waiter->data.kind == WAIT_SPAWN);
        must(!waiter->connection || !waiter->absent);
        if (waiter->connection) {
            must(core_connection(core, waiter->data.connection) == waiter->connection);
            connected++;
        }
        check_waiter_key(waiter);
        check_links(core, waiter);
    }
    HASH_ITER(hh, core->connections, connection, next_connection)
        TAILQ_FOREACH(waiter, &connection->waiters, of_connection)
        {
            must(waiter->connection == connection);
            connected--;
        }
    must(connected == 0);
    check_order_of_waiters(core);
}

/* ---- clients ---- */

/* Those of a client, the oldest first. Returns how many grants it has not asked for. */
static uint32_t check_absences(const struct client *client)
{
    const struct waiter *waiter;
    const struct key *key;
    uint32_t unasked = 0, left;
    uint64_t last = 0;

    TAILQ_FOREACH(waiter, &client->absent, of_connection)
    {
        must(waiter->absent == client && !waiter->connection);
        must(waiter->data.ticket > last);
        last = waiter->data.ticket;
    }
    last = 0;
    TAILQ_FOREACH(key, &client->keys, of_client)
        unasked += key->grant != NULL;
    left = unasked;
    TAILQ_FOREACH(key, &client->unasked, of_unasked)
    {
        must(key->client == client && key->grant && key->answered);
        must(key->reply.sync.hold > last);
        last = key->reply.sync.hold;
        left--;
    }
    must(left == 0);
    return unasked;
}

/* Returns how many follow. */
static unsigned check_keys(const struct client *client)
{
    const struct key *key;
    const struct waiter *follower;
    uint32_t keys = 0, unanswered = 0, followers = 0;

    TAILQ_FOREACH(key, &client->keys, of_client)
    {
        uint64_t ticket = 0;

        must(key->client == client);
        must(key->answered ? !key->waiter && TAILQ_EMPTY(&key->followers)
                           : key->waiter && key->waiter->key == key);
        TAILQ_FOREACH(follower, &key->followers, of_key)
        {
            must(follower->key == key && follower->data.kind == WAIT_FOLLOW);
            must(follower->data.ticket > ticket);
            ticket = follower->data.ticket;
            followers++;
        }
        unanswered += !key->answered;
        keys++;
    }
    must(keys == client->key_count);
    must(keys == HASH_COUNT(client->key_table));
    must(keys <= KEYS_KEPT_MAX + unanswered + check_absences(client));
    return followers;
}

/* Whoever says that it belongs to somebody is in that one's list: both ways give the same number. */
static void check_belonging(const struct core *core, unsigned followers, unsigned children)
{
    struct process *process, *next_process;
    struct waiter *waiter, *next_waiter;

    HASH_ITER(hh, core->waiters, waiter, next_waiter)
        followers -= waiter->data.kind == WAIT_FOLLOW;
    HASH_ITER(hh, core->processes, process, next_process)
        children -= process->creator != NULL;
    must(followers == 0 && children == 0);
}

static void check_clients(const struct core *core)
{
    struct client *client, *next;
    const struct connection *connection;
    const struct process *process;
    unsigned connections = 0, followers = 0, children = 0;

    HASH_ITER(hh, core->clients, client, next) {
        uint64_t ordinal = UINT64_MAX, child = UINT64_MAX;

        must(client->forget != NULL);
        must(!client->self ||
             (client->self->client == client && client->self->data.id == client->data.process));
        must(client->self || !client->data.process || !core_process(core, client->data.process) ||
             core_process(core, client->data.process)->client != client);
        LIST_FOREACH(connection, &client->connections, of_client)
        {
            must(core_connection(core, connection->data.id) == connection);
            must(connection->client == client && connection->data.client == client->data.id);
            must(connection->data.ordinal <= client->data.connections && connection->data.ordinal < ordinal);
            ordinal = connection->data.ordinal;
            connections++;
        }
        LIST_FOREACH(process, &client->children, of_creator)
        {
            must(process->creator == client && process->data.creator == client->data.id);
            must(process->data.id < child);
            child = process->data.id;
            children++;
        }
        followers += check_keys(client);
    }
    must(connections == HASH_COUNT(core->connections));
    check_belonging(core, followers, children);
}

/* ---- processes ---- */

/* While there is a policy there is a way to each next run, and to its end, that needs no memory; and between
 * two runs either a pause ends some time, or the keeper has been told. */
static void check_restart(const struct core *core, const struct process *process)
{
    bool has_policy = process->restart.plan.policy != RESTART_POLICY_NO;
    bool between = process->data.state == PROCESS_RESTARTING;
    bool ordered = process->data.flags & PROCESS_RESPAWNED;
    const struct order *order;
    uint32_t respawns = process->orders[PROCESS_ORDER_RESPAWN] != NULL;

    for (order = has_policy ? STAILQ_FIRST(&core->orders) : NULL; order; order = STAILQ_NEXT(order, pending))
        respawns += order->data.kind == ORDER_RESPAWN && order->data.subject == process->data.id;
    must(!ordered || between);
    must(!(process->data.flags & PROCESS_READY) || process->data.flags & PROCESS_NOTIFY);
    must(!has_policy || (!process_ended(process) && !(process->data.flags & PROCESS_STOPPING)));
    must(!has_policy || (process->orders[PROCESS_ORDER_DROP] && respawns == 1));
    must(has_policy || !between || ordered);
    must(!has_policy || (between && !ordered) == (process->deadline.index > 0));
    must(!has_policy || !core->counters.shutting_down || !process_visible(process) ||
         core->counters.detach == 0 || !between);
    must(!has_policy || (process->restart.next >= process->restart.plan.delay &&
                         process->restart.next <= process->restart.plan.max_delay));
    must(!has_policy || !process->restart.plan.max_tries ||
         process->restart.tries <= process->restart.plan.max_tries);
}

static void check_process(const struct core *core, const struct process *process)
{
    const struct wait_link *link;

    must(process->account == core_account(core, process->data.uid));
    must(process->data.id <= core->counters.process);
    must(process->data.seq <= core->counters.seq);
    must(!process->spawner || process->data.state == PROCESS_STARTING);
    must(!process->client || core_client(core, process->client->data.id) == process->client);
    must(!process->client || process->client->self == process);
    must(!process_ended(process) || !process->creator);
    must(process->orders[PROCESS_ORDER_FORGET] != NULL);
    check_restart(core, process);
    must(!(process->data.flags & PROCESS_TREE_GONE) || process->deadline.index == 0 ||
         process->data.state == PROCESS_RESTARTING);
    must(!process->creator || core_client(core, process->data.creator) == process->creator);
    must(process_visible(process) || TAILQ_EMPTY(&process->waits));
    TAILQ_FOREACH(link, &process->waits, of_process)
        must(link->process == process);
}

/* ---- deadlines and orders ---- */

static void check_heap(const struct core *core)
{
    const struct heap *heap = &core->deadlines;
    struct process *process, *next_process;
    struct waiter *waiter, *next_waiter;
    size_t queued = core->absence.index > 0;

    for (size_t i = 0; i < heap->count; i++) {
        const struct heap_node *node = heap->nodes[i], *parent = heap->nodes[i ? (i - 1) / 2 : 0];

        must(node->index == i + 1);
        must(i == 0 || parent->key < node->key || (parent->key == node->key && parent->order < node->order));
        must(node->order <= core->counters.stamp);
    }
    HASH_ITER(hh, core->processes, process, next_process)
        queued += process->deadline.index > 0;
    HASH_ITER(hh, core->waiters, waiter, next_waiter)
        queued += waiter->deadline.index > 0;
    must(queued == heap->count);
}

static void check_all_absences(const struct core *core)
{
    struct waiter *waiter, *next_waiter;
    struct client *client, *next;
    const struct key *key;
    uint64_t waits = 0, listed = 0, unasked = 0;

    HASH_ITER(hh, core->waiters, waiter, next_waiter)
        waits += waiter->absent != NULL;
    HASH_ITER(hh, core->clients, client, next) {
        TAILQ_FOREACH(waiter, &client->absent, of_connection)
            listed++;
        TAILQ_FOREACH(key, &client->unasked, of_unasked)
            unasked++;
    }
    must(waits == listed && core->absences == waits + unasked);
    must(core->absences > 0 || core->absence.index == 0);
}

static void check_orders(const struct core *core)
{
    const struct order *order;
    uint64_t number = 0;

    STAILQ_FOREACH(order, &core->orders, pending)
    {
        must(order->data.number > number);
        number = order->data.number;
    }
    must(number <= core->counters.order);
}

void check_core(struct core *core)
{
    struct process *process, *next;

    must(TAILQ_EMPTY(&core->replies) && !core->first_new && TAILQ_EMPTY(&core->stores));
    check_accounts(core);
    check_records(core);
    check_waiters(core);
    check_clients(core);
    HASH_ITER(hh, core->processes, process, next)
        check_process(core, process);
    check_heap(core);
    check_all_absences(core);
    check_orders(core);
    check_sync(core);
    check_words(core);
}

/* ---- events ---- */

static void each_title(struct core *core, int by)
{
    struct process *process, *next;

    for (size_t i = 0; i < EVENTS_KEPT_MAX; i++)
        if (core->events[i].title)
            core->events[i].title->refs += (uint32_t) by;
    /* a record holds its title once, however many hold the record: the first holder is its process, if that
     * lives */
    HASH_ITER(hh, core->processes, process, next)
        process->record->title->refs += (uint32_t) by;
}

void check_core_deeply(struct core *core)
{
    uint64_t first = core_first_event(core);
    struct process *process, *next;

    check_core(core);
    for (uint64_t seq = first; seq <= core->counters.seq; seq++)
        must(core_event(core, seq) && core_event(core, seq)->data.seq == seq);
    must(!core_event(core, core->counters.seq + 1) && !core_event(core, first - 1));
    each_title(core, -1);
    HASH_ITER(hh, core->processes, process, next)
        must(process->record->title->refs == 0);
    each_title(core, 1);
}
