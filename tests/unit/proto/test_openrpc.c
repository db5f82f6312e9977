/* SPDX-License-Identifier: MIT */
/* proto/openrpc.c: what rpc.discover answers is OpenRPC 1.2.6, complete, and what the protocol promises. */
#include "proto/openrpc.h"
#include "proto/schema.h"
#include "tests/unit/core/must.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static json_t *document;

static void set_up(void)
{
    ck_assert_ptr_nonnull(document = openrpc_document("1.2.3"));
}

static void tear_down(void)
{
    json_decref(document);
}

/* ---- the rules of OpenRPC ---- */

/* Only members that the specification knows (words in a string), or its extensions. */
static void must_have_only(const json_t *object, const char *known)
{
    const char *name;
    json_t *value;

    ck_assert(json_is_object(object));
    json_object_foreach((json_t *) object, name, value) {
        const char *found = strstr(known, name);
        size_t length = strlen(name);

        ck_assert_msg(strncmp(name, "x-", 2) == 0 || (found && (found == known || found[-1] == ' ') &&
                                                      (found[length] == ' ' || found[length] == '\0')),
                      "%s is no member of %s", name, known);
    }
}

static const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    ck_assert_msg(text && *text, "no %s", member);
    return text;
}

/* "#/components/PART/NAME" names something. */
static void must_refer(const json_t *reference, const char *part)
{
    const char *text = json_string_value(reference), *name;
    char prefix[64];

    snprintf(prefix, sizeof prefix, "#/components/%s/", part);
    ck_assert_msg(text && strncmp(text, prefix, strlen(prefix)) == 0, "$ref to %s", text);
    name = text + strlen(prefix);
    ck_assert_msg(
        json_is_object(json_object_get(json_object_get(json_object_get(document, "components"), part), name)),
        "$ref to %s", text);
}

static void must_be_type(const json_t *type)
{
    static const char types[] = " null boolean object array number string integer ";
    char word[32];

    for (size_t i = 0; i < json_array_size(type); i++)
        must_be_type(json_array_get(type, i));
    if (json_is_array(type))
        return;
    snprintf(word, sizeof word, " %.20s ", json_string_value(type));
    ck_assert_msg(strstr(types, word), "type%s", word);
}

static void must_be_schema(const json_t *schema);

static void must_be_schemas(const json_t *list)
{
    ck_assert(json_is_array(list) && json_array_size(list) > 0);
    for (size_t i = 0; i < json_array_size(list); i++)
        must_be_schema(json_array_get(list, i));
}

/* What is required is among the properties. */
static void must_require_properties(const json_t *schema)
{
    const json_t *required = json_object_get(schema, "required");

    for (size_t i = 0; i < json_array_size(required); i++)
        ck_assert_ptr_nonnull(json_object_get(json_object_get(schema, "properties"),
                                              json_string_value(json_array_get(required, i))));
}

static void must_be_schema(const json_t *schema)
{
    const json_t *items = json_object_get(schema, "items");
    const json_t *more = json_object_get(schema, "additionalProperties");
    const char *name;
    json_t *value;

    must_have_only(schema,
                   "$ref type description properties required additionalProperties items minItems maxItems "
                   "oneOf allOf enum const pattern minLength maxLength minimum maximum");
    if (json_object_get(schema, "$ref")) {
        ck_assert_msg(json_object_size(schema) == 1, "beside a $ref nothing counts");
        must_refer(json_object_get(schema, "$ref"), "schemas");
        return;
    }
    if (json_object_get(schema, "type"))
        must_be_type(json_object_get(schema, "type"));
    json_object_foreach(json_object_get(schema, "properties"), name, value)
        must_be_schema(value);
    must_require_properties(schema);
    if (more && !json_is_boolean(more))
        must_be_schema(more);
    if (json_is_array(items))
        must_be_schemas(items);
    else if (items)
        must_be_schema(items);
    if (json_object_get(schema, "oneOf"))
        must_be_schemas(json_object_get(schema, "oneOf"));
    if (json_object_get(schema, "allOf"))
        must_be_schemas(json_object_get(schema, "allOf"));
}

static void must_be_descriptor(const json_t *descriptor)
{
    const json_t *required = json_object_get(descriptor, "required");

    must_have_only(descriptor, "name summary description required schema deprecated");
    text_of(descriptor, "name");
    must_be_schema(json_object_get(descriptor, "schema"));
    ck_assert(!required || json_is_boolean(required));
}

