/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/chance.h"

#include "tests/unit/core/must.h"

#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

/* ---- chance ---- */

static uint64_t next(struct chance *chance)
{
    uint64_t z = chance->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* As few bytes as such a choice takes, so that a byte is a choice, mostly. */
static uint64_t chosen(struct chance *chance, uint64_t below)
{
    uint64_t choice = 0;

    for (uint64_t most = below - 1; most > 0 && chance->bytes_left > 0; most >>= 8) {
        choice = choice << 8 | *chance->bytes++;
        chance->bytes_left--;
    }
    return choice % below;
}

uint64_t chance_below(struct chance *chance, uint64_t below)
{
    return chance->bytes_left > 0 ? chosen(chance, below) : next(chance) % below;
}

bool chance_once_in(struct chance *chance, uint64_t times)
{
    return chance_below(chance, times) == 0;
}

static const struct {
    unsigned weight;
    bool request, fact;
} kinds[INPUT_KIND_COUNT] = {
    [INPUT_RESTARTED] = {.weight = 2, .fact = true},
    [INPUT_CONNECT] = {.weight = 20},
    [INPUT_DISCONNECT] = {.weight = 6, .fact = true},
    [INPUT_CLIENT] = {.weight = 3},
    [INPUT_CLIENT_DEAD] = {.weight = 4, .fact = true},
    [INPUT_SPAWN] = {.weight = 30, .request = true},
    [INPUT_JOIN] = {.weight = 20, .request = true},
    [INPUT_WAIT] = {.weight = 15, .request = true},
    [INPUT_SIGNAL] = {.weight = 8, .request = true},
    [INPUT_STOP] = {.weight = 15, .request = true},
    [INPUT_CLOSE] = {.weight = 10, .request = true},
    [INPUT_CANCEL] = {.weight = 10, .fact = true},
    [INPUT_READ] = {.weight = 3, .fact = true},
    [INPUT_SPAWNED] = {.weight = 30, .fact = true},
    [INPUT_SPAWN_FAILED] = {.weight = 4, .fact = true},
    [INPUT_EXITED] = {.weight = 16, .fact = true},
    [INPUT_STOPPED] = {.weight = 4, .fact = true},
    [INPUT_CONTINUED] = {.weight = 4, .fact = true},
    [INPUT_TREE_GONE] = {.weight = 12, .fact = true},
    [INPUT_NOTIFIED] = {.weight = 12, .fact = true},
    [INPUT_EXECUTED] = {.weight = 10, .fact = true},
    [INPUT_ADOPT] = {.weight = 2},
    [INPUT_TIME] = {.weight = 10, .fact = true},
};

bool is_request(uint32_t kind)
{
    return kinds[kind].request;
}

bool is_fact(uint32_t kind)
{
    return kinds[kind].fact || kind == INPUT_SHUTDOWN;
}

/* Each sequence has its own mood: many of these, none of those. */
void chance_begin(struct chance *chance, uint64_t seed)
{
    static const unsigned sizes[] = {2, 8, 30, 80};

    *chance = (struct chance){.random = seed, .mono = 1000 * SECOND, .wall = 1700000000 * SECOND};
    chance->clients = sizes[chance_below(chance, 4)];
    chance->processes = sizes[chance_below(chance, 4)];
    chance->waiters = 4 * sizes[chance_below(chance, 4)];
    for (unsigned kind = 0; kind < INPUT_KIND_COUNT; kind++)
        chance->weights[kind] = kinds[kind].weight * (unsigned) (1 << chance_below(chance, 4));
    for (unsigned quiet = 0; quiet < 4; quiet++)
        chance->weights[chance_below(chance, INPUT_KIND_COUNT)] /= 8;
    chance->weights[INPUT_SHUTDOWN] = chance_once_in(chance, 4) ? 5 : 0;
}

/* ---- who and what ---- */

#define PICK(chance, head, type)                                             \
    __extension__({                                                          \
        struct type *picked_ = (head);                                       \
        uint64_t skip_ = picked_ ? chance_below(chance, HASH_COUNT(head)) : 0; \
        while (skip_-- > 0)                                                  \
            picked_ = picked_->hh.next;                                      \
        picked_;                                                             \
    })

/* One in that state, if there is one that is soon found; now and then any, or one that is not there. */
static uint64_t pick_process(struct chance *chance, const struct core *core, int state)
{
    const struct process *process = NULL;

    if (chance_once_in(chance, 30))
        return chance_below(chance, core->counters.process + 3);
    for (int tries = 0; tries < 6; tries++) {
        process = PICK(chance, core->processes, process);
        if (!process || state < 0 || process->data.state == (uint32_t) state)
            break;
    }
    return process ? process->data.id : 0;
}

static struct connection *pick_connection(struct chance *chance, const struct core *core)
{
    return PICK(chance, core->connections, connection);
}

static uint32_t pick_uid(struct chance *chance)
{
    static const uint32_t uids[] = {1000, 1000, 1000, 1001, 0};

    return uids[chance_below(chance, sizeof uids / sizeof uids[0])];
}

static int64_t pick_span(struct chance *chance)
{
    static const int64_t spans[] = {0, 1, SECOND, 5 * SECOND, 100 * SECOND, INT64_MAX};

    return spans[chance_below(chance, sizeof spans / sizeof spans[0])];
}

/* ---- requests ---- */

static struct blob text(const char *string)
{
    return (struct blob){string, strlen(string)};
}

/* Few keys, so that they are asked again; what was asked with one is mostly the same. */
static void set_key(struct chance *chance, struct core_input *input)
{
    if (chance_below(chance, 3) > 0 || input->kind == INPUT_JOIN || input->kind == INPUT_WAIT)
        return;
    snprintf(chance->key, sizeof chance->key, "%u-%u", input->kind, (unsigned) chance_below(chance, 4));
    input->blob[BLOB_KEY] = text(chance->key);
    input->body.request.digest = input->kind + chance_once_in(chance, 20);
}

static void set_restart(struct chance *chance, struct input_restart *restart)
{
    static const int64_t delays[] = {1, SECOND / 10, SECOND, 20 * SECOND, INT64_MAX / 2};

    restart->policy = (uint32_t) chance_below(chance, 3);
    restart->max_tries = (uint32_t) chance_below(chance, 4);
    restart->max_delay = delays[chance_below(chance, 5)];
    restart->delay = delays[chance_below(chance, 5)];
    if (restart->delay > restart->max_delay)
        restart->delay = restart->max_delay;
    restart->factor = RESTART_FACTOR_ONE + chance_below(chance, 2 * RESTART_FACTOR_ONE);
    restart->fds = (uint32_t) chance_below(chance, 4);
    restart->size = (uint32_t) chance_below(chance, 1000);
}

static void set_spawn(struct chance *chance, struct core_input *input)
{
    static const uint32_t flags[] = {
        0, 0, REQUEST_DAEMON, REQUEST_NOT_DAEMON, REQUEST_PIDFD, REQUEST_DEADLINE,
    };
    struct input_request *request = &input->body.request;
    size_t word = chance_below(chance, chance_once_in(chance, 8) ? 120 : 12), size = 0;

    request->flags = flags[chance_below(chance, sizeof flags / sizeof flags[0])];
    if (chance_once_in(chance, 4))
        request->flags |= REQUEST_NOTIFY;
    if (chance_once_in(chance, 3))
        set_restart(chance, &input->body.spawn.restart);
    request->signal = (int32_t) chance_below(chance, 3);
    request->count = (uint32_t) chance_below(chance, 4) + 1;
    memset(chance->argv, 'a', sizeof chance->argv);
    for (uint32_t i = 0; i < request->count; i++) {
        size += word + 1;
        chance->argv[size - 1] = '\0';
    }
    input->blob[BLOB_ARGV] = (struct blob){chance->argv, size};
    input->blob[BLOB_CWD] = text(chance_once_in(chance, 2) ? "/" : "/somewhere/else");
    if (chance_once_in(chance, 3)) {
        snprintf(chance->name, sizeof chance->name, "name-%u", (unsigned) chance_below(chance, 5));
        input->blob[BLOB_NAME] = text(chance->name);
    }
    if (chance_once_in(chance, 4)) {
        static const char pairs[] = "one\0value\0two\0";

        request->labels = 2;
        memcpy(chance->labels, pairs, sizeof pairs);
        input->blob[BLOB_LABELS] = (struct blob){chance->labels, sizeof pairs};
    }
}

static void set_wait(struct chance *chance, const struct core *core, struct core_input *input)
{
    struct input_request *request = &input->body.request;

    request->count = (uint32_t) chance_below(chance, sizeof chance->ids / sizeof chance->ids[0]);
    for (uint32_t i = 0; i < request->count; i++)
        chance->ids[i] = pick_process(chance, core, PROCESS_RUNNING);
    request->flags |= chance_once_in(chance, 2) ? REQUEST_ALL : 0;
    request->flags |= chance_once_in(chance, 3) ? REQUEST_READY : 0;
    input->blob[BLOB_PROCESSES].data = (const char *) chance->ids;
    input->blob[BLOB_PROCESSES].size = request->count * sizeof chance->ids[0];
}

static void set_request(struct chance *chance, const struct core *core, struct core_input *input)
{
    const struct connection *connection = pick_connection(chance, core);
    const struct client *other = PICK(chance, core->clients, client);
    struct input_request *request = &input->body.request;
    int wanted = input->kind == INPUT_CLOSE ? PROCESS_EXITED : PROCESS_RUNNING;

    request->ticket = ++chance->ticket;
    request->connection = connection ? connection->data.id : 0;
    if (!connection || chance_once_in(chance, 50))
        request->connection = chance_below(chance, chance->connection + 1) + 1; /* perhaps closed already */
    request->creator = connection ? connection->data.client : 0;
    if (other && chance_once_in(chance, 10))
        request->creator = other->data.id;
    request->uid = connection && !chance_once_in(chance, 20) ? connection->data.uid : pick_uid(chance);
    request->span = pick_span(chance);
    request->signal = (int32_t) chance_below(chance, 10);
    request->process = pick_process(chance, core, wanted);
    request->flags = chance_once_in(chance, 2) ? REQUEST_DEADLINE : 0;
    if (chance_once_in(chance, 10) && (input->kind == INPUT_JOIN || input->kind == INPUT_WAIT))
        request->flags |= REQUEST_NO_WAIT;
    if (input->kind == INPUT_SIGNAL && chance_once_in(chance, 2))
        request->flags |= REQUEST_FINAL;
    if (input->kind == INPUT_SPAWN)
        set_spawn(chance, input);
    else if (input->kind == INPUT_WAIT)
        set_wait(chance, core, input);
    set_key(chance, input);
}

/* ---- who is there ---- */

static void set_connect(struct chance *chance, const struct core *core, struct core_input *input)
{
    struct input_connect *connect = &input->body.connect;
    const struct client *client = chance_once_in(chance, 2) ? PICK(chance, core->clients, client) : NULL;
    uint64_t process = chance_once_in(chance, 3) ? pick_process(chance, core, -1) : 0;

    if (HASH_COUNT(core->clients) >= chance->clients && !client)
        client = core->clients;
    *connect = (struct input_connect){
        .client = client ? client->data.id : ++chance->client,
        .process = client ? client->data.process : process,
        .pid = client ? client->data.pid : (int32_t) chance->client + 5000,
        .uid = client && !chance_once_in(chance, 10) ? client->data.uid : pick_uid(chance)};
    if (input->kind == INPUT_CONNECT)
        connect->connection = ++chance->connection;
}

/* ---- the keeper ---- */

/* It executes orders when it comes to them; a start is not reported before. */
static void execute(struct chance *chance, const struct core *core)
{
    if (chance->executed < core->counters.order)
        chance->executed += 1 + chance_below(chance, core->counters.order - chance->executed);
}

static bool is_ordered(const struct chance *chance, const struct core *core, uint64_t process)
{
    const struct order *order;

    STAILQ_FOREACH(order, &core->orders, pending)
        if ((order->data.kind == ORDER_SPAWN || order->data.kind == ORDER_RESPAWN) &&
            order->data.subject == process)
            return order->data.number > chance->executed;
    return false;
}

static void set_report(struct chance *chance, const struct core *core, struct core_input *input)
{
    static const int states[INPUT_KIND_COUNT] = {
        [INPUT_SPAWNED] = PROCESS_STARTING,  [INPUT_SPAWN_FAILED] = PROCESS_STARTING,
        [INPUT_EXITED] = PROCESS_RUNNING,    [INPUT_STOPPED] = PROCESS_RUNNING,
        [INPUT_CONTINUED] = PROCESS_STOPPED, [INPUT_TREE_GONE] = PROCESS_EXITED,
        [INPUT_NOTIFIED] = PROCESS_RUNNING,
    };
    bool starts = input->kind == INPUT_SPAWNED || input->kind == INPUT_SPAWN_FAILED;
    int state = starts && chance_once_in(chance, 2) ? PROCESS_RESTARTING : states[input->kind];
    struct input_report *report = &input->body.report;

    input->report = chance->report > 0 && chance_once_in(chance, 20) ? chance->report : ++chance->report;
    *report = (struct input_report){.process = pick_process(chance, core, state),
                                    .mono = chance->mono,
                                    .wall = chance->wall,
                                    .error = 2,
                                    .stage = 1};
    report->undone = input->kind == INPUT_SPAWN_FAILED && chance_once_in(chance, 4);
    if (is_ordered(chance, core, report->process))
        report->process = 0; /* not yet */
    if (input->kind == INPUT_SPAWNED)
        report->pid = (int32_t) report->process + 10000;
    if (input->kind != INPUT_EXITED)
        return;
    report->exitcode = (int32_t) chance_below(chance, 260) - 4;
    report->known = !chance_once_in(chance, 10);
    report->oom = (uint8_t) chance_below(chance, 3);
    report->rusage.utime = chance->mono;
}

static void set_adopt(struct chance *chance, const struct core *core, struct core_input *input)
{
    input->body.adopt = (struct input_adopt){.process = core->counters.process + 1 + chance_below(chance, 3),
                                             .creator_process = pick_process(chance, core, -1),
                                             .mono = chance->mono,
                                             .wall = chance->wall,
                                             .pid = chance_once_in(chance, 4) ? 0 : 77,
                                             .uid = pick_uid(chance),
                                             .daemon = chance_once_in(chance, 2)};
    if (chance_once_in(chance, 2))
        input->blob[BLOB_NAME] = text("adopted");
}

/* ---- the next input ---- */

/* What there is too much of gives way. */
static uint32_t pick_kind(struct chance *chance, const struct core *core)
{
    uint64_t all = 0, at;
    uint32_t kind;

    for (kind = 0; kind < INPUT_KIND_COUNT; kind++)
        all += chance->weights[kind];
    at = chance_below(chance, all);
    for (kind = 0; at >= chance->weights[kind]; kind++)
        at -= chance->weights[kind];
    if (kind == INPUT_SHUTDOWN && !chance_once_in(chance, 5))
        kind = INPUT_TIME;
    if (!core->connections && is_request(kind))
        return INPUT_CONNECT;
    if (is_request(kind) && HASH_COUNT(core->waiters) >= chance->waiters)
        return chance_once_in(chance, 2) ? INPUT_EXITED : INPUT_CANCEL;
    if (kind == INPUT_SPAWN && HASH_COUNT(core->processes) >= chance->processes)
        return chance_once_in(chance, 2) ? INPUT_CLOSE : INPUT_EXITED;
    if (kind == INPUT_CONNECT && HASH_COUNT(core->connections) >= 3 * chance->clients)
        return INPUT_DISCONNECT;
    return kind;
}

static uint64_t pick_number(struct chance *chance, const struct core *core, uint32_t kind)
{
    const struct connection *connection = pick_connection(chance, core);
    const struct client *client = PICK(chance, core->clients, client);
    const struct waiter *waiter = PICK(chance, core->waiters, waiter);

    execute(chance, core);
    switch (kind) {
    case INPUT_RESTARTED:
        return chance->executed;
    case INPUT_EXECUTED:
        return chance->executed - chance_below(chance, chance->executed / 8 + 1);
    case INPUT_DISCONNECT:
        return connection ? connection->data.id : 1;
    case INPUT_CLIENT_DEAD:
        return client ? client->data.id : 1;
    case INPUT_CANCEL:
        return waiter ? waiter->data.ticket : chance->ticket;
    case INPUT_READ:
        return pick_process(chance, core, PROCESS_EXITED);
    default:
        return chance_below(chance, 2);
    }
}

/* A moment later; or exactly when something is due. */
static void pass(struct chance *chance, const struct core *core, uint32_t kind)
{
    int64_t due = core_next_deadline(core), before = chance->mono;

    if (kind == INPUT_TIME && chance_once_in(chance, 2) && due > before && due - before < 1000 * SECOND)
        chance->mono = due;
    else
        chance->mono += (int64_t) chance_below(chance, kind == INPUT_TIME ? 4 * SECOND : SECOND / 100);
    chance->wall += chance->mono - before;
}

void chance_input(struct chance *chance, const struct core *core, struct core_input *ret_input)
{
    uint32_t kind = pick_kind(chance, core);

    pass(chance, core, kind);
    *ret_input = (struct core_input){.kind = kind, .mono = chance->mono, .wall = chance->wall};
    if (is_request(kind))
        set_request(chance, core, ret_input);
    else if (kind == INPUT_CONNECT || kind == INPUT_CLIENT)
        set_connect(chance, core, ret_input);
    else if (kind >= INPUT_SPAWNED && kind <= INPUT_NOTIFIED)
        set_report(chance, core, ret_input);
    else if (kind == INPUT_ADOPT)
        set_adopt(chance, core, ret_input);
    else
        ret_input->body.number = pick_number(chance, core, kind);
}
