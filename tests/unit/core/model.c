/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/model_inside.h"

#include <stdlib.h>

struct model *model_new(void)
{
    struct model *model = calloc(1, sizeof *model);

    must(model != NULL);
    model->absent_due = INT64_MAX;
    return model;
}

void model_free(struct model *model)
{
    free(model);
}

void m_text(char to[MODEL_TEXT], const struct blob *blob)
{
    must(blob->size < MODEL_TEXT);
    memset(to, 0, MODEL_TEXT);
    if (blob->size > 0)
        memcpy(to, blob->data, blob->size);
}

/* ---- who ---- */

struct m_client *m_client(struct model *model, uint64_t id)
{
    for (size_t i = 0; i < model->client_count; i++)
        if (model->clients[i].id == id)
            return &model->clients[i];
    return NULL;
}

struct m_process *m_process(struct model *model, uint64_t id)
{
    for (size_t i = 0; i < model->process_count; i++)
        if (model->processes[i].id == id)
            return &model->processes[i];
    return NULL;
}

static struct m_connection *find_connection(struct model *model, uint64_t id)
{
    for (size_t i = 0; i < model->connection_count; i++)
        if (model->connections[i].id == id)
            return &model->connections[i];
    return NULL;
}

bool m_same_owner(const struct m_owner *one, const struct m_owner *other)
{
    return one->client == other->client && strcmp(one->holder, other->holder) == 0;
}

/* ---- keys ---- */

static struct m_key *find_key(struct model *model, uint64_t client, const char *text)
{
    for (size_t i = 0; i < model->key_count; i++)
        if (model->keys[i].client == client && strcmp(model->keys[i].text, text) == 0)
            return &model->keys[i];
    return NULL;
}

void m_forget_key(struct model *model, struct m_key *key)
{
    *key = model->keys[--model->key_count];
}

static void record(struct model *model, uint64_t client, const char *text, struct m_answer answer)
{
    struct m_key *key = text[0] ? find_key(model, client, text) : NULL;

    if (!key)
        return;
    if (answer.error == ERROR_CANCELLED) {
        m_forget_key(model, key);
        return;
    }
    key->answered = true;
    key->answer = answer;
}

/* ---- answers ---- */

/* It stands from now on, also when nothing is known of the key any more. */
static void note_repeat(struct model *model, const struct m_answer *answer)
{
    for (size_t i = 0; i < model->hold_count; i++)
        if (answer->hold && model->holds[i].serial == answer->hold)
            model->holds[i].is_repeated = true;
    if (answer->run)
        answer->run->repeated_run = answer->run_serial;
}

static void put_answer(struct model *model, uint64_t ticket, uint64_t connection, struct m_answer answer)
{
    struct m_key *key = answer.key[0] ? find_key(model, answer.asker, answer.key) : NULL;

    if (!find_connection(model, connection))
        return;
    if (key && key->told > 0)
        note_repeat(model, &answer);
    if (key)
        key->told++;
    must(model->answer_count < MODEL_MOST);
    answer.ticket = ticket;
    model->answers[model->answer_count++] = answer;
}

void m_answer(struct model *model, const struct m_request *request, struct m_answer answer)
{
    answer.asker = request->asker;
    memcpy(answer.key, request->key, MODEL_TEXT);
    record(model, request->asker, request->key, answer);
    put_answer(model, request->request->ticket, request->request->connection, answer);
}

void m_fail(struct model *model, const struct m_request *request, enum proto_error error)
{
    m_answer(model, request, (struct m_answer){.error = error});
}

static void remove_wait(struct model *model, struct m_wait *wait)
{
    size_t at = (size_t)(wait - model->waits);

    memmove(wait, wait + 1, (--model->wait_count - at) * sizeof *wait);
}

