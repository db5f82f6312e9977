/* SPDX-License-Identifier: MIT */
/*
 * object.*: objects as such.
 */
#include "daemon/rpc/arguments.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/object_request.h"
#include "daemon/rpc/pages.h"
#include "daemon/rpc/render_object.h"
#include "daemon/rpc/session.h"
#include "proto/schema.h"

#include <string.h>

/* ---- create ---- */

static bool is_semaphore(enum object_kind kind)
{
    return kind == OBJECT_SEMAPHORE || kind == OBJECT_BOUNDED_SEMAPHORE;
}

#define OWN_LOCK_SUFFIX (sizeof ".lock" - 1)

/* The parameter that does not go with the others, and what is wanted of it; NULL: all do. */
static const char *misfit(const struct call *call, enum object_kind kind, const char **ret_wanted)
{
    const json_t *value = ARG(call, object_create, value), *parties = ARG(call, object_create, parties);
    const json_t *lock = ARG(call, object_create, lock), *name = ARG(call, object_create, name);
    bool is_shared = name && json_string_value(name)[0] == '/';

    *ret_wanted = "nothing: this kind does not have it";
    if (value && !is_semaphore(kind))
        return "value";
    if (parties && kind != OBJECT_BARRIER)
        return "parties";
    if (lock && kind != OBJECT_CONDITION)
        return "lock";
    *ret_wanted = "at least 1 for a bounded_semaphore";
    if (value && kind == OBJECT_BOUNDED_SEMAPHORE && json_integer_value(value) < 1)
        return "value";
    *ret_wanted = "how many parties meet";
    if (!parties && kind == OBJECT_BARRIER)
        return "parties";
    *ret_wanted = "nothing: only objects with a / in front are shared";
    if (ARG(call, object_create, mode) && !is_shared)
        return "mode";
    *ret_wanted = "at most 250 bytes, for NAME.lock; or name the lock";
    if (name && kind == OBJECT_CONDITION && !lock &&
        json_string_length(name) + OWN_LOCK_SUFFIX > PROTO_NAME_MAX)
        return "name";
    return NULL;
}

static unsigned create_flags(const struct call *call)
{
    return (json_is_true(ARG(call, object_create, persist)) ? REQUEST_PERSIST : 0) |
           (json_is_true(ARG(call, object_create, trace)) ? REQUEST_TRACE : 0) |
           (json_is_true(ARG(call, object_create, exist_ok)) ? REQUEST_EXIST_OK : 0);
}

struct outcome handle_object_create(struct call *call)
{
    enum object_kind kind = object_kind_find(json_string_value(ARG(call, object_create, kind)));
    const json_t *parties = ARG(call, object_create, parties), *mode = ARG(call, object_create, mode);
    const json_t *value = ARG(call, object_create, value), *lock = ARG(call, object_create, lock);
    struct object_request request = {.input.kind = INPUT_OBJECT_CREATE,
                                     .name = ARG(call, object_create, name)};
    struct input_sync *body = &request.input.body.sync;
    const char *wanted, *param = misfit(call, kind, &wanted);

    if (param)
        return call_fail_param(call, param, wanted);
    body->kind = kind;
    body->request.flags = create_flags(call);
    body->value = is_semaphore(kind) ? value ? (uint64_t) json_integer_value(value) : 1 : 0;
    body->parties = parties ? (uint32_t) json_integer_value(parties) : 0;
    body->mode = mode ? mode_value(mode) : OBJECT_MODE_DEFAULT;
    if (lock)
        request.input.blob[BLOB_LOCK] = (struct blob){json_string_value(lock), json_string_length(lock)};
    return object_request_submit(call, &request);
}

/* ---- by name ---- */

static struct outcome by_name(struct call *call, enum input_kind kind, const json_t *name)
{
    struct object_request request = {.input.kind = kind, .name = name};

    return object_request_submit(call, &request);
}

struct outcome handle_object_open(struct call *call)
{
    return by_name(call, INPUT_OBJECT_OPEN, ARG(call, object_open, name));
}

struct outcome handle_object_close(struct call *call)
{
    return by_name(call, INPUT_OBJECT_CLOSE, ARG(call, object_close, name));
}

struct outcome handle_object_unlink(struct call *call)
{
    return by_name(call, INPUT_OBJECT_UNLINK, ARG(call, object_unlink, name));
}

struct outcome handle_object_break(struct call *call)
{
    return by_name(call, INPUT_OBJECT_BREAK, ARG(call, object_break, name));
}

struct outcome handle_object_map(struct call *call)
{
    struct object_request request = {.input.kind = INPUT_OBJECT_MAP,
                                     .name = ARG(call, object_map, name),
                                     .holder = ARG(call, object_map, holder)};

    /* only to whom the uid belongs; in another's place root asks, whose page is another one */
    if (call->uid != call->session->uid)
        return call_reply_text(call, "{\"mapped\":false}");
    return call->has_asked || page_is_kept(call->server, call->uid) ? object_request_submit(call, &request)
                                                                    : page_ask(call);
}

/* ---- queries ---- */

static bool may_look(const struct call *call, const struct object *object)
{
    return object_allows(object, call->uid, call->session->gid, OBJECT_MODE_READ);
}

struct outcome handle_object_info(struct call *call)
{
    const json_t *name = ARG(call, object_info, name);
    const struct object *object =
        core_object(call->server->core, call->uid, json_string_value(name), json_string_length(name));

    if (!object)
        return call_fail(call, ERROR_NO_SUCH_OBJECT, "%s", proto_error_message(ERROR_NO_SUCH_OBJECT));
    if (!may_look(call, object))
        return call_fail(call, ERROR_PERMISSION_DENIED, "%s", proto_error_message(ERROR_PERMISSION_DENIED));
    pages_look_at(call->server, object);
    return call_reply(call, render_object(object));
}

static int list_table(const struct call *call, const struct object *table, json_t *list)
{
    const json_t *kind = ARG(call, object_list, kind);
    enum object_kind wanted = kind ? object_kind_find(json_string_value(kind)) : OBJECT_KIND_COUNT;
    const struct object *object, *next;

    HASH_ITER(hh, table, object, next) {
        if ((kind && object->data.kind != wanted) || !may_look(call, object))
            continue;
        pages_look_at(call->server, object);
        if (json_array_append_new(list, render_object(object)) < 0)
            return -1;
    }
    return 0;
}

struct outcome handle_object_list(struct call *call)
{
    const struct core *core = call->server->core;
    const struct account *account = core_account(core, call->uid);
    json_t *list = json_array();

    if (!list || list_table(call, account ? account->objects : NULL, list) < 0 ||
        list_table(call, core->shared, list) < 0) {
        json_decref(list);
        return call_fail_limit(call, "memory", 0);
    }
    return call_reply(call, json_pack("{s:o, s:I}", "objects", list, "seq", (json_int_t) core->counters.seq));
}

/* Who seems to wait may have had the lock meanwhile. */
static void look_at_waits(const struct call *call)
{
    const struct account *account = core_account(call->server->core, call->uid);
    const struct object *object, *next;

    if (!account)
        return;
    HASH_ITER(hh, account->objects, object, next)
        if (core_is_offered(object))
            pages_look_at(call->server, object);
}

struct outcome handle_object_graph(struct call *call)
{
    look_at_waits(call);
    return call_reply(call, render_graph(call->server->core, call->uid));
}
