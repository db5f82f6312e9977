/* SPDX-License-Identifier: MIT */
/* proto/schema.c: what each type of parameter takes, and the tables (protocol sections 3 and 4). */
#include "proto/schema.h"
#include "tests/unit/core/must.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define FDS 3 /* descriptors that came with each request here */

static struct args args;
static const char *blamed, *wanted;

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

    if (!json)
        ck_abort_msg("no JSON: %s", text);
    return json;
}

/* ---- one value of each type ---- */

static bool takes_within(enum param_type type, int64_t low, int64_t high, const char *text)
{
    const struct param_spec param = {.name = "p", .type = type, .required = true, .low = low, .high = high};
    const struct method_spec method = {.name = "m", .params = &param, .param_count = 1};
    json_t *value = parse(text), *params = json_pack("{s:o}", "p", value);
    bool taken = schema_check(&method, params, FDS, &args, &blamed, &wanted) == 0;

    if (taken) {
        ck_assert_ptr_eq(args.value[0], value);
    } else {
        ck_assert_str_eq(blamed, "p");
        ck_assert_ptr_nonnull(wanted);
    }
    json_decref(params);
    return taken;
}

/* "value value ..." separated by | are all taken, or all refused. */
static void must_all(bool taken, enum param_type type, const char *texts)
{
    char *copy = strdup(texts), *rest = copy, *text;

    while ((text = strsep(&rest, "|")))
        ck_assert_msg(takes_within(type, 0, 0, text) == taken, "%s %s", taken ? "refused" : "taken", text);
    free(copy);
}

#define TAKES(type, texts) must_all(true, PARAM_TYPE_##type, texts)
#define REFUSES(type, texts) must_all(false, PARAM_TYPE_##type, texts)

static void must_take_names(enum param_type type)
{
    char text[300];

    ck_assert(takes_within(type, 0, 0, "\"a\""));
    snprintf(text, sizeof text, "\"%0255d\"", 1);
    ck_assert(takes_within(type, 0, 0, text));
    snprintf(text, sizeof text, "\"%0256d\"", 1);
    ck_assert(!takes_within(type, 0, 0, text));
    snprintf(text, sizeof text, "\"%0254d\\u00e9\"", 1); /* bytes, not characters */
    ck_assert(!takes_within(type, 0, 0, text));
    must_all(false, type, "\"\"|null|true|1.5|[]|{}|[\"a\"]|{\"b64\":\"/w==\"}");
}

START_TEST(strings)
{
    TAKES(STRING, "\"\"|\"a\"|\"\\u00e9\"");
    REFUSES(STRING, "null|1|true|[]|{}|{\"b64\":\"Zg==\"}");
    must_take_names(PARAM_TYPE_NAME);
    must_take_names(PARAM_TYPE_HOLDER);
    REFUSES(NAME, "1");
    TAKES(PATH, "\"/\"|\"a b\"|{\"b64\":\"/w==\"}");
    REFUSES(PATH, "\"\"|null|1|[]|{}|{\"b64\":\"\"}|{\"b64\":\"Zg=\"}|{\"b64\":\"AA==\"}|{\"b64\":1}");
}
END_TEST

START_TEST(booleans_and_choices)
{
    TAKES(BOOL, "true|false");
    REFUSES(BOOL, "null|0|1|\"true\"|[]");
    TAKES(ON_DEADLOCK, "\"error\"|\"wait\"");
    REFUSES(ON_DEADLOCK, "null|\"\"|\"Error\"|\"wait \"|1|[\"wait\"]|true");
    TAKES(STREAM, "\"stdout\"|\"stderr\"");
    REFUSES(STREAM, "null|\"\"|\"stdin\"|\"both\"|1|[\"stdout\"]");
    TAKES(STOP_MODE, "\"terminate\"|\"detach\"");
    REFUSES(STOP_MODE, "null|\"\"|\"stop\"|0");
    TAKES(WAIT_MODE, "\"any\"|\"all\"");
    REFUSES(WAIT_MODE, "null|\"\"|\"some\"|0");
    TAKES(WAIT_FOR, "\"exited\"|\"ready\"");
    REFUSES(WAIT_FOR, "null|\"\"|\"running\"|0");
}
END_TEST