void m_answer_wait(struct model *model, struct m_wait *wait, struct m_answer answer)
{
    struct m_wait done = *wait;

    remove_wait(model, wait);
    answer.asker = done.asker;
    memcpy(answer.key, done.key, MODEL_TEXT);
    record(model, done.asker, done.key, answer);
    if (done.absent && (answer.hold || answer.run))
        find_key(model, done.asker, done.key)->unasked = true;
    for (size_t i = 0; i < done.ticket_count; i++)
        put_answer(model, done.tickets[i], done.connections[i], answer);
}

void m_fail_wait(struct model *model, struct m_wait *wait, enum proto_error error)
{
    m_answer_wait(model, wait, (struct m_answer){.error = error});
}

/* ---- waiting ---- */

struct m_wait *m_sleep(struct model *model, const struct m_request *request, enum m_sleep sleep)
{
    struct m_wait *wait = &model->waits[model->wait_count++];
    uint32_t flags = request->request->flags;

    must(model->wait_count < MODEL_MOST);
    *wait = (struct m_wait){.sleep = sleep,
                            .object = request->object,
                            .owner = request->owner,
                            .owned = true,
                            .timed = flags & REQUEST_DEADLINE,
                            .no_wait = flags & REQUEST_NO_WAIT,
                            .action = flags & REQUEST_ACTION,
                            .span = request->request->span,
                            .due = INT64_MAX,
                            .asker = request->asker,
                            .asked = ++model->asked,
                            .ticket_count = 1};
    memcpy(wait->key, request->key, MODEL_TEXT);
    wait->tickets[0] = request->request->ticket;
    wait->connections[0] = request->request->connection;
    return wait;
}

void m_set_due(struct model *model, struct m_wait *wait)
{
    if (!wait->timed)
        return;
    wait->due = wait->span > INT64_MAX - model->mono ? INT64_MAX : model->mono + wait->span;
    wait->stamp = ++model->stamp;
}

struct m_wait *m_first(struct model *model, const struct m_object *object, enum m_sleep sleep)
{
    for (size_t i = 0; i < model->wait_count; i++) {
        struct m_wait *wait = &model->waits[i];
        bool gets_lock = wait->sleep == M_RELOCK && sleep == M_ACQUIRE;

        if (wait->object == object && (wait->sleep == sleep || gets_lock))
            return wait;
    }
    return NULL;
}

static struct m_wait *find_ticket(struct model *model, uint64_t ticket, size_t *ret_index)
{
    for (size_t i = 0; i < model->wait_count; i++)
        for (*ret_index = 0; *ret_index < model->waits[i].ticket_count; ++*ret_index)
            if (model->waits[i].tickets[*ret_index] == ticket)
                return &model->waits[i];
    return NULL;
}

void m_give_up(struct model *model, uint64_t ticket)
{
    size_t index;
    struct m_wait *wait = find_ticket(model, ticket, &index), gone;
    struct m_key *key;

    if (!wait)
        return;
    wait->ticket_count--;
    memmove(&wait->tickets[index], &wait->tickets[index + 1], (wait->ticket_count - index) * sizeof ticket);
    memmove(&wait->connections[index], &wait->connections[index + 1],
            (wait->ticket_count - index) * sizeof ticket);
    if (wait->ticket_count > 0)
        return;
    gone = *wait;
    key = gone.key[0] ? find_key(model, gone.asker, gone.key) : NULL;
    if (key)
        m_forget_key(model, key);
    remove_wait(model, wait);
    m_given_up(model, &gone);
}

static void cancel(struct model *model, uint64_t ticket)
{
    size_t index;
    struct m_wait *wait = find_ticket(model, ticket, &index);
    uint64_t connection = wait ? wait->connections[index] : 0;

    if (!wait || wait->sleep == M_SPAWN)
        return;
    m_give_up(model, ticket);
    put_answer(model, ticket, connection, (struct m_answer){.error = ERROR_CANCELLED});
}

