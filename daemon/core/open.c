/* SPDX-License-Identifier: MIT */
#include "daemon/core/objects.h"

#include <stdlib.h>
#include <string.h>

static struct open_key key_of(const struct object *object, const struct client *client,
                              const struct process *process)
{
    return (struct open_key){.owner = client ? client->data.id : process->data.id,
                             .object = object->data.id,
                             .kind = client ? 0 : 1};
}

struct open *open_find(const struct core *core, const struct object *object, const struct client *client,
                       const struct process *process)
{
    struct open_key key = key_of(object, client, process);
    struct open *open;

    HASH_FIND(hh, core->opens, &key, sizeof key, open);
    return open;
}

static struct account *account_of(const struct core *core, const struct open *open)
{
    return open->client ? core_account(core, open->client->data.uid) : open->process->account;
}

struct open *open_get(struct core *core, struct object *object, struct client *client,
                      struct process *process, bool *ret_is_new)
{
    struct open *open = open_find(core, object, client, process);

    *ret_is_new = !open;
    if (open)
        return open;
    open = calloc(1, sizeof *open);
    if (!open)
        return NULL;
    open->key = key_of(object, client, process);
    HASH_ADD(hh, core->opens, key, sizeof open->key, open);
    if (!open->hh.tbl) {
        free(open);
        return NULL;
    }
    open->object = object;
    open->client = client;
    open->process = client ? NULL : process;
    TAILQ_INIT(&open->holds);
    LIST_INSERT_HEAD(&object->opens, open, of_object);
    TAILQ_INSERT_TAIL(client ? &client->opens : &process->opens, open, of_owner);
    quota_charge(account_of(core, open), QUOTA_OPENS);
    return open;
}

bool open_exceeds(const struct core *core, const struct object *object, const struct client *client)
{
    return quota_full(core_account(core, client->data.uid), QUOTA_OPENS) &&
           !(object && open_find(core, object, client, NULL));
}

void open_free(struct core *core, struct open *open)
{
    quota_release(account_of(core, open), QUOTA_OPENS);
    TAILQ_REMOVE(open->client ? &open->client->opens : &open->process->opens, open, of_owner);
    LIST_REMOVE(open, of_object);
    HASH_DEL(core->opens, open);
    free(open);
}

void open_close(struct core *core, struct open *open, bool by_death)
{
    struct object *object = open->object;
    struct hold *hold;

    while ((hold = TAILQ_FIRST(&open->holds)))
        hold_end(core, hold, by_death ? HOLD_ABANDONED : HOLD_CLOSED);
    if (open->client && object->data.runner == open->client->data.id) { /* nobody ends its action now */
        object->data.runner = 0;
        if (object->data.flags & OBJECT_ACTION)
            barrier_break(core, object);
    }
    open_free(core, open);
    object_settle(core, object);
    object_trim(core, object);
}

void opens_undo(struct core *core, struct open_list *opens)
{
    struct open *open;

    while ((open = TAILQ_FIRST(opens)))
        open_free(core, open);
}

void opens_close(struct core *core, struct open_list *opens, bool by_death)
{
    struct open *open;

    while ((open = TAILQ_FIRST(opens)))
        open_close(core, open, by_death);
}
