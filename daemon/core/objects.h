/* SPDX-License-Identifier: MIT */
/*
 * What the files about synchronisation objects share with each other and with the rest of core/. As
 * everywhere here: what can fail for memory fails before the state changes.
 */
#ifndef PROCD_CORE_OBJECTS_H
#define PROCD_CORE_OBJECTS_H

#include "daemon/core/internal.h"

/* ---- text.c ---- */

struct text *text_new(const char *bytes, size_t size);
struct text *text_ref(struct text *text);
struct text *text_unref(struct text *text);
bool text_is_same(const struct text *a, const struct text *b);

/* ---- object.c ---- */

#define OBJECT_MADE_NAME_MAX 32

/* A name, in `room`, for one that is to be made without. */
struct blob object_make_name(struct core *core, uint32_t uid, char room[OBJECT_MADE_NAME_MAX]);
/* Makes an object in the table. NULL without memory. */
struct object *object_new(struct core *core, struct account *account, const struct blob *name,
                          enum object_kind kind);
/* It goes if nobody has it open and nothing needs it. Returns NULL. */
struct object *object_trim(struct core *core, struct object *object);
/* It goes: who waits is told ObjectGone, its holds are no more. */
void object_remove(struct core *core, struct object *object);
/* Undoes the last object_new, for a step that fails. */
void object_undo(struct core *core, struct object *object);
bool object_is_lock(const struct object *object);
/* In a page, see word.c. */
bool object_can_have_word(const struct object *object);
/* A lock or a semaphore. */
bool object_is_held(const struct object *object);
/* Serves those whose turn has come: a free object with waiters is never at rest. */
void object_settle(struct core *core, struct object *object);

/* ---- open.c ---- */

struct open *open_find(const struct core *core, const struct object *object, const struct client *client,
                       const struct process *process);
/* Has its client too much open to open this one (NULL: a new one), too? */
bool open_exceeds(const struct core *core, const struct object *object, const struct client *client);
/* Of a client, or of a process where client is NULL: found, or made. NULL without memory. */
struct open *open_get(struct core *core, struct object *object, struct client *client,
                      struct process *process, bool *ret_is_new);
/* Its holds must be gone. The object is not trimmed. */
void open_free(struct core *core, struct open *open);
/* Its holds end, as by death or by an orderly close, and the object goes if it was the last. */
void open_close(struct core *core, struct open *open, bool by_death);
void opens_close(struct core *core, struct open_list *opens, bool by_death);
/* For a step that fails: nothing but the opens goes. */
void opens_undo(struct core *core, struct open_list *opens);

/* ---- owner.c ---- */

/* With one more reference; NULL without memory. */
struct owner *owner_get(struct client *client, const struct blob *holder);
struct owner *owner_unref(struct owner *owner);
/* How many of its owners wait for anything. */
uint64_t owners_waiting(const struct client *client);

/* ---- hold.c ---- */

/* One more than the last, which begins at the clock's microseconds, so that it rises across a full stop. */
uint64_t next_rising(const struct core *core, uint64_t *last);
struct hold *hold_new(struct account *account);
struct hold *hold_free(struct core *core, struct hold *hold);
/* The hold begins: a token is minted, what was abandoned is told once. The owner's reference is taken
 * over. */
void hold_begin(struct core *core, struct hold *hold, struct object *object, struct owner *owner,
                struct open *open, struct reply_sync *ret_reply);
enum hold_end { HOLD_RELEASED, HOLD_ABANDONED, HOLD_CLOSED };
/* The hold ends, and is freed; object_settle comes next. */
void hold_end(struct core *core, struct hold *hold, enum hold_end how);
/* Takes a hold out without freeing it: its owner goes to sleep on a condition. */
void hold_pause(struct core *core, struct hold *hold);

/* The hold of that id, if there still is one. */
struct hold *hold_find(const struct object *object, uint64_t id);

/* ---- word.c ---- */

/* Something has changed that its word (or, of a condition, its lock's) must say: called by whoever changes
 * holds, queues or the flag of the abandoned. */
void word_changed(struct core *core, struct object *object);
/* What is closed is to be decided. For load_sync.c. */
void word_load(struct core *core, struct word *word);
/* Its object goes, and the words that follow it. */
void word_forsake(struct core *core, struct word *word);
/* To be stored, with a new order. */
void word_store(struct core *core, struct word *word, enum word_state state, uint64_t value);
/* The slot that names a hold's owner, if it has one and knows that it holds; 0: the daemon must be asked. */
uint32_t word_slot_of(const struct hold *hold);
/* Its own hold begins, as the value says. NULL: the owner that it names has no right to that. */
struct hold *word_begin_hold(struct core *core, struct word *word, uint64_t value);

/* ---- permit.c ---- */

/* What clients have left in a word of a semaphore that was open. */
void permit_take_news(struct core *core, struct word *word, uint64_t value);
/* What they have left in those that were offered, once all of them are taken. */
void permits_take_offers(struct core *core, struct object *semaphore);
/* Has any of its words a permit of this slot? */
bool permits_name(const struct object *semaphore, uint32_t slot);
/* What a semaphore's words are to say, once all of them are closed. */
void permits_decide(struct core *core, struct object *semaphore);
/* Is there a permit for each word that says so? */
bool permits_add_up(const struct object *semaphore);

/* ---- mapping.c ---- */

