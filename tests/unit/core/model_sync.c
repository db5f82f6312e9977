/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/model_inside.h"

/* ---- holds ---- */

struct m_hold *m_holder_of(struct model *model, const struct m_object *object)
{
    for (size_t i = 0; i < model->hold_count; i++)
        if (model->holds[i].object == object)
            return &model->holds[i];
    return NULL;
}

void m_drop(struct model *model, struct m_hold *hold)
{
    size_t at = (size_t)(hold - model->holds);

    memmove(hold, hold + 1, (--model->hold_count - at) * sizeof *hold);
}

struct m_hold *m_take(struct model *model, struct m_object *object, const struct m_owner *owner)
{
    struct m_hold *hold = &model->holds[model->hold_count++];

    must(model->hold_count < MODEL_MOST);
    *hold = (struct m_hold){.object = object, .owner = *owner, .count = 1, .serial = ++model->serial};
    hold->told = object->abandoned > 0;
    object->abandoned -= hold->told;
    object->value -= m_is_semaphore(object);
    return hold;
}

static struct m_answer granted(const struct m_hold *hold, enum reply_kind kind, bool flag)
{
    return (struct m_answer){.kind = kind, .flag = flag, .abandoned = hold->told, .hold = hold->serial};
}

static bool is_free(struct model *model, const struct m_object *object)
{
    return m_is_lock(object) ? !m_holder_of(model, object) : object->value > 0;
}

/* Whoever is first in the queue of what is free gets it. */
void m_settle(struct model *model, struct m_object *object)
{
    struct m_wait *wait;

    while ((m_is_lock(object) || m_is_semaphore(object)) && is_free(model, object) &&
           (wait = m_first(model, object, M_ACQUIRE))) {
        struct m_hold *hold = m_take(model, object, &wait->owner);
        bool back = wait->sleep == M_RELOCK;

        hold->count = back ? wait->count : 1;
        hold->undo = wait->undo;
        m_answer_wait(model, wait,
                      granted(hold, back ? REPLY_NOTIFIED : REPLY_ACQUIRED, back ? wait->notified : true));
    }
}

/* ---- barrier ---- */

void m_fail_all(struct model *model, const struct m_object *object, enum m_sleep sleep,
                enum proto_error error)
{
    for (size_t i = 0; i < model->wait_count;)
        if (model->waits[i].object == object && model->waits[i].sleep == sleep)
            m_fail_wait(model, &model->waits[i], error);
        else
            i++;
}

void m_break_barrier(struct model *model, struct m_object *barrier)
{
    barrier->broken = true;
    barrier->action = false;
    m_fail_all(model, barrier, M_BARRIER, ERROR_BROKEN_BARRIER);
    m_fail_all(model, barrier, M_LATER, ERROR_BROKEN_BARRIER);
}

static uint64_t arrived(const struct model *model, const struct m_object *barrier)
{
    uint64_t count = 0;

    for (size_t i = 0; i < model->wait_count; i++)
        count += model->waits[i].object == barrier && model->waits[i].sleep == M_BARRIER;
    return count;
}

static void let_go(struct model *model, struct m_object *barrier)
{
    struct m_wait *wait;

    barrier->action = false;
    for (uint64_t index = 0; (wait = m_first(model, barrier, M_BARRIER)); index++)
        m_answer_wait(model, wait, (struct m_answer){.kind = REPLY_INDEX, .number = index});
}

static void begin_action(struct model *model, struct m_object *barrier, struct m_wait *last)
{
    for (size_t i = 0; i < model->wait_count; i++)
        if (model->waits[i].object == barrier && model->waits[i].sleep == M_BARRIER)
            model->waits[i].due = INT64_MAX;
    barrier->action = true;
    barrier->runner = last->owner.client;
    barrier->run_hold = 0;
    barrier->run = ++model->serial;
    m_answer_wait(
        model, last,
        (struct m_answer){.kind = REPLY_RUN_ACTION, .run = barrier, .run_serial = barrier->run});
}

