/*
 * The rules of a word (proto/page.h): what is learnt from one that is closed, and when it is opened again.
 *
 * A word stands beside the record of its lock, and does not replace it. While it is closed the record is the
 * truth, and every rule about locks is applied to that, as for a lock without a word. While it is open the
 * word is the truth: nothing may be decided by the record before the word has been closed and its news taken
 * over. So whatever can change a lock, or depend on it, is named in core_words_wanted; what waits for a lock
 * keeps it closed, so that time-outs, connections and searches for cycles find no open word on their way.
 */
#include "daemon/core/objects.h"

#include <string.h>

/* Slots are those of one page: who acts in the place of another uid is nobody in that uid's words. */
static uint32_t slot_of(const struct hold *hold)
{
    return hold->owner->client->data.uid == hold->object->data.uid ? hold->owner->slot : 0;
}

/* ---- the record follows the word ---- */

static struct owner *owner_named(const struct word *word, uint64_t value)
{
    uint64_t slot = word_owner(value);

    return slot < PAGE_SLOTS ? word->account->words->owner[slot] : NULL;
}

/* Of what is deeper than a word can tell, the record knows how much. */
static void take_depth(struct hold *hold, uint64_t value)
{
    uint64_t depth = word_depth(value);

    if (hold->object->data.kind == OBJECT_RLOCK && depth > 0 && depth < WORD_DEPTH_MAX)
        hold->data.count = (uint32_t) depth;
}

static void begin_hold(struct core *core, struct word *word, struct owner *owner, uint64_t value)
{
    struct object *object = word->object;
    struct open *open = owner ? open_find(core, object, owner->client, NULL) : NULL;
    struct reply_sync unused;

    if (!open) /* a number that nobody was given, or who has closed the lock: nobody holds it */
        return;
    owner->refs++;
    hold_begin(core, &word->hold, object, owner, open, &unused);
    word->hold.data.since = 0;
    take_depth(&word->hold, value);
}

static void take_news(struct core *core, struct word *word, uint64_t value)
{
    struct object *object = word->object;
    struct hold *hold = TAILQ_FIRST(&object->holds);

    if (hold && value & WORD_KNOWN && slot_of(hold) == word_owner(value)) {
        take_depth(hold, value);
        return;
    }
    if (hold)
        hold_end(core, hold, HOLD_RELEASED);
    object->data.abandoned = (value & WORD_ABANDONED) != 0;
    begin_hold(core, word, owner_named(word, value), value);
}

static void close_word(struct core *core, struct word *word, uint64_t value)
{
    /* one that was closed already had nothing to tell, and an older order is not the clients' doing */
    bool is_news = !word->data.is_closed && word_order(value) == word->data.order;

    word->data.is_closed = 1;
    if (!word->object)
        return;
    word_changed(core, word->object);
    if (is_news)
        take_news(core, word, value);
}

int step_words(struct core *core, const struct core_input *input)
{
    const struct blob *words = &input->blob[BLOB_WORDS];
    struct input_word entry;

    for (size_t at = 0; at + sizeof entry <= words->size; at += sizeof entry) {
        const struct account *account;

        memcpy(&entry, words->data + at, sizeof entry);
        account = core_account(core, entry.uid);
        if (account && account->words && entry.index < PAGE_WORDS && account->words->word[entry.index])
            close_word(core, account->words->word[entry.index], entry.value);
    }
    if (input->body.number)
        words_decide(core);
    return 0;
}

/* ---- the word follows the record ---- */

static void move(struct word *word, struct word_list *list)
{
    if (word->list)
        TAILQ_REMOVE(word->list, word, of_list);
    word->list = list;
    if (list)
        TAILQ_INSERT_TAIL(list, word, of_list);
}

void word_load(struct core *core, struct word *word)
{
    if (word->data.is_closed)
        move(word, &core->changed);
}

void word_changed(struct core *core, struct object *object)
{
    struct word *word = object->word ? object->word : object->lock ? object->lock->word : NULL;

    if (word && word->data.is_closed)
        move(word, &core->changed);
}

