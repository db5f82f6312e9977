/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/sync_chance.h"

#include "tests/unit/core/must.h"

#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define PROCESSES_MOST 8

static const struct {
    unsigned weight;
    uint32_t object; /* the kind that the request is about; OBJECT_KIND_COUNT: any */
} kinds[INPUT_KIND_COUNT] = {
    [INPUT_RESTARTED] = {4, 0},
    [INPUT_CONNECT] = {12, 0},
    [INPUT_DISCONNECT] = {4, 0},
    [INPUT_CLIENT] = {1, 0},
    [INPUT_CLIENT_DEAD] = {4, 0},
    [INPUT_SPAWN] = {4, 0},
    [INPUT_JOIN] = {8, 0},
    [INPUT_CANCEL] = {6, 0},
    [INPUT_OBJECT_CREATE] = {25, OBJECT_KIND_COUNT},
    [INPUT_OBJECT_OPEN] = {4, OBJECT_KIND_COUNT},
    [INPUT_OBJECT_CLOSE] = {6, OBJECT_KIND_COUNT},
    [INPUT_OBJECT_UNLINK] = {3, OBJECT_KIND_COUNT},
    [INPUT_OBJECT_BREAK] = {3, OBJECT_LOCK},
    [INPUT_OBJECT_MAP] = {25, OBJECT_LOCK},
    [INPUT_ACQUIRE] = {80, OBJECT_KIND_COUNT},
    [INPUT_RELEASE] = {50, OBJECT_KIND_COUNT},
    [INPUT_EVENT_SET] = {8, OBJECT_EVENT},
    [INPUT_EVENT_IS_SET] = {2, OBJECT_EVENT},
    [INPUT_EVENT_WAIT] = {12, OBJECT_EVENT},
    [INPUT_CONDITION_WAIT] = {30, OBJECT_CONDITION},
    [INPUT_CONDITION_NOTIFY] = {16, OBJECT_CONDITION},
    [INPUT_BARRIER_WAIT] = {36, OBJECT_BARRIER},
    [INPUT_BARRIER_DONE] = {12, OBJECT_BARRIER},
    [INPUT_BARRIER_RESET] = {6, OBJECT_BARRIER},
    [INPUT_BARRIER_ABORT] = {1, OBJECT_BARRIER},
    [INPUT_SPAWNED] = {4, 0},
    [INPUT_EXITED] = {3, 0},
    [INPUT_EXECUTED] = {2, 0},
    [INPUT_TIME] = {16, 0},
};

static uint64_t below(struct sync_chance *chance, uint64_t most)
{
    return chance_below(&chance->chance, most);
}

static bool once_in(struct sync_chance *chance, uint64_t times)
{
    return chance_once_in(&chance->chance, times);
}

#define PICK(chance, head, type)                                                                             \
    __extension__({                                                                                          \
        struct type *picked_ = (head);                                                                       \
        uint64_t skip_ = picked_ ? below(chance, HASH_COUNT(head)) : 0;                                      \
        while (skip_-- > 0)                                                                                  \
            picked_ = picked_->hh.next;                                                                      \
        picked_;                                                                                             \
    })

void sync_chance_begin(struct sync_chance *chance, uint64_t seed)
{
    static const unsigned sizes[] = {2, 4, 8};

    *chance =
        (struct sync_chance){.chance = {.random = seed, .mono = 1000 * SECOND, .wall = 1700000000 * SECOND}};
    chance->clients = sizes[below(chance, 3)];
    chance->waiters = 8 * sizes[below(chance, 3)];
    chance->holders = (unsigned)below(chance, 3) + 1;
    chance->patience = (unsigned)below(chance, 4);
    for (unsigned kind = 0; kind < INPUT_KIND_COUNT; kind++)
        chance->weights[kind] = kinds[kind].weight * (1U << below(chance, 3));
    for (unsigned quiet = 0; quiet < 6; quiet++)
        chance->weights[below(chance, INPUT_KIND_COUNT)] /= 8;
}

/* ---- names ---- */