/* One that is in the list of waits, behind all of this generation. */
static void arrive(struct model *model, struct m_object *barrier, struct m_wait *wait)
{
    bool is_last = arrived(model, barrier) + 1 == barrier->parties;

    if (is_last && wait->action) {
        begin_action(model, barrier, wait);
    } else if (is_last) {
        wait->sleep = M_BARRIER; /* the last in the order of indices */
        let_go(model, barrier);
    } else if (wait->no_wait) {
        wait->sleep = M_BARRIER;
        m_break_barrier(model, barrier);
    } else {
        wait->sleep = M_BARRIER;
        m_set_due(model, wait);
    }
}

static void move_to_end(struct model *model, struct m_wait *wait)
{
    size_t at = (size_t)(wait - model->waits);
    struct m_wait moved = *wait;

    memmove(wait, wait + 1, (model->wait_count - 1 - at) * sizeof *wait);
    model->waits[model->wait_count - 1] = moved;
}

static void next_generation(struct model *model, struct m_object *barrier)
{
    struct m_wait *wait;

    while (!barrier->broken && !barrier->action && (wait = m_first(model, barrier, M_LATER))) {
        move_to_end(model, wait);
        arrive(model, barrier, &model->waits[model->wait_count - 1]);
    }
}

void m_barrier_wait(struct model *model, struct m_request *request)
{
    struct m_object *barrier = request->object;

    if (barrier->broken)
        m_fail(model, request, ERROR_BROKEN_BARRIER);
    else if (barrier->action)
        m_sleep(model, request, M_LATER);
    else
        arrive(model, barrier, m_sleep(model, request, M_LATER));
}

void m_barrier_done(struct model *model, struct m_request *request)
{
    struct m_object *barrier = request->object;
    bool runs = barrier->action, ok = request->request->flags & REQUEST_OK;

    if (barrier->runner == 0 || barrier->runner != request->owner.client) {
        m_fail(model, request, ERROR_NOT_OWNER);
        return;
    }
    barrier->runner = 0;
    if (!runs || !ok) {
        if (runs)
            m_break_barrier(model, barrier);
        m_fail(model, request, ERROR_BROKEN_BARRIER);
        return;
    }
    m_answer(model, request, (struct m_answer){.kind = REPLY_INDEX, .number = barrier->parties - 1});
    let_go(model, barrier);
    next_generation(model, barrier);
}

void m_barrier_reset(struct model *model, struct m_request *request)
{
    struct m_object *barrier = request->object;

    m_answer(model, request, (struct m_answer){.kind = REPLY_EMPTY});
    barrier->action = barrier->broken = false;
    m_fail_all(model, barrier, M_BARRIER, ERROR_BROKEN_BARRIER);
    next_generation(model, barrier);
}

/* ---- acquire and release ---- */

void m_acquire(struct model *model, struct m_request *request)
{
    struct m_object *object = request->object;
    struct m_hold *hold = m_holder_of(model, object);
    uint32_t flags = request->request->flags;
    bool undo =
        flags & REQUEST_UNDO || (!(flags & REQUEST_NO_UNDO) && object->kind == OBJECT_BOUNDED_SEMAPHORE);
    struct m_wait *wait;

    if (object->kind == OBJECT_RLOCK && hold && m_same_owner(&hold->owner, &request->owner)) {
        hold->count++;
        m_answer(model, request,
                 (struct m_answer){.kind = REPLY_ACQUIRED, .flag = true, .hold = hold->serial});
    } else if (is_free(model, object)) {
        hold = m_take(model, object, &request->owner);
        hold->undo = undo;
        m_answer(model, request, granted(hold, REPLY_ACQUIRED, true));
    } else if (flags & REQUEST_NO_WAIT) {
        m_answer(model, request, (struct m_answer){.kind = REPLY_ACQUIRED});
    } else if (m_is_lock(object) && !(flags & (REQUEST_DEADLINE | REQUEST_WAIT_ANYWAY)) &&
               m_deadlock(model, &request->owner, object, 0, &request->input->blob[BLOB_THREADS])) {
        m_fail(model, request, ERROR_DEADLOCK);
    } else {
        wait = m_sleep(model, request, M_ACQUIRE);
        wait->undo = undo;
        m_set_due(model, wait);
    }
}

