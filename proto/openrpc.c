/* SPDX-License-Identifier: MIT */
#include "proto/openrpc.h"

#include "proto/schema.h"

#include <string.h>

static const char *const type_schemas[] = {
#define X(type, text, schema) schema,
    PARAM_TYPES(X)
#undef X
};

static const char description[] =
    "JSON-RPC 2.0, one object a line, over a Unix socket: params are an object, null for an optional "
    "parameter means "
    "absent, and descriptors travel with the line that says \"fds\". procd-api(7) has the rest.";

/* What parameters share. */
static const char shared_schemas[] =
    "{\"bytes\":{\"description\":\"a string, or its bytes in base64 where they are not UTF-8\",\"oneOf\":["
    "{\"type\":\"string\"},{\"type\":\"object\",\"properties\":{\"b64\":{\"type\":\"string\"}},"
    "\"required\":[\"b64\"],\"additionalProperties\":false}]},"
    "\"process\":{\"description\":\"the id of a process, or a name\",\"oneOf\":["
    "{\"type\":\"integer\"},{\"type\":\"string\",\"minLength\":1}]},"
    "\"limit\":{\"description\":\"a resource limit, or its soft and its hard value\",\"oneOf\":["
    "{\"$ref\":\"#/components/schemas/bound\"},"
    "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/"
    "bound\"},\"minItems\":2,\"maxItems\":2}]},"
    "\"bound\":{\"oneOf\":[{\"type\":\"integer\",\"minimum\":0},{\"const\":\"unlimited\"}]},"
    "\"stdio\":{\"description\":\"where a standard stream of a process comes from, or goes\",\"oneOf\":["
    "{\"enum\":[\"null\",\"log\",\"pty\"]},"
    "{\"type\":\"object\",\"properties\":{\"fd\":{\"type\":\"integer\"}},\"required\":[\"fd\"]},"
    "{\"type\":\"object\",\"properties\":{\"file\":{\"$ref\":\"#/components/schemas/bytes\"},"
    "\"append\":{\"type\":\"boolean\"}},\"required\":[\"file\"]}]}}";

/* ---- members ---- */

/* A part without memory makes the whole useless: it is not known which one is missing. */
struct draft {
    bool is_broken;
};

static void put(struct draft *draft, json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) < 0)
        draft->is_broken = true;
}

static void append(struct draft *draft, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) < 0)
        draft->is_broken = true;
}

/* A schema with a description. Beside a $ref nothing else counts: that stands in an allOf of one. */
static json_t *described(struct draft *draft, const char *text, const char *of)
{
    json_t *schema = json_loads(text, 0, NULL);

    if (json_object_get(schema, "$ref"))
        schema = json_pack("{s:[o]}", "allOf", schema);
    put(draft, schema, "description", json_string(of));
    return schema;
}

static void add_member(struct draft *draft, json_t *schema, const struct member_spec *member)
{
    put(draft, json_object_get(schema, "properties"), member->name,
        described(draft, member->schema, member->text));
    if (!member->sometimes)
        append(draft, json_object_get(schema, "required"), json_string(member->name));
}

/* An object whose members are still to be added. */
static json_t *object_schema(void)
{
    return json_pack("{s:s, s:{}, s:[]}", "type", "object", "properties", "required");
}

/* ---- methods ---- */

static json_t *param_json(struct draft *draft, const struct param_spec *param)
{
    json_t *schema = json_loads(type_schemas[param->type], 0, NULL);

    if ((param->type == PARAM_TYPE_INTEGER || param->type == PARAM_TYPE_NUMBER) &&
        param->low != param->high) {
        put(draft, schema, "minimum", json_integer(param->low));
        put(draft, schema, "maximum", json_integer(param->high));
    }
    return json_pack("{s:s, s:s, s:b, s:o}", "name", param->name, "description", param->text, "required",
                     (int) param->required, "schema", schema);
}

static json_t *params_json(struct draft *draft, const struct method_spec *method)
{
    json_t *params = json_array();

    for (size_t i = 0; i < method->param_count; i++)
        append(draft, params, param_json(draft, &method->params[i]));
    if (method->flags & METHOD_UID)
        append(draft, params, param_json(draft, &uid_param));
    return params;
}

static json_t *result_json(struct draft *draft, const struct method_spec *method)
{
    json_t *schema = object_schema();

    for (size_t i = 0; i < method->result_count; i++) {
        if (method->results[i].name[0]) {
            add_member(draft, schema, &method->results[i]);
        } else {
            json_decref(schema);
            schema = json_loads(method->results[i].schema, 0, NULL);
        }
    }
    return json_pack("{s:s, s:o}", "name", "result", "schema", schema);
}

