/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/world.h"

#include "tests/unit/core/invariants.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);

    world->core = core_new();
    world->pages = calloc(1, sizeof *world->pages);
    must(world->core != NULL);
    world->core->counters.adopts = 1;
    world->mono = 1000 * SECOND;
    world->wall = 1700000000 * SECOND;
    return world;
}

static const struct object *any_object(const struct core *core)
{
    const struct account *account = core->accounts;

    while (account && !account->objects)
        account = account->hh.next;
    return account ? account->objects : core->shared;
}

/* What outlives every client: root unlinks it. */
static void unlink_all(struct world *world)
{
    const struct object *object = any_object(world->core);
    uint64_t connection = object ? world_connect(world, 0) : 0;

    for (; object; object = any_object(world->core))
        ASK(world, OBJECT_UNLINK, .connection = connection, .name = object->name->bytes,
            .uid = object->data.uid);
    if (connection)
        world_number(world, INPUT_CLIENT_DEAD, world->client);
}

void world_clear(struct world *world)
{
    struct process *process, *next_process;
    struct client *client, *next_client;

    HASH_ITER(hh, world->core->clients, client, next_client)
        world_number(world, INPUT_CLIENT_DEAD, client->data.id);
    HASH_ITER(hh, world->core->processes, process, next_process) {
        uint64_t id = process->data.id;

        if (process->data.state == PROCESS_STARTING) {
            world_report(world, INPUT_SPAWN_FAILED, id);
            continue;
        }
        if (process->restart.plan.policy != RESTART_POLICY_NO)
            ASK(world, SIGNAL, .process = id, .uid = process->data.uid, .signal = 9,
                .flags = REQUEST_FINAL);
        if (process->data.flags & PROCESS_RESPAWNED)
            world_report(world, INPUT_SPAWN_FAILED, id);
        world_exited(world, id, 0);
        world_report(world, INPUT_TREE_GONE, id);
        if (core_process(world->core, id))
            ASK(world, CLOSE, .process = id, .uid = process->data.uid);
    }
    unlink_all(world);
    must(!world->core->shared && !world->core->opens);
    world_number(world, INPUT_EXECUTED, UINT64_MAX);
    must(!world->core->clients && !world->core->processes && !world->core->connections &&
         !world->core->waiters);
    must(!world->core->accounts && world->core->deadlines.count == 0 && STAILQ_EMPTY(&world->core->orders));
}

static void forget_answers(struct world *world)
{
    for (size_t i = 0; i < world->answer_count; i++) {
        free(world->answers[i].argv);
        free(world->answers[i].name);
        free(world->answers[i].done);
        free(world->answers[i].text[0]);
        free(world->answers[i].text[1]);
    }
    free(world->answers);
    free(world->orders);
}

void world_free(struct world *world)
{
    world_clear(world);
    core_free(world->core);
    free(world->pages);
    forget_answers(world);
    free(world);
}

/* ---- steps ---- */

static void note_text(struct answer *answer, int which, const struct text *text)
{
    if (!text)
        return;
    answer->text[which] = malloc(text->size + 1);
    memcpy(answer->text[which], text->bytes, text->size + 1);
    answer->size[which] = text->size;
}

static void note_answer(struct world *world, const struct waiter *waiter)
{
    struct answer *answer;

    if ((world->answer_count & (world->answer_count - 1)) == 0)
        world->answers = realloc(world->answers, (world->answer_count * 2 + 1) * sizeof *answer);
    answer = &world->answers[world->answer_count];
    *answer = (struct answer){.ticket = waiter->data.ticket,
                              .connection = waiter->data.connection,
                              .reply = waiter->reply,
                              .is_told = waiter->is_told};
    must(world->unchecked || !world_answer(world, answer->ticket)); /* once */
    must(waiter->connection && core_connection(world->core, waiter->data.connection));
    world->answer_count++;
    if (waiter->record) {
        answer->argv = malloc(waiter->record->argv_size + 1);
        memcpy(answer->argv, record_argv(waiter->record), waiter->record->argv_size);
        answer->argv[waiter->record->argv_size] = '\0';
        answer->name = strdup(waiter->record->title->name);
    }
    for (int i = 0; i < 2; i++)
        note_text(answer, i, waiter->text[i]);
    if (waiter->reply.kind != REPLY_DONE)
        return;
    answer->done = calloc(waiter->link_count + 1, sizeof *answer->done);
    for (uint32_t i = 0; i < waiter->link_count; i++)
        answer->done[answer->done_count++] = waiter->links[i].id;
}