static const char *const names[][OBJECT_KIND_COUNT] = {
    [0] = {[OBJECT_LOCK] = "l",
           [OBJECT_RLOCK] = "r",
           [OBJECT_SEMAPHORE] = "s",
           [OBJECT_BOUNDED_SEMAPHORE] = "b",
           [OBJECT_EVENT] = "e",
           [OBJECT_CONDITION] = "c",
           [OBJECT_BARRIER] = "w"},
    [1] = {[OBJECT_LOCK] = "l2",
           [OBJECT_RLOCK] = "c.lock",
           [OBJECT_SEMAPHORE] = "b",
           [OBJECT_BOUNDED_SEMAPHORE] = "s",
           [OBJECT_EVENT] = "/e",
           [OBJECT_CONDITION] = "d",
           [OBJECT_BARRIER] = "/w"},
    [2] = {[OBJECT_LOCK] = "/l",
           [OBJECT_RLOCK] = "d.lock",
           [OBJECT_SEMAPHORE] = "/s",
           [OBJECT_BOUNDED_SEMAPHORE] = "/s",
           [OBJECT_EVENT] = "e",
           [OBJECT_CONDITION] = "c",
           [OBJECT_BARRIER] = "w"},
};

static struct blob text(const char *string)
{
    return (struct blob){string, strlen(string)};
}

/* Of an object of that kind, mostly. */
static const char *pick_name(struct sync_chance *chance, uint32_t kind)
{
    if (kind >= OBJECT_KIND_COUNT || once_in(chance, 25))
        kind = (uint32_t)below(chance, OBJECT_KIND_COUNT);
    return names[below(chance, 3)][kind];
}

static const char *pick_holder(struct sync_chance *chance)
{
    snprintf(chance->holder, sizeof chance->holder, "t%u", (unsigned)below(chance, chance->holders));
    return once_in(chance, 10) ? "" : chance->holder;
}

static struct object *named(const struct core *core, const struct core_input *input)
{
    const struct blob *name = &input->blob[BLOB_NAME];

    return core_object(core, input->body.request.uid, name->data, name->size);
}

/* ---- who ---- */

static void set_time_out(struct sync_chance *chance, struct input_request *request)
{
    static const int64_t spans[] = {1, SECOND / 20, SECOND, 2 * SECOND, 100 * SECOND};

    request->span = spans[below(chance, sizeof spans / sizeof spans[0])];
    if (once_in(chance, chance->patience + 2))
        request->flags |= REQUEST_DEADLINE;
    else if (once_in(chance, 12))
        request->flags |= REQUEST_NO_WAIT;
}

/* Few keys, so that they are asked again; what was asked with one is mostly the same. */
static void set_key(struct sync_chance *chance, struct core_input *input)
{
    if (below(chance, 4) > 0 || input->kind == INPUT_JOIN || input->kind == INPUT_SPAWN)
        return;
    snprintf(chance->key, sizeof chance->key, "%u-%u", input->kind, (unsigned)below(chance, 12));
    input->blob[BLOB_KEY] = text(chance->key);
    /* uid and name are in it, too: what a repeated request is about is the same */
    input->body.request.digest =
        input->kind + once_in(chance, 20) + 1000003 * (uint64_t) input->body.request.uid;
    for (size_t i = 0; i < input->blob[BLOB_NAME].size; i++)
        input->body.request.digest =
            input->body.request.digest * 31 + (unsigned char) input->blob[BLOB_NAME].data[i];
}

/* In the place of this one, by whatever connection it has, or another's. */
static void set_owner(struct sync_chance *chance, struct core_input *input, const struct client *client)
{
    const struct connection *connection = LIST_FIRST(&client->connections);

    input->body.request.creator = client->data.id;
    if (connection && !once_in(chance, 8))
        input->body.request.connection = connection->data.id;
}

static void set_holder_of(struct sync_chance *chance, struct core_input *input, const struct object *lock)
{
    const struct hold *hold = lock ? TAILQ_FIRST(&lock->holds) : NULL;

    if (!hold || once_in(chance, 8))
        return;
    set_owner(chance, input, hold->owner->client);
    memcpy(chance->holder, hold->owner->holder->bytes, hold->owner->holder->size + 1);
    input->blob[BLOB_HOLDER] = text(chance->holder);
    if (once_in(chance, 6)) {
        input->body.request.flags |= REQUEST_TOKEN;
        input->body.sync.token = hold->data.token - once_in(chance, 3);
    }
}