/* In the order in which they were asked. */
static void give_up_all(struct model *model, uint64_t connection)
{
    for (;;) {
        uint64_t ticket = 0;

        for (size_t i = 0; i < model->wait_count; i++)
            for (size_t j = 0; j < model->waits[i].ticket_count; j++)
                if (model->waits[i].connections[j] == connection &&
                    (ticket == 0 || model->waits[i].tickets[j] < ticket))
                    ticket = model->waits[i].tickets[j];
        if (ticket == 0)
            return;
        m_give_up(model, ticket);
    }
}

static void disconnect(struct model *model, uint64_t id)
{
    struct m_connection *connection = find_connection(model, id);

    if (!connection)
        return;
    *connection = model->connections[--model->connection_count];
    give_up_all(model, id);
}

/* All connections are gone, the oldest first. */
static void lose(struct model *model)
{
    uint64_t last = model->connection_count > 0 ? model->connections[0].id : 0;

    for (size_t i = 0; i < model->wait_count; i++)
        m_become_absent(&model->waits[i]);
    for (size_t i = 0; i < model->connection_count; i++)
        last = model->connections[i].id > last ? model->connections[i].id : last;
    model->connection_count = 0;
    for (uint64_t id = 1; id <= last; id++)
        give_up_all(model, id);
}

static void restart(struct model *model)
{
    lose(model);
    model->absent_due = model->mono + 5 * INT64_C(1000000000);
    model->absent_stamp = ++model->stamp;
}

static struct m_wait *oldest_of(struct model *model, uint64_t client)
{
    struct m_wait *first = NULL;

    for (size_t i = 0; i < model->wait_count; i++) {
        struct m_wait *wait = &model->waits[i];

        if (wait->owned && wait->owner.client == client && (!first || wait->asked < first->asked))
            first = wait;
    }
    return first;
}

static void bury(struct model *model, uint64_t id)
{
    struct m_client *client = m_client(model, id);
    uint64_t closed[MODEL_MOST];
    struct m_wait *wait;
    size_t count = 0;

    if (!client)
        return;
    for (size_t i = model->connection_count; i-- > 0;)
        if (model->connections[i].client == id) {
            closed[count++] = model->connections[i].id;
            model->connections[i] = model->connections[--model->connection_count];
        }
    while (count > 0)
        give_up_all(model, closed[--count]);
    m_end_absent_waits(model, id);
    while ((wait = oldest_of(model, id))) { /* what others had asked in its place */
        struct m_wait gone = *wait;

        m_fail_wait(model, wait, ERROR_NO_SUCH_PROCESS);
        m_given_up(model, &gone);
    }
    m_end_absent_grants(model, id);
    m_close_all(model, id);
    for (size_t i = model->key_count; i-- > 0;)
        if (model->keys[i].client == id)
            m_forget_key(model, &model->keys[i]);
    client = m_client(model, id);
    *client = model->clients[--model->client_count];
}

/* ---- processes ---- */

static void spawn(struct model *model, struct m_request *request)
{
    struct m_process *process = &model->processes[model->process_count];

    if (!m_spawn_open(model, model->processes_made + 1, request->input)) {
        m_fail(model, request, ERROR_NO_SUCH_OBJECT);
        return;
    }
    must(++model->process_count < MODEL_MOST);
    *process = (struct m_process){.id = ++model->processes_made,
                                  .spawn = request->request->ticket,
                                  .policy = request->input->body.spawn.restart.policy,
                                  .max_tries = request->input->body.spawn.restart.max_tries,
                                  .delay = request->input->body.spawn.restart.delay,
                                  .first_delay = request->input->body.spawn.restart.delay,
                                  .max_delay = request->input->body.spawn.restart.max_delay,
                                  .factor = (int64_t)(request->input->body.spawn.restart.factor / 1000000)};
    m_sleep(model, request, M_SPAWN)->owned = false;
}

