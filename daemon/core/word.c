/* SPDX-License-Identifier: MIT */
/*
 * The rules of a word (proto/page.h): what is learnt from one that is taken, and what is stored in it again.
 * Those of a semaphore's words: permit.c.
 *
 * A word stands beside the record of its object, and does not replace it. While it is closed the
 * record is the truth, and every rule about locks is applied to that, as for a lock without a word. While
 * it is open, or the lock is offered, the word is the truth: nothing may be decided by the record before
 * the word has been taken and its news with it. So whatever can change a lock, or depend on it, is named in
 * core_words_wanted.
 */
#include "daemon/core/objects.h"

#include <string.h>

#define WAITS_UNSEEN_MAX 32 /* of a client */

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

struct hold *word_begin_hold(struct core *core, struct word *word, uint64_t value)
{
    struct object *object = word->object;
    struct owner *owner = owner_named(word, value);
    struct open *open = owner ? open_find(core, object, owner->client, NULL) : NULL;
    struct reply_sync unused;

    if (!open) /* a number that nobody was given, or who has closed the object: nobody holds it */
        return NULL;
    owner->refs++;
    hold_begin(core, &word->hold, object, owner, open, &unused);
    word->hold.data.since = 0;
    take_depth(&word->hold, value);
    return &word->hold;
}

static void take_news_of_event(struct object *event, uint64_t value)
{
    event->data.flags &= ~(uint32_t) OBJECT_SET;
    if (value & WORD_SET)
        event->data.flags |= OBJECT_SET;
}

static void take_news(struct core *core, struct word *word, uint64_t value)
{
    struct object *object = word->object;
    struct hold *hold = TAILQ_FIRST(&object->holds);

    if (object->data.kind == OBJECT_EVENT) {
        take_news_of_event(object, value);
        return;
    }
    if (!object_is_lock(object)) {
        permit_take_news(core, word, value);
        return;
    }
    if (hold && value & WORD_KNOWN && slot_of(hold) == word_owner(value)) {
        take_depth(hold, value);
        return;
    }
    if (hold)
        hold_end(core, hold, HOLD_RELEASED);
    object->data.abandoned = (value & WORD_ABANDONED) != 0;
    (void) word_begin_hold(core, word, value);
}

/* Somebody has put the first in the queue in its holder's place, and that one has taken it, or not yet. */
static void take_hand_over(struct core *core, struct word *word, bool is_taken)
{
    struct object *object = word->object;
    struct waiter *next = TAILQ_FIRST(&object->waiters);
    struct hold *hold = TAILQ_FIRST(&object->holds);

    if (!next || !hold)
        return;
    hold_end(core, hold, HOLD_RELEASED);
    object->data.abandoned = 0;
    if (is_taken)
        wait_has_taken(core, next, object);
    else
        wait_grant(core, next, object);
}

/* How many have got it one behind the other, the last of whom has it: those whom the word was offered to have
 * not moved, as it is taken before anything is done to the queue. */
static uint32_t count_hand_overs(const struct word *word, uint64_t value)
{
    const struct waiter *waiter;
    uint32_t count = 0;

    if (word_owner(value) == word_owner(word->data.stored))
        return 0;
    TAILQ_FOREACH(waiter, &word->object->waiters, of_object)
    {
        uint32_t slot = waiter_bell(waiter);

        if (slot == 0 || ++count > CORE_CHAIN_MAX)
            break;
        if (slot == word_owner(value))
            return count;
    }
    return 0;
}

/* The last of those whom it was offered to has opened it. */
static void take_opened(struct core *core, struct word *word, uint64_t value)
{
    uint32_t unused[CORE_CHAIN_MAX];
    bool is_all;
    size_t count = core_word_chain(word, unused, &is_all);

    if (!is_all) /* whoever did it had no business to */
        return;
    for (; count > 0; count--)
        take_hand_over(core, word, true);
    take_news(core, word, value);
}

static void take_hand_overs(struct core *core, struct word *word, uint64_t value)
{
    if (value & WORD_OPENED) {
        take_opened(core, word, value);
        return;
    }
    for (uint32_t left = count_hand_overs(word, value); left > 0; left--)
        take_hand_over(core, word, left > 1 || word_depth(value) > 0);
}

