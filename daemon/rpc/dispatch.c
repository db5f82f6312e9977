/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/access.h"
#include "daemon/rpc/call.h"

static struct outcome (*const handlers[METHOD_COUNT])(struct call *call) = {
#define METHOD(id, name, flags, summary) handle_##id,
#define PARAM(method, id, type, required, low, high, text)
#define RESULT(method, name, schema, text)
#define END(id)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
#undef END
};

struct outcome dispatch(struct call *call)
{
    enum method_id method = call->request.method;

    if (!access_uid(call, &call->uid))
        return call_fail(call, ERROR_PERMISSION_DENIED,
                         call->server->hello.system ? "uid: only root may act in another's place"
                                                    : "uid: this daemon acts for its own user only");
    if (call->server->core->counters.shutting_down && !(method_specs[method].flags & METHOD_EARLY))
        return call_fail(call, ERROR_SHUTTING_DOWN, "%s", proto_error_message(ERROR_SHUTTING_DOWN));
    return handlers[method](call);
}

struct outcome dispatch_identified(struct call *call, uint64_t client)
{
    call->creator = client;
    return dispatch(call);
}