START_TEST(restart_policies)
{
    TAKES(RESTART, "{\"policy\":\"no\"}|{\"policy\":\"on-failure\"}|{\"policy\":\"always\"}");
    TAKES(RESTART, "{\"policy\":\"always\",\"delay\":0,\"factor\":1,\"max_tries\":1,\"max_delay\":1e9}");
    TAKES(RESTART, "{\"max_tries\":2147483647,\"factor\":1000,\"policy\":\"on-failure\"}");
    TAKES(RESTART, "{\"policy\":\"no\",\"delay\":null,\"factor\":null}|"
                   "{\"policy\":\"no\",\"max_delay\":null,\"max_tries\":null}");
    REFUSES(RESTART, "null|true|1|\"always\"|[]|[\"always\"]|{}|{\"delay\":1}|{\"policy\":null}");
    REFUSES(RESTART, "{\"policy\":1}|{\"policy\":\"\"}|{\"policy\":\"Always\"}|{\"policy\":\"on_failure\"}");
    REFUSES(RESTART, "{\"policy\":\"no\",\"delay\":-0.1}|{\"policy\":\"no\",\"delay\":1000000001}");
    REFUSES(RESTART, "{\"policy\":\"no\",\"delay\":\"1\"}|{\"policy\":\"no\",\"factor\":0.5}");
    REFUSES(RESTART, "{\"policy\":\"no\",\"factor\":1001}|{\"policy\":\"no\",\"max_tries\":0}");
    REFUSES(RESTART, "{\"policy\":\"no\",\"max_tries\":1.0}|{\"policy\":\"no\",\"max_tries\":2147483648}");
    REFUSES(RESTART, "{\"policy\":\"no\",\"max_delay\":true}|{\"policy\":\"no\",\"tries\":1}");
}
END_TEST

START_TEST(numbers)
{
    static const struct {
        const char *text;
        bool integer, number; /* taken between -1 and 5 */
    } cases[] = {{"-1", true, true},      {"0", true, true},
                 {"-0", true, true},      {"5", true, true},
                 {"-2", false, false},    {"6", false, false},
                 {"1.0", false, true},    {"5.0", false, true},
                 {"0.5", false, true},    {"5.000001", false, false},
                 {"-1.01", false, false}, {"1e0", false, true},
                 {"1e300", false, false}, {"9223372036854775807", false, false},
                 {"null", false, false},  {"\"1\"", false, false},
                 {"true", false, false},  {"[1]", false, false}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(takes_within(PARAM_TYPE_INTEGER, -1, 5, cases[i].text) == cases[i].integer, "%s",
                      cases[i].text);
        ck_assert_msg(takes_within(PARAM_TYPE_NUMBER, -1, 5, cases[i].text) == cases[i].number, "%s",
                      cases[i].text);
    }
    TAKES(TIMEOUT, "0|-1|1.5|1e308|-1e308|9223372036854775807");
    REFUSES(TIMEOUT, "\"1\"|true|[]|{}|null"); /* null is for optional ones, and this one is not */
}
END_TEST

START_TEST(ids)
{
    char text[400];

    TAKES(REQUEST_ID, "0|-9007199254740991|9007199254740991|\"\"|\"a\"");
    REFUSES(REQUEST_ID, "9007199254740992|-9007199254740992|1.0|null|true|[]|{}");
    snprintf(text, sizeof text, "\"%064d\"", 1);
    ck_assert(takes_within(PARAM_TYPE_REQUEST_ID, 0, 0, text));
    snprintf(text, sizeof text, "\"%065d\"", 1);
    ck_assert(!takes_within(PARAM_TYPE_REQUEST_ID, 0, 0, text));
    must_take_names(PARAM_TYPE_PROCESS);
    TAKES(PROCESS, "0|-1|9007199254740991|-9007199254740991");
    REFUSES(PROCESS, "9007199254740992|-9007199254740992|1.0|1e2");
    TAKES(PROCESSES, "[]|[1]|[1,\"a\",2]");
    REFUSES(PROCESSES, "1|\"a\"|null|{}|[1,null]|[\"\"]|[1.5]|[[1]]|[1,2,9007199254740992]");
}
END_TEST

