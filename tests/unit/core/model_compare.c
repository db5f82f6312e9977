/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/model_inside.h"

/* ---- answers ---- */

static struct m_hold *hold_of(struct model *model, uint64_t serial)
{
    for (size_t i = 0; i < model->hold_count; i++)
        if (model->holds[i].serial == serial)
            return &model->holds[i];
    return NULL;
}

/* A token rises with each hold of a lock; one level more of the same hold has the same. Of all objects it
 * does in the order of holds, which is not that of answers: some begin in words, or nobody is told. */
static void learn_grant(struct model *model, const struct m_answer *answer, const struct waiter *waiter)
{
    const struct reply_sync *reply = &waiter->reply.sync;
    struct m_hold *hold = hold_of(model, answer->hold);

    if (hold && hold->token == 0) {
        must(!m_is_lock(hold->object) || reply->token > hold->object->token);
        hold->object->token = hold->token = reply->token;
    }
    must(!hold || reply->token == hold->token);
    if (hold && reply->hold > 0)
        hold->id = reply->hold;
}

static struct m_key *key_of(struct model *model, const struct m_answer *answer)
{
    for (size_t i = 0; answer->key[0] && i < model->key_count; i++) {
        struct m_key *key = &model->keys[i];

        if (key->client == answer->asker && strcmp(key->text, answer->key) == 0)
            return key;
    }
    return NULL;
}

/* What is recorded is what was said first. */
static void learn_key(struct model *model, const struct m_answer *answer, const struct waiter *waiter)
{
    struct m_key *key = key_of(model, answer);

    if (!key || !key->answered)
        return;
    if (key->token == 0) {
        key->hold = waiter->reply.sync.hold;
        key->token = waiter->reply.sync.token;
    }
    must(key->token == waiter->reply.sync.token);
}

static void compare_text(const char *mine, const struct text *text)
{
    must(text ? strlen(mine) == text->size && memcmp(mine, text->bytes, text->size) == 0 : !mine[0]);
}

static void compare_error(struct model *model, const struct m_answer *mine, const struct waiter *waiter)
{
    const struct reply_data *reply = &waiter->reply;

    if (reply->error == ERROR_WRONG_KIND)
        must(reply->sync.kind == mine->object_kind);
    if (reply->error != ERROR_DEADLOCK)
        return;
    must(waiter->text[0] != NULL);
    if (!mine->key[0]) /* else it may be an old one */
        m_check_cycle(model, waiter->text[0]);
}

static void compare_answer(struct model *model, const struct m_answer *mine, const struct waiter *waiter)
{
    const struct reply_data *reply = &waiter->reply;

    if (reply->error != (uint32_t)mine->error)
        must_fail("ticket %llu: error %u, not %u", (unsigned long long)mine->ticket, reply->error,
                  mine->error);
    if (reply->error) {
        compare_error(model, mine, waiter);
        return;
    }
    must(reply->kind == mine->kind);
    must(!waiter->is_told || (mine->kind == REPLY_SET && mine->flag));
    must(mine->kind == REPLY_INFO || mine->kind == REPLY_JOIN || mine->kind == REPLY_MAPPED ||
         reply->sync.number == mine->number);
    must((reply->sync.flag != 0) == mine->flag);
    must((reply->sync.abandoned != 0) == mine->abandoned);
    if (mine->kind == REPLY_CREATED || mine->kind == REPLY_OBJECT)
        for (int i = 0; i < 2; i++)
            compare_text(mine->text[i], waiter->text[i]);
    if (mine->hold)
        learn_grant(model, mine, waiter);
    if (mine->run && mine->run->run == mine->run_serial && reply->sync.hold > 0)
        mine->run->run_hold = reply->sync.hold;
    learn_key(model, mine, waiter);
}

