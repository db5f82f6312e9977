/* SPDX-License-Identifier: MIT */
/*
 * object.map: which words and slots there are, and who may use them (proto/page.h).
 *
 * A number is issued again only once nobody can use it for what it was: a word when its lock is gone and
 * every client that mapped it has closed it or died; a slot when its client has died, which is after every
 * word that may name it was closed.
 */
#include "daemon/core/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

/* Orders of one word do not come again soon after those of another: what an earlier one has left in the
 * memory is not taken for news of a later one. */
#define ORDERS_APART 4096

static struct words *words_get(struct account *account)
{
    if (account->words)
        return account->words;
    account->words = calloc(1, sizeof *account->words);
    if (account->words)
        account->words->word_free = account->words->slot_free = 1;
    return account->words;
}

/* Nothing is issued any more. */
static void words_trim(struct core *core, struct account *account)
{
    if (account->words && account->words->word_count == 0 && account->words->slot_count == 0) {
        free(account->words);
        account->words = NULL;
        account_trim(core, account);
    }
}

struct word *word_new(struct core *core, struct account *account, uint32_t index)
{
    struct words *words = words_get(account);
    struct word *word = words && !words->word[index] ? calloc(1, sizeof *word) : NULL;

    if (!word) {
        words_trim(core, account);
        return NULL;
    }
    word->data.index = word->data.first = index;
    word->data.state = WORD_STATE_CLOSED;
    word->data.stored = WORD_GONE; /* nothing yet */
    word->data.order = (uint32_t) (core->counters.word * ORDERS_APART) & WORD_ORDER_MAX;
    word->account = account;
    word->hold.data.count = 1;
    TAILQ_INIT(&word->mappings);
    words->word[index] = word;
    words->word_count++;
    while (words->word_free < PAGE_WORDS && words->word[words->word_free])
        words->word_free++;
    return word;
}

static void free_one(struct word *word)
{
    struct words *words = word->account->words;

    if (word->list)
        TAILQ_REMOVE(word->list, word, of_list);
    words->word[word->data.index] = NULL;
    words->word_count--;
    if (word->data.index < words->word_free)
        words->word_free = word->data.index;
    text_unref(word->name);
    free(word);
}

void word_free(struct core *core, struct word *word)
{
    struct account *account = word->account;
    struct word *next;

    for (; word; word = next) {
        next = word->next;
        free_one(word);
    }
    words_trim(core, account);
}

/* So many, one behind the other, for one object. */
static struct word *words_new(struct core *core, struct account *account, uint32_t index, uint32_t count)
{
    struct word *first = NULL, **next = &first;

    for (uint32_t i = 0; i < count; i++) {
        *next = word_new(core, account, index + i);
        if (!*next) {
            if (first)
                word_free(core, first);
            return NULL;
        }
        (*next)->data.first = index;
        next = &(*next)->next;
    }
    return first;
}

bool slot_take(struct account *account, struct owner *owner, uint32_t slot)
{
    struct words *words = words_get(account);

    if (!words || words->owner[slot])
        return false;
    owner->refs++;
    owner->slot = slot;
    words->owner[slot] = owner;
    words->slot_count++;
    while (words->slot_free < PAGE_SLOTS && words->owner[words->slot_free])
        words->slot_free++;
    return true;
}

static void slot_give_back(struct core *core, struct owner *owner)
{
    struct account *account = core_account(core, owner->client->data.uid);
    struct words *words = account->words;

    words->owner[owner->slot] = NULL;
    words->slot_count--;
    if (owner->slot < words->slot_free)
        words->slot_free = owner->slot;
    owner->slot = 0;
    owner_unref(owner);
    words_trim(core, account);
}

void words_free(struct account *account)
{
    struct words *words = account->words;

    for (uint32_t i = 1; words && words->word_count > 0; i++) {
        if (!words->word[i])
            continue;
        words->word_count--;
        text_unref(words->word[i]->name);
        free(words->word[i]);
    }
    free(words);
    account->words = NULL;
}

/* ---- who may use a word ---- */

bool word_add_mapping(struct word *word, struct client *client, struct open *open)
{
    struct mapping *mapping = calloc(1, sizeof *mapping);

    if (!mapping)
        return false;
    mapping->word = word;
    mapping->client = client;
    TAILQ_INSERT_TAIL(&word->mappings, mapping, of_word);
    if (open) {
        open->mapping = mapping;
        TAILQ_INSERT_TAIL(&client->mappings, mapping, of_client);
    } else {
        TAILQ_INSERT_HEAD(&client->mappings, mapping, of_client);
    }
    return true;
}

void word_mappings_first(struct word *word)
{
    struct mapping *mapping;

    TAILQ_FOREACH(mapping, &word->mappings, of_word)
    {
        TAILQ_REMOVE(&mapping->client->mappings, mapping, of_client);
        TAILQ_INSERT_HEAD(&mapping->client->mappings, mapping, of_client);
    }
}

static void mapping_free(struct core *core, struct mapping *mapping)
{
    struct word *word = mapping->word;

    TAILQ_REMOVE(&word->mappings, mapping, of_word);
    TAILQ_REMOVE(&mapping->client->mappings, mapping, of_client);
    free(mapping);
    if (!word->object && TAILQ_EMPTY(&word->mappings))
        word_free(core, word);
}