START_TEST(signals)
{
    TAKES(SIGNAL, "1|15|64|\"SIGUSR1\"|\"SIGRTMIN+1\"");
    REFUSES(SIGNAL, "0|65|-1|15.0|9223372036854775807|\"USR1\"|\"\"|\"15\"|null|true|[15]");
}
END_TEST

START_TEST(programs)
{
    TAKES(ARGV, "[\"a\"]|[\"a\",\"\"]|[{\"b64\":\"/w==\"},\"b\",{\"b64\":\"\"}]");
    REFUSES(
        ARGV,
        "[]|[\"\"]|[\"\",\"a\"]|[{\"b64\":\"\"}]|[1]|[\"a\",1]|[\"a\",null]|[\"a\",[\"b\"]]|\"a\"|null|{}|"
        "{\"b64\":\"/w==\"}|[\"a\",{\"b64\":\"/w=\"}]|[\"a\",{\"b64\":\"AA==\"}]");
    TAKES(ENV, "{}|{\"A\":\"\"}|{\"A\":\"b=c\",\"b c\":{\"b64\":\"/w==\"}}");
    REFUSES(ENV, "[]|null|\"A=b\"|[\"A=b\"]|{\"\":\"a\"}|{\"A=\":\"b\"}|{\"=\":\"\"}|{\"A\":1}|{\"A\":null}|"
                 "{\"A\":{\"b64\":\"/\"}}");
    TAKES(LABELS, "{}|{\"\":\"\"}|{\"a=b\":\"c\"}");
    REFUSES(LABELS, "[]|null|\"a\"|{\"a\":1}|{\"a\":null}|{\"a\":{\"b64\":\"/w==\"}}");
}
END_TEST

START_TEST(limits)
{
    uint64_t soft, hard;
    json_t *json;

    TAKES(
        LIMITS,
        "{}|{\"nofile\":0}|{\"nofile\":9007199254740991}|{\"cpu\":\"unlimited\",\"core\":[0,\"unlimited\"]}|"
        "{\"stack\":[5,5]}|{\"as\":[\"unlimited\",\"unlimited\"]}");
    REFUSES(LIMITS,
            "[]|null|1|{\"NOFILE\":1}|{\"files\":1}|{\"\":1}|{\"nofile\":-1}|{\"nofile\":1.0}|"
            "{\"nofile\":9007199254740992}|{\"nofile\":null}|{\"nofile\":\"\"}|{\"nofile\":\"unlimited \"}|"
            "{\"nofile\":[]}|{\"nofile\":[1]}|{\"nofile\":[1,2,3]}|{\"nofile\":[2,1]}|{\"nofile\":{}}|"
            "{\"nofile\":[\"unlimited\",1]}|{\"nofile\":[1,null]}|{\"nofile\":[-1,1]}|{\"nofile\":[[1],2]}");
    ck_assert_int_eq(limit_from_name("nofile"), RLIMIT_NOFILE);
    ck_assert_int_eq(limit_from_name("cpu"), RLIMIT_CPU); /* it is 0, and fine */
    ck_assert_int_eq(limit_from_name("sigpending"), RLIMIT_SIGPENDING);
    ck_assert_int_eq(limit_from_name("nofiles"), -EINVAL);
    limit_values(json = parse("7"), &soft, &hard);
    ck_assert_uint_eq(soft, 7);
    ck_assert_uint_eq(hard, 7);
    json_decref(json);
    limit_values(json = parse("[7,\"unlimited\"]"), &soft, &hard);
    ck_assert_uint_eq(soft, 7);
    ck_assert_uint_eq(hard, UINT64_MAX);
    json_decref(json);
}
END_TEST

