/* SPDX-License-Identifier: MIT */
#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "client/ctl/spawn_request.h"

#include <stdio.h>

int command_spawn(struct ctl *ctl)
{
    json_t *params, *info = NULL;
    int status = spawn_request(ctl, &params);

    if (status == 0)
        status = call(ctl, "process.spawn", params, &info);
    if (status != 0)
        return status;
    if (ctl->is_json)
        print_document(json_incref(info));
    else
        printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(json_object_get(info, "id")));
    json_decref(info);
    return CTL_OK;
}
