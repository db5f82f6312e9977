/* SPDX-License-Identifier: MIT */
#include "proto/message.h"

#include "proto/frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void failure_set(struct failure *failure, enum proto_error error, const char *format, ...)
{
    va_list arguments;

    failure->error = error;
    failure->param[0] = '\0';
    va_start(arguments, format);
    vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
}

/* Cuts at a character's border, so that what was UTF-8 stays UTF-8. */
static void copy_cut(char *to, size_t room, const char *text)
{
    size_t length = strnlen(text, room - 1);

    while (length > 0 && text[length] != '\0' && ((unsigned char) text[length] & 0xc0) == 0x80)
        length--;
    memcpy(to, text, length);
    to[length] = '\0';
}

void failure_param(struct failure *failure, const char *param, const char *wanted)
{
    char name[PROTO_NAME_MAX + 1];

    copy_cut(name, sizeof name, param);
    failure_set(failure, ERROR_INVALID_PARAMS, "%s: want %s", name, wanted);
    memcpy(failure->param, name, sizeof name);
}

/* jansson recurses per level, and its own limit is far above ours: counted before it sees the line. */
static bool too_deep(const char *line, size_t length)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < length; i++) {
        char c = line[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > PROTO_DEPTH_MAX)
                return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

static bool is_known_member(const char *name)
{
    static const char *const members[] = {"jsonrpc", "id", "method", "params", "key", "fds"};

    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (strcmp(name, members[i]) == 0)
            return true;
    return false;
}

static bool id_valid(const json_t *id)
{
    if (json_is_string(id))
        return json_string_length(id) <= PROTO_KEY_MAX;
    return json_is_integer(id) && json_integer_value(id) <= PROTO_INTEGER_MAX &&
           json_integer_value(id) >= -PROTO_INTEGER_MAX;
}

static bool parse_fds(struct request *request, const json_t *fds)
{
    if (fds &&
        (!json_is_integer(fds) || json_integer_value(fds) < 0 || json_integer_value(fds) > FRAME_FDS_MAX))
        return false;
    request->fd_count = (size_t) json_integer_value(fds);
    request->fds_known = true;
    return true;
}

static bool parse_key(struct request *request, const json_t *key)
{
    if (!key)
        return true;
    request->key = json_string_value(key);
    return request->key && json_string_length(key) <= PROTO_KEY_MAX && request->id;
}

static void no_such_method(struct failure *failure, const char *name)
{
    char shown[PROTO_KEY_MAX + 1];

    copy_cut(shown, sizeof shown, name);
    failure_set(failure, ERROR_METHOD_NOT_FOUND, "no such method: %s", shown);
}

static void parse_members(struct request *request, struct failure *failure)
{
    const json_t *version = json_object_get(request->root, "jsonrpc"),
                 *method = json_object_get(request->root, "method");
    const char *name;
    json_t *value;

    if (!parse_fds(request, json_object_get(request->root, "fds"))) {
        failure_set(failure, ERROR_INVALID_REQUEST, "fds: want 0 to %d", FRAME_FDS_MAX);
        return;
    }
    json_object_foreach(request->root, name, value)
    {
        if (!is_known_member(name)) {
            char shown[PROTO_KEY_MAX + 1];

            copy_cut(shown, sizeof shown, name);
            failure_set(failure, ERROR_INVALID_REQUEST, "unknown member \"%s\"", shown);
            return;
        }
    }
    if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
        failure_set(failure, ERROR_INVALID_REQUEST, "jsonrpc: want \"2.0\"");
    else if (!json_is_string(method))
        failure_set(failure, ERROR_INVALID_REQUEST, "method: want a string");
    else if (!parse_key(request, json_object_get(request->root, "key")))
        failure_set(failure, ERROR_INVALID_REQUEST,
                    "key: want a string of at most %d bytes, and an id with it", PROTO_KEY_MAX);
    if (failure->error)
        return;
    request->method = method_find(json_string_value(method));
    request->params = json_object_get(request->root, "params");
    if (request->method == METHOD_COUNT)
        no_such_method(failure, json_string_value(method));
    else if (request->params && !json_is_object(request->params))
        failure_param(failure, "params", "an object");
}

void message_parse(const char *line, size_t length, struct request *ret_request, struct failure *ret_failure)
{
    json_error_t error;
    json_t *id;

    memset(ret_request, 0, sizeof *ret_request);
    ret_failure->error = ERROR_NONE;
    if (too_deep(line, length)) {
        failure_set(ret_failure, ERROR_PARSE_ERROR, "nested deeper than %d", PROTO_DEPTH_MAX);
        return;
    }
    ret_request->root = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!ret_request->root) {
        failure_set(ret_failure, ERROR_PARSE_ERROR, "%s, at byte %d",
                    json_error_code(&error) == json_error_invalid_utf8 ? "invalid UTF-8" : "invalid JSON",
                    error.position);
        return;
    }
    if (!json_is_object(ret_request->root)) {
        failure_set(ret_failure, ERROR_INVALID_REQUEST, "want an object%s",
                    json_is_array(ret_request->root) ? ": there are no batches" : "");
        return;
    }
    id = json_object_get(ret_request->root, "id");
    if (id && !id_valid(id)) {
        (void) parse_fds(ret_request, json_object_get(ret_request->root, "fds"));
        failure_set(ret_failure, ERROR_INVALID_REQUEST,
                    "id: want a string of at most %d bytes or an integer below 2^53", PROTO_KEY_MAX);
        return;
    }
    ret_request->id = id;
    parse_members(ret_request, ret_failure);
}

void message_check(struct request *request, struct failure *ret_failure)
{
    const struct method_spec *method = &method_specs[request->method];
    const struct param_spec *spec;
    const char *param, *wanted;
    char range[96];

    ret_failure->error = ERROR_NONE;
    if (schema_check(method, request->params, request->fd_count, &request->args, &param, &wanted) == 0)
        return;
    spec = schema_param(method, param);
    if (spec && (spec->type == PARAM_TYPE_INTEGER || spec->type == PARAM_TYPE_NUMBER)) {
        snprintf(range, sizeof range, "%s from %lld to %lld",
                 spec->type == PARAM_TYPE_INTEGER ? "an integer" : "a number", (long long) spec->low,
                 (long long) spec->high);
        wanted = range;
    }
    failure_param(ret_failure, param, wanted);
}

void request_forget(struct request *request)
{
    enum method_id method = request->method;

    request_done(request);
    request->method = method;
}

void request_done(struct request *request)
{
    json_decref(request->root);
    memset(request, 0, sizeof *request);
}
