/* SPDX-License-Identifier: MIT */
#include "daemon/core/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct key *key_new(struct client *client, const struct blob *text, uint64_t digest)
{
    struct key *key = calloc(1, sizeof *key);

    if (!key)
        return NULL;
    memcpy(key->text, text->data, text->size);
    key->digest = digest;
    TAILQ_INIT(&key->followers);
    HASH_ADD_KEYPTR(hh, client->key_table, key->text, text->size, key);
    if (!key->hh.tbl) {
        free(key);
        return NULL;
    }
    key->client = client;
    client->key_count++;
    TAILQ_INSERT_TAIL(&client->keys, key, of_client);
    return key;
}

void key_free(struct core *core, struct key *key)
{
    HASH_DEL(key->client->key_table, key);
    TAILQ_REMOVE(&key->client->keys, key, of_client);
    key->client->key_count--;
    if (key->waiter)
        key->waiter->key = NULL;
    if (key->grant)
        absence_asked(core, key);
    record_unref(core, key->record);
    for (int i = 0; i < 2; i++)
        text_unref(key->text_of[i]);
    free(key);
}

void key_undo(struct core *core, struct key *key)
{
    if (key)
        key_free(core, key);
}

void key_attach(struct key *key, struct waiter *waiter)
{
    waiter->key = key;
    if (key)
        key->waiter = waiter;
}

/* The end that it tells of may be shown for the first time. */
static void key_show_end(struct core *core, const struct reply_data *reply)
{
    struct process *process = reply->kind == REPLY_JOIN ? core_process(core, reply->process.id) : NULL;

    if (!reply->error && process && process_ended(process))
        process->data.flags |= PROCESS_READ;
}

/* Whether it was granted stands as long as one of its answers may have been read. */
static void count_told(struct key *key, const struct waiter *waiter)
{
    if (waiter->connection && !waiter->connection->is_closing && key->told < UINT32_MAX)
        key->told++;
}

/* So that it stands, too, when nothing is known of its key any more. */
static void note_repeat(struct core *core, const struct core_input *input, const struct key *key)
{
    const struct blob *name = &input->blob[BLOB_NAME];
    struct object *object = core_object(core, input->body.request.uid, name->data, name->size);

    if (object && key->reply.kind == REPLY_NOTIFIED)
        object = object->lock;
    if (object && key->told > 0)
        grant_repeat(object, key->reply.sync.hold);
}

/* The recorded answer once more. */
static int key_repeat(struct core *core, const struct core_input *input, struct key *key)
{
    struct waiter *waiter = waiter_new(core, input, WAIT_FOLLOW, 1);

    if (!waiter)
        return -ENOMEM;
    waiter->reply = key->reply;
    if (key->grant)
        absence_asked(core, key); /* this is the first */
    if (waiter->reply.sync.hold > 0)
        note_repeat(core, input, key);
    count_told(key, waiter);
    key_show_end(core, &key->reply);
    waiter->record = record_ref(key->record);
    for (int i = 0; i < 2; i++)
        waiter->text[i] = text_ref(key->text_of[i]);
    waiter_answer(core, waiter);
    return KEY_HANDLED;
}

static int key_follow(struct core *core, const struct core_input *input, struct key *key)
{
    struct waiter *waiter = waiter_new(core, input, WAIT_FOLLOW, 1);
    bool comes_back = key->waiter->absent;

    if (!waiter)
        return -ENOMEM;
    if (!comes_back && quota_exceeded(waiter->account, QUOTA_WAITERS)) {
        waiter_fail_quota(core, waiter, QUOTA_WAITERS);
        return KEY_HANDLED;
    }
    waiter->links[0].waiter = waiter; /* for when it takes the place of the one that it follows */
    waiter->key = key;
    TAILQ_INSERT_TAIL(&key->followers, waiter, of_key);
    if (comes_back)
        waiter_come_back(core, key->waiter);
    return KEY_HANDLED;
}

int key_begin(struct core *core, const struct core_input *input, struct key **ret_key)
{
    const struct connection *connection = core_connection(core, input->body.request.connection);
    const struct blob *text = &input->blob[BLOB_KEY];
    struct key *key;

    *ret_key = NULL;
    if (text->size == 0 || !connection)
        return KEY_FRESH;
    HASH_FIND(hh, connection->client->key_table, text->data, text->size, key);
    if (!key) {
        *ret_key = key_new(connection->client, text, input->body.request.digest);
        return *ret_key ? KEY_FRESH : -ENOMEM;
    }
    if (key->digest != input->body.request.digest)
        return answer_at_once(core, input, ERROR_INVALID_REQUEST) < 0 ? -ENOMEM : KEY_HANDLED;
    return key->answered ? key_repeat(core, input, key) : key_follow(core, input, key);
}

/* Errors are recorded, too, but for those that say "not now". */
static bool key_records(enum proto_error error)
{
    return error != ERROR_CANCELLED && error != ERROR_SHUTTING_DOWN && error != ERROR_LIMIT_EXCEEDED;
}

static void key_forget_oldest(struct core *core, struct client *client)
{
    struct key *oldest = TAILQ_FIRST(&client->keys);

    while (oldest && client->key_count > KEYS_KEPT_MAX) {
        struct key *next = TAILQ_NEXT(oldest, of_client);

        if (oldest->answered && !oldest->grant)
            key_free(core, oldest);
        oldest = next;
    }
}

void key_answered(struct core *core, struct key *key, struct waiter *waiter)
{
    struct waiter *follower;

    key->waiter = NULL;
    key->answered = 1;
    count_told(key, waiter);
    key->reply = waiter->reply;
    key->record = record_ref(waiter->record);
    for (int i = 0; i < 2; i++)
        key->text_of[i] = text_ref(waiter->text[i]);
    while ((follower = TAILQ_FIRST(&key->followers))) {
        TAILQ_REMOVE(&key->followers, follower, of_key);
        follower->key = NULL;
        count_told(key, follower);
        follower->reply = waiter->reply;
        follower->record = record_ref(waiter->record);
        for (int i = 0; i < 2; i++)
            follower->text[i] = text_ref(waiter->text[i]);
        waiter_answer(core, follower);
    }
    if (!key_records(waiter->reply.error))
        key_free(core, key);
    else
        key_forget_oldest(core, key->client);
}

static struct key *find_granted(const struct client *client, const struct blob *text, uint64_t hold)
{
    struct key *key = NULL;

    if (client && text->size > 0)
        HASH_FIND(hh, client->key_table, text->data, text->size, key);
    return key && key->answered && key->reply.sync.hold == hold ? key : NULL;
}

bool key_lose_answer(const struct client *client, const struct blob *text, uint64_t hold, bool is_repeated)
{
    struct key *key = find_granted(client, text, hold);

    if (!key)
        return text->size == 0 || !is_repeated;
    return key->told == 0 || --key->told == 0;
}

void key_forget(struct core *core, struct client *client, const struct blob *text, uint64_t hold)
{
    struct key *key = find_granted(client, text, hold);

    if (key)
        key_free(core, key);
}
