/* SPDX-License-Identifier: MIT */
#include "tests/unit/core/word_chance.h"

#include "tests/unit/core/must.h"

/* Those of all words of an object. */
static const struct word *first_of(const struct word *word)
{
    return word->account->words->word[word->data.first];
}

/* One of the words that clients may change now, or NULL. */
static const struct word *pick_word(struct chance *chance, const struct core *core)
{
    const struct account *account, *next;
    const struct word *picked = NULL;
    uint64_t count = 0;

    HASH_ITER(hh, core->accounts, account, next)
        for (uint32_t i = 0; account->words && i < 64; i++) {
            const struct word *word = account->words->word[i];

            if (word && word->object && word->data.state != WORD_STATE_CLOSED &&
                !TAILQ_EMPTY(&first_of(word)->mappings) && chance_once_in(chance, ++count))
                picked = word;
        }
    return picked;
}

/* A thread that may use it: mostly its owner, if it has one. */
static const struct owner *pick_user(struct chance *chance, const struct word *word, uint64_t value)
{
    const struct owner *picked = word->account->words->owner[word_owner(value)];
    const struct mapping *mapping;
    uint64_t count = 0;

    if (picked && !chance_once_in(chance, 4))
        return picked;
    picked = NULL;
    TAILQ_FOREACH(mapping, &first_of(word)->mappings, of_word)
        for (uint32_t i = 1; i < 64; i++) {
            const struct owner *owner = word->account->words->owner[i];

            if (owner && owner->client == mapping->client && chance_once_in(chance, ++count))
                picked = owner;
        }
    return picked;
}

static void move_event(struct chance *chance, const struct word *word, uint64_t *value, struct model *model)
{
    bool is_set = chance_once_in(chance, 2);

    if (pages_event(value, is_set))
        model_shared_event(model, word->account->uid, word->object->name->bytes, is_set);
}

static void move_permit(struct chance *chance, const struct word *word, uint64_t *value, struct pages *pages,
                        struct model *model)
{
    const struct owner *user = pick_user(chance, word, *value);
    const char *name = word->object->name->bytes;

    if (!user)
        return;
    if (pages_acquire(value, user->slot, false))
        model_shared_take(model, word->account->uid, name, user, word->data.index);
    else if (pages_take(value, user->slot))
        return;
    else if (pages_give(value, user->slot) ||
             pages_offer(pages, word->account->uid, word->data.first, word->data.index, user->slot))
        model_shared_give(model, word->account->uid, name, word->data.index);
}

/* One step for what was given; whoever goes on with it. True: there was one. */
static bool move_given(const struct word *word, struct pages *pages, struct model *model)
{
    uint32_t uid = word->account->uid, first = word->data.first, at, slot;

    if (pages_begin(pages, uid, first, word->data.index) || pages_go_on(pages, uid, first))
        return true;
    slot = pages_hand(pages, uid, first);
    if (slot == 0)
        return false;
    at = first + (uint32_t) head_step(pages_head(pages, uid, first)) - 1;
    model_shared_handed(model, uid, word->object->name->bytes, word->account->words->owner[slot], at);
    return true;
}

/* Those of one semaphore; many, where it is handed from one to the other. */
static void move_permits(struct chance *chance, const struct word *word, struct pages *pages,
                         struct model *model)
{
    bool is_offered = core_is_offered(word->object);

    do {
        uint64_t *value = pages_word(pages, word->account->uid, word->data.index);

        if (chance_once_in(chance, 3) || !move_given(word, pages, model))
            move_permit(chance, word, value, pages, model);
        if (word->next && chance_once_in(chance, 2))
            word = word->next;
    } while (is_offered && !chance_once_in(chance, 16));
}

void word_chance_move(struct chance *chance, const struct core *core, struct pages *pages,
                      struct model *model)
{
    const struct word *word = pick_word(chance, core);
    uint64_t *value = word ? pages_word(pages, word->account->uid, word->data.index) : NULL;
    bool is_event = word && word->object->data.kind == OBJECT_EVENT;
    bool is_recursive = word && word->object->data.kind == OBJECT_RLOCK;
    bool is_lock = is_recursive || (word && word->object->data.kind == OBJECT_LOCK);
    const struct owner *user = is_lock ? pick_user(chance, word, *value) : NULL;
    const char *name = word ? word->object->name->bytes : NULL;
    int r;

    if (is_event)
        move_event(chance, word, value, model);
    else if (word && !is_lock)
        move_permits(chance, word, pages, model);
    if (!user || pages_take(value, user->slot))
        return;
    if (word_owner(*value) == 0 || (is_recursive && chance_once_in(chance, 3))) {
        r = pages_acquire(value, user->slot, is_recursive);
        if (r > 0)
            must(model_shared_acquire(model, word->account->uid, name, user->client->data.id,
                                      user->holder->bytes) == (r == 2));
    } else if (pages_release(pages, value, user->slot, is_recursive) > 0) {
        model_shared_release(model, word->account->uid, name);
    }
}
