/* SPDX-License-Identifier: MIT */
/*
 * What the commands about synchronisation objects share: the object is the first word of the command
 * line, its kind the first word of the command's name.
 */
#ifndef PROCD_CTL_OBJECT_H
#define PROCD_CTL_OBJECT_H

#include "client/ctl/ctl.h"

#include <jansson.h>

/* The holder by which procctl acts for itself: one name, also on another connection after a broker's
 * restart. */
#define OBJECT_OWN_HOLDER "procctl"

/* A name as the daemon is told it. A new value. */
json_t *object_name(const char *word);

/* {"name": NAME}, a new object. */
json_t *object_params(const struct ctl *ctl);

/* "lock.acquire" for the command "lock show" and the verb "acquire": a new string. */
char *object_method(const struct ctl *ctl, const char *verb);

/* Makes it where there is none: to stay, and with --mode if that was given. more: further params of
 * object.create, or NULL; taken over. ret_result may be NULL. 0, or the status: reported. */
int object_make(struct ctl *ctl, const char *kind, json_t *more, json_t **ret_result);

/* --mode, if it was given, as a member of params. 0 or CTL_USAGE. */
int object_mode(const struct ctl *ctl, json_t *params);

/* owner_pid: that of --for-pid, else the calling shell. 0, or the status: reported. */
int object_owner(const struct ctl *ctl, json_t *params);

/* Asks for something that is done at once, and has no result but for --json. params is taken over. The
 * status. */
int object_do(struct ctl *ctl, const char *method, json_t *params);

/* The holder before died, or was broken: a note, if the result says so. */
void object_note_abandoned(const struct ctl *ctl, const json_t *result);

/* acquire of a lock, an rlock or a semaphore for another process. kind: made where there is none, or NULL. */
int object_acquire(struct ctl *ctl, const char *kind);

/* lock show and its like. */
int object_show(struct ctl *ctl);

/* A holder or waiter, "4711" or "4711 (name)": a new string. */
char *object_party(const json_t *party);

/* "held", "2 of 3 free": a new string, and a color or NULL. */
char *object_state(const json_t *info, const char **ret_color);

#endif
