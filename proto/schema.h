/* SPDX-License-Identifier: MIT */
/*
 * What the .def files declare, as tables (tables.c), and the one check of a request's params (schema.c).
 */
#ifndef PROCD_PROTO_SCHEMA_H
#define PROCD_PROTO_SCHEMA_H

#include "proto/ids.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define RESTART_WANTED                                                                                       \
    "an object {policy: no, on-failure or always, delay: seconds, factor: 1 to 1000, max_delay: seconds, "   \
    "max_tries: from 1}"
#define RESTART_SCHEMA                                                                                       \
    "{\"type\":\"object\",\"required\":[\"policy\"],\"additionalProperties\":false,\"properties\":{"         \
    "\"policy\":{\"enum\":[\"no\",\"on-failure\",\"always\"]},"                                              \
    "\"delay\":{\"type\":[\"number\",\"null\"],\"minimum\":0,\"maximum\":1e9},"                              \
    "\"factor\":{\"type\":[\"number\",\"null\"],\"minimum\":1,\"maximum\":1000},"                            \
    "\"max_delay\":{\"type\":[\"number\",\"null\"],\"minimum\":0,\"maximum\":1e9},"                          \
    "\"max_tries\":{\"type\":[\"integer\",\"null\"],\"minimum\":1,\"maximum\":2147483647}}}"

/*
 * The types of parameters.
 *
 * PARAM_TYPE(TYPE, "what is wanted, for messages", "JSON Schema")
 */
