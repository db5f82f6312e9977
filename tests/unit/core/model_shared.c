/* SPDX-License-Identifier: MIT */
/* What happens in shared memory happens to the model at once: it knows of no words. */
#include "tests/unit/core/model_inside.h"

bool model_shared_acquire(struct model *model, uint32_t uid, const char *name, uint64_t client,
                          const char *holder)
{
    struct m_object *object = m_find(model, uid, name);
    struct m_hold *hold = object ? m_holder_of(model, object) : NULL;
    struct m_owner owner = {.client = client};

    must(object && m_is_lock(object));
    must(!m_first(model, object, M_ACQUIRE)); /* nobody gets past those who wait */
    strncpy(owner.holder, holder, MODEL_TEXT - 1);
    if (!hold)
        return m_take(model, object, &owner)->told;
    must(object->kind == OBJECT_RLOCK && m_same_owner(&hold->owner, &owner));
    hold->count++;
    return false;
}

/* The answers come when the core sees it. */
static void settle_early(struct model *model, struct m_object *object)
{
    model->answer_count = 0;
    m_settle(model, object);
    for (size_t i = 0; i < model->answer_count; i++)
        model->early[model->early_count++] = model->answers[i];
    model->answer_count = 0;
    must(model->early_count < MODEL_MOST);
}

void model_shared_release(struct model *model, uint32_t uid, const char *name)
{
    struct m_object *object = m_find(model, uid, name);
    struct m_hold *hold = object ? m_holder_of(model, object) : NULL;

    must(hold);
    if (--hold->count > 0)
        return;
    m_drop(model, hold);
    settle_early(model, object);
}

static struct m_hold *hold_in(struct model *model, const struct m_object *object, uint32_t index)
{
    for (size_t i = 0; i < model->hold_count; i++)
        if (model->holds[i].object == object && model->holds[i].word == index)
            return &model->holds[i];
    return NULL;
}

void model_shared_take(struct model *model, uint32_t uid, const char *name, const struct owner *owner,
                       uint32_t index)
{
    struct m_object *object = m_find(model, uid, name);
    struct m_owner taker = {.client = owner->client->data.id};
    struct m_hold *hold;

    must(object && m_is_semaphore(object) && object->value > 0 && !hold_in(model, object, index));
    must(!m_first(model, object, M_ACQUIRE)); /* nobody gets past those who wait */
    strncpy(taker.holder, owner->holder->bytes, MODEL_TEXT - 1);
    hold = m_take(model, object, &taker);
    must(!hold->told); /* as nobody could be told */
    hold->undo = object->kind == OBJECT_BOUNDED_SEMAPHORE;
    hold->word = index;
    hold->is_met = true;
}

void model_shared_give(struct model *model, uint32_t uid, const char *name, uint32_t index)
{
    struct m_object *object = m_find(model, uid, name);
    struct m_hold *hold = hold_in(model, object, index);

    size_t before;

    must(hold && object->abandoned == 0);
    m_drop(model, hold);
    object->value++;
    before = model->hold_count;
    settle_early(model, object);
    for (; before < model->hold_count; before++)
        model->holds[before].is_handed = true;
}

void model_shared_handed(struct model *model, uint32_t uid, const char *name, const struct owner *owner,
                         uint32_t index)
{
    struct m_object *object = m_find(model, uid, name);
    struct m_owner taker = {.client = owner->client->data.id};

    must(object && !hold_in(model, object, index));
    strncpy(taker.holder, owner->holder->bytes, MODEL_TEXT - 1);
    for (size_t i = 0; i < model->hold_count; i++) {
        struct m_hold *hold = &model->holds[i];

        if (hold->object == object && hold->is_handed && hold->word == 0 &&
            m_same_owner(&hold->owner, &taker)) {
            hold->word = index;
            return;
        }
    }
    must_fail("%s: somebody is handed a permit out of turn", name);
}

void model_shared_event(struct model *model, uint32_t uid, const char *name, bool is_set)
{
    struct m_object *event = m_find(model, uid, name);

    must(event && event->kind == OBJECT_EVENT);
    must(!m_first(model, event, M_EVENT)); /* they would have to be woken */
    event->set = is_set;
}

void m_map(struct model *model, struct m_request *request)
{
    const struct m_object *object = request->object;
    bool has_word = m_is_lock(object) || m_is_semaphore(object) || object->kind == OBJECT_EVENT;
    bool is_mapped = has_word && object->name[0] != '/' && !object->trace &&
                     m_client(model, request->owner.client)->uid == object->uid;

    m_answer(model, request, (struct m_answer){.kind = REPLY_MAPPED, .flag = is_mapped});
}
