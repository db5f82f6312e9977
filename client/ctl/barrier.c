/* SPDX-License-Identifier: MIT */
/*
 * barrier wait, reset, abort.
 */
#include "client/ctl/calls.h"
#include "client/ctl/object.h"
#include "client/ctl/output.h"
#include "client/ctl/values.h"
#include "client/ctl/waiting.h"

#include <stdio.h>

/* A barrier of another size would never do what was meant. */
static int check_parties(struct ctl *ctl, json_int_t parties)
{
    json_t *info = NULL;
    int status = call(ctl, "object.info", object_params(ctl), &info);
    json_int_t present = json_integer_value(json_object_get(info, "parties"));

    if (status == 0 && present != parties) {
        complain(ctl, "%s: it is a barrier of %" JSON_INTEGER_FORMAT, ctl->arguments.words[0], present);
        print_failure(ctl, "AlreadyExists", "the barrier has another number of parties");
        status = CTL_NEGATIVE;
    }
    json_decref(info);
    return status;
}

static int make(struct ctl *ctl, json_int_t parties)
{
    json_t *made = NULL;
    int status = object_make(ctl, "barrier", json_pack("{s:I}", "parties", parties), &made);

    if (status == 0 && !json_is_true(json_object_get(made, "created")))
        status = check_parties(ctl, parties);
    json_decref(made);
    return status;
}

int command_barrier_wait(struct ctl *ctl)
{
    json_t *result = NULL;
    int64_t parties = 0;
    double seconds = -1;
    int status = value_integer(ctl, OPT_PARTIES, 1, INT32_MAX, &parties);

    if (status == 0)
        status = value_seconds(ctl, OPT_BARRIER_TIMEOUT, &seconds);
    if (status == 0 && parties > 0)
        status = make(ctl, parties);
    if (status == 0)
        status = waiting_call(ctl, "barrier.wait", object_params(ctl), seconds, &result);
    if (status == 0 && ctl->is_json)
        print_document(json_incref(result));
    else if (status == 0)
        printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(json_object_get(result, "index")));
    json_decref(result);
    return status;
}

int command_barrier_reset(struct ctl *ctl)
{
    return object_do(ctl, "barrier.reset", object_params(ctl));
}

int command_barrier_abort(struct ctl *ctl)
{
    return object_do(ctl, "barrier.abort", object_params(ctl));
}