/* By name, each once, and those that are required first. */
static void must_be_params(const json_t *params)
{
    bool optional = false;

    ck_assert(json_is_array(params));
    for (size_t i = 0; i < json_array_size(params); i++) {
        const json_t *param = json_array_get(params, i);

        must_be_descriptor(param);
        text_of(param, "description");
        if (!json_is_true(json_object_get(param, "required")))
            optional = true;
        else
            ck_assert_msg(!optional, "%s is required behind an optional one", text_of(param, "name"));
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(text_of(json_array_get(params, j), "name"), text_of(param, "name"));
    }
}

START_TEST(the_document)
{
    const json_t *info = json_object_get(document, "info"), *schemas;
    const char *name;
    json_t *schema;

    must_have_only(document, "openrpc info servers methods components externalDocs");
    ck_assert_str_eq(text_of(document, "openrpc"), "1.2.6");
    must_have_only(info, "title description termsOfService contact license version");
    text_of(info, "title");
    ck_assert_str_eq(text_of(info, "version"), "1.2.3");
    ck_assert(json_is_array(json_object_get(document, "methods")));
    must_have_only(json_object_get(document, "components"),
                   "contentDescriptors schemas examples links errors examplePairingObjects tags");
    schemas = json_object_get(json_object_get(document, "components"), "schemas");
    json_object_foreach((json_t *) schemas, name, schema)
        must_be_schema(schema);
}
END_TEST

START_TEST(its_methods)
{
    const json_t *methods = json_object_get(document, "methods");

    for (size_t i = 0; i < json_array_size(methods); i++) {
        const json_t *method = json_array_get(methods, i);

        must_have_only(method,
                       "name description summary servers tags paramStructure params result errors links "
                       "examples deprecated externalDocs");
        text_of(method, "summary");
        ck_assert_str_eq(text_of(method, "paramStructure"), "by-name");
        must_be_params(json_object_get(method, "params"));
        must_be_descriptor(json_object_get(method, "result"));
        for (size_t j = 0; j < json_array_size(json_object_get(method, "errors")); j++)
            must_refer(json_object_get(json_array_get(json_object_get(method, "errors"), j), "$ref"),
                       "errors");
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(text_of(json_array_get(methods, j), "name"), text_of(method, "name"));
    }
}
END_TEST

/* ---- complete ---- */

static const json_t *method_of(const char *name)
{
    const json_t *methods = json_object_get(document, "methods");

    for (size_t i = 0; i < json_array_size(methods); i++)
        if (strcmp(text_of(json_array_get(methods, i), "name"), name) == 0)
            return json_array_get(methods, i);
    return NULL;
}

static const json_t *param_of(const json_t *method, const char *name)
{
    const json_t *params = json_object_get(method, "params");

    for (size_t i = 0; i < json_array_size(params); i++)
        if (strcmp(text_of(json_array_get(params, i), "name"), name) == 0)
            return json_array_get(params, i);
    return NULL;
}

START_TEST(every_method_is_there)
{
    ck_assert_uint_eq(json_array_size(json_object_get(document, "methods")), METHOD_COUNT);
    for (int id = 0; id < METHOD_COUNT; id++) {
        const struct method_spec *spec = &method_specs[id];
        const json_t *method = method_of(spec->name);

        ck_assert_ptr_nonnull(method);
        ck_assert_str_eq(text_of(method, "summary"), spec->summary);
        for (size_t i = 0; i < spec->param_count; i++) {
            const json_t *param = param_of(method, spec->params[i].name);

            ck_assert_ptr_nonnull(param);
            ck_assert_int_eq(json_is_true(json_object_get(param, "required")), spec->params[i].required);
        }
        ck_assert_int_eq(param_of(method, "uid") != NULL, (spec->flags & METHOD_UID) != 0);
    }
}
END_TEST

START_TEST(every_error_is_there)
{
    const json_t *components = json_object_get(document, "components"),
                 *errors = json_object_get(components, "errors");

    ck_assert_uint_eq(json_object_size(errors), ERROR_COUNT - 1);
    for (int id = ERROR_NONE + 1; id < ERROR_COUNT; id++) {
        const char *known = proto_error_name((enum proto_error) id);
        const json_t *error = json_object_get(errors, known), *data;

        must_have_only(error, "code message data");
        ck_assert_int_eq(json_integer_value(json_object_get(error, "code")),
                         proto_error_code((enum proto_error) id));
        text_of(error, "message");
        ck_assert_str_eq(text_of(json_object_get(error, "data"), "name"), known);
        /* and what its data looks like */
        data = json_object_get(json_object_get(json_object_get(components, "schemas"), known), "properties");
        ck_assert_str_eq(text_of(json_object_get(data, "name"), "const"), known);
    }
}
END_TEST