static void note_outputs(struct world *world)
{
    const struct waiter *waiter;
    const struct order *order;

    TAILQ_FOREACH(waiter, &world->core->replies, of_output)
        note_answer(world, waiter);
    world->order_count = 0;
    for (order = world->core->first_new; order; order = STAILQ_NEXT(order, pending)) {
        if ((world->order_count & (world->order_count - 1)) == 0)
            world->orders = realloc(world->orders, (world->order_count * 2 + 1) * sizeof *world->orders);
        world->orders[world->order_count++] = order->data;
    }
}

static void look(struct world *world, const struct core_input *input)
{
    struct core_input words;

    while (pages_look(world->pages, world->core, input, &words)) {
        must(core_step(world->core, &words) == 0);
        note_outputs(world);
        core_delivered(world->core);
    }
}

uint64_t *world_word(const struct world *world, const char *name)
{
    const struct object *object = world_object(world, name);

    must(object && object->word);
    return pages_word(world->pages, 1000, object->word->data.index);
}

int world_step(struct world *world, struct core_input *input)
{
    uint64_t seq = world->core->counters.seq, order = world->core->counters.order;
    int r;

    input->mono = world->mono;
    input->wall = world->wall;
    look(world, input);
    r = core_step(world->core, input);
    note_outputs(world);
    pages_store(world->pages, world->core);
    must(world->core->counters.seq >= seq);
    must(world->core->counters.order == order + world->order_count || input->kind == INPUT_EXECUTED ||
         input->kind == INPUT_RESTARTED);
    core_delivered(world->core);
    if (!world->unchecked)
        check_core(world->core);
    return r;
}

void world_number(struct world *world, enum input_kind kind, uint64_t number)
{
    must(world_step(world, &(struct core_input){.kind = kind, .body.number = number}) == 0);
}

void world_pass(struct world *world, int64_t span)
{
    world->mono += span;
    world->wall += span;
    world_number(world, INPUT_TIME, 0);
}

void world_executed(struct world *world)
{
    world_number(world, INPUT_EXECUTED, world->core->counters.order);
}

uint64_t world_connect_as(struct world *world, uint64_t client, uint32_t uid, uint64_t process)
{
    struct core_input input = {.kind = INPUT_CONNECT,
                               .body.connect = {.connection = ++world->connection,
                                                .client = client,
                                                .process = process,
                                                .pid = (int32_t) client + 5000,
                                                .uid = uid}};

    must(world_step(world, &input) == 0);
    return world->connection;
}

uint64_t world_connect(struct world *world, uint32_t uid)
{
    if (world->client < world->connection)
        world->client = world->connection;
    return world_connect_as(world, ++world->client, uid, 0);
}

void world_disconnect(struct world *world, uint64_t connection)
{
    world_number(world, INPUT_DISCONNECT, connection);
}

static struct blob text(const char *string)
{
    return (struct blob){string, string ? strlen(string) : 0};
}

/* The kind of object that a method is about. */
static enum object_kind kind_of(enum input_kind kind, const struct ask *ask)
{
    switch ((int) kind) {
    case INPUT_EVENT_SET:
    case INPUT_EVENT_IS_SET:
    case INPUT_EVENT_WAIT:
        return OBJECT_EVENT;
    case INPUT_CONDITION_WAIT:
    case INPUT_CONDITION_NOTIFY:
        return OBJECT_CONDITION;
    case INPUT_BARRIER_WAIT:
    case INPUT_BARRIER_DONE:
    case INPUT_BARRIER_RESET:
    case INPUT_BARRIER_ABORT:
        return OBJECT_BARRIER;
    default:
        return ask->object;
    }
}

