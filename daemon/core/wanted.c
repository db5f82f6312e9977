/* SPDX-License-Identifier: MIT */
/*
 * Which words must be taken before an input, see word.c: those of whatever it can change, or depend on.
 */
#include "daemon/core/objects.h"

#define WAITS_UNSEEN_MAX 32 /* of a client */

void core_words_of_object(const struct object *object, core_want_word *want, void *context)
{
    const struct object *lock = object->lock ? object->lock : object;
    const struct word *word;

    for (word = lock->word; word; word = word->next)
        if (word->data.state == WORD_STATE_OPEN || word->data.state == WORD_STATE_OFFERED)
            want(context, word->account->uid, word->data.index);
}

/* Whoever has been handed a permit in a word that is taken waits until all are. */
static void words_of_taken(const struct core *core, core_want_word *want, void *context)
{
    const struct object *last = NULL;
    const struct word *word;

    TAILQ_FOREACH(word, &core->taken, of_list)
    {
        if (word->object != last)
            core_words_of_object(word->object, want, context);
        last = word->object;
    }
}

/* Whoever a word can name has its lock open. */
static void words_of_client(const struct client *client, core_want_word *want, void *context)
{
    const struct open *open;

    TAILQ_FOREACH(open, &client->opens, of_owner)
        if (!open->object->lock) /* a condition's lock is on the list by itself, if it can be held */
            core_words_of_object(open->object, want, context);
}

static void all_words(const struct core *core, core_want_word *want, void *context)
{
    const struct account *account, *next_account;
    const struct object *object, *next;

    HASH_ITER(hh, core->accounts, account, next_account)
        HASH_ITER(hh, account->objects, object, next)
            if (!object->lock)
                core_words_of_object(object, want, context);
}

/* Whoever leaves a queue changes what can be, or was, offered. Who repeats a request has what it got. */
static void words_of_waiter(const struct waiter *waiter, core_want_word *want, void *context)
{
    if (waiter->data.kind == WAIT_FOLLOW && waiter->key)
        waiter = waiter->key->waiter;
    if (waiter->object)
        core_words_of_object(waiter->object, want, context);
}

static void words_of_connection(const struct connection *connection, core_want_word *want, void *context)
{
    const struct waiter *waiter;

    TAILQ_FOREACH(waiter, &connection->waiters, of_connection)
        words_of_waiter(waiter, want, context);
}

/* Its own waits, and what it has asked in the place of others. */
static void words_of_waits(const struct client *client, core_want_word *want, void *context)
{
    const struct connection *connection;
    const struct waiter *waiter;

    TAILQ_FOREACH(waiter, &client->waits, of_client)
        words_of_waiter(waiter, want, context);
    TAILQ_FOREACH(waiter, &client->absent, of_connection)
        words_of_waiter(waiter, want, context);
    LIST_FOREACH(connection, &client->connections, of_client)
        words_of_connection(connection, want, context);
}

/* Nobody says that a wait is over whose lock was handed on and opened. Where a client has many waits, twice
 * as many as the last time, their words are looked at: so no more than that are over and not known. */
static void words_of_many_waits(struct client *client, core_want_word *want, void *context)
{
    const struct waiter *waiter;
    bool is_any = false;

    if (client->wait_count < client->wait_mark / 4)
        client->wait_mark = 0;
    if (client->wait_count < WAITS_UNSEEN_MAX || client->wait_count < client->wait_mark)
        return;
    TAILQ_FOREACH(waiter, &client->waits, of_client) {
        if (!waiter->object || !core_is_offered(waiter->object))
            continue;
        is_any = true;
        core_words_of_object(waiter->object, want, context);
    }
    if (!is_any)
        client->wait_mark = 2 * client->wait_count;
}

static void words_of_request(struct core *core, const struct core_input *input, core_want_word *want,
                             void *context)
{
    const struct connection *connection = core_connection(core, input->body.request.connection);
    const struct blob *name = &input->blob[BLOB_NAME];
    const struct object *object = core_object(core, input->body.request.uid, name->data, name->size);

    if (object)
        core_words_of_object(object, want, context);
    if (connection && connection->client)
        words_of_many_waits(connection->client, want, context);
    if (object && input->kind == INPUT_ACQUIRE && object_is_lock(object))
        deadlock_words(core, object, NULL, want, context);
}

/* What it may have handed over without having rung for it, as it has become another program: one that has
 * died is looked for as a whole. */
static void words_let_go(const struct connection *connection, core_want_word *want, void *context)
{
    const struct open *open;

    if (LIST_FIRST(&connection->client->connections) != connection || LIST_NEXT(connection, of_client))
        return;
    TAILQ_FOREACH(open, &connection->client->opens, of_owner)
        if (core_is_offered(open->object))
            core_words_of_object(open->object, want, context);
}

static void words_of_number(const struct core *core, const struct core_input *input, core_want_word *want,
                            void *context)
{
    const struct connection *connection = core_connection(core, input->body.number);
    const struct waiter *waiter;

    if (input->kind == INPUT_CANCEL) {
        HASH_FIND(hh, core->waiters, &input->body.number, sizeof input->body.number, waiter);
        if (waiter)
            words_of_waiter(waiter, want, context);
    } else if (connection) {
        words_of_connection(connection, want, context);
        words_let_go(connection, want, context);
    }
}

/* The heap has what is due sooner in front of what is due later. */
static void words_of_due(const struct core *core, size_t at, int64_t mono, core_want_word *want,
                         void *context)
{
    const struct heap_node *node = at < core->deadlines.count ? core->deadlines.nodes[at] : NULL;

    if (!node || node->key > mono)
        return;
    if (node->tag == DEADLINE_WAITER)
        words_of_waiter((const struct waiter *) ((const char *) node - offsetof(struct waiter, deadline)),
                        want, context);
    else if (node->tag == DEADLINE_ABSENCE)
        all_words(core, want, context);
    words_of_due(core, 2 * at + 1, mono, want, context);
    words_of_due(core, 2 * at + 2, mono, want, context);
}

static void words_of_death(const struct client *client, core_want_word *want, void *context)
{
    if (!client)
        return;
    words_of_client(client, want, context);
    words_of_waits(client, want, context);
}

void core_words_wanted(struct core *core, const struct core_input *input, core_want_word *want, void *context)
{
    struct process *process;

    words_of_taken(core, want, context);
    if (input->kind > INPUT_OBJECT_CREATE && input->kind <= INPUT_UNDELIVERED) {
        words_of_request(core, input, want, context);
    } else if (input->kind == INPUT_CANCEL || input->kind == INPUT_DISCONNECT) {
        words_of_number(core, input, want, context);
    } else if (input->kind == INPUT_CLIENT_DEAD) {
        words_of_death(core_client(core, input->body.number), want, context);
    } else if (input->kind == INPUT_EXITED || input->kind == INPUT_JOIN) {
        process = core_process(core, input->kind == INPUT_EXITED ? input->body.report.process
                                                                 : input->body.request.process);
        if (process && input->kind == INPUT_EXITED)
            words_of_death(process->client, want, context);
        else if (process)
            deadlock_words(core, NULL, process, want, context);
    } else if (input->kind == INPUT_TIME) {
        words_of_due(core, 0, input->mono, want, context);
    } else if (input->kind == INPUT_RESTARTED) {
        all_words(core, want, context);
    }
}
