/* SPDX-License-Identifier: MIT */
#include "client/lib/object.h"

#include "client/lib/forks.h"
#include "client/lib/order.h"
#include "proto/schema.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_THREAD_SANITIZER
struct order_place order_places[ORDER_PLACES];
#endif

/* ---- making and freeing ---- */

static int begin(struct object *object, const char *name)
{
    object->generation = forks_generation();
    object->name = strdup(name);
    if (!object->name)
        return failure_note(-ENOMEM, NULL);
    object->is_counted = opens_begin(name) == 0;
    return object->is_counted ? 0 : -ENOMEM;
}

/* object.create. One without a name has it from the answer, and nobody else can know it before. */
static int create(struct object *object, const char *name, json_t *params, const char *epoch)
{
    struct connection_request request = {.method = "object.create", .params = params, .epoch = epoch};
    struct call_options options = {
        .deadline = CONNECTION_FOREVER, .stale = PROCD_E_NO_SUCH_OBJECT, .ret_epoch = &object->epoch};
    struct incoming answer;
    json_t *result;
    int r = name ? begin(object, name) : 0;

    if (r < 0)
        return r;
    r = library_call(&request, &options, &answer, &result);
    if (r == 0 && !name) {
        name = json_string_value(json_object_get(result, "name"));
        r = name ? begin(object, name) : failure_note(-EPROTO, "an answer that makes no sense");
    }
    if (r == 0)
        r = opens_keep(object->name, object->epoch);
    incoming_done(&answer);
    return r;
}

/* Steals params. NULL: noted. */
static json_t *fill_params(json_t *params, enum object_kind kind, const char *name)
{
    json_t *text = name ? json_string(name) : json_null();

    if (!text) {
        failure_note(-EINVAL, "name: want UTF-8");
        json_decref(params);
        return NULL;
    }
    if (!params)
        params = json_object();
    if (json_object_set_new(params, "name", text) == 0 &&
        json_object_set_new(params, "kind", json_string(object_kind_name(kind))) == 0 &&
        json_object_set_new(params, "exist_ok", json_true()) == 0)
        return params;
    failure_note(-ENOMEM, NULL);
    json_decref(params);
    return NULL;
}

void *object_create(size_t size, enum object_kind kind, const char *name, json_t *params, const char *epoch)
{
    struct object *object = calloc(1, size);
    int r = -1;

    params = fill_params(params, kind, name);
    if (!object)
        failure_note(-ENOMEM, NULL);
    if (object && params) {
        object->kind = kind;
        r = create(object, name, params, epoch);
    }
    json_decref(params);
    if (r == 0)
        return object;
    object_free(object);
    return NULL;
}

static int note_kind(enum object_kind kind)
{
    json_t *error = json_pack("{s:s,s:{s:s,s:s}}", "message", procd_strerror(PROCD_E_WRONG_KIND), "data",
                              "name", "WrongKind", "kind", object_kind_name(kind));

    failure_note_daemon(PROCD_E_WRONG_KIND, error);
    json_decref(error);
    return PROCD_E_WRONG_KIND;
}

/* Of what kind is it? Asked before it is opened, for one of a wrong kind is to stay as it is. */
static int look(struct object *object, unsigned kinds)
{
    json_t *params = json_pack("{s:s}", "name", object->name), *result;
    struct connection_request request = {.method = "object.info", .params = params};
    struct call_options options = {
        .deadline = CONNECTION_FOREVER, .no_autostart = true, .ret_epoch = &object->epoch};
    struct incoming answer;
    const char *kind;
    int r;

    if (!params)
        return failure_note(-EINVAL, "name: want UTF-8");
    r = library_call(&request, &options, &answer, &result);
    if (r == 0) {
        kind = json_string_value(json_object_get(result, "kind"));
        object->kind = kind ? object_kind_find(kind) : OBJECT_KIND_COUNT;
        r = kinds & 1U << object->kind ? 0 : note_kind(object->kind);
    }
    json_decref(params);
    incoming_done(&answer);
    return r;
}

int object_open(struct object *object, unsigned kinds, const char *name)
{
    int r = begin(object, name);

    if (r == 0)
        r = look(object, kinds);
    if (r == 0)
        r = object_tell(object, "object.open", json_object());
    return r < 0 ? r : opens_keep(object->name, object->epoch);
}

void *object_from_json(size_t size, unsigned kinds, const json_t *json)
{
    const char *name;
    unsigned kind = reference_read(json, &name);
    struct object *object;
    int r;

    if (!(kind & kinds)) {
        if (kind)
            note_kind((enum object_kind)__builtin_ctz(kind));
        else
            failure_note(-EINVAL, "want {\"procd\": kind, \"name\": name}");
        return NULL;
    }
    object = calloc(1, size);
    r = object ? object_open(object, kind, name) : failure_note(-ENOMEM, NULL);
    if (r == 0)
        return object;
    object_free(object);
    return NULL;
}