static void set_sync(struct core_input *input, const struct ask *ask)
{
    struct input_sync *body = &input->body.sync;
    bool counts = input->kind == INPUT_RELEASE || input->kind == INPUT_CONDITION_NOTIFY;

    body->value = ask->value || !counts ? ask->value : 1;
    body->token = ask->token;
    body->kind = kind_of((enum input_kind) input->kind, ask);
    body->parties = ask->parties;
    body->mode = ask->mode;
    body->gid = ask->gid;
    if (ask->lock)
        input->blob[BLOB_LOCK] = text(ask->lock);
}

/* Who asks, and how many threads there are. */
static void set_owner(const struct world *world, struct core_input *input, const struct ask *ask)
{
    const struct connection *connection = core_connection(world->core, ask->connection);
    static char made[32];

    snprintf(made, sizeof made, "#%llu", connection ? (unsigned long long) connection->data.ordinal : 0);
    input->blob[BLOB_HOLDER] = text(ask->holder ? ask->holder : ask->creator || !connection ? "" : made);
    input->blob[BLOB_THREADS] =
        (struct blob){(const char *) ask->threads, ask->thread_count * sizeof *ask->threads};
}

uint64_t world_ask(struct world *world, enum input_kind kind, const struct ask *ask)
{
    const struct connection *connection = core_connection(world->core, ask->connection);
    struct core_input input = {.kind = kind};
    struct input_request *request = &input.body.request;

    *request = (struct input_request){
        .ticket = ++world->ticket,
        .connection = ask->connection,
        .creator = ask->creator ? ask->creator : connection ? connection->data.client : 0,
        .digest = ask->digest,
        .process = ask->process,
        .span = ask->span,
        .uid = ask->uid ? ask->uid : connection ? connection->data.uid : 0,
        .flags = ask->flags,
        .signal = ask->signal,
        .count = ask->count};
    input.blob[BLOB_KEY] = text(ask->key);
    input.blob[BLOB_NAME] = text(ask->name);
    if (kind >= INPUT_OBJECT_CREATE && kind <= INPUT_BARRIER_ABORT)
        set_sync(&input, ask);
    if (kind == INPUT_JOIN || (kind > INPUT_OBJECT_CREATE && kind <= INPUT_BARRIER_ABORT))
        set_owner(world, &input, ask);
    if (kind == INPUT_WAIT) {
        input.blob[BLOB_PROCESSES] =
            (struct blob){(const char *) ask->processes, ask->count * sizeof(uint64_t)};
    } else if (kind == INPUT_SPAWN) {
        input.blob[BLOB_ARGV] = (struct blob){ask->argv, ask->argv_size};
        if (!ask->argv_size)
            /* its NUL */
            input.blob[BLOB_ARGV] = text(ask->argv ? ask->argv : "true"), input.blob[BLOB_ARGV].size++;
        input.blob[BLOB_CWD] = text(ask->cwd ? ask->cwd : "/");
        request->count = 1;
        input.blob[BLOB_OBJECTS] = text(ask->objects);
        request->objects = ask->objects ? 1 : 0;
        input.body.spawn.restart = ask->restart;
    }
    must(world_step(world, &input) == 0);
    return request->ticket;
}

static struct core_input report_of(struct world *world, enum input_kind kind, uint64_t process)
{
    return (struct core_input){.kind = kind,
                               .report = ++world->report,
                               .body.report = {.process = process, .mono = world->mono, .wall = world->wall}};
}

void world_report(struct world *world, enum input_kind kind, uint64_t process)
{
    struct core_input input = report_of(world, kind, process);

    must(world_step(world, &input) == 0);
}

