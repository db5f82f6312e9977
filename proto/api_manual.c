/* SPDX-License-Identifier: MIT */
/*
 * Prints the tables of procd-api(7), in mdoc(7): run by the build, which adds what stands before and behind
 * them.
 */
#include "proto/frame.h"
#include "proto/schema.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const wanted[] = {
#define X(type, text, schema) text,
    PARAM_TYPES(X)
#undef X
};

/* Room for what stands behind a text on its line: mandoc(1) wants at most 80. */
#define TEXT_WIDTH 66

static void put_character(char character)
{
    if (character == '\\')
        fputs("\\e", stdout);
    else
        putchar(character);
}

/* Text on lines of its own, as roff takes it literally. */
static void put_text(const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t length = strcspn(text, " ");

        if (column > 0)
            putchar(column + 1 + length > TEXT_WIDTH ? '\n' : ' ');
        column = column + 1 + length > TEXT_WIDTH ? length : column + 1 + length;
        if (*text == '.' || *text == '\'')
            fputs("\\&", stdout);
        for (; length > 0; length--)
            put_character(*text++);
        text += strspn(text, " ");
    }
}

/* With a capital at its beginning and a stop at its end. */
static void put_sentence(const char *text)
{
    char sentence[512];

    snprintf(sentence, sizeof sentence, "%s", text);
    sentence[0] = (char) toupper((unsigned char) sentence[0]);
    put_text(sentence);
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
    puts(".Pp\nParameters:\n.Bl -tag -width Ds -compact");
    for (size_t i = 0; i < method->param_count; i++)
        put_param(&method->params[i]);
    if (method->flags & METHOD_UID)
        put_param(&uid_param);
    puts(".El");
}

/* ---- what a member is ---- */

static void put_type(const json_t *schema);

/* "string or null", of {"type":["string","null"]} or of a list of schemas */
static void put_types(const json_t *types, void (*put_one)(const json_t *type))
{
    size_t index;
    json_t *one;

    json_array_foreach((json_t *) types, index, one) {
        fputs(index > 0 ? " or " : "", stdout);
        put_one(one);
    }
}

static void put_word(const json_t *word)
{
    fputs(json_string_value(word), stdout);
}

/* "record info", of a reference to a component; those that are no records are told by their own schema. */
static void put_reference(const char *reference)
{
    const char *name = strrchr(reference, '/') + 1;

    if (strcmp(name, "bytes") == 0)
        fputs("string or {b64}", stdout);
    else if (strcmp(name, "kind") == 0)
        fputs("kind of object", stdout);
    else
        fputs(name, stdout);
}

/* In words: "array of holder", "integer or null" */
static void put_type(const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type"), *items = json_object_get(schema, "items");
    const char *reference = json_string_value(json_object_get(schema, "$ref"));

    if (reference) {
        put_reference(reference);
    } else if (items) {
        fputs("array of ", stdout);
        put_type(items);
    } else if (json_is_object(json_object_get(schema, "additionalProperties"))) {
        fputs("object of ", stdout);
        put_type(json_object_get(schema, "additionalProperties"));
    } else if (json_is_string(type)) {
        put_word(type);
    } else if (json_is_array(type)) {
        put_types(type, put_word);
    } else {
        put_types(json_object_get(schema, "oneOf"), put_type);
        put_types(json_object_get(schema, "enum"), put_word);
    }
}

static void put_member(const struct member_spec *member)
{
    json_t *schema = json_loads(member->schema, 0, NULL);

    printf(".It Cm %s Pq ", member->name);
    put_type(schema);
    puts(member->sometimes ? "; not always" : "");
    put_text(member->text);
    putchar('\n');
    json_decref(schema);
}

static void put_results(const struct method_spec *method)
{
    if (method->result_count == 0) {
        puts(".Pp\nResult: an empty object.");
        return;
    }
    if (!method->results[0].name[0]) {
        puts(".Pp\nResult:");
        put_sentence(method->results[0].text);
        return;
    }
    puts(".Pp\nResult:\n.Bl -tag -width Ds -compact");
    for (size_t i = 0; i < method->result_count; i++)
        put_member(&method->results[i]);
    puts(".El");
}

/* Those that any method may have are told of once. */
static uint32_t common_errors(void)
{
    uint32_t mask = UINT32_MAX;

    for (int id = 0; id < METHOD_COUNT; id++)
        if (!(method_specs[id].flags & METHOD_EARLY))
            mask &= method_errors((enum method_id) id);
    return mask;
}

static void put_error_names(uint32_t mask)
{
    const char *comma = "";

    for (int error = ERROR_NONE + 1; error < ERROR_COUNT; error++) {
        if (!(mask & UINT32_C(1) << error))
            continue;
        printf("%s.Er %s", comma, proto_error_name((enum proto_error) error));
        comma = " ,\n";
    }
    puts(" .");
}