static void close_word(struct core *core, struct word *word, uint64_t value)
{
    enum word_state before = word->data.state;
    /* another order is of a store that did not come through: nothing has happened */
    bool is_news = word->object && word_order(value) == word->data.order;

    word->data.state = WORD_STATE_CLOSED;
    if (is_news && before == WORD_STATE_OFFERED && !object_is_lock(word->object)) {
        word->data.state = WORD_STATE_TAKEN;
        word->data.stored = value;
        return;
    }
    if (word->object)
        word_changed(core, word->object);
    if (is_news && before == WORD_STATE_OPEN)
        take_news(core, word, value);
    else if (is_news && before == WORD_STATE_OFFERED)
        take_hand_overs(core, word, value);
}

static void take_word(struct core *core, struct word *word, uint64_t value)
{
    close_word(core, word, value);
    if (word->object && !object_is_lock(word->object))
        permits_take_offers(core, word->object);
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
            take_word(core, account->words->word[entry.index], entry.value);
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
    if (word->data.state == WORD_STATE_CLOSED)
        move(word, &core->changed);
}

void word_changed(struct core *core, struct object *object)
{
    struct word *word = object->word ? object->word : object->lock ? object->lock->word : NULL;

    for (; word; word = word->next)
        if (word->data.state == WORD_STATE_CLOSED)
            move(word, &core->changed);
}

uint32_t word_slot_of(const struct hold *hold)
{
    return hold->data.flags & HOLD_UNASKED ? 0 : slot_of(hold);
}

/* Who sleeps on its condition will wait for it without being asked. */
static bool has_sleepers(const struct object *lock)
{
    const struct object *condition;

    LIST_FOREACH(condition, &lock->users, of_lock)
        if (!TAILQ_EMPTY(&condition->waiters))
            return true;
    return false;
}

/* Does nobody need the daemon for it? */
static bool is_left_alone(const struct object *lock)
{
    const struct hold *hold = TAILQ_FIRST(&lock->holds);

    return TAILQ_EMPTY(&lock->waiters) && !has_sleepers(lock) && (!hold || word_slot_of(hold) > 0);
}

static uint64_t value_of(const struct object *lock)
{
    const struct hold *hold = TAILQ_FIRST(&lock->holds);
    uint64_t depth = hold && hold->data.count < WORD_DEPTH_MAX ? hold->data.count : WORD_DEPTH_MAX;

    if (lock->data.kind == OBJECT_EVENT)
        return lock->data.flags & OBJECT_SET ? WORD_SET : 0;
    if (!hold)
        return lock->data.abandoned ? WORD_ABANDONED : 0;
    if (word_slot_of(hold) == 0)
        return WORD_OWNER_MAX | WORD_KNOWN;
    return slot_of(hold) | depth << WORD_DEPTH_SHIFT | WORD_KNOWN |
           (hold->data.flags & HOLD_TOLD ? WORD_ABANDONED : 0);
}

/* 0: it does not look at the word, and is served by the daemon. */
static uint32_t slot_of_waiter(const struct waiter *waiter)
{
    return waiter->connection && waiter->data.kind == WAIT_HOLD ? waiter_bell(waiter) : 0;
}

/* Whose the lock, or any of the permits, is by a word. */
static bool is_named(const struct object *object, uint32_t slot)
{
    const struct hold *hold = TAILQ_FIRST(&object->holds);

    return object_is_lock(object) ? hold && word_slot_of(hold) == slot : permits_name(object, slot);
}

/* Is there anything to hand on? Who has got it where somebody had died is told by an answer. */
static bool may_be_handed(const struct object *object)
{
    const struct hold *hold = TAILQ_FIRST(&object->holds);

    if (object_is_lock(object))
        return hold && word_slot_of(hold) > 0;
    for (const struct word *word = object->word; word && object->data.abandoned == 0; word = word->next)
        if (word->permit)
            return true;
    return false;
}

static bool is_among(const uint32_t *slots, size_t count, uint32_t slot)
{
    for (size_t i = 0; i < count; i++)
        if (slots[i] == slot)
            return true;
    return false;
}

/* None is there twice, who has it included: its slot tells how far it has got. */
size_t core_word_chain(const struct word *word, uint32_t slots[CORE_CHAIN_MAX], bool *ret_is_all)
{
    const struct object *object = word->object;
    const struct waiter *waiter;
    size_t count = 0;

    if (ret_is_all)
        *ret_is_all = false;
    if (!may_be_handed(object))
        return 0;
    TAILQ_FOREACH(waiter, &object->waiters, of_object)
    {
        uint32_t slot = count < CORE_CHAIN_MAX ? slot_of_waiter(waiter) : 0;

        if (slot == 0 || is_named(object, slot))
            break;
        if (is_among(slots, count, slot))
            return count;
        slots[count++] = slot;
    }
    if (ret_is_all)
        *ret_is_all = object_is_lock(object) && !waiter && !has_sleepers(object);
    return count;
}

