/* SPDX-License-Identifier: MIT */
/*
 * What the .def files declare, as tables.
 */
#include "proto/schema.h"

#include <string.h>

/* ---- JSON Schema (draft 7) of the members of records, results, events and errors ---- */

#define REFERENCE(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define LIST_OF(schema) "{\"type\":\"array\",\"items\":" schema "}"
#define EITHER(schema, another) "{\"oneOf\":[" schema "," another "]}"
#define NULL_TYPE "{\"type\":\"null\"}"

#define SCHEMA_STRING "{\"type\":\"string\"}"
#define SCHEMA_STRING_OR_NULL "{\"type\":[\"string\",\"null\"]}"
#define SCHEMA_INTEGER "{\"type\":\"integer\"}"
#define SCHEMA_INTEGER_OR_NULL "{\"type\":[\"integer\",\"null\"]}"
#define SCHEMA_INTEGERS LIST_OF(SCHEMA_INTEGER)
#define SCHEMA_NUMBER "{\"type\":\"number\"}"
#define SCHEMA_NUMBER_OR_NULL "{\"type\":[\"number\",\"null\"]}"
#define SCHEMA_NUMBERS "{\"type\":\"object\",\"additionalProperties\":" SCHEMA_INTEGER "}"
#define SCHEMA_BOOLEAN "{\"type\":\"boolean\"}"
#define SCHEMA_BOOLEAN_OR_NULL "{\"type\":[\"boolean\",\"null\"]}"
#define SCHEMA_OBJECT "{\"type\":\"object\"}"
#define SCHEMA_LIST LIST_OF(SCHEMA_OBJECT)
#define SCHEMA_NAME_OR_ID "{\"type\":[\"string\",\"integer\"]}"
#define SCHEMA_LABELS "{\"type\":\"object\",\"additionalProperties\":" SCHEMA_STRING "}"
#define SCHEMA_STATE "{\"enum\":[\"running\",\"ready\",\"stopped\",\"exited\",\"restarting\"]}"
#define SCHEMA_KIND REFERENCE("kind")
#define SCHEMA_BYTES REFERENCE("bytes")
#define SCHEMA_BYTES_OR_NULL EITHER(SCHEMA_BYTES, NULL_TYPE)
#define SCHEMA_BYTES_LIST LIST_OF(SCHEMA_BYTES)
#define SCHEMA_INFO REFERENCE("info")
#define SCHEMA_INFO_OR_NULL EITHER(SCHEMA_INFO, NULL_TYPE)
#define SCHEMA_INFOS LIST_OF(SCHEMA_INFO)
#define SCHEMA_OWNER REFERENCE("owner")
#define SCHEMA_RUSAGE REFERENCE("rusage")
#define SCHEMA_RUSAGE_OR_NULL EITHER(SCHEMA_RUSAGE, NULL_TYPE)
#define SCHEMA_THE_OBJECT REFERENCE("object")
#define SCHEMA_OBJECTS LIST_OF(SCHEMA_THE_OBJECT)
#define SCHEMA_HOLDERS LIST_OF(REFERENCE("holder"))
#define SCHEMA_WAITERS LIST_OF(REFERENCE("waiter"))
#define SCHEMA_LINKS LIST_OF(REFERENCE("link"))
#define SCHEMA_NODES LIST_OF(REFERENCE("node"))
#define SCHEMA_EDGES LIST_OF(REFERENCE("edge"))
#define SCHEMA_CYCLES LIST_OF(SCHEMA_INTEGERS)
#define SCHEMA_PEER REFERENCE("peer")
#define SCHEMA_LINES LIST_OF(REFERENCE("line"))
#define SCHEMA_RANGE REFERENCE("range")
#define SCHEMA_COUNTS REFERENCE("counts")

/* ---- methods ---- */

#define METHOD(id, name, flags, summary) static const struct param_spec params_of_##id[] = {
#define PARAM(method, id, type, required, low, high, text)                                                   \
    {#id, PARAM_TYPE_##type, required, low, high, text},
#define RESULT(method, name, schema, text)
#define END(id)                                                                                              \
    {                                                                                                        \
        .name = NULL                                                                                         \
    }                                                                                                        \
    }                                                                                                        \
    ;                                                                                                        \
    _Static_assert(PARAM_COUNT_##id <= PARAM_MAX, "raise PARAM_MAX");
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
#undef END

#define METHOD(id, name, flags, summary) static const struct member_spec results_of_##id[] = {
#define PARAM(method, id, type, required, low, high, text)
#define RESULT(method, name, schema, text) {name, SCHEMA_##schema, text, false},
#define MAYBE(method, name, schema, text) {name, SCHEMA_##schema, text, true},
#define END(id)                                                                                              \
    {                                                                                                        \
        .name = NULL                                                                                         \
    }                                                                                                        \
    }                                                                                                        \
    ;
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
#undef END