static void release_lock(struct model *model, struct m_request *request)
{
    struct m_hold *hold = m_holder_of(model, request->object);
    bool is_rlock = request->object->kind == OBJECT_RLOCK;

    if (is_rlock && (!hold || !m_same_owner(&hold->owner, &request->owner))) {
        m_fail(model, request, ERROR_NOT_OWNER);
    } else if (!hold) {
        m_fail(model, request, ERROR_TOO_MANY_RELEASES);
    } else if (!is_rlock && request->request->flags & REQUEST_TOKEN && request->body->token != hold->token) {
        m_fail(model, request, ERROR_NOT_OWNER);
    } else {
        m_answer(model, request, (struct m_answer){.kind = REPLY_EMPTY});
        if (--hold->count == 0)
            m_drop(model, hold);
    }
}

/* The releaser's own oldest holds end, else the oldest of anybody, else none. */
static void release_permits(struct model *model, struct m_request *request)
{
    struct m_object *object = request->object;
    uint64_t n = request->body->value;
    bool is_bounded = object->kind == OBJECT_BOUNDED_SEMAPHORE;

    if (n > (is_bounded ? object->bound : (uint64_t)PROTO_INTEGER_MAX) - object->value) {
        m_fail(model, request, ERROR_TOO_MANY_RELEASES);
        return;
    }
    m_answer(model, request, (struct m_answer){.kind = REPLY_EMPTY});
    object->value += n;
    for (int own = 1; own >= 0; own--)
        for (size_t i = 0; i < model->hold_count && n > 0;) {
            struct m_hold *hold = &model->holds[i];

            if (hold->object == object && (!own || hold->owner.client == request->owner.client))
                m_drop(model, hold), n--;
            else
                i++;
        }
}

void m_release(struct model *model, struct m_request *request)
{
    if (m_is_lock(request->object))
        release_lock(model, request);
    else
        release_permits(model, request);
    m_settle(model, request->object);
}

/* ---- event and condition ---- */

void m_event_set(struct model *model, struct m_request *request)
{
    struct m_wait *wait;

    m_answer(model, request, (struct m_answer){.kind = REPLY_EMPTY});
    request->object->set = request->body->value;
    request->object->is_round_over = request->object->set && m_first(model, request->object, M_EVENT);
    while (request->object->set && (wait = m_first(model, request->object, M_EVENT)))
        m_answer_wait(model, wait, (struct m_answer){.kind = REPLY_SET, .flag = true});
}

void m_event_wait(struct model *model, struct m_request *request)
{
    bool has_bell = request->request->flags & REQUEST_BELL;
    uint64_t round = request->object->round;

    if (request->object->set || request->request->flags & REQUEST_NO_WAIT ||
        (has_bell && (round == 0 || round != request->body->value)))
        m_answer(model, request, (struct m_answer){.kind = REPLY_SET, .flag = request->object->set});
    else
        m_set_due(model, m_sleep(model, request, M_EVENT));
}

static void wake(struct model *model, struct m_wait *wait, bool notified)
{
    struct m_object *lock = wait->object->lock;

    wait->sleep = M_RELOCK;
    wait->notified = notified;
    wait->due = INT64_MAX;
    wait->object = lock;
    move_to_end(model, wait);
    m_settle(model, lock);
}

/* The lock of the condition, if the asker has it. */
static struct m_hold *own_lock(struct model *model, struct m_request *request)
{
    const struct m_object *lock = request->object->lock;
    struct m_hold *hold = lock ? m_holder_of(model, lock) : NULL;

    if (hold && m_same_owner(&hold->owner, &request->owner))
        return hold;
    m_fail(model, request, lock ? ERROR_NOT_HELD : ERROR_NO_SUCH_OBJECT);
    return NULL;
}