bool core_is_offered(const struct object *object)
{
    for (const struct word *word = object->word; word; word = word->next)
        if (word->data.state == WORD_STATE_OFFERED)
            return true;
    return false;
}

void word_store(struct core *core, struct word *word, enum word_state state, uint64_t value)
{
    word->data.state = state;
    word->data.stored = value;
    word->data.order = (word->data.order + 1) & WORD_ORDER_MAX;
    word->value = value | (uint64_t) word->data.order << WORD_ORDER_SHIFT;
    move(word, &core->stores);
}

static void decide_alone(struct core *core, struct word *word)
{
    const struct object *lock = word->object;
    uint32_t chain[CORE_CHAIN_MAX];
    uint64_t value = value_of(lock), next = core_word_chain(word, chain, NULL) > 0 ? chain[0] : 0;

    if (is_left_alone(lock))
        word_store(core, word, WORD_STATE_OPEN, value);
    else if (next > 0)
        word_store(core, word, WORD_STATE_OFFERED, value | WORD_CLOSED | next << WORD_NEXT_SHIFT);
    else if ((value | WORD_CLOSED) != word->data.stored)
        word_store(core, word, WORD_STATE_CLOSED, value | WORD_CLOSED);
}

static void decide(struct core *core, struct word *word)
{
    struct object *object = word->object;

    if (!object) {
        word->value = WORD_GONE;
        move(word, &core->stores);
    } else if (object_is_lock(object) || object->data.kind == OBJECT_EVENT) {
        decide_alone(core, word);
    } else {
        permits_decide(core, object);
    }
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
    bool is_mapped = !TAILQ_EMPTY(&word->mappings);

    word->name = text_ref(word->object->name);
    word_mappings_first(word);
    word->object->word = NULL;
    for (struct word *each = word; each; each = each->next) {
        each->object = NULL;
        each->data.state = WORD_STATE_CLOSED;
        move(each, is_mapped ? &core->changed : NULL);
    }
    if (!is_mapped)
        word_free(core, word);
}

/* ---- which words must be closed ---- */

