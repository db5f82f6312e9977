/* SPDX-License-Identifier: MIT */
/*
 * rm, prune: the daemon forgets ended processes.
 */
#include "client/ctl/calls.h"
#include "client/ctl/each.h"
#include "client/ctl/output.h"

int command_rm(struct ctl *ctl)
{
    struct each each = {.method = "process.close", .deadline = CONNECTION_FOREVER};

    return each_word(ctl, &each);
}

/* Asks to forget each, then reads the answers. Somebody else may have been faster: that is no failure. */
static int forget_all(struct ctl *ctl, const json_t *processes, json_t *forgotten)
{
    const json_t *process;
    size_t i;

    json_array_foreach(processes, i, process) {
        struct connection_request request = {.method = "process.close"};
        struct incoming incoming = {0};
        json_t *id = json_object_get(process, "id"), *result, *failure;
        int error;

        request.params = json_pack("{s:O}", "process", id);
        error = connection_call(ctl->connection, &request, CONNECTION_FOREVER, &incoming);
        if (error == 0 && incoming_result(&incoming, &result, &failure) == 0)
            json_array_append(forgotten, id);
        json_decref(request.params);
        incoming_done(&incoming);
        if (error < 0)
            return report_connection(ctl, error);
    }
    return CTL_OK;
}

int command_prune(struct ctl *ctl)
{
    json_t *list = NULL, *forgotten;
    int status = call(ctl, "process.list", json_pack("{s:b}", "alive", 0), &list);

    if (status != 0)
        return status;
    forgotten = json_array();
    status = forget_all(ctl, json_object_get(list, "processes"), forgotten);
    json_decref(list);
    if (status == CTL_OK)
        note(ctl, "%zu forgotten", json_array_size(forgotten));
    if (status == CTL_OK && ctl->is_json)
        print_document(json_pack("{s:O}", "forgotten", forgotten));
    json_decref(forgotten);
    return status;
}