/* Who has it open uses the object's word no more. */
void word_unmap(struct core *core, struct open *open);
/* May somebody hold it without asking? */
bool word_is_mapped(const struct object *object);
/* Its object is gone: the mappings come first with their clients. */
void word_mappings_first(struct word *word);
/* The client has closed that name: words of objects of that name that are gone are not its any more. */
void words_close(struct core *core, struct client *client, uint32_t uid, const struct blob *name);
/* Frees what was issued, whatever uses it. For the end of the whole. */
void words_free(struct account *account);
/* Its object and all who have mapped it are gone: it goes, with those that follow it. */
void word_free(struct core *core, struct word *word);
/* The parts of object.map. NULL or false without memory, or where the number is taken. */
struct word *word_new(struct core *core, struct account *account, uint32_t index);
/* open: NULL where the object is gone. */
bool word_add_mapping(struct word *word, struct client *client, struct open *open);
bool slot_take(struct account *account, struct owner *owner, uint32_t slot);

/* ---- lock.c ---- */

/* One more answer tells of it. */
void grant_repeat(struct object *object, uint64_t grant);
/* Nobody was told of this grant (its number as in reply_sync), of so many levels: it goes to the next, or
 * breaks the barrier that waits for its action. False: it is no more. */
bool grant_take_back(struct core *core, struct object *object, uint64_t grant, uint64_t levels);

/* ---- request.c of objects: sync.c ---- */

/* What a request is about, once it is found, allowed and allocated. */
struct sync {
    struct waiter *waiter;
    struct object *object;
    struct client *client;
    struct open *open;   /* SYNC_OPEN */
    struct open *asker;  /* SYNC_OPEN: of the process that asks in another's place, which has used it, too */
    struct owner *owner; /* SYNC_OWNER: a reference of this struct's */
    bool is_new_object, is_new_open, is_new_asker;
};

enum sync_needs {
    SYNC_OPEN = 1 << 0,    /* the client has it open from now on */
    SYNC_OWNER = 1 << 1,   /* an owner is made where there is none */
    SYNC_HOLD = 1 << 2,    /* the waiter gets a hold */
    SYNC_CREATES = 1 << 3, /* the object is made where there is none */
    SYNC_ANY_KIND = 1 << 4,
};

enum sync_outcome { SYNC_GO, SYNC_HANDLED };

/* Key, object, access, open, owner and hold of a request. SYNC_HANDLED: it was answered, or waits with
 * another of its key; or -ENOMEM: nothing has changed. After SYNC_GO the waiter must be answered or
 * queued, and sync_done called. */
int sync_begin(struct core *core, const struct core_input *input, enum wait_kind kind, unsigned needs,
               struct sync *ret_sync);
/* Gives back the reference to the owner. */
void sync_done(struct sync *sync);
/* Undoes sync_begin, for a step that fails after it and before it changed anything. */
int sync_undo(struct core *core, struct sync *sync);
void waiter_fail_kind(struct core *core, struct waiter *waiter, const struct object *object);

/* ---- waitq.c ---- */

/* The owner waits by it: it shows in the graph. */
void wait_own(struct waiter *waiter, struct owner *owner);
/* Into the queue of an object, with its time-out if it has one. That it is not refused was seen to. */
void wait_enqueue(struct core *core, struct waiter *waiter, struct object *object, struct wait_queue *queue);
/* Out of its queue, for waiter_detach: hold and owner are given back. */
void wait_leave(struct core *core, struct waiter *waiter);
/* Its client, time-out or connection has given up: what that means to the others. Before waiter_detach. */
void wait_given_up(struct core *core, struct waiter *waiter);
/* One that repeated the request waits in the other's place, with all that it has: see waiter.c. */
void wait_replace(struct core *core, struct waiter *old, struct waiter *waiter);
/* The time-out of one that waits for an object. */
void wait_timed_out(struct core *core, struct waiter *waiter);
void wait_grant(struct core *core, struct waiter *waiter, struct object *object);
/* It has seen to that itself, so nothing depends on its answer. */
void wait_has_taken(struct core *core, struct waiter *waiter, struct object *object);
/* All that wait are told an error. */
void wait_fail_all(struct core *core, struct wait_queue *queue, enum proto_error error);

/* ---- condition.c ---- */

/* Wakes a sleeper: from now on it waits for the lock. */
void condition_wake(struct core *core, struct waiter *waiter, bool notified);

/* ---- barrier.c ---- */

void barrier_break(struct core *core, struct object *object);

/* ---- deadlock.c ---- */

enum deadlock { DEADLOCK_NONE, DEADLOCK_CERTAIN };

/* Would this owner's wait for an object's lock, or for a process, close a cycle that nobody can leave?
 * DEADLOCK_CERTAIN and the cycle; or -ENOMEM. */
int deadlock_check(struct core *core, struct owner *owner, const struct object *object,
                   struct process *process, const struct blob *threads, struct text **ret_cycle);

/* The words of locks on the way from an object's holder, or a process, along what they wait for. */
void deadlock_words(struct core *core, const struct object *object, struct process *process,
                    core_want_word *want, void *context);

/* ---- eventlog.c ---- */

/* hold or owner may be NULL. */
uint64_t event_object(struct core *core, enum event_kind kind, const struct object *object,
                      const struct owner *owner, uint64_t token);
uint64_t event_deadlock(struct core *core, uint32_t uid, struct text *cycle);

#endif