void object_close(struct object *object)
{
    if (object->is_counted && forks_is(object->generation))
        opens_end(object->name);
    free(object->name);
    free(object->epoch);
    object->name = object->epoch = NULL;
    object->is_counted = false;
}

void object_free(struct object *object)
{
    if (object)
        object_close(object);
    free(object);
}

/* ---- asking ---- */

int object_check(const struct object *object)
{
    if (!object)
        return failure_note(-EINVAL, "no object");
    if (!forks_is(object->generation))
        return failure_note(-EINVAL, "the handle belongs to the process that this one was forked from");
    return 0;
}

static int ask(const struct object *object, const char *method, json_t *params, struct call_options *options,
               struct incoming *ret_incoming, json_t **ret_result)
{
    struct connection_request request = {.method = method, .params = params, .own_params = &params};
    int r = object_check(object);

    options->no_autostart = true;
    options->stale = PROCD_E_NO_SUCH_OBJECT;
    *ret_incoming = (struct incoming){0};
    if (r == 0 && json_object_set_new(params, "name", json_string(object->name)) < 0)
        r = failure_note(-ENOMEM, NULL);
    if (r == 0) {
        request.epoch = object->epoch;
        r = library_call(&request, options, ret_incoming, ret_result);
    }
    json_decref(params);
    return r;
}

int object_ask(const struct object *object, const char *method, json_t *params, int64_t deadline,
               struct incoming *ret_incoming, json_t **ret_result)
{
    return object_ask_by_bell(object, method, params, deadline, NULL, ret_incoming, ret_result);
}

int object_ask_by_bell(const struct object *object, const char *method, json_t *params, int64_t deadline,
                       const struct bell *bell, struct incoming *ret_incoming, json_t **ret_result)
{
    struct call_options options = {.deadline = deadline, .bell = bell};

    return ask(object, method, params, &options, ret_incoming, ret_result);
}

int object_tell(const struct object *object, const char *method, json_t *params)
{
    struct incoming answer;
    int r = object_ask(object, method, params, CONNECTION_FOREVER, &answer, NULL);

    incoming_done(&answer);
    return r;
}

int object_number(const struct object *object, const char *method, json_t *params, const char *member)
{
    struct incoming answer;
    json_t *result = NULL;
    json_int_t number;
    int r = object_ask(object, method, params, CONNECTION_FOREVER, &answer, &result);

    result = json_object_get(result, member);
    number = json_integer_value(result);
    if (r == 0 && json_is_boolean(result))
        r = json_is_true(result);
    else if (r == 0 && (!json_is_integer(result) || number < 0))
        r = failure_note(-EPROTO, "an answer that makes no sense");
    else if (r == 0)
        r = number > INT_MAX ? INT_MAX : (int)number;
    incoming_done(&answer);
    return r;
}

/* ---- what several kinds ask ---- */

int object_wait_params(double timeout, json_t **ret_params, int64_t *ret_deadline)
{
    json_t *limit = library_timeout(timeout, ret_deadline);

    if (!limit)
        return failure_note(-EINVAL, "the time-out is no number");
    *ret_params = json_pack("{s:o}", "timeout", limit);
    return 0;
}

json_t *object_add_holder(json_t *params)
{
    char holder[24];

    if (json_object_set_new(params, "holder", json_string(library_holder(holder, sizeof holder))) == 0)
        return params;
    json_decref(params);
    return NULL;
}

static int acquired(const json_t *result, uint64_t *ret_token)
{
    const json_t *token = json_object_get(result, "token");

    if (!json_is_true(json_object_get(result, "acquired")))
        return 0;
    if (ret_token)
        *ret_token = (uint64_t)json_integer_value(token);
    return json_is_true(json_object_get(result, "abandoned")) ? 2 : 1;
}

int object_acquire(const struct object *object, const char *method, double timeout, const struct bell *bell,
                   uint64_t *ret_token)
{
    struct call_options options = {.bell = bell};
    struct incoming answer;
    json_t *params = NULL, *result = NULL;
    int r = object_wait_params(timeout, &params, &options.deadline);

    if (r < 0)
        return r;
    params = object_add_holder(params);
    if (bell && json_object_set_new(params, "bell", json_true()) < 0)
        options.bell = NULL;
    r = ask(object, method, params, &options, &answer, &result);
    if (r == 0)
        r = acquired(result, ret_token);
    else if (r == 1)
        r = OBJECT_GRANTED;
    incoming_done(&answer);
    return r;
}