static json_t *method_errors_json(struct draft *draft, enum method_id method)
{
    uint32_t mask = method_errors(method);
    json_t *errors = json_array();

    for (int error = ERROR_NONE + 1; error < ERROR_COUNT; error++)
        if (mask & UINT32_C(1) << error)
            append(draft, errors,
                   json_pack("{s:s+}", "$ref", "#/components/errors/",
                             proto_error_name((enum proto_error) error)));
    return errors;
}

static json_t *methods_json(struct draft *draft)
{
    json_t *methods = json_array();

    for (int id = 0; id < METHOD_COUNT; id++) {
        const struct method_spec *method = &method_specs[id];

        append(draft, methods,
               json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "name", method->name, "summary", method->summary,
                         "paramStructure", "by-name", "params", params_json(draft, method), "result",
                         result_json(draft, method), "errors",
                         method_errors_json(draft, (enum method_id) id)));
    }
    return methods;
}

/* ---- components ---- */

/* code, message, and the name that its data always has. */
static json_t *errors_json(struct draft *draft)
{
    json_t *errors = json_object();

    for (int id = ERROR_NONE + 1; id < ERROR_COUNT; id++) {
        enum proto_error error = (enum proto_error) id;
        const char *name = proto_error_name(error);

        put(draft, errors, name,
            json_pack("{s:i, s:s, s:{s:s}}", "code", proto_error_code(error), "message",
                      proto_error_message(error), "data", "name", name));
    }
    return errors;
}

/* The schema of an error's data has the error's name. */
static void add_error_data(struct draft *draft, json_t *schemas)
{
    for (int id = ERROR_NONE + 1; id < ERROR_COUNT; id++) {
        enum proto_error error = (enum proto_error) id;
        const struct member_spec *member;
        json_t *schema = object_schema();
        size_t place = 0;

        put(draft, json_object_get(schema, "properties"), "name",
            json_pack("{s:s}", "const", proto_error_name(error)));
        append(draft, json_object_get(schema, "required"), json_string("name"));
        while ((member = proto_error_next_member(error, &place)))
            add_member(draft, schema, member);
        put(draft, schemas, proto_error_name(error), schema);
    }
}

static json_t *schemas_json(struct draft *draft)
{
    json_t *schemas = json_loads(shared_schemas, 0, NULL), *kinds = json_array();

    for (int kind = 0; kind < OBJECT_KIND_COUNT; kind++)
        append(draft, kinds, json_string(object_kind_name((enum object_kind) kind)));
    put(draft, schemas, "kind", json_pack("{s:o}", "enum", kinds));
    for (const struct record_spec *record = record_specs; record->name; record++) {
        json_t *schema = object_schema();

        put(draft, schema, "description", json_string(record->text));
        for (const struct member_spec *member = record->members; member->name; member++)
            add_member(draft, schema, member);
        put(draft, schemas, record->name, schema);
    }
    add_error_data(draft, schemas);
    return schemas;
}

/* ---- events ---- */

/* The params of the notification `event`, for each kind. */
static json_t *event_schema(struct draft *draft, enum event_kind kind)
{
    static const struct member_spec common[] = {
        {"subscription", "{\"type\":\"integer\"}", "whose it is, on this connection", false},
        {"seq", "{\"type\":\"integer\"}", "its number", false},
        {"time", "{\"type\":\"number\"}", "Unix seconds", false},
    };
    const struct member_spec *member;
    json_t *schema = object_schema();
    size_t place = 0;

    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        add_member(draft, schema, &common[i]);
    put(draft, json_object_get(schema, "properties"), "kind",
        json_pack("{s:s}", "const", event_kind_name(kind)));
    append(draft, json_object_get(schema, "required"), json_string("kind"));
    while ((member = event_next_member(kind, &place)))
        add_member(draft, schema, member);
    return schema;
}

static json_t *events_json(struct draft *draft)
{
    json_t *events = json_array();

    for (int id = 0; id < EVENT_COUNT; id++) {
        enum event_kind kind = (enum event_kind) id;

        append(draft, events,
               json_pack("{s:s, s:s, s:o}", "name", event_kind_name(kind), "summary", event_kind_text(kind),
                         "schema", event_schema(draft, kind)));
    }
    return events;
}

json_t *openrpc_document(const char *version)
{
    struct draft draft = {false};
    json_t *document = json_pack(
        "{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:o, s:o}, s:o}", "openrpc", "1.2.6", "info", "title", "procd",
        "version", version, "description", description, "methods", methods_json(&draft), "components",
        "schemas", schemas_json(&draft), "errors", errors_json(&draft), "x-events", events_json(&draft));

    if (!draft.is_broken)
        return document;
    json_decref(document);
    return NULL;
}