START_TEST(descriptors)
{
    TAKES(FD_INDEX, "0|2");
    REFUSES(FD_INDEX, "-1|3|64|1.0|null|\"0\"|true|9223372036854775807");
    TAKES(STDIN, "\"null\"|{\"fd\":0}|{\"fd\":2}|{\"file\":\"/x\"}|{\"file\":{\"b64\":\"/w==\"}}");
    REFUSES(STDIN,
            "\"log\"|\"\"|null|1|[]|{}|{\"fd\":3}|{\"fd\":-1}|{\"fd\":null}|{\"fd\":0,\"file\":\"/x\"}|"
            "{\"file\":\"\"}|{\"file\":1}|{\"file\":\"/x\",\"append\":true}|{\"fd\":0,\"append\":true}|"
            "{\"fd\":0,\"x\":1}");
    TAKES(STDOUT, "\"null\"|\"log\"|{\"fd\":1}|{\"file\":\"x\"}|{\"file\":\"x\",\"append\":true}|"
                  "{\"file\":\"x\",\"append\":false}");
    REFUSES(
        STDOUT,
        "\"pty2\"|null|{}|{\"append\":true}|{\"file\":\"x\",\"append\":1}|{\"file\":\"x\",\"append\":null}|"
        "{\"file\":\"x\",\"mode\":1}|{\"file\":\"x\",\"append\":true,\"x\":1}|{\"fd\":0,\"append\":true}|"
        "{\"fd\":0,\"file\":\"x\"}|{\"fd\":3}|[\"log\"]");
    TAKES(PLACED_FDS, "[]|[[0,3]]|[[0,3],[0,4],[2,1048576]]");
    REFUSES(PLACED_FDS,
            "null|{}|1|[0]|[[0]]|[[0,3,4]]|[[0,2]]|[[0,-3]]|[[3,3]]|[[-1,3]]|[[0,1048577]]|[[0,3.0]]|"
            "[[0.0,3]]|[[0,3],[1,3]]|[[0,3],[1,4],[2,3]]|[[0,3],null]|[{\"0\":3}]|[[\"0\",3]]");
}
END_TEST

START_TEST(at_most_so_many_placed)
{
    for (size_t count = 1024; count <= 1025; count++) {
        json_t *list = json_array();
        char *text;

        for (size_t i = 0; i < count; i++)
            json_array_append_new(list, json_pack("[i, i]", 0, (int)i + 3));
        text = json_dumps(list, 0);
        ck_assert(takes_within(PARAM_TYPE_PLACED_FDS, 0, 0, text) == (count == 1024));
        free(text);
        json_decref(list);
    }
}
END_TEST

START_TEST(kinds)
{
    TAKES(KINDS, "[]|[\"process.exited\"]|[\"process.*\",\"client.gone\",\"gap\",\"daemon.*\"]");
    REFUSES(
        KINDS,
        "null|\"process.*\"|{}|[1]|[null]|[\"\"]|[\"*\"]|[\".*\"]|[\"process\"]|[\"process.\"]|[\"proc.*\"]|"
        "[\"process.ex*\"]|[\"process.exited.*\"]|[\"process.exite\"]|[\"gap.*\"]|[\"process.*\",\"x.*\"]|"
        "[\"process.**\"]|[\"PROCESS.*\"]|[[\"gap\"]]");
    ck_assert(event_kind_matches(EVENT_PROCESS_EXITED, "process.*"));
    ck_assert(event_kind_matches(EVENT_PROCESS_EXITED, "process.exited"));
    ck_assert(!event_kind_matches(EVENT_PROCESS_EXITED, "client.*"));
    ck_assert(!event_kind_matches(EVENT_CLIENT_GONE, "process.*"));
    ck_assert(!event_kind_matches(EVENT_PROCESS_SPAWNED, "process.spawn"));
}
END_TEST

/* ---- a request's params ---- */

static int check(enum method_id method, const char *params)
{
    json_t *json = params ? parse(params) : NULL;
    static char name[64];
    int r;

    memset(&args, 0xff, sizeof args); /* nothing of before may shine through */
    r = schema_check(&method_specs[method], json, FDS, &args, &blamed, &wanted);
    if (r != 0) { /* it may be borrowed from the params */
        snprintf(name, sizeof name, "%s", blamed);
        blamed = name;
    }
    json_decref(json);
    return r;
}

static void must_blame(enum method_id method, const char *params, const char *param)
{
    ck_assert_msg(check(method, params) == 1, "%s", params);
    ck_assert_str_eq(blamed, param);
    ck_assert(wanted && *wanted);
}

