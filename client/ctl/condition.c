/* SPDX-License-Identifier: MIT */
/*
 * condition wait, notify, notify-all: procctl takes the condition's lock for itself, and gives it back.
 */
#include "client/ctl/calls.h"
#include "client/ctl/object.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "client/ctl/waiting.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <string.h>

struct condition {
    struct ctl *ctl;
    json_t *lock;     /* its name */
    char *kind;       /* of the lock */
    int64_t deadline; /* of --timeout */
};

/* ---- the lock ---- */

static int find_lock(struct condition *condition)
{
    json_t *made = NULL, *info = NULL;
    const char *kind;
    int status = object_make(condition->ctl, "condition", NULL, &made);

    condition->lock = json_incref(json_object_get(made, "lock"));
    json_decref(made);
    if (status != 0)
        return status;
    if (!condition->lock) {
        complain(condition->ctl, "%s: its lock was unlinked", condition->ctl->arguments.words[0]);
        print_failure(condition->ctl, "ObjectGone", "the condition's lock was unlinked");
        return CTL_BROKEN;
    }
    status = call(condition->ctl, "object.info", json_pack("{s:O}", "name", condition->lock), &info);
    kind = json_string_value(json_object_get(info, "kind"));
    condition->kind = text_format("%s", kind ? kind : "");
    json_decref(info);
    return status;
}

/* Of its own, or of the condition: {"name", "holder"}. */
static json_t *params_for(const struct condition *condition, bool is_lock)
{
    json_t *params = is_lock ? json_pack("{s:O}", "name", condition->lock) : object_params(condition->ctl);

    /* Whoever is allowed may release a lock, without a holder. */
    json_object_set_new(params, "holder", json_string(OBJECT_OWN_HOLDER));
    return params;
}

static double seconds_left(const struct condition *condition)
{
    int64_t left;

    if (condition->deadline == CONNECTION_FOREVER)
        return -1;
    left = condition->deadline - clock_monotonic();
    return left > 0 ? (double)left / NSEC_PER_SEC : 0;
}

/* Gives it back. The document has been printed, or will be: this has none. */
static void release(struct condition *condition)
{
    CLEANUP_MEMORY char *method = text_format("%s.release", condition->kind);
    json_t *params = params_for(condition, true), *result = NULL;
    bool is_json = condition->ctl->is_json;

    if (strcmp(condition->kind, "lock") == 0)
        json_object_del(params, "holder");
    condition->ctl->is_json = false;
    call(condition->ctl, method, params, &result);
    condition->ctl->is_json = is_json;
    json_decref(result);
}

/* 0, or the status: not held then. */
static int acquire(struct condition *condition)
{
    CLEANUP_MEMORY char *method = text_format("%s.acquire", condition->kind);
    json_t *result = NULL;
    int status =
        waiting_call(condition->ctl, method, params_for(condition, true), seconds_left(condition), &result);
    bool is_held = json_is_true(json_object_get(result, "acquired"));

    if (status != 0 && is_held) {
        release(condition);
    } else if (status == 0 && is_held) {
        object_note_abandoned(condition->ctl, result);
    } else if (status == 0) {
        status = CTL_TIMEOUT;
        if (condition->ctl->is_json)
            print_document(json_pack("{s:b}", "notified", 0));
    }
    json_decref(result);
    return status;
}

static int take_lock(struct condition *condition)
{
    int status = find_lock(condition);

    return status == 0 ? acquire(condition) : status;
}

static void condition_done(struct condition *condition)
{
    json_decref(condition->lock);
    free(condition->kind);
}

/* ---- the commands ---- */

static int wait_held(struct condition *condition)
{
    json_t *result = NULL;
    int status = waiting_call(condition->ctl, "condition.wait", params_for(condition, false),
                              seconds_left(condition), &result);

    if (result) /* held again; answered by an error it is not */
        release(condition);
    if (status == 0) {
        object_note_abandoned(condition->ctl, result);
        if (condition->ctl->is_json)
            print_document(json_incref(result));
        if (!json_is_true(json_object_get(result, "notified")))
            status = CTL_TIMEOUT;
    }
    json_decref(result);
    return status;
}

int command_condition_wait(struct ctl *ctl)
{
    struct condition condition = {.ctl = ctl, .deadline = CONNECTION_FOREVER};
    double seconds = -1;
    int status = value_seconds(ctl, OPT_TIMEOUT, &seconds);

    if (seconds >= 0)
        condition.deadline = clock_monotonic() + (int64_t)(seconds * NSEC_PER_SEC);
    if (status == 0)
        status = take_lock(&condition);
    if (status == 0)
        status = wait_held(&condition);
    condition_done(&condition);
    return status;
}

static int notify(struct ctl *ctl, const char *method)
{
    struct condition condition = {.ctl = ctl, .deadline = CONNECTION_FOREVER};
    json_t *result = NULL;
    int status = take_lock(&condition);

    if (status == 0) {
        status = call(ctl, method, params_for(&condition, false), &result);
        release(&condition);
    }
    if (status == 0 && ctl->is_json)
        print_document(json_incref(result));
    else if (status == 0 && json_integer_value(json_object_get(result, "woken")) == 0)
        note(ctl, "%s: nobody waits", ctl->arguments.words[0]);
    json_decref(result);
    condition_done(&condition);
    return status;
}

int command_condition_notify(struct ctl *ctl)
{
    return notify(ctl, "condition.notify");
}

int command_condition_notify_all(struct ctl *ctl)
{
    return notify(ctl, "condition.notify_all");
}