void world_spawned(struct world *world, uint64_t process)
{
    struct core_input input = report_of(world, INPUT_SPAWNED, process);

    input.body.report.pid = (int32_t) process + 10000;
    must(world_step(world, &input) == 0);
}

void world_exited(struct world *world, uint64_t process, int exitcode)
{
    struct core_input input = report_of(world, INPUT_EXITED, process);

    input.body.report.exitcode = exitcode;
    input.body.report.known = 1;
    input.body.report.oom = INPUT_OOM_NO;
    input.body.report.rusage.utime = (int64_t) process;
    must(world_step(world, &input) == 0);
}

uint64_t world_run(struct world *world, const struct ask *ask)
{
    uint64_t ticket = world_ask(world, INPUT_SPAWN, ask), process = world_last(world);

    must_wait(world, ticket);
    world_spawned(world, process);
    if (world->unchecked)
        return process;
    must(must_reply(world, ticket, REPLY_INFO)->reply.process.id == process);
    return process;
}

/* ---- what came of it ---- */

const struct answer *world_answer(const struct world *world, uint64_t ticket)
{
    for (size_t i = world->answer_count; i > 0; i--)
        if (world->answers[i - 1].ticket == ticket)
            return &world->answers[i - 1];
    return NULL;
}

void must_answer(const struct world *world, uint64_t ticket, enum proto_error error)
{
    const struct answer *answer = world_answer(world, ticket);

    ck_assert_msg(answer != NULL, "ticket %llu has no answer", (unsigned long long) ticket);
    ck_assert_uint_eq(answer->reply.error, error);
}

const struct answer *must_reply(const struct world *world, uint64_t ticket, enum reply_kind kind)
{
    must_answer(world, ticket, ERROR_NONE);
    ck_assert_uint_eq(world_answer(world, ticket)->reply.kind, kind);
    return world_answer(world, ticket);
}

void must_wait(const struct world *world, uint64_t ticket)
{
    struct waiter *waiter;

    ck_assert_msg(world->unchecked || !world_answer(world, ticket), "ticket %llu has an answer",
                  (unsigned long long) ticket);
    HASH_FIND(hh, world->core->waiters, &ticket, sizeof ticket, waiter);
    must(waiter != NULL);
}

void must_order(const struct world *world, size_t index, enum order_kind kind, uint64_t subject)
{
    ck_assert_uint_lt(index, world->order_count);
    ck_assert_uint_eq(world->orders[index].kind, kind);
    ck_assert_uint_eq(world->orders[index].subject, subject);
}

void must_order_signal(const struct world *world, size_t index, uint64_t subject, int signal)
{
    must_order(world, index, ORDER_SIGNAL, subject);
    ck_assert_int_eq(world->orders[index].signal, signal);
}

void must_order_nothing(const struct world *world)
{
    ck_assert_uint_eq(world->order_count, 0);
}

const struct answer *must_flag(const struct world *world, uint64_t ticket, enum reply_kind kind, bool flag)
{
    const struct answer *answer = must_reply(world, ticket, kind);

    ck_assert_uint_eq(answer->reply.sync.flag, flag);
    return answer;
}

const struct answer *must_get(const struct world *world, uint64_t ticket)
{
    return must_flag(world, ticket, REPLY_ACQUIRED, true);
}

void must_not_get(const struct world *world, uint64_t ticket)
{
    must_flag(world, ticket, REPLY_ACQUIRED, false);
}

void must_number(const struct world *world, uint64_t ticket, enum reply_kind kind, uint64_t number)
{
    ck_assert_uint_eq(must_reply(world, ticket, kind)->reply.sync.number, number);
}

struct object *world_object(const struct world *world, const char *name)
{
    return core_object(world->core, 1000, name, strlen(name));
}

uint64_t world_last(const struct world *world)
{
    return world->core->counters.process;
}

const char *world_name(const struct world *world, uint64_t process)
{
    must(core_process(world->core, process) != NULL);
    return core_process(world->core, process)->record->title->name;
}