START_TEST(required_and_unknown)
{
    ck_assert_int_eq(check(METHOD_daemon_ping, NULL), 0);
    ck_assert_int_eq(check(METHOD_daemon_ping, "{}"), 0);
    must_blame(METHOD_daemon_ping, "{\"x\":1}", "x");
    must_blame(METHOD_daemon_ping, "{\"uid\":0}", "uid"); /* not one of those that act for another */
    must_blame(METHOD_process_info, NULL, "process");
    must_blame(METHOD_process_info, "{}", "process");
    must_blame(METHOD_process_info, "{\"process\":null}", "process");
    must_blame(METHOD_process_info, "{\"process\":1,\"proces\":1}", "proces");
    must_blame(METHOD_process_info, "{\"process\":1,\"\":1}", "");
    must_blame(METHOD_process_signal, "{\"process\":1}", "signal");
    must_blame(METHOD_process_signal, "{\"process\":1,\"signal\":0}", "signal");
}
END_TEST

START_TEST(null_is_absent)
{
    ck_assert_int_eq(
        check(METHOD_process_join, "{\"process\":1,\"timeout\":null,\"holder\":null,\"uid\":null}"), 0);
    ck_assert_ptr_nonnull(args.value[PARAM_process_join_process]);
    ck_assert_ptr_null(args.value[PARAM_process_join_timeout]);
    ck_assert_ptr_null(args.value[PARAM_process_join_holder]);
    ck_assert_ptr_null(args.uid);
    ck_assert_int_eq(check(METHOD_process_spawn, "{\"argv\":[\"a\"],\"restart\":null,\"notify\":null}"), 0);
    must_blame(METHOD_process_spawn, "{\"argv\":[\"a\"],\"restart\":{}}", "restart");
    must_blame(METHOD_process_join, "{\"process\":1,\"unknown\":null}", "unknown");
}
END_TEST

START_TEST(another_uid)
{
    ck_assert_int_eq(check(METHOD_process_list, "{\"uid\":0}"), 0);
    ck_assert_ptr_nonnull(args.uid);
    ck_assert_int_eq(check(METHOD_process_list, "{\"uid\":4294967294}"), 0);
    must_blame(METHOD_process_list, "{\"uid\":4294967295}", "uid"); /* (uid_t) -1 is nobody */
    must_blame(METHOD_process_list, "{\"uid\":-1}", "uid");
    must_blame(METHOD_process_list, "{\"uid\":4294967296}", "uid");
    must_blame(METHOD_process_list, "{\"uid\":\"root\"}", "uid");
    must_blame(METHOD_process_list, "{\"uid\":1.0}", "uid");
}
END_TEST

START_TEST(each_at_its_index)
{
    ck_assert_int_eq(check(METHOD_process_wait, "{\"timeout\":4,\"for\":\"ready\",\"processes\":[1]}"), 0);
    ck_assert_ptr_nonnull(args.value[PARAM_process_wait_processes]);
    ck_assert_ptr_null(args.value[PARAM_process_wait_mode]);
    ck_assert_ptr_nonnull(args.value[PARAM_process_wait_for]);
    ck_assert_ptr_nonnull(args.value[PARAM_process_wait_timeout]);
    ck_assert_int_eq(
        check(METHOD_process_spawn, "{\"argv\":[\"a\"],\"umask\":511,\"nice\":-20,\"exe_fd\":2}"), 0);
    must_blame(METHOD_process_spawn, "{\"argv\":[\"a\"],\"umask\":512}", "umask");
    must_blame(METHOD_process_spawn, "{\"argv\":[\"a\"],\"nice\":20}", "nice");
    must_blame(METHOD_process_spawn, "{\"argv\":[\"a\"],\"owner_pid\":0}", "owner_pid");
    must_blame(METHOD_process_spawn, "{\"argv\":[\"a\"],\"stop_timeout\":-0.1}", "stop_timeout");
    must_blame(METHOD_events_subscribe, "{\"since\":-1}", "since");
    must_blame(METHOD_events_subscribe, "{\"since\":9007199254740992}", "since");
    must_blame(METHOD_cancel, "{\"id\":1.5}", "id");
}
END_TEST

/* ---- the tables ---- */

START_TEST(methods_by_name)
{
    for (int id = 0; id < METHOD_COUNT; id++)
        ck_assert_int_eq((int)method_find(method_specs[id].name), id); /* also: no name twice */
    ck_assert_int_eq(method_find(""), METHOD_COUNT);
    ck_assert_int_eq(method_find("process"), METHOD_COUNT);
    ck_assert_int_eq(method_find("process.spawned"), METHOD_COUNT);
}
END_TEST