void model_compare_early(struct model *model, const struct core *core)
{
    const struct waiter *waiter;

    TAILQ_FOREACH(waiter, &core->replies, of_output)
    {
        size_t at = 0;

        while (at < model->early_count && model->early[at].ticket != waiter->data.ticket)
            at++;
        if (at == model->early_count)
            must_fail("ticket %llu is answered by a word, and should not be",
                      (unsigned long long) waiter->data.ticket);
        compare_answer(model, &model->early[at], waiter);
        model->early[at] = model->early[--model->early_count];
    }
}

void model_compare_answers(struct model *model, const struct core *core)
{
    const struct waiter *waiter;
    size_t at;

    TAILQ_FOREACH(waiter, &core->replies, of_output)
    {
        for (at = 0; at < model->answer_count && model->answers[at].ticket != waiter->data.ticket; at++)
            ;
        if (at == model->answer_count)
            must_fail("ticket %llu is answered, and should not be",
                      (unsigned long long)waiter->data.ticket);
        compare_answer(model, &model->answers[at], waiter);
        model->answers[at] = model->answers[--model->answer_count];
    }
    if (model->answer_count > 0)
        must_fail("ticket %llu should be answered: kind %u, error %u",
                  (unsigned long long) model->answers[0].ticket, model->answers[0].kind,
                  model->answers[0].error);
}

/* ---- the state ---- */

/* What was granted where nobody was told: to one that is absent, or in a word. */
static void learn_hold(struct m_hold *expected, const struct hold *hold)
{
    if (expected->token == 0) {
        expected->token = hold->data.token;
        expected->id = hold->data.id;
        must(!m_is_lock(expected->object) || expected->token > expected->object->token);
        expected->object->token = expected->token;
    }
    must(hold->data.token == expected->token);
}

static void compare_owner(const struct m_owner *mine, const struct owner *owner)
{
    must(owner && owner->client->data.id == mine->client);
    compare_text(mine->holder, owner->holder);
}

/* The core's record of an open word is out of date, but for what it has made known. */
static void compare_word(struct model *model, const struct m_object *mine, const struct object *object,
                         uint64_t value)
{
    const struct hold *hold = TAILQ_FIRST(&object->holds);
    struct m_hold *expected = m_holder_of(model, mine);
    const struct owner *owner = object->account->words->owner[word_owner(value)];
    bool is_offered = object->word->data.state == WORD_STATE_OFFERED, is_closed = value & WORD_CLOSED;

    must(is_closed ? is_offered : is_offered == ((value & WORD_OPENED) != 0));
    must(word_order(value) == object->word->data.order);
    must(is_closed || !m_first(model, mine, M_ACQUIRE));
    must((expected != NULL) == (word_owner(value) != 0));
    if (!expected) {
        must((value & ~(WORD_KEPT_MASK | WORD_ABANDONED)) == 0);
        must(((value & WORD_ABANDONED) != 0) == mine->abandoned);
        return;
    }
    must(owner != NULL);
    compare_owner(&expected->owner, owner);
    if (word_is_handed(value, word_owner(value)))
        value += WORD_DEPTH_ONE; /* it has it, and may not have seen that yet */
    must(word_depth(value) == (expected->count < WORD_DEPTH_MAX ? expected->count : WORD_DEPTH_MAX));
    if (value & WORD_KNOWN)
        learn_hold(expected, hold);
}

/* The model's hold for one of the core's, which may not have been told to anybody. */
static struct m_hold *hold_like(struct model *model, const struct m_object *mine, const struct hold *hold)
{
    for (int is_known = 1; is_known >= 0; is_known--)
        for (size_t i = 0; i < model->hold_count; i++) {
            struct m_hold *expected = &model->holds[i];

            if (expected->object != mine || expected->is_met || expected->is_handed ||
                (is_known ? expected->token != hold->data.token : expected->token != 0))
                continue;
            learn_hold(expected, hold);
            compare_owner(&expected->owner, hold->owner);
            return expected;
        }
    must_fail("%s: somebody holds who should not", mine->name);
    return NULL;
}

