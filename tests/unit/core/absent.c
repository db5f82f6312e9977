/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/absent.h"

#include "tests/unit/core/twin.h"

struct world *world;
uint64_t mine, me, other, them, third, they;

void connect_all(void)
{
    mine = world_connect_as(world, me, 1000, 0);
    other = world_connect_as(world, them, 1000, 0);
    third = world_connect_as(world, they, 1000, 0);
}

void absent_begin(void)
{
    world = world_new();
    me = 1;
    them = 2;
    they = 3;
    connect_all();
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "c", .object = OBJECT_CONDITION);
    ASK(world, OBJECT_CREATE, .connection = mine, .name = "w", .object = OBJECT_BARRIER, .parties = 2);
}

void absent_end(void)
{
    world_free(world);
}

void reload(void)
{
    struct core *twin = twin_of(world->core);

    core_free(world->core);
    world->core = twin;
}

void restart(void)
{
    reload();
    world_number(world, INPUT_RESTARTED, world->core->counters.order);
    reload();
}

size_t waiting(const char *name)
{
    const struct waiter *waiter;
    size_t count = 0;

    TAILQ_FOREACH(waiter, &world_object(world, name)->waiters, of_object)
        count++;
    return count;
}

uint64_t holder_of(const char *name)
{
    const struct hold *hold = TAILQ_FIRST(&world_object(world, name)->holds);

    return hold ? hold->owner->client->data.id : 0;
}
