#include "proto/openrpc.h"

#include "proto/schema.h"

#include <string.h>

static const char *const type_schemas[] = {
#define X(type, text, schema) schema,
    PARAM_TYPES(X)
#undef X
};

static const char components[] =
    "{\"schemas\":{"
    "\"bytes\":{\"description\":\"a string, or its bytes in base64 where they are not UTF-8\",\"oneOf\":["
    "{\"type\":\"string\"},{\"type\":\"object\",\"properties\":{\"b64\":{\"type\":\"string\"}},"
    "\"required\":[\"b64\"],\"additionalProperties\":false}]},"
    "\"stdio\":{\"oneOf\":[{\"enum\":[\"null\",\"log\"]},"
    "{\"type\":\"object\",\"properties\":{\"fd\":{\"type\":\"integer\"}},\"required\":[\"fd\"]},"
    "{\"type\":\"object\",\"properties\":{\"file\":{\"$ref\":\"#/components/schemas/bytes\"},"
    "\"append\":{\"type\":\"boolean\"}},\"required\":[\"file\"]}]},"
    "\"info\":{\"type\":\"object\",\"properties\":{"
    "\"id\":{\"type\":\"integer\"},\"name\":{\"$ref\":\"#/components/schemas/bytes\"},"
    "\"pid\":{\"type\":\"integer\"},"
    "\"state\":{\"enum\":[\"running\",\"ready\",\"stopped\",\"exited\",\"restarting\"]},"
    "\"daemon\":{\"type\":\"boolean\"},\"owner\":{\"type\":\"object\"},"
    "\"parent\":{\"type\":[\"integer\",\"null\"]},"
    "\"argv\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/bytes\"}},"
    "\"cwd\":{\"$ref\":\"#/components/schemas/bytes\"},\"labels\":{\"type\":\"object\"},"
    "\"started\":{\"type\":\"number\"},\"ended\":{\"type\":[\"number\",\"null\"]},"
    "\"exitcode\":{\"type\":[\"integer\",\"null\"]},\"signal\":{\"type\":[\"string\",\"null\"]},"
    "\"core\":{\"type\":\"boolean\"},\"oom\":{\"type\":[\"boolean\",\"null\"]},"
    "\"rusage\":{\"type\":[\"object\",\"null\"]},\"restarts\":{\"type\":\"integer\"},"
    "\"seq\":{\"type\":\"integer\"}}}}}";

static json_t *param_json(const char *name, enum param_type type, bool required, int64_t low, int64_t high,
                          const char *text)
{
    json_t *schema = json_loads(type_schemas[type], 0, NULL);

    if ((type == PARAM_TYPE_INTEGER || type == PARAM_TYPE_NUMBER) && low != high) {
        json_object_set_new(schema, "minimum", json_integer(low));
        json_object_set_new(schema, "maximum", json_integer(high));
    }
    return json_pack("{s:s, s:s, s:b, s:o}", "name", name, "description", text, "required", (int) required,
                     "schema", schema);
}

static json_t *params_json(const struct method_spec *method)
{
    json_t *params = json_array();

    for (size_t i = 0; i < method->param_count; i++) {
        const struct param_spec *param = &method->params[i];

        json_array_append_new(params, param_json(param->name, param->type, param->required, param->low,
                                                 param->high, param->text));
    }
    if (method->flags & METHOD_UID)
        json_array_append_new(params, param_json("uid", PARAM_TYPE_INTEGER, false, 0, UINT32_MAX - 1,
                                                 "root: act in this uid's place"));
    return params;
}

static json_t *result_json(const struct method_spec *method)
{
    json_t *properties = json_object(), *schema = NULL;

    for (size_t i = 0; i < method->result_count; i++) {
        const struct result_spec *result = &method->results[i];
        json_t *member = json_loads(result->schema, 0, NULL);

        if (!result->name[0]) {
            schema = member;
            continue;
        }
        json_object_set_new(member, "description", json_string(result->text));
        json_object_set_new(properties, result->name, member);
    }
    if (schema)
        json_decref(properties);
    else
        schema = json_pack("{s:s, s:o}", "type", "object", "properties", properties);
    return json_pack("{s:s, s:o}", "name", "result", "schema", schema);
}

static json_t *errors_json(void)
{
    json_t *errors = json_array();

    for (int error = ERROR_NONE + 1; error < ERROR_COUNT; error++)
        json_array_append_new(errors, json_pack("{s:i, s:s, s:{s:s}}", "code",
                                                proto_error_code((enum proto_error) error), "message",
                                                proto_error_message((enum proto_error) error), "data", "name",
                                                proto_error_name((enum proto_error) error)));
    return errors;
}

static json_t *event_kinds_json(void)
{
    json_t *kinds = json_array();

    for (int kind = 0; kind < EVENT_COUNT; kind++)
        json_array_append_new(kinds, json_string(event_kind_name((enum event_kind) kind)));
    return kinds;
}

json_t *openrpc_document(const char *version)
{
    json_t *methods = json_array();

    for (int id = 0; id < METHOD_COUNT; id++) {
        const struct method_spec *method = &method_specs[id];

        json_array_append_new(methods, json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", method->name, "summary",
                                                 method->summary, "paramStructure", "by-name", "params",
                                                 params_json(method), "result", result_json(method)));
    }
    return json_pack("{s:s, s:{s:s, s:s}, s:o, s:o, s:o, s:o}", "openrpc", "1.2.6", "info", "title", "procd",
                     "version", version, "methods", methods, "components", json_loads(components, 0, NULL),
                     "x-errors", errors_json(), "x-events", event_kinds_json());
}
