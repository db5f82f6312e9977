/* SPDX-License-Identifier: MIT */
/*
 * Synchronisation objects a second time, written from the protocol alone: plain arrays, searched from end to
 * end, no code shared with core/. What the core answers to the same inputs, and what it holds after each,
 * must be the same.
 *
 * No quotas, no memory that runs out, no process but its starts, its ends and who joins it.
 */
#ifndef PROCD_TESTS_UNIT_CORE_MODEL_H
#define PROCD_TESTS_UNIT_CORE_MODEL_H

#include "daemon/core/core.h"
#include "tests/unit/core/pages.h"

#define MODEL_TEXT    24 /* bytes of a name, a holder or a key, with its NUL */
#define MODEL_MOST    256
#define MODEL_OBJECTS 64
#define MODEL_TICKETS 64

struct m_connection {
    uint64_t id, client;
};

struct m_client {
    uint64_t id, process;
    uint32_t uid;
};

struct m_process {
    uint64_t id, spawn; /* ticket of its start */
    bool begun, running, ended;
    bool pauses, ordered; /* between two runs: until `due`, and from then on */
    uint32_t policy, tries, max_tries;
    int64_t started, due, delay, first_delay, max_delay, factor; /* factor: whole */
};

struct m_object {
    bool there, shared, persist, trace, set, broken, action, own_lock;
    char name[MODEL_TEXT];
    uint32_t uid, gid, mode, kind, parties;
    uint64_t value, bound, abandoned;
    uint64_t runner;   /* client */
    uint64_t run;      /* serial of the running action */
    uint64_t run_hold; /* what the core calls the running action */
    uint64_t repeated_run; /* which of them more than one answer has told of */
    uint64_t token;    /* of its newest hold that is known */
    uint64_t round;    /* of an event's word, as the core has it; 0: it has none */
    bool is_round_over;
    struct m_object *lock;
    uint64_t opens[MODEL_MOST]; /* clients; processes as PROCESS_BIT | id */
    size_t open_count;
};

#define MODEL_PROCESS (UINT64_C(1) << 63)

struct m_owner {
    uint64_t client;
    char holder[MODEL_TEXT];
};

struct m_hold {
    struct m_object *object;
    struct m_owner owner;
    uint64_t serial, count, id, token;
    bool undo, told, is_repeated; /* more than one answer has told of it */
    uint32_t word; /* of a permit: the index of that which says so, 0: none */
    bool is_met;   /* was taken in it, and the core has not seen that yet */
    bool is_handed; /* the same, by who waited: `word` is 0 until it is in one */
};

enum m_sleep { M_ACQUIRE, M_EVENT, M_SLEEP, M_RELOCK, M_BARRIER, M_LATER, M_JOIN, M_SPAWN };

/* One request that waits, and those that repeat it. */
struct m_wait {
    enum m_sleep sleep;
    struct m_object *object;
    struct m_owner owner;
    bool owned, timed, undo, notified, action, no_wait;
    bool absent; /* its broker died: the ticket is the old one */
    int64_t span, due; /* INT64_MAX: no time-out runs */
    uint64_t stamp;    /* order of time-outs */
    uint64_t asked;    /* order in which they were asked, whoever took over since */
    uint64_t count;    /* levels that it gets back */
    uint64_t process;
    uint64_t asker; /* whose key it is */
    char key[MODEL_TEXT];
    uint64_t tickets[MODEL_TICKETS], connections[MODEL_TICKETS];
    size_t ticket_count;
};

struct m_answer {
    uint64_t ticket;
    enum proto_error error;
    enum reply_kind kind;
    bool flag, abandoned;
    uint64_t number;
    uint32_t object_kind; /* of WrongKind */
    uint64_t hold;        /* serial of what was granted; the core says its token */
    char text[2][MODEL_TEXT];
    struct m_object *run; /* whose action */
    uint64_t run_serial;  /* and which of them */
    uint64_t asker;
    char key[MODEL_TEXT];
};

struct m_key {
    uint64_t client, digest, hold;
    char text[MODEL_TEXT];
    bool answered;
    unsigned told; /* answers that are not known to be lost */
    bool unasked; /* a grant to one that was absent, and has not asked for it */
    struct m_answer answer;
    uint64_t token;
};

struct model {
    int64_t mono, absent_due;
    uint64_t absent_stamp, asked, stamp, serial, report, processes_made;
    struct m_client clients[MODEL_MOST];
    struct m_connection connections[MODEL_MOST];
    struct m_process processes[MODEL_MOST];
    struct m_object objects[MODEL_OBJECTS];
    struct m_hold holds[MODEL_MOST]; /* the oldest first */
    struct m_wait waits[MODEL_MOST]; /* the first in each queue first */
    struct m_key keys[8 * MODEL_MOST];
    struct m_answer answers[MODEL_MOST]; /* of the last step */
    struct m_answer early[MODEL_MOST];   /* of hand-overs that the core has not seen yet */
    size_t client_count, connection_count, process_count, hold_count, wait_count, key_count, answer_count;
    size_t early_count;
};

struct model *model_new(void);
void model_free(struct model *model);

/* Whoever cannot be answered any more has no answer. */
void model_step(struct model *model, const struct core_input *input);

/* Does it hang on how many threads there are whether this wait without an end is a deadlock? */
bool model_threads_decide(struct model *model, const struct core_input *input);

/* The core has just been stepped and not delivered: its answers are the model's. */
void model_compare_answers(struct model *model, const struct core *core);
/* At rest: who holds, who waits, in which order, and every value. Of a lock whose word is open that says what
 * the core will know. */
void model_compare(struct model *model, const struct core *core, struct pages *pages);

/* A client takes a lock in shared memory, or goes a level deeper. True: the owner before had died. */
bool model_shared_acquire(struct model *model, uint32_t uid, const char *name, uint64_t client,
                          const char *holder);
/* Gives it back, to the first in the queue if there is one: the answer comes when the core sees it. */
void model_shared_release(struct model *model, uint32_t uid, const char *name);
/* A permit of a semaphore is taken in the word of that index; and given back in it, to the first in the queue
 * if there is one. */
void model_shared_take(struct model *model, uint32_t uid, const char *name, const struct owner *owner,
                       uint32_t index);
void model_shared_give(struct model *model, uint32_t uid, const char *name, uint32_t index);
/* What was given is in this word that of who was first in the queue then. */
void model_shared_handed(struct model *model, uint32_t uid, const char *name, const struct owner *owner,
                         uint32_t index);
/* An event is set or cleared in shared memory, where nobody waits for it. */
void model_shared_event(struct model *model, uint32_t uid, const char *name, bool is_set);
/* The core has just been told what words said: what it answers was to be answered. */
void model_compare_early(struct model *model, const struct core *core);
/* The core has been told all that it wants to know before a step: of semaphores that it has looked at it has
 * learnt who holds, and in which order that counts. */
void model_shared_look(struct model *model, const struct core *core);

#endif