void m_condition_wait(struct model *model, struct m_request *request)
{
    struct m_object *lock = request->object->lock;
    struct m_hold *hold = own_lock(model, request);
    struct m_wait *wait;

    if (!hold)
        return;
    wait = m_sleep(model, request, M_SLEEP);
    wait->count = hold->count;
    m_drop(model, hold);
    m_set_due(model, wait);
    if (request->request->flags & REQUEST_NO_WAIT)
        wake(model, wait, false);
    else
        m_settle(model, lock);
}

void m_condition_notify(struct model *model, struct m_request *request)
{
    uint64_t woken = 0;
    struct m_wait *wait;

    if (!own_lock(model, request))
        return;
    for (; woken < request->body->value && (wait = m_first(model, request->object, M_SLEEP)); woken++)
        wake(model, wait, true);
    m_answer(model, request, (struct m_answer){.kind = REPLY_WOKEN, .number = woken});
}

/* ---- giving up, time-outs, and what nobody was told of ---- */

void m_given_up(struct model *model, struct m_wait *wait)
{
    if (wait->sleep == M_BARRIER)
        m_break_barrier(model, wait->object);
}

void m_timed_out(struct model *model, struct m_wait *wait)
{
    if (wait->sleep == M_SLEEP)
        wake(model, wait, false);
    else if (wait->sleep == M_BARRIER)
        m_break_barrier(model, wait->object);
    else
        m_answer_wait(model, wait,
                      (struct m_answer){.kind = wait->sleep == M_EVENT ? REPLY_SET : REPLY_ACQUIRED});
}

static struct m_key *granted_key(struct model *model, uint64_t client, const struct blob *text, uint64_t hold)
{
    char name[MODEL_TEXT];

    m_text(name, text);
    for (size_t i = 0; name[0] && i < model->key_count; i++) {
        struct m_key *key = &model->keys[i];

        if (key->client == client && strcmp(key->text, name) == 0 && key->answered && key->hold == hold)
            return key;
    }
    return NULL;
}

static void give_back(struct model *model, struct m_hold *hold, uint64_t levels)
{
    struct m_object *object = hold->object;

    if (hold->count > levels) {
        hold->count -= levels;
        return;
    }
    /* the next one hears of the death in its place */
    object->abandoned += hold->told;
    object->value += m_is_semaphore(object);
    m_drop(model, hold);
    m_settle(model, object);
}

static bool is_repeated(const struct model *model, const struct m_object *object, uint64_t grant)
{
    for (size_t i = 0; object && i < model->hold_count; i++)
        if (model->holds[i].object == object && model->holds[i].id == grant)
            return model->holds[i].is_repeated;
    return object && object->action && object->run_hold == grant && object->repeated_run == object->run;
}

void m_undelivered(struct model *model, const struct core_input *input)
{
    const struct input_sync *body = &input->body.sync;
    struct m_key *key = granted_key(model, body->request.creator, &input->blob[BLOB_KEY], body->token);
    struct m_hold *hold = NULL;
    struct m_object *object;
    char name[MODEL_TEXT];

    m_text(name, &input->blob[BLOB_NAME]);
    if (key && key->told > 0 && --key->told > 0)
        return;
    object = m_find(model, body->request.uid, name);
    if (!key && input->blob[BLOB_KEY].size > 0 && is_repeated(model, object, body->token))
        return; /* it went with who has asked, and somebody may know */
    if (object && object->action && object->run_hold == body->token)
        m_break_barrier(model, object);
    for (size_t i = 0; i < model->hold_count; i++)
        if (model->holds[i].object == object && object && model->holds[i].id == body->token)
            hold = &model->holds[i];
    if (!hold)
        return;
    if (key)
        m_forget_key(model, key);
    give_back(model, hold, body->value);
}

void m_take_back(struct model *model, const struct m_answer *answer)
{
    if (answer->run && answer->run->action && answer->run->run == answer->run_serial)
        m_break_barrier(model, answer->run);
    for (size_t i = 0; i < model->hold_count; i++)
        if (answer->hold && model->holds[i].serial == answer->hold) {
            give_back(model, &model->holds[i], answer->kind == REPLY_NOTIFIED ? UINT64_MAX : 1);
            return;
        }
}