/* The model's hold of a permit that a word says is known: taken in that word, or in an earlier one. */
static struct m_hold *known_hold(struct model *model, const struct m_object *mine, const struct word *word)
{
    struct m_hold *expected;

    for (size_t i = 0; i < model->hold_count; i++)
        if (model->holds[i].object == mine && model->holds[i].word == word->data.index)
            model->holds[i].is_met = false; /* seen, and the word opened again, at once */
    expected = hold_like(model, mine, word->permit);
    expected->word = word->data.index;
    return expected;
}

/* Returns how many permits more are free by this word than the core knows. */
static int64_t compare_permit(struct model *model, const struct m_object *mine, const struct word *word,
                              uint64_t value)
{
    const struct owner *owner = word->account->words->owner[word_owner(value)];
    struct m_hold *expected = NULL;

    if (word->data.state == WORD_STATE_CLOSED) {
        must(value & WORD_CLOSED && !word->permit);
        return 0;
    }
    must(!(value & WORD_CLOSED) == (word->data.state == WORD_STATE_OPEN));
    must(word_order(value) == word->data.order);
    if (value & WORD_KNOWN)
        expected = known_hold(model, mine, word);
    for (size_t i = 0; i < model->hold_count && !expected; i++)
        if (model->holds[i].object == mine && model->holds[i].word == word->data.index)
            expected = &model->holds[i];
    must((expected != NULL) == (word_owner(value) != 0));
    if (expected) {
        must(word_depth(value) == 1 || word_is_handed(value, word_owner(value)));
        compare_owner(&expected->owner, owner);
    }
    return (word->permit != NULL) - (int64_t) (expected != NULL);
}

/* The same for a semaphore: permits that no word tells of are as the core says. */
static void compare_permits(struct model *model, const struct m_object *mine, const struct object *object,
                            struct pages *pages)
{
    uint64_t free_now = object->data.value, held = 0;
    const struct hold *hold;

    must(mine->abandoned == 0 && (core_is_offered(object) || !m_first(model, mine, M_ACQUIRE)));
    for (const struct word *word = object->word; word; word = word->next) {
        uint64_t value = *pages_word(pages, object->data.uid, word->data.index);

        free_now += (uint64_t) compare_permit(model, mine, word, value);
        held += word_owner(value) != 0 && word_owner(value) != WORD_OWNER_MAX;
    }
    for (size_t i = 0; i < model->hold_count; i++) /* given, to who has it in no word yet */
        if (model->holds[i].object == mine && model->holds[i].is_handed && model->holds[i].word == 0) {
            free_now--;
            held++;
        }
    TAILQ_FOREACH(hold, &object->holds, of_object)
        if (!hold->word) {
            must(hold_like(model, mine, hold)->word == 0);
            held++;
        }
    must(free_now == mine->value);
    for (size_t i = 0; i < model->hold_count; i++)
        held -= model->holds[i].object == mine;
    must(held == 0);
}

/* So many of the queue have got a permit, and the core has not seen it. */
static size_t count_early(const struct model *model, const struct object *semaphore)
{
    const struct waiter *waiter;
    size_t count = 0, at;

    TAILQ_FOREACH(waiter, &semaphore->waiters, of_object)
    {
        for (at = 0; at < model->early_count; at++)
            if (model->early[at].ticket == waiter->data.ticket)
                break;
        if (at == model->early_count)
            break;
        count++;
    }
    return count;
}

/* So many of the queue have got the lock, one behind the other, and the core has not seen it: all, where the
 * last one has opened it. */
static size_t count_served(const struct object *object, uint64_t value)
{
    const struct waiter *waiter = TAILQ_FIRST(&object->waiters);
    uint32_t unused[CORE_CHAIN_MAX];
    bool is_all;
    size_t count = 1;

    if (!object->word || object->word->data.state != WORD_STATE_OFFERED)
        return 0;
    if (value & WORD_OPENED) {
        count = core_word_chain(object->word, unused, &is_all);
        must(is_all);
        return count;
    }
    if (word_owner(value) == word_owner(object->word->data.stored))
        return 0;
    while (waiter->owner->slot != word_owner(value)) {
        waiter = TAILQ_NEXT(waiter, of_object);
        must(waiter && ++count <= CORE_CHAIN_MAX);
    }
    return count;
}

