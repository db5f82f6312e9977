/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/model_inside.h"

#define OWNERS_MOST 256

/* Everybody who waits or holds, and the one who asks. */
struct picture {
    struct model *model;
    const struct blob *threads; /* NULL: each process has just those that wait */
    struct m_owner owners[OWNERS_MOST];
    bool live[OWNERS_MOST], reached[OWNERS_MOST];
    size_t count; /* the asker is the first */
};

static size_t index_of(struct picture *picture, const struct m_owner *owner)
{
    for (size_t i = 0; i < picture->count; i++)
        if (m_same_owner(&picture->owners[i], owner))
            return i;
    must(picture->count < OWNERS_MOST);
    picture->owners[picture->count] = *owner;
    return picture->count++;
}

static bool waits(const struct picture *picture, size_t owner)
{
    if (owner == 0)
        return true; /* it is about to */
    for (size_t i = 0; i < picture->model->wait_count; i++) {
        const struct m_wait *wait = &picture->model->waits[i];

        if (wait->owned && m_same_owner(&wait->owner, &picture->owners[owner]))
            return true;
    }
    return false;
}

static bool is_of(const struct picture *picture, size_t owner, uint64_t process)
{
    const struct m_client *client = m_client(picture->model, picture->owners[owner].client);

    return client && client->process == process;
}

static uint64_t threads_of(const struct picture *picture, uint64_t process)
{
    struct input_threads entry;

    for (size_t at = 0; at + sizeof entry <= picture->threads->size; at += sizeof entry) {
        memcpy(&entry, picture->threads->data + at, sizeof entry);
        if (entry.process == process)
            return entry.count;
    }
    return 0;
}

/* Can what is waited for come about? object: a lock; else the process. */
static bool target_is_live(struct picture *picture, const struct m_object *object, uint64_t id)
{
    const struct m_process *process = m_process(picture->model, id);
    uint64_t waiting = 0;

    if (object) {
        const struct m_hold *hold = m_holder_of(picture->model, object);

        return !hold || picture->live[index_of(picture, &hold->owner)];
    }
    if (!process || process->ended)
        return true;
    for (size_t i = 0; i < picture->count; i++) {
        if (!is_of(picture, i, id) || !waits(picture, i))
            continue;
        if (picture->live[i])
            return true;
        waiting++;
    }
    return waiting == 0 || (picture->threads && waiting != threads_of(picture, id));
}

static bool is_certain(const struct m_wait *wait)
{
    return wait->sleep == M_RELOCK ||
           (!wait->timed && (wait->sleep == M_JOIN || (wait->sleep == M_ACQUIRE && m_is_lock(wait->object))));
}

static bool is_live(struct picture *picture, size_t owner)
{
    for (size_t i = 0; i < picture->model->wait_count; i++) {
        const struct m_wait *wait = &picture->model->waits[i];

        if (!wait->owned || !m_same_owner(&wait->owner, &picture->owners[owner]))
            continue;
        if (!is_certain(wait) || target_is_live(picture, wait->object, wait->process))
            return true;
    }
    return !waits(picture, owner);
}

static void reach(struct picture *picture, const struct m_object *object, uint64_t process)
{
    if (object) {
        const struct m_hold *hold = m_holder_of(picture->model, object);

        if (hold)
            picture->reached[index_of(picture, &hold->owner)] = true;
        return;
    }
    for (size_t i = 0; i < picture->count; i++)
        if (is_of(picture, i, process) && waits(picture, i))
            picture->reached[i] = true;
}

/* From the target back to the asker, by those alone that will never go on. */
static bool leads_back(struct picture *picture, const struct m_object *object, uint64_t process)
{
    bool done[OWNERS_MOST] = {false}, again = true;

    reach(picture, object, process);
    while (again) {
        again = false;
        for (size_t owner = 0; owner < picture->count; owner++) {
            if (!picture->reached[owner] || picture->live[owner] || done[owner] || owner == 0)
                continue;
            done[owner] = again = true;
            for (size_t i = 0; i < picture->model->wait_count; i++) {
                const struct m_wait *wait = &picture->model->waits[i];

                if (wait->owned && is_certain(wait) && m_same_owner(&wait->owner, &picture->owners[owner]))
                    reach(picture, wait->object, wait->process);
            }
        }
    }
    return picture->reached[0];
}

bool m_deadlock(struct model *model, const struct m_owner *asker, const struct m_object *object,
                uint64_t process, const struct blob *threads)
{
    struct picture picture = {.model = model, .threads = threads};
    bool changed = true;

    index_of(&picture, asker);
    for (size_t i = 0; i < model->wait_count; i++)
        if (model->waits[i].owned)
            index_of(&picture, &model->waits[i].owner);
    for (size_t i = 0; i < model->hold_count; i++)
        index_of(&picture, &model->holds[i].owner);
    while (changed) {
        changed = false;
        for (size_t i = 1; i < picture.count; i++) {
            if (picture.live[i] || !is_live(&picture, i))
                continue;
            picture.live[i] = changed = true;
        }
    }
    return !target_is_live(&picture, object, process) && leads_back(&picture, object, process);
}

bool model_threads_decide(struct model *model, const struct core_input *input)
{
    const struct input_request *request = &input->body.request;
    struct m_owner asker = {.client = request->creator};
    struct m_object *object = NULL;
    char name[MODEL_TEXT];

    m_text(asker.holder, &input->blob[BLOB_HOLDER]);
    m_text(name, &input->blob[BLOB_NAME]);
    if (input->kind == INPUT_ACQUIRE)
        object = m_find(model, request->uid, name);
    if (!m_client(model, asker.client) || (input->kind == INPUT_ACQUIRE && (!object || !m_is_lock(object))))
        return false;
    return m_deadlock(model, &asker, object, request->process, NULL) &&
           !m_deadlock(model, &asker, object, request->process, &(struct blob){NULL, 0});
}

/* ---- the cycle that the core tells ---- */

static bool is_waited_for(struct model *model, const struct m_owner *to, const char *name, uint64_t process)
{
    const struct m_client *client = m_client(model, to->client);

    if (process > 0)
        return client && client->process == process;
    for (size_t i = 0; i < model->hold_count; i++)
        if (strcmp(model->holds[i].object->name, name) == 0 && m_same_owner(&model->holds[i].owner, to))
            return true;
    return false;
}

static const char *take_entry(struct model *model, const char *at, struct m_owner *ret_owner,
                              char name[MODEL_TEXT], uint64_t *ret_process)
{
    struct cycle_entry entry;

    memcpy(&entry, at, sizeof entry);
    at += sizeof entry;
    m_text(ret_owner->holder, &(struct blob){at, entry.holder_size});
    at += entry.holder_size;
    m_text(name, &(struct blob){at, entry.name_size});
    must((entry.process > 0) != (entry.name_size > 0));
    *ret_process = entry.process;
    ret_owner->client = (uint64_t)entry.pid - 5000; /* as the inputs by chance have it */
    must(m_client(model, ret_owner->client));
    return at + entry.name_size;
}

void m_check_cycle(struct model *model, const struct text *cycle)
{
    struct m_owner first, next;
    const char *at = cycle->bytes, *end = cycle->bytes + cycle->size;
    char name[MODEL_TEXT], next_name[MODEL_TEXT];
    uint64_t process, next_process;

    at = take_entry(model, at, &first, name, &process);
    while (at < end) {
        at = take_entry(model, at, &next, next_name, &next_process);
        must(is_waited_for(model, &next, name, process));
        memcpy(name, next_name, sizeof name);
        process = next_process;
    }
    must(is_waited_for(model, &first, name, process));
}