/* Does the document say that a method may fail so? */
static bool may_fail(const char *method, enum proto_error error)
{
    const json_t *errors = json_object_get(method_of(method), "errors");

    for (size_t i = 0; i < json_array_size(errors); i++)
        if (strcmp(strrchr(text_of(json_array_get(errors, i), "$ref"), '/') + 1, proto_error_name(error)) ==
            0)
            return true;
    return false;
}

START_TEST(errors_of_methods)
{
    for (int id = 0; id < METHOD_COUNT; id++) {
        const char *method = method_specs[id].name;

        for (int error = ERROR_NONE + 1; error < ERROR_COUNT; error++)
            ck_assert_int_eq(may_fail(method, (enum proto_error) error),
                             (method_errors((enum method_id) id) & UINT32_C(1) << error) != 0);
        ck_assert(may_fail(method, ERROR_INVALID_PARAMS));
        ck_assert(!may_fail(method, ERROR_PARSE_ERROR));
    }
    ck_assert(may_fail("process.spawn", ERROR_SPAWN_FAILED));
    ck_assert(!may_fail("process.list", ERROR_NO_SUCH_PROCESS));
    ck_assert(may_fail("lock.acquire", ERROR_SHUTTING_DOWN));
    ck_assert(!may_fail("daemon.ping", ERROR_SHUTTING_DOWN));
    ck_assert(may_fail("process.list", ERROR_PERMISSION_DENIED)); /* of uid */
    ck_assert(!may_fail("daemon.ping", ERROR_PERMISSION_DENIED));
}
END_TEST

START_TEST(every_event_is_there)
{
    const json_t *events = json_object_get(document, "x-events");

    ck_assert_uint_eq(json_array_size(events), EVENT_COUNT);
    for (int kind = 0; kind < EVENT_COUNT; kind++) {
        const json_t *event = json_array_get(events, (size_t) kind),
                     *schema = json_object_get(event, "schema");
        const char *name = event_kind_name((enum event_kind) kind);

        must_have_only(event, "name summary schema");
        ck_assert_str_eq(text_of(event, "name"), name);
        text_of(event, "summary");
        must_be_schema(schema);
        ck_assert_str_eq(text_of(json_object_get(json_object_get(schema, "properties"), "kind"), "const"),
                         name);
        ck_assert_ptr_nonnull(json_object_get(json_object_get(schema, "properties"), "subscription"));
    }
}
END_TEST

START_TEST(bounds_are_told)
{
    const json_t *umask = json_object_get(param_of(method_of("process.spawn"), "umask"), "schema");
    const json_t *nice = json_object_get(param_of(method_of("process.spawn"), "nice"), "schema");

    ck_assert_int_eq(json_integer_value(json_object_get(umask, "minimum")), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(umask, "maximum")), 0777);
    ck_assert_int_eq(json_integer_value(json_object_get(nice, "minimum")), -20);
    ck_assert_int_eq(json_integer_value(json_object_get(nice, "maximum")), 19);
}
END_TEST

/* ---- the protocol's tables, a second time: programs outside rely on them ---- */

#define INFO                                                                                                 \
    "id name pid state daemon owner parent argv cwd labels started ended exitcode signal core oom rusage "   \
    "restarts seq pidfd pty lease"
#define ENDED "exited exitcode signal core rusage started ended"