static void compare_holds(struct model *model, const struct m_object *mine, const struct object *object)
{
    const struct hold *hold = TAILQ_FIRST(&object->holds);

    for (size_t i = 0; i < model->hold_count; i++) {
        struct m_hold *expected = &model->holds[i];

        if (expected->object != mine)
            continue;
        must(hold && hold->data.count == expected->count);
        learn_hold(expected, hold);
        compare_owner(&expected->owner, hold->owner);
        must(expected->undo == ((hold->data.flags & HOLD_UNDO) != 0) || m_is_lock(mine));
        hold = TAILQ_NEXT(hold, of_object);
    }
    must(!hold);
}

static bool is_met_later(const struct m_hold *one, const struct m_hold *other)
{
    return one->is_met && other->is_met && one->object == other->object && one->word > other->word;
}

/* Those that the core has met in words at one time count in the order of these. */
static void sort_met(struct model *model, const struct m_object *mine)
{
    for (size_t i = 0; i < model->hold_count; i++)
        for (size_t k = i + 1; k < model->hold_count; k++) {
            struct m_hold one = model->holds[i];

            if (one.object != mine || !is_met_later(&one, &model->holds[k]))
                continue;
            model->holds[i] = model->holds[k];
            model->holds[k] = one;
        }
    for (size_t i = 0; i < model->hold_count; i++)
        if (model->holds[i].object == mine)
            model->holds[i].is_met = model->holds[i].is_handed = false;
}

void model_shared_look(struct model *model, const struct core *core)
{
    for (size_t i = 0; i < MODEL_OBJECTS; i++) {
        const struct m_object *mine = &model->objects[i];
        const struct object *object =
            mine->there ? core_object(core, mine->uid, mine->name, strlen(mine->name)) : NULL;
        const struct word *word = object && m_is_semaphore(mine) ? object->word : NULL;

        while (word && word->data.state == WORD_STATE_CLOSED)
            word = word->next;
        if (!object || !m_is_semaphore(mine) || word)
            continue;
        sort_met(model, mine);
        compare_holds(model, mine, object);
    }
}

static void compare_queue(const struct model *model, const struct m_object *mine, const struct object *object,
                          size_t served)
{
    const struct waiter *waiter = TAILQ_FIRST(&object->waiters), *later = TAILQ_FIRST(&object->later);

    for (; served > 0; served--)
        waiter = TAILQ_NEXT(waiter, of_object);

    for (size_t i = 0; i < model->wait_count; i++) {
        const struct m_wait *wait = &model->waits[i];
        const struct waiter **at = wait->sleep == M_LATER ? &later : &waiter;

        if (wait->object != mine)
            continue;
        must(*at && (*at)->data.ticket == wait->tickets[0]);
        must(((*at)->deadline.index > 0) ==
             (wait->due < INT64_MAX || ((*at)->deadline.key == INT64_MAX && wait->timed)));
        compare_owner(&wait->owner, (*at)->owner);
        *at = TAILQ_NEXT(*at, of_object);
    }
    must(!waiter && !later);
}

static void compare_opens(const struct m_object *mine, const struct object *object)
{
    const struct open *open;
    size_t count = 0;

    LIST_FOREACH(open, &object->opens, of_object)
    {
        uint64_t opener = open->client ? open->client->data.id : MODEL_PROCESS | open->process->data.id;
        size_t at = 0;

        while (at < mine->open_count && mine->opens[at] != opener)
            at++;
        must(at < mine->open_count);
        count++;
    }
    must(count == mine->open_count);
}

