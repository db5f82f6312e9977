/* SPDX-License-Identifier: MIT */
/*
 * event set, clear, is-set, wait.
 */
#include "client/ctl/calls.h"
#include "client/ctl/object.h"
#include "client/ctl/output.h"
#include "client/ctl/values.h"
#include "client/ctl/waiting.h"

#include <stdio.h>

static int change(struct ctl *ctl, const char *method)
{
    int status = object_make(ctl, "event", NULL, NULL);

    return status == 0 ? object_do(ctl, method, object_params(ctl)) : status;
}

int command_event_set(struct ctl *ctl)
{
    return change(ctl, "event.set");
}

int command_event_clear(struct ctl *ctl)
{
    return change(ctl, "event.clear");
}

int command_event_is_set(struct ctl *ctl)
{
    json_t *result = NULL;
    int status = call(ctl, "event.is_set", object_params(ctl), &result);
    bool is_set = json_is_true(json_object_get(result, "set"));

    if (status != 0)
        return status;
    if (ctl->is_json)
        print_document(json_incref(result));
    else
        puts(is_set ? "yes" : "no");
    json_decref(result);
    return is_set ? CTL_OK : CTL_NEGATIVE;
}

int command_event_wait(struct ctl *ctl)
{
    json_t *result = NULL;
    double seconds = -1;
    int status = value_seconds(ctl, OPT_TIMEOUT, &seconds);

    if (status == 0)
        status = object_make(ctl, "event", NULL, NULL);
    if (status == 0)
        status = waiting_call(ctl, "event.wait", object_params(ctl), seconds, &result);
    if (status == 0 && ctl->is_json)
        print_document(json_incref(result));
    if (status == 0 && !json_is_true(json_object_get(result, "set")))
        status = CTL_TIMEOUT;
    json_decref(result);
    return status;
}