static void spawned(struct model *model, const struct input_report *report)
{
    struct m_process *process = m_process(model, report->process);
    struct m_wait *wait;
    size_t index;

    if (!process || (process->begun && !process->ordered))
        return;
    process->begun = process->running = true;
    process->ordered = false;
    process->started = report->mono;
    wait = find_ticket(model, process->spawn, &index);
    if (wait)
        m_answer_wait(model, wait, (struct m_answer){.kind = REPLY_INFO});
}

/* Another run comes. */
static bool is_followed(struct model *model, struct m_process *process, const struct input_report *report)
{
    bool failed = !report->known || report->exitcode != 0;

    if (report->mono - process->started >= 10 * INT64_C(1000000000)) {
        process->tries = 0;
        process->delay = process->first_delay;
    }
    if (process->policy == RESTART_POLICY_NO || (process->policy == RESTART_POLICY_ON_FAILURE && !failed) ||
        (process->max_tries > 0 && process->tries >= process->max_tries))
        return false;
    process->tries++;
    process->pauses = true;
    process->due = model->mono + process->delay;
    process->delay *= process->factor;
    if (process->delay > process->max_delay)
        process->delay = process->max_delay;
    return true;
}

static void exited(struct model *model, const struct input_report *report)
{
    uint64_t id = report->process;
    struct m_process *process = m_process(model, id);

    if (!process || !process->running)
        return;
    process->running = false;
    for (size_t i = model->client_count; i-- > 0;)
        if (model->clients[i].process == id)
            bury(model, model->clients[i].id);
    if (is_followed(model, process, report))
        return;
    process->ended = true;
    m_close_all(model, MODEL_PROCESS | id);
    for (size_t i = 0; i < model->wait_count;)
        if (model->waits[i].sleep == M_JOIN && model->waits[i].process == id)
            m_answer_wait(model, &model->waits[i], (struct m_answer){.kind = REPLY_JOIN});
        else
            i++;
}

static void join(struct model *model, struct m_request *request)
{
    const struct m_process *process = m_process(model, request->request->process);
    uint32_t flags = request->request->flags;
    bool owned = m_client(model, request->request->creator);
    struct m_wait *wait;

    if (!process || !process->begun) {
        m_fail(model, request, ERROR_NO_SUCH_PROCESS);
    } else if (process->ended || flags & REQUEST_NO_WAIT) {
        m_answer(model, request, (struct m_answer){.kind = process->ended ? REPLY_JOIN : REPLY_PENDING});
    } else if (owned && !(flags & (REQUEST_DEADLINE | REQUEST_WAIT_ANYWAY)) &&
               m_deadlock(model, &request->owner, NULL, process->id, &request->input->blob[BLOB_THREADS])) {
        m_fail(model, request, ERROR_DEADLOCK);
    } else {
        wait = m_sleep(model, request, M_JOIN);
        wait->process = process->id;
        wait->owned = owned;
        m_set_due(model, wait);
    }
}

/* ---- requests ---- */

/* False: it was asked before. */
static bool is_fresh(struct model *model, const struct m_request *request)
{
    struct m_key *key = request->key[0] ? find_key(model, request->asker, request->key) : NULL;
    const struct input_request *body = request->request;

    if (!request->key[0] || request->asker == 0)
        return true;
    if (!key) {
        key = &model->keys[model->key_count++];
        must(model->key_count < 8 * MODEL_MOST);
        *key = (struct m_key){.client = request->asker, .digest = body->digest};
        memcpy(key->text, request->key, MODEL_TEXT);
        return true;
    }
    if (key->digest != body->digest) {
        put_answer(model, body->ticket, body->connection, (struct m_answer){.error = ERROR_INVALID_REQUEST});
    } else if (key->answered) {
        put_answer(model, body->ticket, body->connection, key->answer);
        key->unasked = false;
    } else {
        for (size_t i = 0; i < model->wait_count; i++) {
            struct m_wait *wait = &model->waits[i];

            if (wait->asker != request->asker || strcmp(wait->key, request->key) != 0)
                continue;
            wait->ticket_count -= wait->absent; /* it takes that one's place */
            wait->absent = false;
            must(wait->ticket_count < MODEL_TICKETS);
            wait->tickets[wait->ticket_count] = body->ticket;
            wait->connections[wait->ticket_count++] = body->connection;
        }
    }
    return false;
}

