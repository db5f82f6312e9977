/* SPDX-License-Identifier: MIT */
/*
 * semaphore create, acquire, release, show.
 */
#include "client/ctl/calls.h"
#include "client/ctl/object.h"
#include "client/ctl/output.h"
#include "client/ctl/values.h"
#include "proto/ids.h"

int command_semaphore_create(struct ctl *ctl)
{
    bool is_bounded = argument_given(&ctl->arguments, OPT_BOUND);
    json_t *params = object_params(ctl);
    int64_t value = 1;
    int status = value_integer(ctl, OPT_VALUE, is_bounded ? 1 : 0, PROTO_INTEGER_MAX, &value);

    if (status == 0)
        status = object_mode(ctl, params);
    if (status != 0) {
        json_decref(params);
        return status;
    }
    json_object_set_new(params, "kind", json_string(is_bounded ? "bounded_semaphore" : "semaphore"));
    json_object_set_new(params, "value", json_integer(value));
    json_object_set_new(params, "persist", json_true());
    return object_do(ctl, "object.create", params);
}

int command_semaphore_acquire(struct ctl *ctl)
{
    return object_acquire(ctl, NULL);
}

int command_semaphore_release(struct ctl *ctl)
{
    json_t *params = object_params(ctl);
    int64_t permits = 1;
    int status = value_integer(ctl, OPT_PERMITS, 1, PROTO_INTEGER_MAX, &permits);

    if (status == 0)
        status = object_owner(ctl, params);
    if (status != 0) {
        json_decref(params);
        return status;
    }
    json_object_set_new(params, "n", json_integer(permits));
    return object_do(ctl, "semaphore.release", params);
}

int command_semaphore_show(struct ctl *ctl)
{
    return object_show(ctl);
}
