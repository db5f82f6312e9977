/* SPDX-License-Identifier: MIT */
#include "proto/schema.h"

#include "proto/bytes.h"
#include "proto/frame.h"
#include "proto/restart.h"
#include "proto/signals.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>

/* ---- checks of one value each ---- */

struct scope {
    const struct param_spec *param;
    size_t fd_count;
};

static bool string_within(const json_t *json, size_t low, size_t high)
{
    return json_is_string(json) && json_string_length(json) >= low && json_string_length(json) <= high;
}

static bool one_of(const json_t *json, const char *first, const char *second)
{
    const char *text = json_string_value(json);

    return text && (strcmp(text, first) == 0 || strcmp(text, second) == 0);
}

static bool check_STRING(const json_t *json, const struct scope *scope)
{
    (void) scope;
    return json_is_string(json);
}

static bool check_NAME(const json_t *json, const struct scope *scope)
{
    (void) scope;
    return string_within(json, 1, PROTO_NAME_MAX);
}

static bool check_HOLDER(const json_t *json, const struct scope *scope)
{
    return check_NAME(json, scope);
}

static bool check_PATH(const json_t *json, const struct scope *scope)
{
    (void) scope;
    return bytes_valid(json) && bytes_size(json) > 0;
}

static bool check_BOOL(const json_t *json, const struct scope *scope)
{
    (void) scope;
    return json_is_boolean(json);
}

static bool check_INTEGER(const json_t *json, const struct scope *scope)
{
    return json_is_integer(json) && json_integer_value(json) >= scope->param->low &&
           json_integer_value(json) <= scope->param->high;
}

static bool check_NUMBER(const json_t *json, const struct scope *scope)
{
    double value = json_number_value(json);

    return json_is_number(json) && isfinite(value) && value >= (double) scope->param->low &&
           value <= (double) scope->param->high;
}

static bool check_TIMEOUT(const json_t *json, const struct scope *scope)
{
    (void) scope;
    return json_is_number(json) && isfinite(json_number_value(json));
}

static bool integer_fits(const json_t *json)
{
    return json_is_integer(json) && json_integer_value(json) <= PROTO_INTEGER_MAX &&
           json_integer_value(json) >= -PROTO_INTEGER_MAX;
}

static bool check_REQUEST_ID(const json_t *json, const struct scope *scope)
{
    (void) scope;
    return integer_fits(json) || string_within(json, 0, PROTO_KEY_MAX);
}

static bool check_PROCESS(const json_t *json, const struct scope *scope)
{
    (void) scope;
    return integer_fits(json) || string_within(json, 1, PROTO_NAME_MAX);
}

static bool check_PROCESSES(const json_t *json, const struct scope *scope)
{
    size_t index;
    json_t *item;

    if (!json_is_array(json))
        return false;
    json_array_foreach(json, index, item)
        if (!check_PROCESS(item, scope))
            return false;
    return true;
}

static bool check_SIGNAL(const json_t *json, const struct scope *scope)
{
    (void) scope;
    if (json_is_integer(json))
        return json_integer_value(json) >= 1 && json_integer_value(json) <= 64;
    return json_is_string(json) && signal_from_name(json_string_value(json)) > 0;
}

static bool check_ARGV(const json_t *json, const struct scope *scope)
{
    size_t index;
    json_t *item;

    (void) scope;
    json_array_foreach(json, index, item)
        if (!bytes_valid(item))
            return false;
    return json_array_size(json) > 0 && bytes_size(json_array_get(json, 0)) > 0;
}

static bool check_ENV(const json_t *json, const struct scope *scope)
{
    const char *name;
    json_t *value;

    (void) scope;
    if (!json_is_object(json))
        return false;
    json_object_foreach((json_t *) json, name, value)
        if (!*name || strchr(name, '=') || !bytes_valid(value))
            return false;
    return true;
}

static bool check_LABELS(const json_t *json, const struct scope *scope)
{
    const char *name;
    json_t *value;

    (void) scope;
    if (!json_is_object(json))
        return false;
    json_object_foreach((json_t *) json, name, value)
        if (!json_is_string(value))
            return false;
    return true;
}

static bool limit_value_valid(const json_t *json)
{
    if (json_is_string(json))
        return strcmp(json_string_value(json), "unlimited") == 0;
    return integer_fits(json) && json_integer_value(json) >= 0;
}