static void ask(struct model *model, const struct core_input *input)
{
    const struct m_connection *connection = find_connection(model, input->body.request.connection);
    struct m_request request = {.request = &input->body.request,
                                .body = &input->body.sync,
                                .input = input,
                                .asker = connection ? connection->client : 0};

    if (!connection)
        return;
    m_text(request.key, &input->blob[BLOB_KEY]);
    m_text(request.name, &input->blob[BLOB_NAME]);
    request.owner.client = input->body.request.creator;
    if (input->kind != INPUT_SPAWN && input->kind != INPUT_OBJECT_CREATE)
        m_text(request.owner.holder, &input->blob[BLOB_HOLDER]);
    if (input->kind == INPUT_JOIN)
        join(model, &request);
    else if (!is_fresh(model, &request))
        return;
    else if (input->kind == INPUT_SPAWN)
        spawn(model, &request);
    else
        m_step_object(model, &request);
}

/* ---- time ---- */

static void pass(struct model *model)
{
    for (size_t i = 0; i < model->process_count; i++) {
        struct m_process *process = &model->processes[i];

        if (process->pauses && process->due <= model->mono) {
            process->pauses = false;
            process->ordered = true;
        }
    }
    for (;;) {
        struct m_wait *first = NULL;

        for (size_t i = 0; i < model->wait_count; i++) {
            struct m_wait *wait = &model->waits[i];

            if (wait->due <= model->mono &&
                (!first || wait->due < first->due || (wait->due == first->due && wait->stamp < first->stamp)))
                first = wait;
        }
        if (model->absent_due <= model->mono &&
            (!first || model->absent_due < first->due ||
             (model->absent_due == first->due && model->absent_stamp < first->stamp))) {
            m_end_absences(model);
            continue;
        }
        if (!first)
            return;
        if (first->sleep == M_JOIN)
            m_answer_wait(model, first, (struct m_answer){.kind = REPLY_PENDING});
        else
            m_timed_out(model, first);
    }
}

/* ---- the step ---- */

static void connect(struct model *model, const struct input_connect *body)
{
    must(model->client_count < MODEL_MOST && model->connection_count < MODEL_MOST);
    if (!m_client(model, body->client))
        model->clients[model->client_count++] =
            (struct m_client){.id = body->client, .process = body->process, .uid = body->uid};
    if (body->connection > 0)
        model->connections[model->connection_count++] = (struct m_connection){body->connection, body->client};
}

void model_step(struct model *model, const struct core_input *input)
{
    model->mono = input->mono;
    model->answer_count = 0;
    if (input->report > 0 && input->report <= model->report)
        return;
    if (input->report > 0)
        model->report = input->report;
    switch (input->kind) {
    case INPUT_CONNECT:
    case INPUT_CLIENT:
        connect(model, &input->body.connect);
        break;
    case INPUT_DISCONNECT:
        disconnect(model, input->body.number);
        break;
    case INPUT_CLIENT_DEAD:
        bury(model, input->body.number);
        break;
    case INPUT_RESTARTED:
        restart(model);
        break;
    case INPUT_EXECUTED:
        break;
    case INPUT_CANCEL:
        cancel(model, input->body.number);
        break;
    case INPUT_TIME:
        pass(model);
        break;
    case INPUT_SPAWNED:
        spawned(model, &input->body.report);
        break;
    case INPUT_EXITED:
        exited(model, &input->body.report);
        break;
    case INPUT_UNDELIVERED:
        m_undelivered(model, input);
        break;
    default:
        ask(model, input);
    }
    m_sweep(model);
}
