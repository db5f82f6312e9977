/* SPDX-License-Identifier: MIT */
#include "daemon/core/objects.h"

#include <stdlib.h>

struct owner *owner_find(const struct client *client, const struct blob *holder)
{
    const char *bytes = holder->size > 0 ? holder->data : "";
    struct owner *owner;

    HASH_FIND(hh, client->owners, bytes, holder->size, owner);
    return owner;
}

struct owner *owner_get(struct client *client, const struct blob *holder)
{
    struct owner *owner = owner_find(client, holder);

    if (owner) {
        owner->refs++;
        return owner;
    }
    owner = calloc(1, sizeof *owner);
    if (!owner)
        return NULL;
    owner->holder = text_new(holder->data, holder->size);
    if (owner->holder)
        HASH_ADD_KEYPTR(hh, client->owners, owner->holder->bytes, owner->holder->size, owner);
    if (!owner->holder || !owner->hh.tbl) {
        text_unref(owner->holder);
        free(owner);
        return NULL;
    }
    owner->client = client;
    owner->refs = 1;
    TAILQ_INIT(&owner->waits);
    return owner;
}

struct owner *owner_unref(struct owner *owner)
{
    if (!owner || --owner->refs > 0)
        return NULL;
    HASH_DEL(owner->client->owners, owner);
    text_unref(owner->holder);
    free(owner);
    return NULL;
}

uint64_t owners_waiting(const struct client *client)
{
    struct owner *owner, *next;
    uint64_t count = 0;

    HASH_ITER(hh, client->owners, owner, next)
        count += !TAILQ_EMPTY(&owner->waits);
    return count;
}