void word_unmap(struct core *core, struct open *open)
{
    if (open->mapping)
        mapping_free(core, open->mapping);
    open->mapping = NULL;
}

/* Who closes an object of that name uses none of that name any more. */
void words_close(struct core *core, struct client *client, uint32_t uid, const struct blob *name)
{
    struct mapping *mapping, *next;

    for (mapping = TAILQ_FIRST(&client->mappings); mapping && !mapping->word->object; mapping = next) {
        const struct text *gone = mapping->word->name;

        next = TAILQ_NEXT(mapping, of_client);
        if (mapping->word->account->uid == uid && gone->size == name->size &&
            memcmp(gone->bytes, name->data, name->size) == 0)
            mapping_free(core, mapping);
    }
}

bool word_is_mapped(const struct object *object)
{
    return object->word && !TAILQ_EMPTY(&object->word->mappings);
}

void words_forget_client(struct core *core, struct client *client)
{
    struct mapping *mapping;
    struct owner *owner, *next;

    while ((mapping = TAILQ_FIRST(&client->mappings)))
        mapping_free(core, mapping);
    HASH_ITER(hh, client->owners, owner, next)
        if (owner->slot)
            slot_give_back(core, owner);
}

/* ---- object.map ---- */

/* One for each permit that there is now or, where there is a bound, can be. */
static uint32_t words_needed(const struct object *object)
{
    uint64_t count = object->data.value;
    const struct hold *hold;

    if (object_is_lock(object) || object->data.kind == OBJECT_EVENT)
        return 1;
    TAILQ_FOREACH(hold, &object->holds, of_object)
        if (++count >= PAGE_PERMITS)
            break;
    if (object->data.kind == OBJECT_BOUNDED_SEMAPHORE)
        count = object->data.bound;
    return count < 1 ? 1 : count < PAGE_PERMITS ? (uint32_t) count : PAGE_PERMITS;
}

/* The first of so many free ones in a row; 0: there are none. */
static uint32_t find_free(const struct words *words, uint32_t count)
{
    uint32_t found = 0;

    if (!words)
        return 1;
    for (uint32_t i = words->word_free; i < PAGE_WORDS; i++) {
        found = words->word[i] ? 0 : found + 1;
        if (found == count)
            return i + 1 - count;
    }
    return 0;
}

/* The index of its first word, there or to be. 0: it is traced, not of the uid whose page it is, or there are
 * no numbers. */
static uint32_t find_place(const struct sync *sync)
{
    const struct object *object = sync->object;
    const struct words *words = object->account->words;

    if (!object_can_have_word(object) || object->data.flags & (OBJECT_SHARED | OBJECT_TRACE) ||
        sync->client->data.uid != object->data.uid ||
        (words && !sync->owner->slot && words->slot_free >= WORD_OWNER_MAX))
        return 0;
    return object->word ? object->word->data.index : find_free(words, words_needed(object));
}

/* What its owner has taken through the socket it can give back without. */
static void slot_is_new(struct core *core, const struct owner *owner)
{
    const struct open *open;
    const struct hold *hold;

    TAILQ_FOREACH(open, &owner->client->opens, of_owner)
        TAILQ_FOREACH(hold, &open->holds, of_open)
            if (hold->owner == owner)
                word_changed(core, open->object);
}

static void give_words(struct core *core, struct object *object, struct word *word)
{
    object->word = word;
    for (; word; word = word->next) {
        word->object = object;
        word->data.round = object->data.kind == OBJECT_EVENT ? next_rising(core, &core->counters.round) : 0;
    }
}

static uint32_t count_words(const struct word *word)
{
    uint32_t count = 0;

    for (; word; word = word->next)
        count++;
    return count;
}

/* Words, mapping and slot: all or -ENOMEM. */
static int map(struct core *core, struct sync *sync, uint32_t place)
{
    struct account *account = sync->object->account;
    struct word *word = sync->object->word, *made = NULL;
    struct words *words = words_get(account);

    if (!words)
        return -ENOMEM;
    if (!word && !(word = made = words_new(core, account, place, words_needed(sync->object))))
        return -ENOMEM;
    if (!sync->open->mapping && !word_add_mapping(word, sync->client, sync->open)) {
        if (made)
            word_free(core, made);
        return -ENOMEM;
    }
    if (!sync->owner->slot && slot_take(account, sync->owner, words->slot_free))
        slot_is_new(core, sync->owner);
    if (made) {
        core->counters.word++;
        give_words(core, sync->object, made);
    }
    word_changed(core, sync->object);
    return 0;
}

int step_object_map(struct core *core, const struct core_input *input)
{
    struct reply_data *reply;
    struct sync sync;
    uint32_t place;
    int r = sync_begin(core, input, WAIT_JOIN, SYNC_ANY_KIND | SYNC_OPEN | SYNC_OWNER, &sync);

    if (r != SYNC_GO)
        return r < 0 ? r : 0;
    reply = &sync.waiter->reply;
    reply->kind = REPLY_MAPPED;
    place = find_place(&sync);
    if (place > 0) {
        if (map(core, &sync, place) < 0)
            return sync_undo(core, &sync);
        reply->sync.flag = 1;
        reply->sync.number = place;
        reply->sync.words = count_words(sync.object->word);
        reply->sync.token = sync.owner->slot;
    }
    waiter_answer(core, sync.waiter);
    sync_done(&sync);
    return 0;
}