/* Those that decide, now and then all others, too, and how many threads each has: about as many as wait. */
static size_t pick_counted(struct sync_chance *chance, struct core *core, uint64_t ids[16])
{
    const struct process *process;
    size_t count = 0;

    if (!once_in(chance, 4))
        return core_threads_wanted(core, &chance->wait, ids, 16);
    for (process = core->processes; process && count < 16; process = process->hh.next)
        if (process->client)
            ids[count++] = process->data.id;
    return count;
}

static void set_threads(struct sync_chance *chance, struct core *core, struct core_input *input,
                        const struct object *object, struct process *process)
{
    uint64_t ids[16];
    size_t count;

    chance->waits = true;
    chance->wait = (struct core_wait){
        .client = input->body.request.creator, .holder = input->blob[BLOB_HOLDER], .object = object,
        .process = process};
    count = pick_counted(chance, core, ids);
    for (size_t i = 0; i < count; i++) {
        const struct owner *owner = core_process(core, ids[i])->client->owners;
        uint64_t waiting = below(chance, 3) > 0;

        for (; owner; owner = owner->hh.next)
            waiting += !TAILQ_EMPTY(&owner->waits);
        chance->threads[i] = (struct input_threads){ids[i], waiting};
    }
    input->blob[BLOB_THREADS] =
        (struct blob){(const char *)chance->threads, count * sizeof chance->threads[0]};
}

/* ---- each kind of request ---- */

static void set_create(struct sync_chance *chance, struct core_input *input)
{
    static const uint32_t modes[] = {0600, 0660, 0606};
    struct input_sync *body = &input->body.sync;
    uint32_t *flags = &body->request.flags;

    *flags = (once_in(chance, 2) ? REQUEST_EXIST_OK : 0) | (once_in(chance, 6) ? REQUEST_PERSIST : 0) |
             (once_in(chance, 6) ? REQUEST_TRACE : 0);
    body->mode = modes[below(chance, 3)];
    if (body->kind == OBJECT_BARRIER)
        body->parties = (uint32_t)below(chance, 3) + 1 + !once_in(chance, 6);
    else if (body->kind == OBJECT_BOUNDED_SEMAPHORE || body->kind == OBJECT_SEMAPHORE)
        body->value = (once_in(chance, 12) ? PAGE_PERMITS : 0) + below(chance, 3) +
                      (body->kind == OBJECT_BOUNDED_SEMAPHORE);
    if (body->kind == OBJECT_CONDITION && once_in(chance, 3))
        input->blob[BLOB_LOCK] = text(pick_name(chance, OBJECT_RLOCK));
}

static uint32_t pick_held_kind(struct sync_chance *chance)
{
    static const uint32_t held[] = {OBJECT_LOCK, OBJECT_RLOCK, OBJECT_RLOCK, OBJECT_SEMAPHORE};

    return held[below(chance, 4)];
}

static void set_acquire(struct sync_chance *chance, struct core *core, struct core_input *input)
{
    static const uint32_t undo[] = {0, REQUEST_UNDO, REQUEST_NO_UNDO};
    uint32_t *flags = &input->body.request.flags;
    const struct object *object = named(core, input);

    set_time_out(chance, &input->body.request);
    *flags |= (once_in(chance, 10) ? REQUEST_WAIT_ANYWAY : 0) | (once_in(chance, 3) ? 0 : REQUEST_BELL);
    if (input->body.sync.kind == OBJECT_SEMAPHORE)
        *flags |= undo[below(chance, 3)];
    else if (object && !(*flags & (REQUEST_DEADLINE | REQUEST_NO_WAIT)))
        set_threads(chance, core, input, object, NULL);
}

/* By the bell: with the round as it is, or has been, or never was. */
static void set_event_wait(struct sync_chance *chance, struct core *core, struct core_input *input)
{
    const struct object *event = named(core, input);

    set_time_out(chance, &input->body.request);
    if (once_in(chance, 3))
        return;
    input->body.request.flags |= REQUEST_BELL;
    if (event && event->word)
        input->body.sync.value = event->word->data.round - once_in(chance, 5);
}

static void set_release(struct sync_chance *chance, struct core *core, struct core_input *input)
{
    input->body.sync.value = below(chance, 2) + 1;
    set_holder_of(chance, input, named(core, input));
}

static void set_condition(struct sync_chance *chance, struct core *core, struct core_input *input)
{
    const struct object *condition = named(core, input);

    input->body.sync.value = once_in(chance, 3) ? UINT64_MAX : below(chance, 2) + 1;
    set_holder_of(chance, input, condition ? condition->lock : NULL);
    set_time_out(chance, &input->body.request);
}