static const struct {
    const char *method;
    const char *params; /* required! optional; but for uid */
    const char *result; /* its members; NULL: the info record */
} promised[] = {
    {"rpc.discover", "", "openrpc info methods"},
    {"daemon.hello", "client", "protocol version epoch peer process seq limits"},
    {"daemon.info", "",
     "version pid broker_pid epoch restarts started processes objects clients connections "
     "subscriptions rss seq"},
    {"daemon.ping", "", ""},
    {"daemon.stop", "mode", ""},
    {"daemon.restart", "", ""},
    {"process.spawn",
     "argv! name env env_fd env_add cwd stdin stdout stderr winsize attach fds exe_fd objects daemon umask "
     "nice limits stop_signal stop_timeout restart notify labels owner_pid zygote pidfd",
     NULL},
    {"process.join", "process! timeout holder on_deadlock", ENDED},
    {"process.is_alive", "process!", "alive"},
    {"process.terminate", "process! tree", ""},
    {"process.kill", "process! tree", ""},
    {"process.signal", "process! signal! tree", ""},
    {"process.stop", "process! signal grace", ENDED},
    {"process.wait", "processes! mode for timeout", "done"},
    {"process.list", "name alive labels", "processes seq"},
    {"process.info", "process!", NULL},
    {"process.attach", "process!", "pty lease"},
    {"process.close", "process!", ""},
    {"events.subscribe", "since kinds process object", "subscription first last gap"},
    {"events.unsubscribe", "subscription!", ""},
    {"cancel", "id!", ""},
};

/* The params as in the table above. */
static void format_params(const json_t *method, char *text)
{
    const json_t *params = json_object_get(method, "params");

    *text = '\0';
    for (size_t i = 0; i < json_array_size(params); i++) {
        const json_t *param = json_array_get(params, i);
        const char *name = text_of(param, "name");

        if (strcmp(name, "uid") != 0)
            text += sprintf(text, "%s%s%s", i > 0 ? " " : "", name,
                            json_is_true(json_object_get(param, "required")) ? "!" : "");
    }
}

static void format_members(const json_t *schema, char *text)
{
    const char *name, *blank = "";
    json_t *value;

    *text = '\0';
    json_object_foreach(json_object_get(schema, "properties"), name, value) {
        text += sprintf(text, "%s%s", blank, name);
        blank = " ";
    }
}

START_TEST(what_the_protocol_promises)
{
    for (size_t i = 0; i < sizeof promised / sizeof *promised; i++) {
        const json_t *method = method_of(promised[i].method), *schema;
        char text[1024];

        ck_assert_msg(method, "%s is missing", promised[i].method);
        format_params(method, text);
        ck_assert_str_eq(text, promised[i].params);
        schema = json_object_get(json_object_get(method, "result"), "schema");
        if (promised[i].result) {
            format_members(schema, text);
            ck_assert_str_eq(text, promised[i].result);
        } else {
            ck_assert_str_eq(text_of(schema, "$ref"), "#/components/schemas/info");
        }
    }
}
END_TEST

/* Members of records, of events and of the data of errors. */
static const struct {
    const char *record;
    const char *members;
} promised_records[] = {
    {"info", INFO},
    {"object",
     "name kind persist mode uid created holders waiters value bound set lock parties waiting broken"},
    {"holder", "pid uid holder count since token"},
    {"waiter", "pid holder since"},
    {"node", "id pid holder"},
    {"edge", "from to object process"},
    {"peer", "pid uid gid"},
    {"InvalidParams", "name param"},
    {"SpawnFailed", "name errno stage"},
    {"Deadlock", "name cycle"},
    {"link", "pid holder waits_for"},
    {"WrongKind", "name kind"},
    {"LimitExceeded", "name limit value"},
};

START_TEST(the_records)
{
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    char text[1024];

    for (size_t i = 0; i < sizeof promised_records / sizeof *promised_records; i++) {
        format_members(json_object_get(schemas, promised_records[i].record), text);
        ck_assert_str_eq(text, promised_records[i].members);
    }
}
END_TEST

/* Which members are there always. */
START_TEST(what_is_required)
{
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    const json_t *join = json_object_get(json_object_get(method_of("process.join"), "result"), "schema");
    const json_t *edge = json_object_get(json_object_get(schemas, "edge"), "required");

    ck_assert_uint_eq(json_array_size(json_object_get(join, "required")), 1);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(join, "required"), 0)), "exited");
    ck_assert_uint_eq(json_array_size(edge), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("openrpc");
    TCase *tcase = tcase_create("openrpc");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, the_document);
    tcase_add_test(tcase, its_methods);
    tcase_add_test(tcase, every_method_is_there);
    tcase_add_test(tcase, every_error_is_there);
    tcase_add_test(tcase, errors_of_methods);
    tcase_add_test(tcase, every_event_is_there);
    tcase_add_test(tcase, bounds_are_told);
    tcase_add_test(tcase, what_the_protocol_promises);
    tcase_add_test(tcase, the_records);
    tcase_add_test(tcase, what_is_required);
    return RUN_SUITE(suite);
}
