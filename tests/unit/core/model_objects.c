/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/model_inside.h"

/* ---- objects ---- */

bool m_is_lock(const struct m_object *object)
{
    return object->kind == OBJECT_LOCK || object->kind == OBJECT_RLOCK;
}

bool m_is_semaphore(const struct m_object *object)
{
    return object->kind == OBJECT_SEMAPHORE || object->kind == OBJECT_BOUNDED_SEMAPHORE;
}

struct m_object *m_find(struct model *model, uint32_t uid, const char *name)
{
    for (size_t i = 0; i < MODEL_OBJECTS; i++) {
        struct m_object *object = &model->objects[i];

        if (object->there && strcmp(object->name, name) == 0 && (name[0] == '/' || object->uid == uid))
            return object;
    }
    return NULL;
}

static struct m_object *make(struct model *model, const struct m_request *request, const char *name,
                             uint32_t kind)
{
    size_t i = 0;

    while (model->objects[i].there)
        must(++i < MODEL_OBJECTS);
    model->objects[i] = (struct m_object){
        .there = true, .kind = kind, .uid = request->request->uid, .gid = request->body->gid, .mode = 0600};
    memcpy(model->objects[i].name, name, MODEL_TEXT);
    return &model->objects[i];
}

static bool is_allowed(const struct m_object *object, const struct m_request *request)
{
    uint32_t uid = request->request->uid;
    unsigned write = uid == object->uid ? 0200 : request->body->gid == object->gid ? 020 : 02;

    return object->name[0] != '/' || uid == 0 || object->mode & write;
}

static bool is_open(const struct m_object *object, uint64_t opener)
{
    for (size_t i = 0; i < object->open_count; i++)
        if (object->opens[i] == opener)
            return true;
    return false;
}

static void open_for(struct m_object *object, uint64_t opener)
{
    must(object->open_count < MODEL_MOST);
    if (!is_open(object, opener))
        object->opens[object->open_count++] = opener;
}

static void close_for(struct m_object *object, uint64_t opener)
{
    for (size_t i = object->open_count; i-- > 0;)
        if (object->opens[i] == opener)
            object->opens[i] = object->opens[--object->open_count];
}

/* ---- going ---- */

static void remove_object(struct model *model, struct m_object *object)
{
    for (int sleep = M_ACQUIRE; sleep <= M_LATER; sleep++)
        m_fail_all(model, object, (enum m_sleep)sleep, ERROR_OBJECT_GONE);
    for (size_t i = model->hold_count; i-- > 0;)
        if (model->holds[i].object == object)
            m_drop(model, &model->holds[i]);
    for (size_t i = 0; i < MODEL_OBJECTS; i++) {
        struct m_object *user = &model->objects[i];

        if (!user->there || user->lock != object)
            continue;
        user->lock = NULL;
        m_fail_all(model, user, M_SLEEP, ERROR_OBJECT_GONE);
    }
    /* its own lock lasts no longer than others have it open */
    if (object->lock && object->own_lock)
        object->lock->persist = false;
    object->there = false;
    object->lock = NULL;
}

static bool is_needed(const struct model *model, const struct m_object *object)
{
    for (size_t i = 0; i < MODEL_OBJECTS; i++)
        if (model->objects[i].there && model->objects[i].lock == object)
            return true;
    return object->persist || object->open_count > 0;
}

void m_sweep(struct model *model)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (size_t i = 0; i < MODEL_OBJECTS; i++)
            if (model->objects[i].there && !is_needed(model, &model->objects[i])) {
                remove_object(model, &model->objects[i]);
                changed = true;
            }
    }
}

/* What a client holds of an object is given back: orderly, or by its death. */
static void end_holds(struct model *model, struct m_object *object, uint64_t client, bool by_death)
{
    for (size_t i = model->hold_count; i-- > 0;) {
        struct m_hold *hold = &model->holds[i];

        if (hold->object != object || hold->owner.client != client)
            continue;
        if (m_is_lock(object)) {
            object->abandoned = by_death ? 1 : 0;
        } else if (hold->undo) {
            object->value++;
            object->abandoned += by_death;
        }
        m_drop(model, hold);
    }
}

static void close_object(struct model *model, struct m_object *object, uint64_t opener, bool by_death)
{
    end_holds(model, object, opener, by_death);
    close_for(object, opener);
    if (object->runner == opener) {
        object->runner = 0;
        if (object->action)
            m_break_barrier(model, object);
    }
    m_settle(model, object);
}