static void set_barrier(struct sync_chance *chance, struct core *core, struct core_input *input)
{
    const struct object *barrier = named(core, input);
    const struct client *runner = barrier ? core_client(core, barrier->data.runner) : NULL;
    uint32_t *flags = &input->body.request.flags;

    if (input->kind == INPUT_BARRIER_WAIT) {
        set_time_out(chance, &input->body.request);
        *flags |= once_in(chance, 2) ? REQUEST_ACTION : 0;
    } else if (input->kind == INPUT_BARRIER_DONE) {
        *flags |= once_in(chance, 4) ? 0 : REQUEST_OK;
        if (runner && !once_in(chance, 6))
            set_owner(chance, input, runner);
    }
}

static void set_sync(struct sync_chance *chance, struct core *core, struct core_input *input)
{
    struct input_sync *body = &input->body.sync;

    body->kind = kinds[input->kind].object;
    if (input->kind == INPUT_ACQUIRE || input->kind == INPUT_RELEASE || input->kind == INPUT_OBJECT_MAP)
        body->kind = pick_held_kind(chance);
    else if (body->kind == OBJECT_KIND_COUNT)
        body->kind = (uint32_t)below(chance, OBJECT_KIND_COUNT);
    if (input->kind == INPUT_OBJECT_MAP && once_in(chance, 3))
        body->kind = OBJECT_EVENT;
    body->gid = once_in(chance, 2) ? 100 : 200;
    input->blob[BLOB_NAME] = text(pick_name(chance, body->kind));
    if (input->kind != INPUT_OBJECT_CREATE)
        input->blob[BLOB_HOLDER] = text(pick_holder(chance));
    if (input->kind == INPUT_OBJECT_CREATE)
        set_create(chance, input);
    else if (input->kind == INPUT_ACQUIRE)
        set_acquire(chance, core, input);
    else if (input->kind == INPUT_RELEASE)
        set_release(chance, core, input);
    else if (input->kind == INPUT_EVENT_SET)
        body->value = below(chance, 2);
    else if (input->kind == INPUT_EVENT_WAIT)
        set_event_wait(chance, core, input);
    else if (input->kind == INPUT_CONDITION_WAIT || input->kind == INPUT_CONDITION_NOTIFY)
        set_condition(chance, core, input);
    else if (input->kind != INPUT_OBJECT_MAP)
        set_barrier(chance, core, input);
}

static void set_spawn(struct sync_chance *chance, struct core_input *input)
{
    struct input_request *request = &input->body.request;
    size_t size = 0;

    request->count = 1;
    request->objects = (uint32_t)below(chance, 3);
    for (uint32_t i = 0; i < request->objects; i++)
        size += (size_t)snprintf(chance->objects + size, sizeof chance->objects - size, "%s",
                                 pick_name(chance, OBJECT_KIND_COUNT)) +
                1;
    input->body.spawn.restart = (struct input_restart){.policy = (uint32_t)below(chance, 3),
                                                       .max_tries = (uint32_t)below(chance, 3),
                                                       .delay = SECOND / 10,
                                                       .max_delay = SECOND,
                                                       .factor = (below(chance, 3) + 1) * RESTART_FACTOR_ONE};
    input->blob[BLOB_OBJECTS] = (struct blob){chance->objects, size};
    input->blob[BLOB_ARGV] = (struct blob){"true", 5};
    input->blob[BLOB_CWD] = text("/");
}

static void set_join(struct sync_chance *chance, struct core *core, struct core_input *input)
{
    struct process *process = PICK(chance, core->processes, process);

    set_time_out(chance, &input->body.request);
    input->body.request.process = process ? process->data.id : 1;
    input->body.request.flags |= once_in(chance, 10) ? REQUEST_WAIT_ANYWAY : 0;
    input->blob[BLOB_HOLDER] = text(pick_holder(chance));
    if (process && !(input->body.request.flags & (REQUEST_DEADLINE | REQUEST_NO_WAIT)))
        set_threads(chance, core, input, NULL, process);
}