/* Does nobody need the daemon for it? Who sleeps on its condition will wait for it without being asked. */
static bool is_left_alone(const struct object *lock)
{
    const struct hold *hold = TAILQ_FIRST(&lock->holds);
    const struct object *condition;

    if (!TAILQ_EMPTY(&lock->waiters))
        return false;
    LIST_FOREACH(condition, &lock->users, of_lock)
        if (!TAILQ_EMPTY(&condition->waiters))
            return false;
    return !hold || (slot_of(hold) > 0 && !(hold->data.flags & HOLD_UNASKED));
}

static uint64_t value_of(const struct object *lock)
{
    const struct hold *hold = TAILQ_FIRST(&lock->holds);
    uint64_t depth = hold && hold->data.count < WORD_DEPTH_MAX ? hold->data.count : WORD_DEPTH_MAX;

    if (!hold)
        return lock->data.abandoned ? WORD_ABANDONED : 0;
    return slot_of(hold) | depth << WORD_DEPTH_SHIFT | WORD_KNOWN;
}

static void decide(struct core *core, struct word *word)
{
    if (!word->object) {
        word->value = WORD_GONE;
        move(word, &core->stores);
        return;
    }
    if (!is_left_alone(word->object))
        return;
    word->data.is_closed = 0;
    word->data.order = (word->data.order + 1) & WORD_ORDER_MAX;
    word->value = value_of(word->object) | (uint64_t) word->data.order << WORD_ORDER_SHIFT;
    move(word, &core->stores);
}

void words_decide(struct core *core)
{
    struct word *word;

    while ((word = TAILQ_FIRST(&core->changed))) {
        move(word, NULL);
        decide(core, word);
    }
}

void word_forsake(struct core *core, struct word *word)
{
    word->object->word = NULL;
    word->object = NULL;
    word->data.is_closed = 1;
    move(word, NULL);
    if (TAILQ_EMPTY(&word->mappings))
        word_free(core, word);
    else
        move(word, &core->changed);
}

/* ---- which words must be closed ---- */

void core_words_of_object(const struct object *object, core_want_word *want, void *context)
{
    const struct object *lock = object->lock ? object->lock : object;
    const struct word *word = lock->word;

    if (word && !word->data.is_closed)
        want(context, word->account->uid, word->data.index);
}

/* Whoever a word can name has its lock open. */
static void words_of_client(const struct client *client, core_want_word *want, void *context)
{
    const struct open *open;

    TAILQ_FOREACH(open, &client->opens, of_owner)
        if (!open->object->lock) /* a condition's lock is on the list by itself, if it can be held */
            core_words_of_object(open->object, want, context);
}

static void all_words(const struct core *core, core_want_word *want, void *context)
{
    const struct account *account, *next_account;
    const struct object *object, *next;

    HASH_ITER(hh, core->accounts, account, next_account)
        HASH_ITER(hh, account->objects, object, next)
            if (!object->lock)
                core_words_of_object(object, want, context);
}

static void words_of_request(const struct core *core, const struct core_input *input, core_want_word *want,
                             void *context)
{
    const struct blob *name = &input->blob[BLOB_NAME];
    const struct object *object = core_object(core, input->body.request.uid, name->data, name->size);

    if (object)
        core_words_of_object(object, want, context);
}

void core_words_wanted(const struct core *core, const struct core_input *input, core_want_word *want,
                       void *context)
{
    const struct process *process;
    const struct client *client;

    if (input->kind > INPUT_OBJECT_CREATE && input->kind <= INPUT_UNDELIVERED) {
        words_of_request(core, input, want, context);
    } else if (input->kind == INPUT_CLIENT_DEAD) {
        client = core_client(core, input->body.number);
        if (client)
            words_of_client(client, want, context);
    } else if (input->kind == INPUT_EXITED) {
        process = core_process(core, input->body.report.process);
        if (process && process->client)
            words_of_client(process->client, want, context);
    } else if (input->kind == INPUT_RESTARTED) {
        all_words(core, want, context);
    }
}