START_TEST(events_by_name)
{
    for (int kind = 0; kind < EVENT_COUNT; kind++)
        for (int other = 0; other < EVENT_COUNT; other++)
            ck_assert_int_eq(
                event_kind_matches((enum event_kind)kind, event_kind_name((enum event_kind)other)),
                kind == other);
    ck_assert_uint_eq(event_kind_members(EVENT_PROCESS_EXITED), EVENT_MEMBERS_PROCESS | EVENT_MEMBERS_END);
    ck_assert_uint_eq(event_kind_members(EVENT_DAEMON_RESTARTED), EVENT_MEMBERS_NONE);
}
END_TEST

/* The wire's names and numbers, a second time: programs outside rely on them. */
START_TEST(errors_of_the_protocol)
{
    static const struct {
        enum proto_error error;
        int code;
        const char *name;
    } errors[] = {
        {ERROR_PARSE_ERROR, -32700, "ParseError"},
        {ERROR_INVALID_REQUEST, -32600, "InvalidRequest"},
        {ERROR_METHOD_NOT_FOUND, -32601, "MethodNotFound"},
        {ERROR_INVALID_PARAMS, -32602, "InvalidParams"},
        {ERROR_INTERNAL_ERROR, -32603, "InternalError"},
        {ERROR_NO_SUCH_PROCESS, -32001, "NoSuchProcess"},
        {ERROR_NO_SUCH_OBJECT, -32002, "NoSuchObject"},
        {ERROR_PERMISSION_DENIED, -32003, "PermissionDenied"},
        {ERROR_SPAWN_FAILED, -32004, "SpawnFailed"},
        {ERROR_NOT_OWNER, -32005, "NotOwner"},
        {ERROR_TOO_MANY_RELEASES, -32006, "TooManyReleases"},
        {ERROR_DEADLOCK, -32007, "Deadlock"},
        {ERROR_BROKEN_BARRIER, -32008, "BrokenBarrier"},
        {ERROR_WRONG_KIND, -32009, "WrongKind"},
        {ERROR_LIMIT_EXCEEDED, -32010, "LimitExceeded"},
        {ERROR_ALREADY_EXISTS, -32011, "AlreadyExists"},
        {ERROR_STILL_RUNNING, -32012, "StillRunning"},
        {ERROR_CANCELLED, -32013, "Cancelled"},
        {ERROR_OBJECT_GONE, -32014, "ObjectGone"},
        {ERROR_SHUTTING_DOWN, -32015, "ShuttingDown"},
        {ERROR_NOT_HELD, -32016, "NotHeld"},
        {ERROR_NO_TERMINAL, -32017, "NoTerminal"},
        {ERROR_ALREADY_ATTACHED, -32018, "AlreadyAttached"},
    };

    ck_assert_uint_eq(sizeof errors / sizeof *errors, ERROR_COUNT - 1);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        ck_assert_int_eq(proto_error_code(errors[i].error), errors[i].code);
        ck_assert_str_eq(proto_error_name(errors[i].error), errors[i].name);
        ck_assert(proto_error_message(errors[i].error)[0]);
    }
    ck_assert_int_eq(ERROR_NONE, 0);
}
END_TEST

static void add_requests(TCase *tcase)
{
    tcase_add_test(tcase, required_and_unknown);
    tcase_add_test(tcase, null_is_absent);
    tcase_add_test(tcase, another_uid);
    tcase_add_test(tcase, each_at_its_index);
    tcase_add_test(tcase, methods_by_name);
    tcase_add_test(tcase, events_by_name);
    tcase_add_test(tcase, errors_of_the_protocol);
}

int main(void)
{
    Suite *suite = suite_create("schema");
    TCase *tcase = tcase_create("schema");

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, strings);
    tcase_add_test(tcase, booleans_and_choices);
    tcase_add_test(tcase, restart_policies);
    tcase_add_test(tcase, numbers);
    tcase_add_test(tcase, ids);
    tcase_add_test(tcase, signals);
    tcase_add_test(tcase, programs);
    tcase_add_test(tcase, limits);
    tcase_add_test(tcase, descriptors);
    tcase_add_test(tcase, at_most_so_many_placed);
    tcase_add_test(tcase, kinds);
    add_requests(tcase);
    return RUN_SUITE(suite);
}
