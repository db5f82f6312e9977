/*
 * Prints procd-api(7), in mdoc(7), from the tables of methods, events and errors: run by the build.
 */
#include "proto/frame.h"
#include "proto/openrpc.h"
#include "proto/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The words that are said once for all methods. */
static const char head[] =
    ".\\\" Made by the build from proto/methods.def, events.def and errors.def.\n"
    ".Dd November 24, 2026\n"
    ".Dt PROCD-API 7\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm procd-api\n"
    ".Nd methods, events and errors of the protocol of procd\n"
    ".Sh DESCRIPTION\n"
    ".Xr procd 8\n"
    "speaks JSON-RPC 2.0 over a Unix stream socket, whose places are named there.\n"
    "Each request, answer and notification is one JSON object on one line: UTF-8, ended by a line feed,\n";

static const char rules[] =
    "A connection carries any number of requests at a time; answers come in any order.\n"
    ".Bl -tag -width params\n"
    ".It Cm id\n"
    "A string of at most 64 bytes or an integer below 2^53, not in use on the connection.\n"
    "A request without is executed and not answered.\n"
    ".It Cm method , params\n"
    "One of the following, and an object of its parameters.\n"
    "Null for an optional parameter means that it is absent.\n"
    ".It Cm key\n"
    "A string of at most 64 bytes that makes a method that changes something safe to retry:\n"
    "for one client process the same key is applied once, and asked again it gets the answer of the first "
    "time.\n"
    "What waits with a key keeps its place when the broker dies, until 5 seconds after the next one serves,\n"
    "or its client's death: the client connects, and asks again with the same key.\n"
    ".It Cm fds\n"
    "How many descriptors travel with the first byte of the line, 64 at most.\n"
    "Parameters name them by their index.\n"
    "An answer with descriptors has this member, too.\n"
    ".El\n"
    ".Pp\n"
    "Strings that are bytes of the system (arguments, environment, paths) and not UTF-8 are written\n"
    ".Li {\\(dqb64\\(dq: \\(dq...\\(dq} .\n"
    "Spans of time are seconds, points in time Unix seconds.\n"
    ".Cm rpc.discover\n"
    "answers with the same tables, for programs.\n";

static const char *const wanted[] = {
#define X(type, text, schema) text,
    PARAM_TYPES(X)
#undef X
};

/* Text on lines of its own, as roff takes it literally. */
static void put_text(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
    }
}

/* What begins with a capital ends with a stop. */
static void put_sentence(const char *text)
{
    put_text(text);
    puts(*text && strchr(".?!", text[strlen(text) - 1]) ? "" : ".");
}

/* ---- methods ---- */

static void put_param(const struct param_spec *param)
{
    printf(".It Cm %s\n", param->name);
    put_text(param->text);
    fputs(";\n", stdout);
    if (param->type == PARAM_TYPE_INTEGER)
        printf("an integer from %" PRId64 " to %" PRId64, param->low, param->high);
    else if (param->type == PARAM_TYPE_NUMBER)
        printf("a number from %" PRId64 " to %" PRId64, param->low, param->high);
    else
        put_text(wanted[param->type]);
    puts(param->required ? "; required" : "");
}

static void put_params(const struct method_spec *method)
{
    if (method->param_count == 0 && !(method->flags & METHOD_UID))
        return;
    puts(".Pp\nParameters:\n.Bl -tag -width Ds");
    for (size_t i = 0; i < method->param_count; i++)
        put_param(&method->params[i]);
    if (method->flags & METHOD_UID)
        puts(".It Cm uid\nfor root: act in this user's place");
    puts(".El");
}

/* "string or null", of {"type":["string","null"]} */
static void put_schema(const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type");
    size_t index;
    json_t *one;

    if (json_is_string(type))
        fputs(json_string_value(type), stdout);
    else if (json_is_array(type))
        json_array_foreach((json_t *) type, index, one)
            printf("%s%s", index > 0 ? " or " : "", json_string_value(one));
    else if (json_object_get(schema, "oneOf"))
        fputs("info record or null", stdout);
    else
        fputs("string or {\"b64\"}", stdout);
}

