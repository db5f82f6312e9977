/* SPDX-License-Identifier: MIT */
/*
 * What the handles of all kinds of synchronisation objects share. Private to libprocd.
 */
#ifndef PROCD_CLIENT_LIB_OBJECT_H
#define PROCD_CLIENT_LIB_OBJECT_H

#include "client/lib/library.h"
#include "proto/ids.h"

#define KIND(identifier) (1U << OBJECT_##identifier) /* kinds are given as sets */

/* What every handle begins with. Nothing of it changes. */
struct object {
    uint64_t generation;
    enum object_kind kind;
    char *name;
    char *epoch;     /* of the daemon that keeps it: names say nothing to another one */
    bool is_counted; /* by opens.c */
};

/* ---- making and freeing ---- */

/* A handle of that size, which begins with a struct object, for the object that it makes or finds. name NULL:
 * a new one without a name. params: what else object.create is to know (stolen; NULL: nothing). epoch: what
 * the params are of, or NULL. NULL: noted. */
void *object_create(size_t size, enum object_kind kind, const char *name, json_t *params, const char *epoch);

/* The same for the object that object_json wrote down, which must be there and be of one of the kinds. */
void *object_from_json(size_t size, unsigned kinds, const json_t *json);

/* Opens the object of that name into a part of a handle, which is all zero. 0, or the error (noted); to be
 * closed in either case. */
int object_open(struct object *object, unsigned kinds, const char *name);

/* Closes the object with its last handle in this process; takes what was never opened, too. */
void object_close(struct object *object);

/* The same, and frees the handle. NULL is fine. */
void object_free(struct object *object);

/* A new reference; NULL: noted. */
json_t *object_json(const struct object *object);

/* ---- asking ---- */

/* 0, or -EINVAL (noted): no handle, or one of a process that this one was forked from. */
int object_check(const struct object *object);

/* A method whose params begin with the object's name. Checks the handle. Steals params (NULL: no memory). 0
 * and the result (borrowed from ret_incoming, which is always set), or the error (noted). */
int object_ask(const struct object *object, const char *method, json_t *params, int64_t deadline,
               struct incoming *ret_incoming, json_t **ret_result);

/* The same; bell: how it may be answered without an answer, which is 1; or NULL. */
int object_ask_by_bell(const struct object *object, const char *method, json_t *params, int64_t deadline,
                       const struct bell *bell, struct incoming *ret_incoming, json_t **ret_result);

/* ... and whose result says nothing, or is one member: true (1), false (0) or a number (at most INT_MAX). */
int object_tell(const struct object *object, const char *method, json_t *params);
int object_number(const struct object *object, const char *method, json_t *params, const char *member);

/* {"timeout": ...}, for object_ask, and the deadline of library_timeout. 0, -EINVAL (noted). */
int object_wait_params(double timeout, json_t **ret_params, int64_t *ret_deadline);

/* Adds the calling thread as `holder`. Returns params; NULL: no memory. */
json_t *object_add_holder(json_t *params);

/* KIND.acquire. 1: acquired, 2: and abandoned; 0: not; or the error. ret_token (may be NULL) is set with
 * the former. bell: how it may be granted without an answer, which gives OBJECT_GRANTED; or NULL. */
#define OBJECT_GRANTED 3
int object_acquire(const struct object *object, const char *method, double timeout, const struct bell *bell,
                   uint64_t *ret_token);

/* ---- opens.c: how many handles of this process an object has ---- */

/* One more, before the daemon is asked to open it; waits while it is being closed. 0, -ENOMEM (noted). */
int opens_begin(const char *name);

/* The daemon has opened it. 0, -ENOMEM (noted). */
int opens_keep(const char *name, const char *epoch);

/* One less; asks the daemon to close it with the last. */
void opens_end(const char *name);

/* ---- references.c: objects in JSON ---- */

/* The set of kinds of which the reference is one, and its name (borrowed). 0: it is none. */
unsigned reference_read(const json_t *json, const char **ret_name);

/* Appends the name of every object that the value refers to, at any depth, to the array names, once. 0,
 * -ENOMEM. */
int references_find(json_t *value, json_t *names);

#endif
