/* SPDX-License-Identifier: MIT */
#include "daemon/core/saved.h"
#include "daemon/core/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Padding would carry whatever stood on the stack into the hash. */
_Static_assert(sizeof(struct client_data) == 40, "padding");
_Static_assert(sizeof(struct connection_data) == 32, "padding");
_Static_assert(sizeof(struct process_data) == 184, "padding");
_Static_assert(sizeof(struct order_data) == 48, "padding");
_Static_assert(sizeof(struct reply_data) == 256, "padding");
_Static_assert(sizeof(struct waiter_data) == 56, "padding");
_Static_assert(sizeof(struct event_data) == 72, "padding");
_Static_assert(sizeof(struct restart_data) == 56, "padding");
_Static_assert(sizeof(struct core_counters) == 104, "padding");

/* ---- writing ---- */

static void put_title(struct out *out, const struct title *title)
{
    put_number(out, title != NULL);
    if (!title)
        return;
    put_blob(out, title->name, title->name_size);
    put_blob(out, title_path(title), title->path_size);
}

/* A record that is shared is written for the first who has it; the others name it. */
static void put_record(struct out *out, struct record *record)
{
    bool is_new = record && record->saved == 0;

    if (is_new)
        record->saved = ++out->records;
    put_number(out, record ? record->saved : 0);
    if (!is_new)
        return;
    put_number(out, record->account->uid);
    put_number(out, record->argc);
    put_number(out, record->label_count);
    put_blob(out, record_argv(record), record->argv_size);
    put_blob(out, record_cwd(record), record->cwd_size);
    put_blob(out, record_labels(record), record->labels_size);
    put_title(out, record->title);
}

static void put_deadline(struct out *out, const struct heap_node *node)
{
    put_number(out, node->index > 0);
    put_number(out, (uint64_t) node->key);
    put_number(out, node->order);
}

static void put_key(struct out *out, const struct key *key)
{
    put(out, key->text, sizeof key->text);
    put_number(out, key->hh.keylen);
    put_number(out, key->answered);
    put_number(out, key->told);
    put_number(out, key->digest);
    put(out, &key->reply, sizeof key->reply);
    put_record(out, key->record);
    put_text(out, key->text_of[0]);
    put_text(out, key->text_of[1]);
}

/* In the order in which they were granted. */
static void put_unasked(struct out *out, const struct client *client)
{
    const struct key *key;
    uint64_t count = 0;

    TAILQ_FOREACH(key, &client->unasked, of_unasked)
        count++;
    put_number(out, count);
    TAILQ_FOREACH(key, &client->unasked, of_unasked)
    {
        put_blob(out, key->text, key->hh.keylen);
        put_number(out, key->grant_uid);
        put_text(out, key->grant);
    }
}

/* No record was written yet. */
static void forget_records(const struct core *core)
{
    struct process *process, *next_process;
    struct client *client, *next_client;
    const struct key *key;

    HASH_ITER(hh, core->processes, process, next_process)
        process->record->saved = 0;
    HASH_ITER(hh, core->clients, client, next_client)
        TAILQ_FOREACH(key, &client->keys, of_client)
            if (key->record)
                key->record->saved = 0;
}

/* First, so that a loaded core has its accounts in the same order. */
static void put_accounts(struct out *out, const struct core *core)
{
    struct account *account, *next;

    put_number(out, HASH_COUNT(core->accounts));
    HASH_ITER(hh, core->accounts, account, next)
        put_number(out, account->uid);
}

static void put_clients(struct out *out, const struct core *core)
{
    struct client *client, *next;
    const struct key *key;

    put_number(out, HASH_COUNT(core->clients));
    HASH_ITER(hh, core->clients, client, next) {
        put(out, &client->data, sizeof client->data);
        put_number(out, client->key_count);
        TAILQ_FOREACH(key, &client->keys, of_client)
            put_key(out, key);
        put_unasked(out, client);
    }
}

static void put_processes(struct out *out, const struct core *core)
{
    struct process *process, *next;

    put_number(out, HASH_COUNT(core->processes));
    HASH_ITER(hh, core->processes, process, next) {
        uint64_t orders = 0;

        for (int i = 0; i < PROCESS_ORDERS; i++)
            orders |= (uint64_t) (process->orders[i] != NULL) << i;
        put(out, &process->data, sizeof process->data);
        put_number(out, orders);
        put_number(out, process->restart.plan.policy);
        if (process->restart.plan.policy)
            put(out, &process->restart, sizeof process->restart);
        put_deadline(out, &process->deadline);
        put_record(out, process->record);
        put_number(out, process->client ? process->client->data.id : 0);
    }
}

/* Ended processes stand in the order of their ends, which their ids do not tell. */
static void put_ended(struct out *out, const struct core *core)
{
    struct account *account, *next;
    const struct process *process;

    put_number(out, HASH_COUNT(core->accounts));
    HASH_ITER(hh, core->accounts, account, next) {
        put_number(out, account->uid);
        put_number(out, account->ended);
        TAILQ_FOREACH(process, &account->ended_list, of_ended)
            put_number(out, process->data.id);
    }
}

