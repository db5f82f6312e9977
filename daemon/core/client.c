/* SPDX-License-Identifier: MIT */
#include "daemon/core/objects.h"

#include <errno.h>
#include <stdlib.h>

struct client *core_client(const struct core *core, uint64_t id)
{
    struct client *client;

    HASH_FIND(hh, core->clients, &id, sizeof id, client);
    return client;
}

struct connection *core_connection(const struct core *core, uint64_t id)
{
    struct connection *connection;

    HASH_FIND(hh, core->connections, &id, sizeof id, connection);
    return connection;
}

/* ---- clients ---- */

void client_is_process(struct client *client, struct process *process)
{
    if (!process || process->client)
        return;
    client->self = process;
    process->client = client;
}

static struct client *client_new(struct core *core, const struct input_connect *body)
{
    struct client *client = calloc(1, sizeof *client);
    struct account *account = account_get(core, body->uid);

    if (!client || !account)
        goto fail;
    client->forget = order_new();
    if (!client->forget)
        goto fail;
    client->data = (struct client_data){
        .id = body->client, .process = body->process, .pid = body->pid, .uid = body->uid};
    LIST_INIT(&client->connections);
    LIST_INIT(&client->children);
    TAILQ_INIT(&client->keys);
    TAILQ_INIT(&client->absent);
    TAILQ_INIT(&client->unasked);
    TAILQ_INIT(&client->opens);
    TAILQ_INIT(&client->mappings);
    TAILQ_INIT(&client->waits);
    HASH_ADD(hh, core->clients, data.id, sizeof client->data.id, client);
    if (!client->hh.tbl)
        goto fail;
    account->clients++;
    client_is_process(client, core_process(core, body->process));
    return client;
fail:
    free(client ? client->forget : NULL);
    free(client);
    if (account)
        account_trim(core, account);
    return NULL;
}

/* Forgets a client without telling anybody. */
static void client_remove(struct core *core, struct client *client)
{
    struct account *account = core_account(core, client->data.uid);
    struct key *key;

    while ((key = TAILQ_FIRST(&client->keys)))
        key_free(core, key);
    if (client->self)
        client->self->client = NULL;
    HASH_DEL(core->clients, client);
    account->clients--;
    account_trim(core, account);
    free(client->forget);
    free(client);
}

void client_bury(struct core *core, struct client *client)
{
    struct connection *connection;
    struct process *process;
    struct waiter *waiter;

    LIST_FOREACH(connection, &client->connections, of_client)
        connection->is_closing = true;
    while ((connection = LIST_FIRST(&client->connections)))
        connection_close(core, connection);
    absence_end_waits(core, client);
    /* what others had asked in its place */
    while ((waiter = TAILQ_FIRST(&client->waits))) {
        wait_given_up(core, waiter);
        waiter_fail(core, waiter, ERROR_NO_SUCH_PROCESS);
    }
    absence_end_grants(core, client);
    opens_close(core, &client->opens, true);
    words_forget_client(core, client);
    while ((process = LIST_FIRST(&client->children))) {
        LIST_REMOVE(process, of_creator);
        process->creator = NULL;
        process->data.flags |= PROCESS_ORPHANED;
        if (process->data.flags & PROCESS_DAEMON && process->data.state != PROCESS_STARTING)
            process_stop(core, process, process->data.stop_signal, process->data.stop_span, NULL);
    }
    event_client(core, EVENT_CLIENT_GONE, client);
    order_give(core, client->forget, ORDER_FORGET_CLIENT, client->data.id);
    client->forget = NULL;
    client_remove(core, client);
}

int step_client(struct core *core, const struct core_input *input)
{
    if (core_client(core, input->body.connect.client))
        return 0;
    return client_new(core, &input->body.connect) ? 0 : -ENOMEM;
}

int step_client_dead(struct core *core, const struct core_input *input)
{
    struct client *client = core_client(core, input->body.number);

    if (client)
        client_bury(core, client);
    return 0;
}

/* ---- connections ---- */

void connection_close(struct core *core, struct connection *connection)
{
    struct account *account = core_account(core, connection->data.uid);
    struct waiter *waiter;

    connection->is_closing = true;
    while ((waiter = TAILQ_FIRST(&connection->waiters)))
        waiter_abandon(core, waiter);
    LIST_REMOVE(connection, of_client);
    HASH_DEL(core->connections, connection);
    quota_release(account, QUOTA_CONNECTIONS);
    account_trim(core, account);
    free(connection);
}

int step_connect(struct core *core, const struct core_input *input)
{
    const struct input_connect *body = &input->body.connect;
    struct client *client = core_client(core, body->client);
    struct account *account = account_get(core, body->uid);
    struct connection *connection;
    bool is_new = !client;

    if (!account)
        return -ENOMEM;
    connection = calloc(1, sizeof *connection);
    if (!connection)
        goto fail;
    if (is_new && !(client = client_new(core, body)))
        goto fail;
    connection->data.id = body->connection;
    HASH_ADD(hh, core->connections, data.id, sizeof connection->data.id, connection);
    if (!connection->hh.tbl) {
        if (is_new)
            client_remove(core, client);
        goto fail;
    }
    connection->client = client;
    connection->data.client = body->client;
    connection->data.uid = body->uid;
    connection->data.ordinal = ++client->data.connections;
    TAILQ_INIT(&connection->waiters);
    LIST_INSERT_HEAD(&client->connections, connection, of_client);
    quota_charge(account, QUOTA_CONNECTIONS);
    if (is_new)
        event_client(core, EVENT_CLIENT_CONNECTED, client);
    return 0;
fail:
    free(connection);
    account = core_account(core, body->uid); /* client_remove may have trimmed it */
    if (account)
        account_trim(core, account);
    return -ENOMEM;
}

int step_disconnect(struct core *core, const struct core_input *input)
{
    struct connection *connection = core_connection(core, input->body.number);

    if (connection)
        connection_close(core, connection);
    return 0;
}

/* ---- a new broker ---- */

/* What was to be started by an order that the keeper never saw is undone: its descriptors went down with the
 * broker. Its key is forgotten, so that the client asks again with its descriptors. */
static void undo_spawn(struct core *core, struct order *order)
{
    struct process *process = core_process(core, order->data.subject);

    if (process)
        process_undo(core, process);
    order_drop(core, order);
}

/* Who waits with a key keeps its place; whatever else was under way ends as by closed connections. */
static void lose_connections(struct core *core)
{
    struct connection *connection, *next_connection;
    struct waiter *waiter, *next;

    HASH_ITER(hh, core->connections, connection, next_connection)
        connection->is_closing = true;
    /* all of them first: what ends with a connection may be their turn */
    HASH_ITER(hh, core->waiters, waiter, next)
        if (waiter->connection && waiter_can_be_absent(waiter))
            absence_begin(core, waiter);
    HASH_ITER(hh, core->connections, connection, next_connection)
        connection_close(core, connection);
}

int step_restarted(struct core *core, const struct core_input *input)
{
    struct order *order, *next;

    words_store_again(core);
    lose_connections(core);
    step_executed(core, input);
    for (order = STAILQ_FIRST(&core->orders); order; order = next) {
        next = STAILQ_NEXT(order, pending);
        if (order->data.kind == ORDER_SPAWN)
            undo_spawn(core, order);
    }
    absences_begin(core);
    core->counters.adopts = 0;
    core->counters.restarts++;
    event_daemon(core, EVENT_DAEMON_RESTARTED);
    return 0;
}