static void set_request(struct sync_chance *chance, struct core *core, struct core_input *input)
{
    const struct connection *connection = PICK(chance, core->connections, connection);
    const struct client *other = PICK(chance, core->clients, client);
    struct input_request *request = &input->body.request;

    request->ticket = ++chance->chance.ticket;
    request->connection =
        once_in(chance, 50) ? below(chance, chance->chance.connection) + 1 : connection->data.id;
    request->creator = other && once_in(chance, 8) ? other->data.id : connection->data.client;
    request->creator += once_in(chance, 200) ? 1000 : 0;
    request->uid = connection->data.uid ? connection->data.uid : once_in(chance, 2) ? 1000 : 0;
    if (input->kind == INPUT_SPAWN)
        set_spawn(chance, input);
    else if (input->kind == INPUT_JOIN)
        set_join(chance, core, input);
    else
        set_sync(chance, core, input);
    set_key(chance, input);
}

/* ---- everything else ---- */

static void set_connect(struct sync_chance *chance, const struct core *core, struct core_input *input)
{
    static const uint32_t uids[] = {1000, 1000, 1000, 1001, 0};
    const struct client *client = once_in(chance, 2) ? PICK(chance, core->clients, client) : NULL;
    const struct process *process = PICK(chance, core->processes, process);
    bool is_its =
        process && process->data.state == PROCESS_RUNNING && !process->client && below(chance, 3) > 0;
    struct input_connect *connect = &input->body.connect;

    if (HASH_COUNT(core->clients) >= chance->clients && !client)
        client = core->clients;
    if (client) {
        *connect = (struct input_connect){.client = client->data.id,
                                          .process = client->data.process,
                                          .pid = client->data.pid,
                                          .uid = client->data.uid};
    } else {
        connect->client = ++chance->chance.client;
        connect->process = is_its ? process->data.id : 0;
        connect->pid = (int32_t)connect->client + 5000;
        connect->uid = uids[below(chance, 5)];
    }
    if (input->kind == INPUT_CONNECT)
        connect->connection = ++chance->chance.connection;
}

static uint64_t process_in(struct sync_chance *chance, const struct core *core, uint32_t state)
{
    const struct process *process = PICK(chance, core->processes, process);

    return process && process->data.state == state ? process->data.id : 0;
}

static void set_report(struct sync_chance *chance, const struct core *core, struct core_input *input)
{
    uint32_t state = input->kind == INPUT_EXITED ? PROCESS_RUNNING
                     : once_in(chance, 2)        ? PROCESS_RESTARTING
                                                 : PROCESS_STARTING;

    input->report = ++chance->chance.report;
    input->body.report = (struct input_report){.process = process_in(chance, core, state),
                                               .known = 1,
                                               .mono = chance->chance.mono,
                                               .exitcode = (int32_t)below(chance, 2)};
    input->body.report.pid = (int32_t)input->body.report.process + 10000;
}

static uint64_t pick_number(struct sync_chance *chance, const struct core *core, uint32_t kind)
{
    const struct connection *connection = PICK(chance, core->connections, connection);
    const struct client *client = PICK(chance, core->clients, client);
    const struct waiter *waiter = PICK(chance, core->waiters, waiter);

    switch (kind) {
    case INPUT_DISCONNECT:
        return connection ? connection->data.id : 1;
    case INPUT_CLIENT_DEAD:
        return client ? client->data.id : 1;
    case INPUT_CANCEL:
        return waiter ? waiter->data.ticket : chance->chance.ticket;
    default:
        return UINT64_MAX; /* every order was executed */
    }
}

/* A moment later; or exactly when something is due; or so late that one stood still. */
static void pass(struct sync_chance *chance, const struct core *core, uint32_t kind)
{
    int64_t due = core_next_deadline(core), before = chance->chance.mono;

    if (kind == INPUT_TIME && once_in(chance, 2) && due > before && due - before < 50 * SECOND)
        chance->chance.mono = due;
    else if (kind == INPUT_TIME && once_in(chance, 8))
        chance->chance.mono += 7 * SECOND;
    else
        chance->chance.mono += (int64_t)below(chance, kind == INPUT_TIME ? SECOND : SECOND / 1000);
    chance->chance.wall += chance->chance.mono - before;
}

static bool is_about_objects(uint32_t kind)
{
    return (kind >= INPUT_OBJECT_CREATE && kind <= INPUT_BARRIER_ABORT) || kind == INPUT_SPAWN ||
           kind == INPUT_JOIN;
}

