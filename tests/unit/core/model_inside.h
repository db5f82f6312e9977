/* SPDX-License-Identifier: MIT */
/* What the files of the model share. */
#ifndef PROCD_TESTS_UNIT_CORE_MODEL_INSIDE_H
#define PROCD_TESTS_UNIT_CORE_MODEL_INSIDE_H

#include "tests/unit/core/model.h"
#include "tests/unit/core/must.h"

#include <string.h>

/* One request while it is applied. */
struct m_request {
    const struct input_request *request;
    const struct input_sync *body;
    const struct core_input *input;
    uint64_t asker;        /* the connection's client */
    struct m_object *object;
    struct m_owner owner;
    char name[MODEL_TEXT], key[MODEL_TEXT];
};

/* ---- model.c ---- */

void m_text(char to[MODEL_TEXT], const struct blob *blob);
struct m_client *m_client(struct model *model, uint64_t id);
struct m_process *m_process(struct model *model, uint64_t id);
bool m_same_owner(const struct m_owner *one, const struct m_owner *other);
/* The request is answered: whoever repeated it, too, and the answer is recorded. */
void m_answer(struct model *model, const struct m_request *request, struct m_answer answer);
void m_fail(struct model *model, const struct m_request *request, enum proto_error error);
/* A wait is over. */
void m_answer_wait(struct model *model, struct m_wait *wait, struct m_answer answer);
void m_fail_wait(struct model *model, struct m_wait *wait, enum proto_error error);
/* At the end of its queue. */
struct m_wait *m_sleep(struct model *model, const struct m_request *request, enum m_sleep sleep);
void m_set_due(struct model *model, struct m_wait *wait);
/* The first that waits for an object; NULL: nobody. */
struct m_wait *m_first(struct model *model, const struct m_object *object, enum m_sleep sleep);

void m_forget_key(struct model *model, struct m_key *key);
/* One of those who asked gives up; with the last of them the wait is over. */
void m_give_up(struct model *model, uint64_t ticket);

/* ---- model_absence.c ---- */

/* Who waits with a key stays where it is; and of those who repeated it there is one. */
void m_become_absent(struct m_wait *wait);
/* What a client has not asked for again: waits in the order in which they were asked, grants in that in which
 * they were given. */
void m_end_absent_waits(struct model *model, uint64_t client);
void m_end_absent_grants(struct model *model, uint64_t client);
/* Client by client, as they came: first all waits, so that no grant goes to one that is absent. */
void m_end_absences(struct model *model);

/* ---- model_objects.c ---- */

void m_step_object(struct model *model, struct m_request *request);
bool m_is_lock(const struct m_object *object);
bool m_is_semaphore(const struct m_object *object);
struct m_object *m_find(struct model *model, uint32_t uid, const char *name);
/* It has them open from its start. False: one is not there. */
bool m_spawn_open(struct model *model, uint64_t process, const struct core_input *input);
void m_close_all(struct model *model, uint64_t opener);
/* Objects that nobody needs are no more. */
void m_sweep(struct model *model);

/* ---- model_sync.c ---- */

struct m_hold *m_take(struct model *model, struct m_object *object, const struct m_owner *owner);
struct m_hold *m_holder_of(struct model *model, const struct m_object *object);
void m_drop(struct model *model, struct m_hold *hold);
void m_settle(struct model *model, struct m_object *object);
void m_fail_all(struct model *model, const struct m_object *object, enum m_sleep sleep,
                enum proto_error error);
void m_break_barrier(struct model *model, struct m_object *barrier);
void m_acquire(struct model *model, struct m_request *request);
void m_release(struct model *model, struct m_request *request);
void m_event_set(struct model *model, struct m_request *request);
void m_event_wait(struct model *model, struct m_request *request);
void m_condition_wait(struct model *model, struct m_request *request);
void m_condition_notify(struct model *model, struct m_request *request);
void m_barrier_wait(struct model *model, struct m_request *request);
void m_barrier_done(struct model *model, struct m_request *request);
void m_barrier_reset(struct model *model, struct m_request *request);
void m_undelivered(struct model *model, const struct core_input *input);
/* What was granted by this answer, which nobody has heard of, goes to the next. */
void m_take_back(struct model *model, const struct m_answer *answer);
void m_timed_out(struct model *model, struct m_wait *wait);
/* The last that asked for it has given up. */
void m_given_up(struct model *model, struct m_wait *wait);

/* ---- model_shared.c ---- */

void m_map(struct model *model, struct m_request *request);

/* ---- model_deadlock.c ---- */

/* Would this owner's wait without an end close a cycle? */
bool m_deadlock(struct model *model, const struct m_owner *asker, const struct m_object *object,
                uint64_t process, const struct blob *threads);
/* Each entry of a cycle waits for the next one. */
void m_check_cycle(struct model *model, const struct text *cycle);

#endif
