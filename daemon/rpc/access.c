/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/access.h"

#include "daemon/rpc/session.h"

bool access_uid(const struct call *call, uint32_t *ret_uid)
{
    const json_t *asked = call->request.args.uid;
    const struct link_hello *hello = &call->server->hello;
    uint32_t own = call->session->uid;

    if (!hello->system)
        own = hello->uid; /* a user's daemon serves that user, and root as that user */
    *ret_uid = own;
    if (!asked || json_integer_value(asked) == own)
        return true;
    *ret_uid = (uint32_t) json_integer_value(asked);
    return hello->system && call->session->uid == 0;
}

struct process *access_process(const struct call *call, const json_t *argument)
{
    const struct core *core = call->server->core;
    struct process *process;

    if (json_is_string(argument))
        return core_process_named(core, call->uid, json_string_value(argument), json_string_length(argument));
    process = core_process(core, (uint64_t) json_integer_value(argument));
    return process && process->data.uid == call->uid && process_visible(process) ? process : NULL;
}

bool access_daemon(const struct call *call)
{
    return !call->server->hello.system || call->session->uid == 0;
}

struct outcome fail_no_such_process(struct call *call)
{
    return call_fail(call, ERROR_NO_SUCH_PROCESS, "%s", proto_error_message(ERROR_NO_SUCH_PROCESS));
}
