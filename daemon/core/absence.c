/* SPDX-License-Identifier: MIT */
/*
 * Who waits with a key when the broker dies keeps its place, until ABSENCE_MAX after the next one serves or
 * its client's death: the client connects and asks again with the same key. What is granted to it meanwhile
 * is kept for it as long, and taken back if it has not asked by then.
 */
#include "daemon/core/objects.h"

/* ---- one ---- */

static void one_less(struct core *core)
{
    if (--core->absences == 0)
        heap_remove(&core->deadlines, &core->absence);
}

void absence_begin(struct core *core, struct waiter *waiter)
{
    if (waiter->connection)
        TAILQ_REMOVE(&waiter->connection->waiters, waiter, of_connection);
    waiter->connection = NULL;
    waiter->absent = waiter->key->client;
    TAILQ_INSERT_TAIL(&waiter->absent->absent, waiter, of_connection);
    core->absences++;
}

void absence_over(struct core *core, struct waiter *waiter)
{
    TAILQ_REMOVE(&waiter->absent->absent, waiter, of_connection);
    waiter->absent = NULL;
    one_less(core);
}

void absence_grant(struct core *core, struct key *key, uint32_t uid, struct text *object)
{
    key->grant = text_ref(object);
    key->grant_uid = uid;
    TAILQ_INSERT_TAIL(&key->client->unasked, key, of_unasked);
    core->absences++;
}

void absence_asked(struct core *core, struct key *key)
{
    struct object *object = core_object(core, key->grant_uid, key->grant->bytes, key->grant->size);
    struct hold *hold = object ? hold_find(object, key->reply.sync.hold) : NULL;

    if (hold) {
        hold->data.flags &= ~(uint32_t) HOLD_UNASKED;
        word_changed(core, object);
    }
    TAILQ_REMOVE(&key->client->unasked, key, of_unasked);
    key->grant = text_unref(key->grant);
    one_less(core);
}

/* The key goes, too, also where the grant has ended otherwise: what is asked later is asked anew. */
static void take_back(struct core *core, struct key *key)
{
    uint64_t grant = key->reply.sync.hold;
    struct object *object = core_object(core, key->grant_uid, key->grant->bytes, key->grant->size);
    uint64_t levels = key->reply.kind == REPLY_NOTIFIED ? UINT64_MAX : 1;

    key_free(core, key);
    if (object)
        (void) grant_take_back(core, object, grant, levels);
}

/* ---- those of a client ---- */

void absence_end_waits(struct core *core, struct client *client)
{
    struct waiter *waiter;

    while ((waiter = TAILQ_FIRST(&client->absent)))
        waiter_abandon(core, waiter);
}

void absence_end_grants(struct core *core, struct client *client)
{
    struct key *key;

    while ((key = TAILQ_FIRST(&client->unasked)))
        take_back(core, key);
}

/* ---- all of them ---- */

void absences_begin(struct core *core)
{
    if (core->absences == 0)
        return;
    /* those of a broker before have as long again */
    heap_remove(&core->deadlines, &core->absence);
    core->absence.key = core->mono > INT64_MAX - ABSENCE_MAX ? INT64_MAX : core->mono + ABSENCE_MAX;
    core->absence.order = ++core->counters.stamp;
    heap_insert(&core->deadlines, &core->absence);
}

void absences_end(struct core *core, int64_t due)
{
    struct client *client, *next;

    /* the broker stood still, and answered nobody who came back */
    if (core->mono - due > ABSENCE_LATE) {
        absences_begin(core);
        return;
    }
    /* first the waits, so that no grant goes from one that is absent to another */
    HASH_ITER(hh, core->clients, client, next)
        absence_end_waits(core, client);
    HASH_ITER(hh, core->clients, client, next)
        absence_end_grants(core, client);
}