void core_words_of_object(const struct object *object, core_want_word *want, void *context)
{
    const struct object *lock = object->lock ? object->lock : object;
    const struct word *word;

    for (word = lock->word; word; word = word->next)
        if (word->data.state == WORD_STATE_OPEN || word->data.state == WORD_STATE_OFFERED)
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

/* Whoever leaves a queue changes what can be, or was, offered. Who repeats a request has what it got. */
static void words_of_waiter(const struct waiter *waiter, core_want_word *want, void *context)
{
    if (waiter->data.kind == WAIT_FOLLOW && waiter->key)
        waiter = waiter->key->waiter;
    if (waiter->object)
        core_words_of_object(waiter->object, want, context);
}

static void words_of_connection(const struct connection *connection, core_want_word *want, void *context)
{
    const struct waiter *waiter;

    TAILQ_FOREACH(waiter, &connection->waiters, of_connection)
        words_of_waiter(waiter, want, context);
}

/* Its own waits, and what it has asked in the place of others. */
static void words_of_waits(const struct client *client, core_want_word *want, void *context)
{
    const struct connection *connection;
    const struct waiter *waiter;

    TAILQ_FOREACH(waiter, &client->waits, of_client)
        words_of_waiter(waiter, want, context);
    TAILQ_FOREACH(waiter, &client->absent, of_connection)
        words_of_waiter(waiter, want, context);
    LIST_FOREACH(connection, &client->connections, of_client)
        words_of_connection(connection, want, context);
}

/* Nobody says that a wait is over whose lock was handed on and opened. Where a client has many waits, twice
 * as many as the last time, their words are looked at: so no more than that are over and not known. */
static void words_of_many_waits(struct client *client, core_want_word *want, void *context)
{
    const struct waiter *waiter;
    bool is_any = false;

    if (client->wait_count < client->wait_mark / 4)
        client->wait_mark = 0;
    if (client->wait_count < WAITS_UNSEEN_MAX || client->wait_count < client->wait_mark)
        return;
    TAILQ_FOREACH(waiter, &client->waits, of_client) {
        if (!waiter->object || !core_is_offered(waiter->object))
            continue;
        is_any = true;
        core_words_of_object(waiter->object, want, context);
    }
    if (!is_any)
        client->wait_mark = 2 * client->wait_count;
}

static void words_of_request(struct core *core, const struct core_input *input, core_want_word *want,
                             void *context)
{
    const struct connection *connection = core_connection(core, input->body.request.connection);
    const struct blob *name = &input->blob[BLOB_NAME];
    const struct object *object = core_object(core, input->body.request.uid, name->data, name->size);

    if (object)
        core_words_of_object(object, want, context);
    if (connection && connection->client)
        words_of_many_waits(connection->client, want, context);
    if (object && input->kind == INPUT_ACQUIRE && object_is_lock(object))
        deadlock_words(core, object, NULL, want, context);
}

/* What it may have handed over without having rung for it, as it has become another program: one that has
 * died is looked for as a whole. */
static void words_let_go(const struct connection *connection, core_want_word *want, void *context)
{
    const struct open *open;

    if (LIST_FIRST(&connection->client->connections) != connection || LIST_NEXT(connection, of_client))
        return;
    TAILQ_FOREACH(open, &connection->client->opens, of_owner)
        if (core_is_offered(open->object))
            core_words_of_object(open->object, want, context);
}

static void words_of_number(const struct core *core, const struct core_input *input, core_want_word *want,
                            void *context)
{
    const struct connection *connection = core_connection(core, input->body.number);
    const struct waiter *waiter;

    if (input->kind == INPUT_CANCEL) {
        HASH_FIND(hh, core->waiters, &input->body.number, sizeof input->body.number, waiter);
        if (waiter)
            words_of_waiter(waiter, want, context);
    } else if (connection) {
        words_of_connection(connection, want, context);
        words_let_go(connection, want, context);
    }
}

/* The heap has what is due sooner in front of what is due later. */
static void words_of_due(const struct core *core, size_t at, int64_t mono, core_want_word *want,
                         void *context)
{
    const struct heap_node *node = at < core->deadlines.count ? core->deadlines.nodes[at] : NULL;

    if (!node || node->key > mono)
        return;
    if (node->tag == DEADLINE_WAITER)
        words_of_waiter((const struct waiter *) ((const char *) node - offsetof(struct waiter, deadline)),
                        want, context);
    else if (node->tag == DEADLINE_ABSENCE)
        all_words(core, want, context);
    words_of_due(core, 2 * at + 1, mono, want, context);
    words_of_due(core, 2 * at + 2, mono, want, context);
}

static void words_of_death(const struct client *client, core_want_word *want, void *context)
{
    if (!client)
        return;
    words_of_client(client, want, context);
    words_of_waits(client, want, context);
}

void core_words_wanted(struct core *core, const struct core_input *input, core_want_word *want, void *context)
{
    struct process *process;

    if (input->kind > INPUT_OBJECT_CREATE && input->kind <= INPUT_UNDELIVERED) {
        words_of_request(core, input, want, context);
    } else if (input->kind == INPUT_CANCEL || input->kind == INPUT_DISCONNECT) {
        words_of_number(core, input, want, context);
    } else if (input->kind == INPUT_CLIENT_DEAD) {
        words_of_death(core_client(core, input->body.number), want, context);
    } else if (input->kind == INPUT_EXITED || input->kind == INPUT_JOIN) {
        process = core_process(core, input->kind == INPUT_EXITED ? input->body.report.process
                                                                 : input->body.request.process);
        if (process && input->kind == INPUT_EXITED)
            words_of_death(process->client, want, context);
        else if (process)
            deadlock_words(core, NULL, process, want, context);
    } else if (input->kind == INPUT_TIME) {
        words_of_due(core, 0, input->mono, want, context);
    } else if (input->kind == INPUT_RESTARTED) {
        all_words(core, want, context);
    }
}

void words_store_again(struct core *core)
{
    struct account *account, *next_account;
    struct object *object, *next;
    struct word *word;

    HASH_ITER(hh, core->accounts, account, next_account)
        HASH_ITER(hh, account->objects, object, next) {
            for (word = object->word; word; word = word->next)
                word->data.stored = WORD_GONE;
            word_changed(core, object);
        }
}
