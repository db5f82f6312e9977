/* SPDX-License-Identifier: MIT */
/*
 * lock and rlock: acquire for another process, which is the calling shell where none is named; release,
 * show, break.
 */
#include "client/ctl/calls.h"
#include "client/ctl/object.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "client/ctl/waiting.h"
#include "daemon/base/cleanup.h"
#include "proto/ids.h"

#include <stdio.h>
#include <string.h>

/* ---- acquire ---- */

/* It came when we had given up: the shell must not hold what it does not know of. */
static void give_back(struct ctl *ctl, const json_t *asked, const json_t *result)
{
    CLEANUP_MEMORY char *method = object_method(ctl, "release");
    json_t *params = object_params(ctl), *token = json_object_get(result, "token"), *released = NULL;

    if (strcmp(method, "lock.release") == 0)
        json_object_set(params, "token", token);
    else
        json_object_set(params, "owner_pid", json_object_get(asked, "owner_pid"));
    ctl->is_json = false; /* the document has been printed */
    call(ctl, method, params, &released);
    json_decref(released);
}

static int tell(const struct ctl *ctl, json_t *result)
{
    bool is_acquired = json_is_true(json_object_get(result, "acquired"));

    if (is_acquired)
        object_note_abandoned(ctl, result);
    if (ctl->is_json)
        print_document(json_incref(result));
    else if (is_acquired)
        printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(json_object_get(result, "token")));
    if (is_acquired)
        return CTL_OK;
    return argument_given(&ctl->arguments, OPT_NONBLOCK) ? CTL_NEGATIVE : CTL_TIMEOUT;
}

int object_acquire(struct ctl *ctl, const char *kind)
{
    CLEANUP_MEMORY char *method = object_method(ctl, "acquire");
    json_t *params = object_params(ctl), *result = NULL;
    double seconds = -1;
    int status = value_seconds(ctl, OPT_TIMEOUT, &seconds);

    if (status == 0)
        status = object_owner(ctl, params);
    if (status == 0 && kind)
        status = object_make(ctl, kind, NULL, NULL);
    if (argument_given(&ctl->arguments, OPT_NONBLOCK))
        seconds = 0;
    if (status == 0)
        status = waiting_call(ctl, method, json_incref(params), seconds, &result);
    if (status == 0)
        status = tell(ctl, result);
    else if (json_is_true(json_object_get(result, "acquired")))
        give_back(ctl, params, result);
    json_decref(params);
    json_decref(result);
    return status;
}

int command_lock_acquire(struct ctl *ctl)
{
    return object_acquire(ctl, "lock");
}

int command_rlock_acquire(struct ctl *ctl)
{
    return object_acquire(ctl, "rlock");
}

/* ---- release ---- */

int command_lock_release(struct ctl *ctl)
{
    int64_t token = -1;
    json_t *params;
    int status = value_integer(ctl, OPT_TOKEN, 0, PROTO_INTEGER_MAX, &token);

    if (status != 0)
        return status;
    params = object_params(ctl);
    if (token >= 0)
        json_object_set_new(params, "token", json_integer(token));
    return object_do(ctl, "lock.release", params);
}

int command_rlock_release(struct ctl *ctl)
{
    json_t *params = object_params(ctl);
    int status = object_owner(ctl, params);

    if (status == 0)
        return object_do(ctl, "rlock.release", params);
    json_decref(params);
    return status;
}

/* ---- show, break ---- */

int command_lock_show(struct ctl *ctl)
{
    return object_show(ctl);
}

int command_rlock_show(struct ctl *ctl)
{
    return object_show(ctl);
}

int command_lock_break(struct ctl *ctl)
{
    return object_do(ctl, "object.break", object_params(ctl));
}

int command_rlock_break(struct ctl *ctl)
{
    return object_do(ctl, "object.break", object_params(ctl));
}