static void put_connections(struct out *out, const struct core *core)
{
    struct connection *connection, *next;

    put_number(out, HASH_COUNT(core->connections));
    HASH_ITER(hh, core->connections, connection, next)
        put(out, &connection->data, sizeof connection->data);
}

static void put_waiters(struct out *out, const struct core *core)
{
    struct waiter *waiter, *next;

    put_number(out, HASH_COUNT(core->waiters));
    HASH_ITER(hh, core->waiters, waiter, next) {
        put(out, &waiter->data, sizeof waiter->data);
        put_number(out, waiter->link_count);
        put_number(out, waiter->left);
        put_number(out, waiter->connection != NULL);
        put_number(out, waiter->absent ? waiter->absent->data.id : 0);
        put_deadline(out, &waiter->deadline);
        put_blob(out, waiter->key ? waiter->key->text : "", waiter->key ? waiter->key->hh.keylen : 0);
        put_number(out, waiter->key ? waiter->key->client->data.id : 0);
        for (uint32_t i = 0; i < waiter->link_count; i++)
            put_number(out, waiter->links[i].id);
    }
}

/* Those who wait for a process, in the order in which they will be answered: whoever took another's place is
 * not where the table of waiters has it. */
static void put_waits(struct out *out, const struct core *core)
{
    struct process *process, *next;
    const struct wait_link *link;

    HASH_ITER(hh, core->processes, process, next) {
        uint64_t count = 0;

        TAILQ_FOREACH(link, &process->waits, of_process)
            count++;
        put_number(out, count);
        TAILQ_FOREACH(link, &process->waits, of_process)
        {
            put_number(out, link->waiter->data.ticket);
            put_number(out, (uint64_t) (link - link->waiter->links));
        }
    }
}

static void put_orders(struct out *out, const struct core *core)
{
    const struct order *order;
    uint64_t count = 0;

    STAILQ_FOREACH(order, &core->orders, pending)
        count++;
    put_number(out, count);
    STAILQ_FOREACH(order, &core->orders, pending)
        put(out, &order->data, sizeof order->data);
}

static enum saved title_saved(const struct title *title, const struct title *before)
{
    return !title ? SAVED_NONE : before && title_is_same(title, before) ? SAVED_BEFORE : SAVED_HERE;
}

static enum saved text_saved(const struct text *text, const struct text *before)
{
    return !text ? SAVED_NONE : before && text_is_same(text, before) ? SAVED_BEFORE : SAVED_HERE;
}

static void put_event(struct out *out, const struct event_entry *entry, const struct event_entry *before)
{
    enum saved title = title_saved(entry->title, before->title), text[2];
    uint64_t words[SAVED_WORDS], head = saved_bits(title, 0);

    memcpy(words, &entry->data, sizeof words);
    for (size_t i = 0; i < SAVED_WORDS; i++)
        head |= (uint64_t) (words[i] != 0) << i;
    for (unsigned i = 0; i < 2; i++) {
        text[i] = text_saved(entry->text[i], before->text[i]);
        head |= saved_bits(text[i], 1 + i);
    }
    put_number(out, head);
    for (size_t i = 0; i < SAVED_WORDS; i++)
        if (words[i] != 0)
            put_number(out, words[i]);
    if (title == SAVED_HERE)
        put_title(out, entry->title);
    for (int i = 0; i < 2; i++)
        if (text[i] == SAVED_HERE)
            put_text(out, entry->text[i]);
}

static void put_events(struct out *out, const struct core *core)
{
    static const struct event_entry none;
    const struct event_entry *before = &none;
    uint64_t first = core_first_event(core);

    put_number(out, core->counters.seq + 1 - first);
    for (uint64_t seq = first; seq <= core->counters.seq; seq++) {
        const struct event_entry *entry = core_event(core, seq);

        put_event(out, entry, before);
        before = entry;
    }
}

void core_save(const struct core *core, core_sink *sink, void *context)
{
    struct out out;

    out.sink = sink;
    out.context = context;
    out.records = 0;
    out.used = 0;
    forget_records(core);
    put_number(&out, STATE_FORMAT);
    put(&out, &core->counters, sizeof core->counters);
    put_accounts(&out, core);
    put_clients(&out, core);
    put_processes(&out, core);
    put_ended(&out, core);
    put_connections(&out, core);
    put_waiters(&out, core);
    put_waits(&out, core);
    put_sync(&out, core);
    put_orders(&out, core);
    put_events(&out, core);
    put_deadline(&out, &core->absence);
    put_out(&out);
}

static void count_bytes(void *context, const void *data, size_t size)
{
    (void) data;
    *(size_t *) context += size;
}

size_t core_save_size(const struct core *core)
{
    size_t size = 0;

    core_save(core, count_bytes, &size);
    return size;
}

static void hash_bytes(void *context, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t *hash = context;

    for (size_t i = 0; i < size; i++)
        *hash = (*hash ^ bytes[i]) * UINT64_C(0x100000001b3);
}

uint64_t core_hash(const struct core *core)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    core_save(core, hash_bytes, &hash);
    return hash;
}