void m_close_all(struct model *model, uint64_t opener)
{
    for (size_t i = 0; i < MODEL_OBJECTS; i++)
        if (model->objects[i].there && is_open(&model->objects[i], opener))
            close_object(model, &model->objects[i], opener, true);
}

static void object_close(struct model *model, struct m_request *request)
{
    struct m_object *object = request->object;
    uint64_t client = request->owner.client;
    bool waits = false;

    m_answer(model, request, (struct m_answer){.kind = REPLY_EMPTY});
    if (m_client(model, client)->process)
        close_for(object, MODEL_PROCESS | m_client(model, client)->process);
    if (!is_open(object, client))
        return;
    for (size_t i = 0; i < model->wait_count; i++) {
        const struct m_wait *wait = &model->waits[i];
        bool is_its = wait->owned && wait->owner.client == client && wait->object;

        waits |= is_its && (wait->object == object || wait->object->lock == object);
    }
    if (!waits) {
        close_object(model, object, client, false);
        return;
    }
    end_holds(model, object, client, false);
    m_settle(model, object);
}

bool m_spawn_open(struct model *model, uint64_t process, const struct core_input *input)
{
    struct m_object *objects[8];
    const char *at = input->blob[BLOB_OBJECTS].data;

    for (uint32_t i = 0; i < input->body.request.objects; i++) {
        objects[i] = m_find(model, input->body.request.uid, at);
        if (!objects[i])
            return false;
        at += strlen(at) + 1;
    }
    for (uint32_t i = 0; i < input->body.request.objects; i++)
        open_for(objects[i], MODEL_PROCESS | process);
    return true;
}

/* ---- create ---- */

static void answer_created(struct model *model, struct m_request *request, bool made)
{
    struct m_answer answer = {.kind = REPLY_CREATED, .flag = made};
    const struct m_object *object = request->object;

    memcpy(answer.text[0], object->name, MODEL_TEXT);
    if (object->lock)
        memcpy(answer.text[1], object->lock->name, MODEL_TEXT);
    m_answer(model, request, answer);
}

static void fail_kind(struct model *model, struct m_request *request, const struct m_object *object)
{
    m_answer(model, request, (struct m_answer){.error = ERROR_WRONG_KIND, .object_kind = object->kind});
}

static void set_up(struct m_object *object, const struct m_request *request)
{
    object->persist = request->request->flags & REQUEST_PERSIST;
    object->trace = request->request->flags & REQUEST_TRACE;
    object->mode = request->body->mode;
}

/* The condition's lock, or the error. */
static enum proto_error choose_lock(struct model *model, struct m_request *request,
                                    struct m_object **ret_lock, char name[MODEL_TEXT])
{
    bool given = request->input->blob[BLOB_LOCK].size > 0;

    m_text(name, &request->input->blob[given ? BLOB_LOCK : BLOB_NAME]);
    if (!given)
        strncat(name, ".lock", MODEL_TEXT - 1 - strlen(name));
    *ret_lock = m_find(model, request->request->uid, name);
    if (!*ret_lock)
        return given ? ERROR_NO_SUCH_OBJECT : ERROR_NONE;
    if (!is_allowed(*ret_lock, request))
        return ERROR_PERMISSION_DENIED;
    return m_is_lock(*ret_lock) ? ERROR_NONE : ERROR_WRONG_KIND;
}

static void create_new(struct model *model, struct m_request *request)
{
    const struct input_sync *body = request->body;
    struct m_object *object, *lock = NULL;
    enum proto_error error = ERROR_NONE;
    char lock_name[MODEL_TEXT];

    if (body->kind == OBJECT_CONDITION)
        error = choose_lock(model, request, &lock, lock_name);
    if (error == ERROR_WRONG_KIND)
        fail_kind(model, request, lock);
    else if (error)
        m_fail(model, request, error);
    if (error)
        return;
    request->object = object = make(model, request, request->name, body->kind);
    set_up(object, request);
    object->value = object->bound = body->value;
    object->parties = body->parties;
    object->own_lock = body->kind == OBJECT_CONDITION && !lock;
    if (object->own_lock) {
        lock = make(model, request, lock_name, OBJECT_RLOCK);
        set_up(lock, request);
    }
    object->lock = lock;
    open_for(object, request->owner.client);
    answer_created(model, request, true);
}

