/* SPDX-License-Identifier: MIT */
/*
 * inspect, is-alive: questions about one process.
 */
#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "client/ctl/values.h"

#include <stdio.h>

static json_t *about_process(const struct ctl *ctl)
{
    return json_pack("{s:o}", "process", value_process(ctl->arguments.words[0]));
}

int command_inspect(struct ctl *ctl)
{
    json_t *info = NULL;
    int status = call(ctl, "process.info", about_process(ctl), &info);

    if (status != 0)
        return status;
    if (ctl->is_json) {
        print_document(info);
        return CTL_OK;
    }
    print_record(info);
    json_decref(info);
    return CTL_OK;
}

int command_is_alive(struct ctl *ctl)
{
    json_t *result = NULL;
    int status = call(ctl, "process.is_alive", about_process(ctl), &result);
    bool is_alive;

    if (status != 0)
        return status;
    is_alive = json_is_true(json_object_get(result, "alive"));
    if (ctl->is_json)
        print_document(json_incref(result));
    else
        puts(is_alive ? "yes" : "no");
    json_decref(result);
    return is_alive ? CTL_OK : CTL_NOT_RUNNING;
}
