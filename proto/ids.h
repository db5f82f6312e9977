/* SPDX-License-Identifier: MIT */
/*
 * The identifiers that errors.def, events.def, objects.def and methods.def expand into. No library: core/
 * includes this, too.
 */
#ifndef PROCD_PROTO_IDS_H
#define PROCD_PROTO_IDS_H

#include <stdint.h>

#define PROTO_VERSION     1
#define PROTO_INTEGER_MAX ((INT64_C(1) << 53) - 1) /* integers stay below 2^53 */
#define PROTO_KEY_MAX     64                       /* bytes of a key, and of an id that is a string */
#define PROTO_NAME_MAX    255
#define PROTO_DEPTH_MAX   32

enum proto_error {
    ERROR_NONE,
#define ERROR(identifier, name, code, message) ERROR_##identifier,
#include "proto/errors.def"
#undef ERROR
    ERROR_COUNT
};

enum object_kind {
#define OBJECT(identifier, name) OBJECT_##identifier,
#include "proto/objects.def"
#undef OBJECT
    OBJECT_KIND_COUNT
};

enum event_members {
    EVENT_MEMBERS_NONE = 0,
    EVENT_MEMBERS_PROCESS = 1 << 0,
    EVENT_MEMBERS_END = 1 << 1,
    EVENT_MEMBERS_CLIENT = 1 << 2,
    EVENT_MEMBERS_RANGE = 1 << 3,
    EVENT_MEMBERS_FAILURE = 1 << 4,
    EVENT_MEMBERS_OBJECT = 1 << 5,
    EVENT_MEMBERS_OWNER = 1 << 6,
    EVENT_MEMBERS_CYCLE = 1 << 7,
    EVENT_MEMBERS_RESTART = 1 << 8,
};

enum event_kind {
#define EVENT(identifier, name, members, text) EVENT_##identifier,
#include "proto/events.def"
#undef EVENT
    EVENT_COUNT
};

enum method_id {
#define METHOD(id, name, flags, summary) METHOD_##id,
#define PARAM(method, id, type, required, low, high, text)
#define RESULT(method, name, schema, text)
#define END(id)
#include "proto/methods.def"
#undef METHOD
    METHOD_COUNT
#undef PARAM
#undef RESULT
#undef END
};

/* The index of each parameter of a method: PARAM_process_join_timeout, ... */
#define METHOD(id, name, flags, summary) enum param_of_##id {
#define PARAM(method, id, type, required, low, high, text) PARAM_##method##_##id,
#define RESULT(method, name, schema, text)
#define END(id)                          \
    PARAM_COUNT_##id                     \
    };
#include "proto/methods.def"
#undef METHOD
#undef PARAM
#undef RESULT
#undef END

#define PARAM_MAX 26 /* no method has more; proto/schema.c asserts it */

#endif