static void put_results(const struct method_spec *method)
{
    if (method->result_count == 0) {
        puts(".Pp\nResult: an empty object.");
        return;
    }
    if (!method->results[0].name[0]) {
        puts(".Pp\nResult:");
        put_text(method->results[0].text);
        putchar('\n');
        return;
    }
    puts(".Pp\nResult:\n.Bl -tag -width Ds");
    for (size_t i = 0; i < method->result_count; i++) {
        json_t *schema = json_loads(method->results[i].schema, 0, NULL);

        printf(".It Cm %s Pq ", method->results[i].name);
        put_schema(schema);
        putchar('\n');
        put_text(method->results[i].text);
        putchar('\n');
        json_decref(schema);
    }
    puts(".El");
}

static void put_methods(void)
{
    puts(".Sh METHODS");
    for (int id = 0; id < METHOD_COUNT; id++) {
        const struct method_spec *method = &method_specs[id];

        printf(".Ss %s\n", method->name);
        put_sentence(method->summary);
        if (method->flags & METHOD_KEYED)
            puts("Takes a\n.Cm key .");
        put_params(method);
        put_results(method);
    }
}

/* ---- the info record, events, errors ---- */

static void put_member(const char *name, const json_t *schema)
{
    const json_t *choices = json_object_get(schema, "enum");
    size_t index;
    json_t *choice;

    printf(".It Cm %s Pq ", name);
    if (choices)
        json_array_foreach((json_t *) choices, index, choice)
            printf("%s%s", index > 0 ? " | " : "", json_string_value(choice));
    else
        put_schema(schema);
    putchar('\n');
}

static int put_info(void)
{
    json_t *document = openrpc_document(PACKAGE_VERSION), *components, *info, *member;
    const char *name;

    components = json_object_get(document, "components");
    info = json_object_get(json_object_get(components, "schemas"), "info");
    if (!json_is_object(info))
        return -1;
    puts(".Sh INFO RECORD\nWhat is told of a process.\n.Bl -tag -width Ds -compact");
    json_object_foreach(json_object_get(info, "properties"), name, member) put_member(name, member);
    puts(".El");
    json_decref(document);
    return 0;
}

static void put_events(void)
{
    static const struct {
        const char *name;
        unsigned members;
        const char *text;
    } events[] = {
#define EVENT(identifier, name, members, text) {name, members, text},
#include "proto/events.def"
#undef EVENT
    };
    static const struct {
        unsigned member;
        const char *names;
    } members[] = {{EVENT_MEMBERS_PROCESS, "process, name, pid"},
                   {EVENT_MEMBERS_END, "exitcode, signal, core, oom"},
                   {EVENT_MEMBERS_CLIENT, "pid"},
                   {EVENT_MEMBERS_RANGE, "from, to"},
                   {EVENT_MEMBERS_FAILURE, "errno, stage"}};

    puts(".Sh EVENTS\nA subscription is told of each by a notification\n.Cm event\n"
         "with the members subscription, seq, time and kind, and those named here.\n.Bl -tag -width Ds");
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        printf(".It Cm %s\n", events[i].name);
        put_text(events[i].text);
        putchar('\n');
        for (size_t j = 0; j < sizeof members / sizeof *members; j++)
            if (events[i].members & members[j].member)
                printf("(%s)\n", members[j].names);
    }
    puts(".El");
}

static void put_errors(void)
{
    puts(".Sh ERROR CODES\nAn error has code, message and data; data has the name, and what else is known.\n"
         ".Bl -tag -width Ds -compact");
    for (int error = ERROR_NONE + 1; error < ERROR_COUNT; error++) {
        printf(".It Er %s Pq %d\n", proto_error_name((enum proto_error) error),
               proto_error_code((enum proto_error) error));
        put_text(proto_error_message((enum proto_error) error));
        putchar('\n');
    }
    puts(".El");
}

int main(void)
{
    fputs(head, stdout);
    printf("at most %u bytes long, nested at most %d deep.\n", FRAME_LINE_MAX, PROTO_DEPTH_MAX);
    fputs(rules, stdout);
    put_methods();
    if (put_info() < 0)
        return 1;
    put_events();
    put_errors();
    puts(".Sh SEE ALSO\n.Xr procctl 1 ,\n.Xr procd 3 ,\n.Xr procd 8");
    return fflush(stdout) == 0 ? 0 : 1;
}