static void create(struct model *model, struct m_request *request)
{
    request->object = m_find(model, request->request->uid, request->name);
    if (!m_client(model, request->owner.client)) {
        m_fail(model, request, ERROR_NO_SUCH_PROCESS);
    } else if (!request->object) {
        create_new(model, request);
    } else if (!is_allowed(request->object, request)) {
        m_fail(model, request, ERROR_PERMISSION_DENIED);
    } else if (!(request->request->flags & REQUEST_EXIST_OK)) {
        m_fail(model, request, ERROR_ALREADY_EXISTS);
    } else if (request->object->kind != request->body->kind) {
        fail_kind(model, request, request->object);
    } else {
        open_for(request->object, request->owner.client);
        answer_created(model, request, false);
    }
}

/* ---- requests ---- */

static const struct {
    bool creates, opens, any_kind;
    void (*apply)(struct model *model, struct m_request *request);
} methods[INPUT_KIND_COUNT] = {
    [INPUT_OBJECT_OPEN] = {.any_kind = true, .opens = true},
    [INPUT_OBJECT_CLOSE] = {.any_kind = true, .apply = object_close},
    [INPUT_OBJECT_UNLINK] = {.any_kind = true},
    [INPUT_OBJECT_BREAK] = {.any_kind = true},
    [INPUT_OBJECT_MAP] = {.any_kind = true, .opens = true, .apply = m_map},
    [INPUT_ACQUIRE] = {.opens = true, .creates = true, .apply = m_acquire},
    [INPUT_RELEASE] = {.opens = true, .apply = m_release},
    [INPUT_EVENT_SET] = {.opens = true, .creates = true, .apply = m_event_set},
    [INPUT_EVENT_IS_SET] = {.opens = true},
    [INPUT_EVENT_WAIT] = {.opens = true, .creates = true, .apply = m_event_wait},
    [INPUT_CONDITION_WAIT] = {.opens = true, .apply = m_condition_wait},
    [INPUT_CONDITION_NOTIFY] = {.opens = true, .apply = m_condition_notify},
    [INPUT_BARRIER_WAIT] = {.opens = true, .apply = m_barrier_wait},
    [INPUT_BARRIER_DONE] = {.apply = m_barrier_done},
    [INPUT_BARRIER_RESET] = {.opens = true, .apply = m_barrier_reset},
    [INPUT_BARRIER_ABORT] = {.opens = true},
};

static void small_step(struct model *model, struct m_request *request)
{
    struct m_object *object = request->object;
    struct m_answer answer = {.kind = REPLY_EMPTY};

    if (request->input->kind == INPUT_OBJECT_OPEN) {
        answer.kind = REPLY_OBJECT;
        memcpy(answer.text[0], object->name, MODEL_TEXT);
    } else if (request->input->kind == INPUT_EVENT_IS_SET) {
        answer.kind = REPLY_SET;
        answer.flag = object->set;
    } else if (request->input->kind == INPUT_BARRIER_ABORT) {
        m_break_barrier(model, object);
    } else if (request->input->kind == INPUT_OBJECT_UNLINK) {
        if (request->request->uid == 0 || request->request->uid == object->uid)
            remove_object(model, object);
        else
            answer.error = ERROR_PERMISSION_DENIED;
    } else if (!m_is_lock(object)) { /* break */
        answer.error = ERROR_WRONG_KIND;
        answer.object_kind = object->kind;
    } else if (m_holder_of(model, object)) {
        object->abandoned = 1;
        m_drop(model, m_holder_of(model, object));
        m_settle(model, object);
    }
    m_answer(model, request, answer);
}

static bool fits(const struct m_object *object, uint32_t wanted)
{
    return object->kind == wanted || (wanted == OBJECT_SEMAPHORE && m_is_semaphore(object));
}

void m_step_object(struct model *model, struct m_request *request)
{
    uint32_t kind = request->input->kind, wanted = request->body->kind;
    bool creates = methods[kind].creates && wanted != OBJECT_SEMAPHORE;

    if (kind == INPUT_OBJECT_CREATE) {
        create(model, request);
        return;
    }
    request->object = m_find(model, request->request->uid, request->name);
    if (!m_client(model, request->owner.client)) {
        m_fail(model, request, ERROR_NO_SUCH_PROCESS);
        return;
    }
    if (!request->object && creates)
        request->object = make(model, request, request->name, wanted);
    if (!request->object) {
        m_fail(model, request, ERROR_NO_SUCH_OBJECT);
    } else if (!is_allowed(request->object, request)) {
        m_fail(model, request, ERROR_PERMISSION_DENIED);
    } else if (!methods[kind].any_kind && !fits(request->object, wanted)) {
        fail_kind(model, request, request->object);
    } else {
        if (methods[kind].opens) {
            open_for(request->object, request->owner.client);
            open_for(request->object, request->asker);
        }
        (methods[kind].apply ? methods[kind].apply : small_step)(model, request);
    }
}