static bool limit_valid(const json_t *json)
{
    uint64_t soft, hard;

    if (!json_is_array(json))
        return limit_value_valid(json);
    if (json_array_size(json) != 2 || !limit_value_valid(json_array_get(json, 0)) ||
        !limit_value_valid(json_array_get(json, 1)))
        return false;
    limit_values(json, &soft, &hard);
    return soft <= hard;
}

static bool check_LIMITS(const json_t *json, const struct scope *scope)
{
    const char *name;
    json_t *value;

    (void) scope;
    if (!json_is_object(json))
        return false;
    json_object_foreach((json_t *) json, name, value)
        if (limit_from_name(name) < 0 || !limit_valid(value))
            return false;
    return true;
}

static bool check_FD_INDEX(const json_t *json, const struct scope *scope)
{
    return json_is_integer(json) && json_integer_value(json) >= 0 &&
           json_integer_value(json) < (json_int_t) scope->fd_count;
}

/* {"fd": index} or {"file": path}, the latter with "append" where that makes sense. */
static bool stdio_valid(const json_t *json, const struct scope *scope, bool may_append)
{
    const json_t *fd = json_object_get(json, "fd"), *file = json_object_get(json, "file");
    const json_t *append = may_append ? json_object_get(json, "append") : NULL;

    if (fd)
        return json_object_size(json) == 1 && check_FD_INDEX(fd, scope);
    if (!file || !check_PATH(file, scope) || (append && !json_is_boolean(append)))
        return false;
    return json_object_size(json) == (append ? 2 : 1);
}

static bool check_STDIN(const json_t *json, const struct scope *scope)
{
    return json_is_object(json) ? stdio_valid(json, scope, false) : one_of(json, "null", "pty");
}

static bool check_STDOUT(const json_t *json, const struct scope *scope)
{
    if (json_is_object(json))
        return stdio_valid(json, scope, true);
    return one_of(json, "null", "log") || one_of(json, "pty", "pty");
}

#define TARGET_MAX 1048576 /* more than any RLIMIT_NOFILE that is in use; the child's own limit decides */

static bool placed_valid(const json_t *list, size_t index, const struct scope *scope)
{
    const json_t *pair = json_array_get(list, index), *target = json_array_get(pair, 1);

    if (json_array_size(pair) != 2 || !check_FD_INDEX(json_array_get(pair, 0), scope) ||
        !json_is_integer(target) || json_integer_value(target) < 3 || json_integer_value(target) > TARGET_MAX)
        return false;
    for (size_t before = 0; before < index; before++)
        if (json_integer_value(json_array_get(json_array_get(list, before), 1)) == json_integer_value(target))
            return false;
    return true;
}

#define PLACED_MAX 1024 /* targets of one spawn; each is compared with those before it */

static bool check_PLACED_FDS(const json_t *json, const struct scope *scope)
{
    if (!json_is_array(json) || json_array_size(json) > PLACED_MAX)
        return false;
    for (size_t index = 0; index < json_array_size(json); index++)
        if (!placed_valid(json, index, scope))
            return false;
    return true;
}

static bool object_name_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._:@-", c));
}

static bool check_OBJECT(const json_t *json, const struct scope *scope)
{
    const char *name = json_string_value(json);
    size_t length = json_string_length(json), first;

    (void) scope;
    if (!name || length == 0 || length > PROTO_NAME_MAX)
        return false;
    first = name[0] == '/';
    if (first == length || name[first] == '.')
        return false;
    for (size_t i = first; i < length; i++)
        if (!object_name_char(name[i]))
            return false;
    return true;
}

static bool check_OBJECTS(const json_t *json, const struct scope *scope)
{
    size_t index;
    json_t *item;

    if (!json_is_array(json))
        return false;
    json_array_foreach(json, index, item)
        if (!check_OBJECT(item, scope))
            return false;
    return true;
}

static bool check_KIND(const json_t *json, const struct scope *scope)
{
    (void) scope;
    return json_is_string(json) && object_kind_find(json_string_value(json)) != OBJECT_KIND_COUNT;
}

static bool check_MODE(const json_t *json, const struct scope *scope)
{
    const char *digits = json_string_value(json);

    (void) scope;
    return digits && string_within(json, 1, 4) && strspn(digits, "01234567") == strlen(digits) &&
           mode_value(json) <= 0777;
}