const struct method_spec method_specs[METHOD_COUNT] = {
#define METHOD(id, name, flags, summary)                                                                     \
    {name,                                                                                                   \
     flags,                                                                                                  \
     summary,                                                                                                \
     params_of_##id,                                                                                         \
     sizeof params_of_##id / sizeof *params_of_##id - 1,                                                     \
     results_of_##id,                                                                                        \
     sizeof results_of_##id / sizeof *results_of_##id - 1},
#define PARAM(method, id, type, required, low, high, text)
#define RESULT(method, name, schema, text)
#define END(id)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
#undef END
};

const struct param_spec uid_param = {.name = "uid",
                                     .type = PARAM_TYPE_INTEGER,
                                     .high = UINT32_MAX - 1,
                                     .text = "for root: act in this user's place"};

enum method_id method_find(const char *name)
{
    int id = 0;

    while (id < METHOD_COUNT &&
           (method_specs[id].name[0] != name[0] || strcmp(method_specs[id].name, name) != 0))
        id++;
    return (enum method_id) id;
}

#define CAN(error) (UINT32_C(1) << ERROR_##error)
_Static_assert(ERROR_COUNT <= 32, "method_errors is a set of 32");

static const uint32_t errors_of[METHOD_COUNT] = {
#define METHOD(id, name, flags, summary)
#define PARAM(method, id, type, required, low, high, text)
#define RESULT(method, name, schema, text)
#define ERRORS(id, mask) [METHOD_##id] = mask,
#define END(id)
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
#undef END
};

uint32_t method_errors(enum method_id method)
{
    unsigned flags = method_specs[method].flags;

    return errors_of[method] | CAN(INVALID_REQUEST) | CAN(INVALID_PARAMS) | CAN(INTERNAL_ERROR) |
           CAN(LIMIT_EXCEEDED) | (flags & METHOD_UID ? CAN(PERMISSION_DENIED) : 0) |
           (flags & METHOD_EARLY ? 0 : CAN(SHUTTING_DOWN));
}

/* ---- records ---- */

#define RECORD(id, name, text) static const struct member_spec members_of_##id[] = {
#define MEMBER(record, name, schema, text) {name, SCHEMA_##schema, text, false},
#define MAYBE(record, name, schema, text) {name, SCHEMA_##schema, text, true},
#define END(id)                                                                                              \
    {                                                                                                        \
        .name = NULL                                                                                         \
    }                                                                                                        \
    }                                                                                                        \
    ;
#include "proto/records.def"
#undef RECORD
#undef MEMBER
#undef MAYBE
#undef END

const struct record_spec record_specs[] = {
#define RECORD(id, name, text) {name, text, members_of_##id},
#define MEMBER(record, name, schema, text)
#define MAYBE(record, name, schema, text)
#define END(id)
#include "proto/records.def"
#undef RECORD
#undef MEMBER
#undef MAYBE
#undef END
    {.name = NULL}};

/* ---- events ---- */

static const struct {
    const char *name;
    unsigned members;
    const char *text;
} events[] = {
#define EVENT(id, name, members, text) {name, members, text},
#include "proto/events.def"
#undef EVENT
};

static const struct {
    unsigned group;
    struct member_spec spec;
} event_members[] = {
#define EVENT(id, name, members, text)
#define MEMBER(group, name, schema, text) {EVENT_MEMBERS_##group, {name, SCHEMA_##schema, text, false}},
#include "proto/events.def"
#undef EVENT
};

bool event_kind_matches(enum event_kind kind, const char *pattern)
{
    size_t length = strlen(pattern);

    if (length > 2 && strcmp(pattern + length - 2, ".*") == 0)
        return strncmp(events[kind].name, pattern, length - 1) == 0;
    return strcmp(events[kind].name, pattern) == 0;
}

const char *event_kind_name(enum event_kind kind)
{
    return events[kind].name;
}

const char *event_kind_text(enum event_kind kind)
{
    return events[kind].text;
}

unsigned event_kind_members(enum event_kind kind)
{
    return events[kind].members;
}

const struct member_spec *event_next_member(enum event_kind kind, size_t *place)
{
    while (*place < sizeof event_members / sizeof *event_members) {
        size_t index = (*place)++;

        if (kind == EVENT_COUNT || events[kind].members & event_members[index].group)
            return &event_members[index].spec;
    }
    return NULL;
}

/* ---- errors ---- */

static const struct {
    const char *name;
    int code;
    const char *message;
} errors[] = {
    {"", 0, ""},
#define ERROR(identifier, name, code, message) {#name, code, message},
#include "proto/errors.def"
#undef ERROR
};

static const struct {
    enum proto_error error;
    struct member_spec spec;
} error_members[] = {
#define ERROR(identifier, name, code, message)
#define DATA(identifier, name, schema, text) {ERROR_##identifier, {name, SCHEMA_##schema, text, false}},
#include "proto/errors.def"
#undef ERROR
};

const char *proto_error_name(enum proto_error error)
{
    return errors[error].name;
}

int proto_error_code(enum proto_error error)
{
    return errors[error].code;
}

const char *proto_error_message(enum proto_error error)
{
    return errors[error].message;
}

const struct member_spec *proto_error_next_member(enum proto_error error, size_t *place)
{
    while (*place < sizeof error_members / sizeof *error_members) {
        size_t index = (*place)++;

        if (error_members[index].error == error)
            return &error_members[index].spec;
    }
    return NULL;
}

/* ---- kinds of objects ---- */

static const char *const object_kind_names[] = {
#define OBJECT(identifier, name) name,
#include "proto/objects.def"
#undef OBJECT
};

const char *object_kind_name(enum object_kind kind)
{
    return kind < OBJECT_KIND_COUNT ? object_kind_names[kind] : "";
}

enum object_kind object_kind_find(const char *name)
{
    int kind = 0;

    while (kind < OBJECT_KIND_COUNT && strcmp(object_kind_names[kind], name) != 0)
        kind++;
    return (enum object_kind) kind;
}