/* The same for an event. */
static void compare_event(const struct m_object *mine, const struct object *object, uint64_t value)
{
    must((value & ~WORD_SET) == (uint64_t) object->word->data.order << WORD_ORDER_SHIFT);
    must(((value & WORD_SET) != 0) == mine->set);
}

/* Does the core know less than a word says? */
static bool is_open_now(const struct object *object)
{
    const struct word *word = object->word;

    while (word && word->data.state == WORD_STATE_CLOSED)
        word = word->next;
    return word != NULL;
}

static void compare_object(struct model *model, const struct m_object *mine, const struct object *object,
                           struct pages *pages)
{
    bool is_open = is_open_now(object);
    uint64_t value = is_open ? *pages_word(pages, object->data.uid, object->word->data.index) : 0;
    const struct object_data *data = &object->data;

    must(data->kind == mine->kind && data->uid == mine->uid);
    must(((data->flags & OBJECT_PERSIST) != 0) == mine->persist);
    must(is_open || !m_is_semaphore(mine) || data->value == mine->value);
    must(mine->kind != OBJECT_BOUNDED_SEMAPHORE || data->bound == mine->bound);
    must(is_open || data->abandoned == mine->abandoned);
    must(is_open || ((data->flags & OBJECT_SET) != 0) == mine->set);
    must(((data->flags & OBJECT_BROKEN) != 0) == mine->broken);
    must(((data->flags & OBJECT_ACTION) != 0) == mine->action);
    must(data->runner == mine->runner);
    must((object->lock != NULL) == (mine->lock != NULL));
    if (mine->lock)
        compare_text(mine->lock->name, object->lock->name);
    if (data->flags & OBJECT_SHARED)
        must(data->mode == mine->mode && data->gid == mine->gid);
    if (is_open && mine->kind == OBJECT_EVENT)
        compare_event(mine, object, value);
    else if (is_open && m_is_semaphore(mine))
        compare_permits(model, mine, object, pages);
    else if (is_open)
        compare_word(model, mine, object, value);
    else
        compare_holds(model, mine, object);
    compare_queue(model, mine, object,
                  m_is_semaphore(mine) ? count_early(model, object) : count_served(object, value));
    compare_opens(mine, object);
}

/* A set that finds somebody waiting changes it, and nothing else does. */
static void learn_round(struct m_object *mine, const struct object *object)
{
    uint64_t round = object->word && mine->kind == OBJECT_EVENT ? object->word->data.round : 0;

    must(mine->round == 0 || round == 0 || (round != mine->round) == mine->is_round_over);
    mine->round = round;
    mine->is_round_over = false;
}

static void compare_processes(const struct model *model, const struct core *core)
{
    for (size_t i = 0; i < model->process_count; i++) {
        const struct m_process *mine = &model->processes[i];
        const struct process *process = core_process(core, mine->id);
        bool between = mine->pauses || mine->ordered;

        must(process && process->data.state == (uint32_t)(mine->ended     ? PROCESS_EXITED
                                                          : mine->running ? PROCESS_RUNNING
                                                          : between       ? PROCESS_RESTARTING
                                                                          : PROCESS_STARTING));
        must(!mine->pauses || process->deadline.key == mine->due);
        must(((process->data.flags & PROCESS_RESPAWNED) != 0) == mine->ordered);
    }
}

void model_compare(struct model *model, const struct core *core, struct pages *pages)
{
    struct account *account, *next;
    size_t count = HASH_COUNT(core->shared);

    compare_processes(model, core);
    HASH_ITER(hh, core->accounts, account, next)
    count += HASH_COUNT(account->objects);
    for (size_t i = 0; i < MODEL_OBJECTS; i++) {
        struct m_object *mine = &model->objects[i];
        const struct object *object;

        if (!mine->there)
            continue;
        object = core_object(core, mine->uid, mine->name, strlen(mine->name));
        if (!object)
            must_fail("%s is gone", mine->name);
        compare_object(model, mine, object, pages);
        learn_round(mine, object);
        count--;
    }
    if (count > 0)
        must_fail("%zu objects live on", count);
}