#define PARAM_TYPES(X)                                                                                       \
    X(STRING, "a string", "{\"type\":\"string\"}")                                                           \
    X(NAME, "a string of 1 to 255 bytes", "{\"type\":\"string\",\"minLength\":1}")                           \
    X(HOLDER, "a string of 1 to 255 bytes", "{\"type\":\"string\",\"minLength\":1}")                         \
    X(PATH, "a path: a string, or {b64}, that is not empty", "{\"$ref\":\"#/components/schemas/bytes\"}")    \
    X(BOOL, "true or false", "{\"type\":\"boolean\"}")                                                       \
    X(INTEGER, "an integer in range", "{\"type\":\"integer\"}")                                              \
    X(NUMBER, "a number in range", "{\"type\":\"number\"}")                                                  \
    X(TIMEOUT, "a number of seconds, or null", "{\"type\":[\"number\",\"null\"]}")                           \
    X(REQUEST_ID, "the id of a request", "{\"type\":[\"string\",\"integer\"]}")                              \
    X(PROCESS, "an id (integer) or a name (string)", "{\"$ref\":\"#/components/schemas/process\"}")          \
    X(PROCESSES, "an array of ids and names",                                                                \
      "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/process\"}}")                          \
    X(SIGNAL, "the name of a signal, or 1 to 64",                                                            \
      "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"integer\",\"minimum\":1,\"maximum\":64}]}")             \
    X(ARGV, "an array of strings or {b64}, the first not empty",                                             \
      "{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/components/schemas/bytes\"}}")             \
    X(ENV, "an object of strings or {b64}, no name empty or with =",                                         \
      "{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#/components/schemas/bytes\"}}")            \
    X(LABELS, "an object of strings",                                                                        \
      "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}")                                \
    X(LIMITS, "an object of limits: n, \"unlimited\" or [soft, hard]",                                       \
      "{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#/components/schemas/limit\"}}")            \
    X(STDIN, "null, pty, {fd: index of a descriptor that was sent} or {file: path}",                         \
      "{\"$ref\":\"#/components/schemas/stdio\"}")                                                           \
    X(STDOUT, "log, null, pty, {fd: index of a descriptor that was sent} or {file: path, append: bool}",     \
      "{\"$ref\":\"#/components/schemas/stdio\"}")                                                           \
    X(PLACED_FDS, "an array of [index of a descriptor that was sent, target >= 3], each target once",        \
      "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":[{\"type\":\"integer\",\"minimum\":0},"   \
      "{\"type\":\"integer\",\"minimum\":3}],\"minItems\":2,\"maxItems\":2}}")                               \
    X(FD_INDEX, "the index of a descriptor that was sent", "{\"type\":\"integer\",\"minimum\":0}")           \
    X(OBJECT,                                                                                                \
      "the name of an object: up to 255 of A-Z a-z 0-9 . _ : @ -, no . first, / before a shared one",        \
      "{\"type\":\"string\",\"pattern\":\"^/?[A-Za-z0-9_:@-][A-Za-z0-9._:@-]*$\",\"maxLength\":255}")        \
    X(OBJECTS, "an array of names of objects", "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}")       \
    X(KIND, "a kind of object", "{\"$ref\":\"#/components/schemas/kind\"}")                                  \
    X(MODE, "an octal string from \"0\" to \"0777\"", "{\"type\":\"string\",\"pattern\":\"^[0-7]{1,4}$\"}")  \
    X(KINDS, "an array of kinds of events, or patterns like process.*",                                      \
      "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}")                                                \
    X(ON_DEADLOCK, "error or wait", "{\"enum\":[\"error\",\"wait\"]}")                                       \
    X(STOP_MODE, "terminate or detach", "{\"enum\":[\"terminate\",\"detach\"]}")                             \
    X(WAIT_MODE, "any or all", "{\"enum\":[\"any\",\"all\"]}")                                               \
    X(WAIT_FOR, "exited or ready", "{\"enum\":[\"exited\",\"ready\"]}")                                      \
    X(STREAM, "stdout or stderr", "{\"enum\":[\"stdout\",\"stderr\"]}")                                    \
    X(WINSIZE, "[rows, columns], each 1 to 65535",                                                           \
      "{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535},"            \
      "\"minItems\":2,\"maxItems\":2}")                                                                      \
    X(RESTART, RESTART_WANTED, RESTART_SCHEMA)

enum param_type {
#define X(type, text, schema) PARAM_TYPE_##type,
    PARAM_TYPES(X)
#undef X
};

struct param_spec {
    const char *name;
    enum param_type type;
    bool required;
    int64_t low, high; /* bounds of INTEGER and NUMBER */
    const char *text;
};

/* A member of a result, a record, an event or an error's data. */
struct member_spec {
    const char *name;   /* "": the whole result */
    const char *schema; /* JSON Schema; its references are to components of the OpenRPC document */
    const char *text;
    bool sometimes; /* text says when it is there */
};

enum method_flags {
    METHOD_KEYED = 1 << 0, /* it changes something: `key` makes a retry safe */
    METHOD_EARLY = 1 << 1, /* answered while shutting down */
    METHOD_UID = 1 << 2,   /* takes `uid`, too: root acts in another uid's place */
    METHOD_LONG = 1 << 3,  /* it changes nothing, and its answer may be long */
    /* its answer may need the params: of a spawn that fails, and of a grant that is not read */
    METHOD_REMEMBERED = 1 << 4,
};

struct method_spec {
    const char *name;
    unsigned flags;
    const char *summary;
    const struct param_spec *params;
    size_t param_count;
    const struct member_spec *results;
    size_t result_count;
};

extern const struct method_spec method_specs[METHOD_COUNT];

/* What every method with METHOD_UID takes, too. */
extern const struct param_spec uid_param;

/* The method of that name, or METHOD_COUNT. */
enum method_id method_find(const char *name);

/* How a request for it may be answered besides by its result: a set, bit 1 << ERROR_X for each. A line that
 * is no request (ParseError), or names no method (MethodNotFound), is none for a method. */
uint32_t method_errors(enum method_id method);

struct record_spec {
    const char *name;
    const char *text;
    const struct member_spec *members; /* ended by one without a name */
};

extern const struct record_spec record_specs[]; /* ended by one without a name */

/* The parameters of a request, by the indices PARAM_<method>_<name>; NULL where absent. Borrowed from the
 * request. */
struct args {
    const json_t *value[PARAM_MAX];
    const json_t *uid;
};

/* The parameter of that name, or NULL; uid, which is of many methods, is not one of its own. */
const struct param_spec *schema_param(const struct method_spec *method, const char *name);

/* Checks params (an object, or NULL) of a request with fd_count descriptors against the method's table. 0 and
 * ret_args; or 1 with the name of the wrong member (borrowed from params or the tables) and what is wanted of
 * it. */
int schema_check(const struct method_spec *method, const json_t *params, size_t fd_count,
                 struct args *ret_args, const char **ret_param, const char **ret_wanted);

/* Does a kind of event match a kind or pattern (process.*) of events.subscribe? */
bool event_kind_matches(enum event_kind kind, const char *pattern);
const char *event_kind_name(enum event_kind kind);
const char *event_kind_text(enum event_kind kind);
unsigned event_kind_members(enum event_kind kind);

/* Its members besides subscription, seq, time and kind, one after the other: place is 0 before the first
 * call. NULL: no more. EVENT_COUNT: those of all kinds. */
const struct member_spec *event_next_member(enum event_kind kind, size_t *place);

/* RLIMIT_... of a name ("nofile"), or -EINVAL. */
int limit_from_name(const char *name);

/* The soft and hard values of a limit that schema_check has passed. RLIM_INFINITY is UINT64_MAX. */
void limit_values(const json_t *json, uint64_t *ret_soft, uint64_t *ret_hard);

/* The name of a kind of object; of a name, the kind or OBJECT_KIND_COUNT. */
const char *object_kind_name(enum object_kind kind);
enum object_kind object_kind_find(const char *name);

/* The number of a mode that schema_check has passed. */
unsigned mode_value(const json_t *json);

const char *proto_error_name(enum proto_error error);
int proto_error_code(enum proto_error error);
const char *proto_error_message(enum proto_error error);

/* As event_next_member: the members of its data besides name. */
const struct member_spec *proto_error_next_member(enum proto_error error, size_t *place);

#endif