static bool check_KINDS(const json_t *json, const struct scope *scope)
{
    size_t index;
    json_t *item;

    (void) scope;
    if (!json_is_array(json))
        return false;
    json_array_foreach(json, index, item)
    {
        bool known = false;

        for (int kind = 0; json_is_string(item) && kind < EVENT_COUNT && !known; kind++)
            known = event_kind_matches((enum event_kind) kind, json_string_value(item));
        if (!known)
            return false;
    }
    return true;
}

/* One of two words. */
#define CHECK_WORDS(type, first, second)                                          \
    static bool check_##type(const json_t *json, const struct scope *scope)       \
    {                                                                             \
        (void) scope;                                                             \
        return one_of(json, first, second);                                       \
    }

CHECK_WORDS(ON_DEADLOCK, "error", "wait")
CHECK_WORDS(STOP_MODE, "terminate", "detach")
CHECK_WORDS(WAIT_MODE, "any", "all")
CHECK_WORDS(WAIT_FOR, "exited", "ready")
CHECK_WORDS(STREAM, "stdout", "stderr")

static bool check_WINSIZE(const json_t *json, const struct scope *scope)
{
    (void) scope;
    for (size_t i = 0; i < 2; i++) {
        const json_t *side = json_array_get(json, i);

        if (!json_is_integer(side) || json_integer_value(side) < 1 || json_integer_value(side) > UINT16_MAX)
            return false;
    }
    return json_array_size(json) == 2;
}

static bool check_RESTART(const json_t *json, const struct scope *scope)
{
    (void) scope;
    return restart_valid(json);
}

static const struct {
    bool (*check)(const json_t *json, const struct scope *scope);
    const char *wanted;
} types[] = {
#define X(type, text, schema) {check_##type, text},
    PARAM_TYPES(X)
#undef X
};

/* ---- the check of a request ---- */

static size_t find_param(const struct method_spec *method, const char *name)
{
    size_t index = 0;

    while (index < method->param_count && strcmp(method->params[index].name, name) != 0)
        index++;
    return index;
}

const struct param_spec *schema_param(const struct method_spec *method, const char *name)
{
    size_t index = find_param(method, name);

    return index < method->param_count ? &method->params[index] : NULL;
}

int schema_check(const struct method_spec *method, const json_t *params, size_t fd_count,
                 struct args *ret_args, const char **ret_param, const char **ret_wanted)
{
    const char *name;
    json_t *value;

    memset(ret_args, 0, sizeof *ret_args);
    json_object_foreach((json_t *) params, name, value)
    {
        size_t index = find_param(method, name);
        bool is_uid = index == method->param_count && method->flags & METHOD_UID && strcmp(name, "uid") == 0;
        struct scope scope = {is_uid ? &uid_param : &method->params[index], fd_count};

        *ret_param = name;
        *ret_wanted = "nothing: the method has no such parameter";
        if (index == method->param_count && !is_uid)
            return 1;
        *ret_wanted = types[scope.param->type].wanted;
        if (json_is_null(value) && !scope.param->required)
            continue;
        if (!types[scope.param->type].check(value, &scope))
            return 1;
        *(is_uid ? &ret_args->uid : &ret_args->value[index]) = value;
    }
    for (size_t index = 0; index < method->param_count; index++) {
        if (method->params[index].required && !ret_args->value[index]) {
            *ret_param = method->params[index].name;
            *ret_wanted = types[method->params[index].type].wanted;
            return 1;
        }
    }
    return 0;
}

/* ---- limits (setrlimit(2)) ---- */

static const struct {
    const char *name;
    int resource;
} limits[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},     {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},   {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},   {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
};

int limit_from_name(const char *name)
{
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (strcmp(name, limits[i].name) == 0)
            return limits[i].resource;
    return -EINVAL;
}

static uint64_t limit_value(const json_t *json)
{
    return json_is_string(json) ? UINT64_MAX : (uint64_t) json_integer_value(json);
}

void limit_values(const json_t *json, uint64_t *ret_soft, uint64_t *ret_hard)
{
    bool both = json_is_array(json);

    *ret_soft = limit_value(both ? json_array_get(json, 0) : json);
    *ret_hard = limit_value(both ? json_array_get(json, 1) : json);
}

unsigned mode_value(const json_t *json)
{
    unsigned value = 0;

    for (const char *digit = json_string_value(json); *digit; digit++)
        value = value * 8 + (unsigned) (*digit - '0');
    return value;
}