static void put_method_errors(enum method_id method)
{
    uint32_t own = method_errors(method) & ~common_errors();

    if (own == 0)
        return;
    puts(".Pp\nErrors:");
    put_error_names(own);
}

static void put_methods(void)
{
    puts(".Sh METHODS\nAny of them may be answered by one of the errors");
    put_error_names(common_errors());
    puts("Those that one has besides stand with it.");
    for (int id = 0; id < METHOD_COUNT; id++) {
        const struct method_spec *method = &method_specs[id];

        printf(".Ss %s\n", method->name);
        put_sentence(method->summary);
        if (method->flags & METHOD_KEYED)
            puts("Takes a\n.Cm key .");
        put_params(method);
        put_results(method);
        put_method_errors((enum method_id) id);
    }
}

/* ---- records, events, errors ---- */

static void put_records(void)
{
    puts(".Sh RESULT RECORDS\nWhat several results are made of.");
    for (const struct record_spec *record = record_specs; record->name; record++) {
        printf(".Ss %s\n", record->name);
        put_sentence(record->text);
        puts(".Bl -tag -width Ds -compact");
        for (const struct member_spec *member = record->members; member->name; member++)
            put_member(member);
        puts(".El");
    }
}

static void put_event(enum event_kind kind)
{
    const struct member_spec *member;
    const char *comma = "";
    size_t place = 0;

    printf(".It Cm %s\n", event_kind_name(kind));
    put_sentence(event_kind_text(kind));
    if (event_kind_members(kind) == EVENT_MEMBERS_NONE)
        return;
    fputs("Members:\n.Cm ", stdout);
    while ((member = event_next_member(kind, &place))) {
        printf("%s%s", comma, member->name);
        comma = " , ";
    }
    puts(" .");
}

static void put_events(void)
{
    const struct member_spec *member;
    size_t place = 0;

    puts(".Sh EVENTS\nA subscription is told of each by a notification\n.Cm event\n"
         "whose params have the members\n.Cm subscription , seq , time\n(Unix seconds),\n.Cm kind\n"
         "and those named here.\n.Bl -tag -width Ds");
    for (int kind = 0; kind < EVENT_COUNT; kind++)
        put_event((enum event_kind) kind);
    puts(".El\n.Ss Members of events\n.Bl -tag -width Ds -compact");
    while ((member = event_next_member(EVENT_COUNT, &place)))
        put_member(member);
    puts(".El");
}

static void put_logs(void)
{
    puts(".Sh LOGS\nWho follows a log is told by notifications\n.Cm log\nwith the member subscription and\n"
         ".Bl -tag -width Ds\n.It Cm seq , time , stream , text , split\n"
         "a line, as in the answer to process.logs;\nwhat is not UTF-8 is {b64},\n"
         "and split: true says that it was cut after 16384 bytes,\n"
         "and goes on in the next line of its stream\n"
         ".It Cm gap\n{from, to}: lines that were dropped before this reader came to them\n"
         ".It Cm end\ntrue: the process has ended,\nand this was all that it wrote until then.\n"
         "The subscription is gone.\n.El\n.Pp\nseq rises by one from line to line of both streams.\n"
         "A line without its end is told when that has come, or when the process ends.");
}

static void put_errors(void)
{
    puts(".Sh ERROR CODES\nAn error has\n.Cm code , message\nand\n.Cm data ;\ndata has the\n.Cm name\n"
         "of the error, and what stands here with it.\n.Bl -tag -width Ds");
    for (int id = ERROR_NONE + 1; id < ERROR_COUNT; id++) {
        enum proto_error error = (enum proto_error) id;
        const struct member_spec *member;
        size_t place = 0;

        printf(".It Er %s Pq %d\n", proto_error_name(error), proto_error_code(error));
        put_sentence(proto_error_message(error));
        while ((member = proto_error_next_member(error, &place))) {
            printf(".Cm %s :\n", member->name);
            put_sentence(member->text);
        }
    }
    puts(".El");
}

static void put_limits(void)
{
    puts(".Sh LIMITS\n.Bl -tag -width Ds -compact");
    printf(".It Cm line\n%u bytes at most, with its line feed;\n", FRAME_LINE_MAX);
    puts("a longer one is answered and ends the connection");
    printf(".It Cm depth\n%d levels of objects and arrays at most\n", PROTO_DEPTH_MAX);
    printf(".It Cm fds\n%d descriptors with one line at most\n", FRAME_FDS_MAX);
    puts(".El\n.Pp\n.Cm daemon.hello\ntells these, and how much of everything else a user may have.");
}

int main(void)
{
    put_limits();
    put_methods();
    put_records();
    put_events();
    put_logs();
    put_errors();
    return fflush(stdout) == 0 ? 0 : 1;
}