static uint32_t pick_kind(struct sync_chance *chance, const struct core *core)
{
    uint64_t all = 0, at;
    uint32_t kind;

    for (kind = 0; kind < INPUT_KIND_COUNT; kind++)
        all += chance->weights[kind];
    at = below(chance, all);
    for (kind = 0; at >= chance->weights[kind]; kind++)
        at -= chance->weights[kind];
    if (!core->connections && is_about_objects(kind))
        return INPUT_CONNECT;
    if (is_about_objects(kind) && HASH_COUNT(core->waiters) >= chance->waiters)
        return once_in(chance, 4) ? INPUT_TIME : once_in(chance, 2) ? INPUT_CLIENT_DEAD : INPUT_CANCEL;
    if (kind == INPUT_SPAWN && HASH_COUNT(core->accounts) > 0 && chance->chance.report > 60)
        return INPUT_TIME; /* ended processes stay: no more than so many of them */
    if (kind == INPUT_CONNECT && HASH_COUNT(core->connections) >= 3 * chance->clients)
        return INPUT_DISCONNECT;
    return kind;
}

static void set_lost(struct sync_chance *chance, struct core_input *input)
{
    const struct lost_answer *lost = &chance->lost[--chance->lost_count];

    input->kind = INPUT_UNDELIVERED;
    input->body.sync = (struct input_sync){
        .request = {.uid = lost->uid, .creator = lost->client}, .value = lost->levels, .token = lost->hold};
    memcpy(chance->name, lost->name, sizeof chance->name);
    memcpy(chance->key, lost->key, sizeof chance->key);
    input->blob[BLOB_NAME] = text(chance->name);
    input->blob[BLOB_KEY] = text(chance->key);
}

void sync_chance_input(struct sync_chance *chance, struct core *core, struct core_input *ret_input)
{
    uint32_t kind = pick_kind(chance, core);

    chance->waits = false;
    pass(chance, core, kind);
    *ret_input = (struct core_input){.kind = kind, .mono = chance->chance.mono, .wall = chance->chance.wall};
    if (chance->lost_count > 0 && once_in(chance, 3))
        set_lost(chance, ret_input);
    else if (is_about_objects(kind))
        set_request(chance, core, ret_input);
    else if (kind == INPUT_CONNECT || kind == INPUT_CLIENT)
        set_connect(chance, core, ret_input);
    else if (kind == INPUT_SPAWNED || kind == INPUT_EXITED)
        set_report(chance, core, ret_input);
    else
        ret_input->body.number = pick_number(chance, core, kind);
}

/* ---- grants that get lost ---- */

static const struct object *granted(const struct object *table, uint64_t id)
{
    const struct object *object, *next;
    const struct hold *hold;

    HASH_ITER(hh, table, object, next)
    {
        if (object->data.flags & OBJECT_ACTION && object->data.generation + 1 == id)
            return object;
        TAILQ_FOREACH(hold, &object->holds, of_object)
        if (hold->data.id == id)
            return object;
    }
    return NULL;
}

static void lose(struct sync_chance *chance, const struct waiter *waiter, const struct object *object)
{
    struct lost_answer *lost = &chance->lost[chance->lost_count++];
    const struct client *client = waiter->connection->client;
    const struct key *key;

    *lost = (struct lost_answer){.hold = waiter->reply.sync.hold,
                                 .levels = waiter->reply.kind == REPLY_NOTIFIED ? UINT64_MAX : 1,
                                 .client = client->data.id,
                                 .uid = object->data.uid};
    memcpy(lost->name, object->name->bytes, object->name->size);
    TAILQ_FOREACH(key, &client->keys, of_client)
    if (key->answered && !key->grant && key->reply.sync.hold == lost->hold)
        memcpy(lost->key, key->text, sizeof lost->key);
}

void sync_chance_lose(struct sync_chance *chance, const struct core *core)
{
    struct account *account, *next;
    const struct waiter *waiter;
    const struct object *object;

    TAILQ_FOREACH(waiter, &core->replies, of_output)
    {
        if (waiter->reply.sync.hold == 0 || chance->lost_count == 8 || below(chance, 10) > 0)
            continue;
        object = granted(core->shared, waiter->reply.sync.hold);
        HASH_ITER(hh, core->accounts, account, next)
        object = object ? object : granted(account->objects, waiter->reply.sync.hold);
        if (object)
            lose(chance, waiter, object);
    }
}
