/* SPDX-License-Identifier: MIT */
/* proto/message.c: one line to a checked request, or to the error that answers it (protocol section 1). */
#include "proto/frame.h"
#include "proto/message.h"
#include "tests/unit/core/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct request request;
static struct failure failure;

static void tear_down(void)
{
    request_done(&request);
    ck_assert_ptr_null(request.root);
    request_done(&request); /* once more is fine */
}

/* The line in memory of exactly its size: a sanitizer sees a step beyond. */
static enum proto_error parse_bytes(const char *line, size_t length)
{
    char *copy = malloc(length + 1);
    json_t *text;

    memcpy(copy, line, length);
    copy[length] = '\0'; /* as a frame leaves it */
    request_done(&request);
    message_parse(copy, length, &request, &failure);
    if (!failure.error)
        message_check(&request, &failure);
    memset(copy, 0xee, length); /* nothing may point into it */
    free(copy);
    if (failure.error) { /* what is answered must be UTF-8, or it cannot be answered */
        text = json_pack("[s, s]", failure.message, failure.param);
        ck_assert_ptr_nonnull(text);
        json_decref(text);
        ck_assert(failure.message[0]);
        ck_assert_int_eq(failure.param[0] != '\0', failure.error == ERROR_INVALID_PARAMS);
    }
    return failure.error;
}

static enum proto_error parse(const char *line)
{
    return parse_bytes(line, strlen(line));
}

/* A request with these members besides jsonrpc. */
static enum proto_error parse_with(const char *members)
{
    char line[4096];

    snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",%s}", members);
    return parse(line);
}

#define PING "\"method\":\"daemon.ping\""

static void must_all_be(enum proto_error error, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum proto_error got = parse(lines[i]);

        ck_assert_msg(got == error, "%s: %s, not %s", lines[i], proto_error_name(got),
                      proto_error_name(error));
        ck_assert_msg(error != ERROR_PARSE_ERROR || (!request.id && !request.fds_known), "%s", lines[i]);
    }
}

#define MUST_ALL_BE(error, ...)                                                                              \
    do {                                                                                                     \
        const char *const lines_[] = {__VA_ARGS__};                                                          \
        must_all_be(error, lines_, sizeof lines_ / sizeof *lines_);                                          \
    } while (0)

START_TEST(a_whole_request)
{
    ck_assert_int_eq(
        parse("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"process.info\",\"params\":{\"process\":3},"
              "\"key\":\"k\",\"fds\":2}"),
        ERROR_NONE);
    ck_assert_int_eq(request.method, METHOD_process_info);
    ck_assert_int_eq(json_integer_value(request.id), 7);
    ck_assert_str_eq(request.key, "k");
    ck_assert_uint_eq(request.fd_count, 2);
    ck_assert(request.fds_known);
    ck_assert_int_eq(json_integer_value(request.args.value[PARAM_process_info_process]), 3);
}
END_TEST

START_TEST(a_notification)
{
    ck_assert_int_eq(parse(" {\"method\" : \"daemon.ping\",\t\"jsonrpc\":\"2.\\u0030\"} \r"), ERROR_NONE);
    ck_assert_ptr_null(request.id);
    ck_assert_ptr_null(request.key);
    ck_assert_ptr_null(request.params);
    ck_assert_uint_eq(request.fd_count, 0);
    ck_assert(request.fds_known);
    ck_assert_int_eq(parse_with(PING ",\"key\":\"k\""), ERROR_INVALID_REQUEST); /* it carries no key */
}
END_TEST

START_TEST(no_json)
{
    MUST_ALL_BE(ERROR_PARSE_ERROR, "", " ", "\r", "x", "{", "}", "[", "{]", "{\"a\":}", "{\"a\" 1}", "{a:1}",
                "{'a':1}", "{\"a\":1,}", "[1,]", "[1 2]", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
                "nul", "True", "NaN", "Infinity", "-", "+1", "01", "-01", ".5", "1.", "1e", "1e+", "0x10",
                "1_000", "\"a\tb\"", "\"a\x01\"", "// x\n{}", "{}/**/", "\xef\xbb\xbf{}");
}
END_TEST

START_TEST(trailing_data)
{
    static const char whole[] = "{\"jsonrpc\":\"2.0\"," PING "}";

    MUST_ALL_BE(ERROR_PARSE_ERROR, "{}{}", "{} {}", "{},", "{}]", "1 2", "null null", "{}x", "\"a\"\"b\"");
    ck_assert_int_eq(parse_bytes(whole, sizeof whole - 1), ERROR_NONE);
    ck_assert_int_eq(parse_bytes(whole, sizeof whole), ERROR_PARSE_ERROR); /* with its NUL */
    ck_assert_int_eq(parse_bytes("{\0}", 3), ERROR_PARSE_ERROR);
    ck_assert_int_eq(parse_bytes("\0", 1), ERROR_PARSE_ERROR);
    ck_assert_int_eq(parse_bytes("{\"a\":\"b\0c\"}", 11), ERROR_PARSE_ERROR);
}
END_TEST

START_TEST(invalid_utf8)
{
    MUST_ALL_BE(ERROR_PARSE_ERROR, "\"\x80\"", "\"\xc3\"", "\"\xc3(\"", "\"\xe2\x82\"", "\"\xc0\x80\"",
                "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xff\"", "{\"\xfe\":1}", "\xc3\xa9", "{}\xff",
                "{\"jsonrpc\":\"2.0\",\"method\":\"daemon.\xe9\"}");
    ck_assert_int_eq(parse("\"\xc3"), ERROR_PARSE_ERROR); /* cut by the end of the line */
    ck_assert_ptr_nonnull(strstr(failure.message, "UTF-8"));
    ck_assert_int_eq(parse("{"), ERROR_PARSE_ERROR);
    ck_assert_ptr_null(strstr(failure.message, "UTF-8"));
}
END_TEST

START_TEST(nul_and_surrogates_in_escapes)
{
    MUST_ALL_BE(ERROR_PARSE_ERROR, "\"\\u0000\"", "{\"\\u0000\":1}", "{\"a\":[\"b\\u0000\"]}", "\"\\ud800\"",
                "\"\\udbff\"", "\"\\udc00\"", "\"\\udfff\"", "\"\\ud800x\"", "\"\\ud800\\n\"",
                "\"\\ud800\\u0041\"", "\"\\ud800\\ud800\"", "\"\\udc00\\ud800\"", "{\"a\\ud83d\":1}");
    ck_assert_int_eq(parse_with("\"id\":\"\\ud83d\\ude00\"," PING), ERROR_NONE); /* a pair is no lone one */
    ck_assert_str_eq(json_string_value(request.id), "\xf0\x9f\x98\x80");
    ck_assert_int_eq(parse_with("\"id\":\"\\\\u0000\"," PING), ERROR_NONE); /* and this is no escape of NUL */
}
END_TEST

START_TEST(duplicate_keys)
{
    MUST_ALL_BE(
        ERROR_PARSE_ERROR, "{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}", "[{\"a\":1,\"a\":2}]",
        "{\"x\":{\"y\":[{\"\":1,\"b\":2,\"\":3}]}}", "{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\"," PING "}",
        "{\"jsonrpc\":\"2.0\",\"id\":1," PING ",\"id\":1}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"process.info\",\"params\":{\"process\":1,\"process\":1}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"process.spawn\",\"params\":{\"env\":{\"A\":\"1\",\"A\":\"2\"}}}");
    ck_assert_int_eq(
        parse_with("\"method\":\"process.spawn\",\"params\":{\"argv\":[\"a\"],\"labels\":{\"a\":\"\"},"
                   "\"env\":{\"a\":\"\",\"A\":\"\"}}"),
        ERROR_NONE); /* in different objects */
}
END_TEST

START_TEST(numbers_that_do_not_fit)
{
    MUST_ALL_BE(ERROR_PARSE_ERROR, "1e400", "-1e400", "[1e309]", "9223372036854775808",
                "-9223372036854775809", "123456789012345678901234567890",
                "{\"jsonrpc\":\"2.0\",\"id\":1e400," PING "}",
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"process.join\","
                "\"params\":{\"process\":1,\"timeout\":1e400}}");
    ck_assert_int_eq(parse("9223372036854775807"), ERROR_INVALID_REQUEST); /* JSON; no object */
    ck_assert_int_eq(parse("-9223372036854775808"), ERROR_INVALID_REQUEST);
    ck_assert_int_eq(parse("1e308"), ERROR_INVALID_REQUEST);
    ck_assert_int_eq(parse("1e-400"), ERROR_INVALID_REQUEST); /* so small that it is 0 */
}
END_TEST

/* depth levels, the outermost an object */
static enum proto_error parse_nested(int depth, char open, char close)
{
    char line[4096] = "{\"jsonrpc\":\"2.0\",\"id\":1," PING ",\"x\":";
    size_t length = strlen(line);

    for (int i = 1; i < depth; i++) {
        line[length++] = open;
        if (open == '{' && i + 1 < depth)
            length += (size_t)sprintf(line + length, "\"[\\\"{\":"); /* brackets in strings are no levels */
    }
    for (int i = 1; i < depth; i++)
        line[length++] = close;
    line[length++] = '}';
    return parse_bytes(line, length);
}

START_TEST(nesting)
{
    ck_assert_int_eq(parse_nested(32, '[', ']'),
                     ERROR_INVALID_REQUEST); /* JSON; "x" is what is wrong with it */
    ck_assert_int_eq(parse_nested(33, '[', ']'), ERROR_PARSE_ERROR);
    ck_assert_ptr_null(request.id);
    ck_assert_int_eq(parse_nested(32, '{', '}'), ERROR_INVALID_REQUEST);
    ck_assert_int_eq(parse_nested(33, '{', '}'), ERROR_PARSE_ERROR);
    ck_assert_int_eq(parse_nested(1000, '[', ']'), ERROR_PARSE_ERROR);
    /* side by side is not nested, and what was closed counts no more */
    ck_assert_int_eq(parse_with("\"id\":1," PING
                                ",\"x\":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
                                "[],[],[],[],[],[],[],[],[],[],[],[],[],[],{},{},{}]"),
                     ERROR_INVALID_REQUEST);
}
END_TEST

START_TEST(no_request)
{
    MUST_ALL_BE(ERROR_INVALID_REQUEST, "null", "1", "true", "\"a\"", "[]", "[1]", "{}",
                "[{\"jsonrpc\":\"2.0\",\"id\":1," PING "}]", /* a batch */
                "{\"jsonrpc\":\"2.0\"}", "{" PING "}", "{\"jsonrpc\":\"1.0\"," PING "}",
                "{\"jsonrpc\":2.0," PING "}", "{\"jsonrpc\":\"2.0 \"," PING "}",
                "{\"jsonrpc\":null," PING "}", "{\"jsonrpc\":\"2.0\",\"method\":1}",
                "{\"jsonrpc\":\"2.0\",\"method\":null}", "{\"jsonrpc\":\"2.0\",\"method\":[\"daemon.ping\"]}",
                "{\"jsonrpc\":\"2.0\"," PING ",\"x\":1}", "{\"jsonrpc\":\"2.0\"," PING ",\"\":null}",
                "{\"jsonrpc\":\"2.0\"," PING ",\"Id\":1}", "{\"jsonrpc\":\"2.0\"," PING ",\"result\":{}}",
                "{\"jsonrpc\":\"2.0\"," PING ",\"error\":null}");
}
END_TEST

START_TEST(ids)
{
    static const char *const wrong[] = {"null",
                                        "true",
                                        "[]",
                                        "{}",
                                        "1.5",
                                        "1.0",
                                        "1e2",
                                        "-0.0",
                                        "9007199254740992",
                                        "-9007199254740992",
                                        "9223372036854775807"};
    char members[256];

    ck_assert_int_eq(parse_with("\"id\":9007199254740991," PING), ERROR_NONE);
    ck_assert_int_eq(json_integer_value(request.id), 9007199254740991);
    ck_assert_int_eq(parse_with("\"id\":-9007199254740991," PING), ERROR_NONE);
    ck_assert_int_eq(parse_with("\"id\":0," PING), ERROR_NONE);
    ck_assert_int_eq(parse_with("\"id\":-0," PING), ERROR_NONE);
    ck_assert(json_is_integer(request.id));
    ck_assert_int_eq(json_integer_value(request.id), 0);
    ck_assert_int_eq(parse_with("\"id\":\"\"," PING), ERROR_NONE);
    snprintf(members, sizeof members, "\"id\":\"%064d\"," PING, 7);
    ck_assert_int_eq(parse_with(members), ERROR_NONE);
    ck_assert_uint_eq(json_string_length(request.id), 64);
    snprintf(members, sizeof members, "\"id\":\"%065d\"," PING, 7);
    ck_assert_int_eq(parse_with(members), ERROR_INVALID_REQUEST);
    ck_assert_ptr_null(request.id);
    snprintf(members, sizeof members, "\"id\":\"%063d\\u00e9\"," PING,
             7); /* bytes are counted, not characters */
    ck_assert_int_eq(parse_with(members), ERROR_INVALID_REQUEST);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(members, sizeof members, "\"id\":%s," PING ",\"fds\":3", wrong[i]);
        ck_assert_msg(parse_with(members) == ERROR_INVALID_REQUEST, "%s", wrong[i]);
        ck_assert_ptr_null(request.id);
        ck_assert(request.fds_known); /* the descriptors are known all the same, and taken */
        ck_assert_uint_eq(request.fd_count, 3);
    }
}
END_TEST

START_TEST(keys)
{
    char members[256];

    ck_assert_int_eq(parse_with("\"id\":1,\"key\":\"\"," PING), ERROR_NONE);
    ck_assert_str_eq(request.key, "");
    snprintf(members, sizeof members, "\"id\":1,\"key\":\"%064d\"," PING, 7);
    ck_assert_int_eq(parse_with(members), ERROR_NONE);
    snprintf(members, sizeof members, "\"id\":1,\"key\":\"%065d\"," PING, 7);
    ck_assert_int_eq(parse_with(members), ERROR_INVALID_REQUEST);
    ck_assert_int_eq(json_integer_value(request.id), 1); /* it is known whom to answer */
    ck_assert_int_eq(parse_with("\"id\":1,\"key\":null," PING), ERROR_INVALID_REQUEST);
    ck_assert_int_eq(parse_with("\"id\":1,\"key\":1," PING), ERROR_INVALID_REQUEST);
}
END_TEST

START_TEST(counts_of_descriptors)
{
    static const char *const wrong[] = {"-1",   "65",    "1.0", "64.0", "1e1",
                                        "null", "\"1\"", "[1]", "true", "9223372036854775807"};
    char members[256];

    ck_assert_int_eq(parse_with("\"id\":1,\"fds\":0," PING), ERROR_NONE);
    ck_assert_uint_eq(request.fd_count, 0);
    ck_assert_int_eq(parse_with("\"id\":1,\"fds\":-0," PING), ERROR_NONE);
    ck_assert_int_eq(parse_with("\"id\":1,\"fds\":64," PING), ERROR_NONE);
    ck_assert_uint_eq(request.fd_count, FRAME_FDS_MAX);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(members, sizeof members, "\"id\":1,\"fds\":%s," PING, wrong[i]);
        ck_assert_msg(parse_with(members) == ERROR_INVALID_REQUEST, "%s", wrong[i]);
        ck_assert(!request.fds_known);
        ck_assert_uint_eq(request.fd_count, 0);
        ck_assert_int_eq(json_integer_value(request.id), 1);
    }
    /* known also where another member is refused, and where the method is not known */
    ck_assert_int_eq(parse_with("\"id\":1,\"x\":1,\"fds\":5," PING), ERROR_INVALID_REQUEST);
    ck_assert(request.fds_known);
    ck_assert_uint_eq(request.fd_count, 5);
    ck_assert_int_eq(parse_with("\"id\":1,\"fds\":6,\"method\":\"no.such\""), ERROR_METHOD_NOT_FOUND);
    ck_assert(request.fds_known);
    ck_assert_uint_eq(request.fd_count, 6);
    ck_assert_int_eq(parse("[]"), ERROR_INVALID_REQUEST); /* what is no object has no such member */
    ck_assert(!request.fds_known);
}
END_TEST

START_TEST(methods)
{
    ck_assert_int_eq(parse_with("\"id\":\"x\",\"method\":\"\""), ERROR_METHOD_NOT_FOUND);
    ck_assert_str_eq(json_string_value(request.id), "x");
    ck_assert_int_eq(parse_with("\"method\":\"daemon.ping \""), ERROR_METHOD_NOT_FOUND);
    ck_assert_int_eq(parse_with("\"method\":\"Daemon.ping\""), ERROR_METHOD_NOT_FOUND);
    ck_assert_int_eq(parse_with("\"method\":\"daemon\""), ERROR_METHOD_NOT_FOUND);
    ck_assert_int_eq(parse_with("\"method\":\"no.such\",\"params\":[1]"), ERROR_METHOD_NOT_FOUND);
    for (int id = 0; id < METHOD_COUNT; id++) {
        char members[128];

        snprintf(members, sizeof members, "\"method\":\"%s\"", method_specs[id].name);
        ck_assert_int_ne(parse_with(members), ERROR_METHOD_NOT_FOUND);
        ck_assert_int_eq(request.method, id);
    }
}
END_TEST

static void must_blame(const char *members, const char *param)
{
    ck_assert_msg(parse_with(members) == ERROR_INVALID_PARAMS, "%s", members);
    ck_assert_str_eq(failure.param, param);
}

START_TEST(params)
{
    must_blame(PING ",\"params\":[]", "params");
    must_blame(PING ",\"params\":null", "params");
    must_blame(PING ",\"params\":\"x\"", "params");
    must_blame(PING ",\"params\":1", "params");
    must_blame(PING ",\"params\":{\"x\":null}", "x");
    must_blame("\"method\":\"process.info\"", "process");
    must_blame("\"method\":\"process.info\",\"params\":{}", "process");
    must_blame("\"method\":\"process.info\",\"params\":{\"process\":null}", "process");
    must_blame("\"method\":\"process.info\",\"params\":{\"process\":1.0}", "process");
    must_blame("\"method\":\"process.join\",\"params\":{\"process\":1,\"timeout\":\"1\"}", "timeout");
    ck_assert_int_eq(parse_with(PING ",\"params\":{}"), ERROR_NONE);
    ck_assert_int_eq(parse_with("\"method\":\"process.join\",\"params\":{\"process\":1,\"timeout\":null}"),
                     ERROR_NONE);
    ck_assert_ptr_null(request.args.value[PARAM_process_join_timeout]);
}
END_TEST

/* A strange name is repeated in the answer: as much of it as fits, and never half a character. */
START_TEST(strange_names_are_answered)
{
    char members[2048], name[1024];

    for (size_t offset = 0; offset < 3; offset++) {
        memset(name, 'x', offset);
        for (size_t i = offset; i + 3 < sizeof name; i += 3)
            memcpy(name + i, "\xe2\x82\xac", 4);
        snprintf(members, sizeof members, PING ",\"id\":1,\"params\":{\"%s\":1}", name);
        ck_assert_int_eq(parse_with(members), ERROR_INVALID_PARAMS);
        ck_assert_uint_ge(strlen(failure.param), PROTO_NAME_MAX - 2);
        ck_assert_int_eq(strncmp(failure.param, name, strlen(failure.param)), 0);
        snprintf(members, sizeof members, PING ",\"id\":1,\"%s\":1", name);
        ck_assert_int_eq(parse_with(members), ERROR_INVALID_REQUEST);
        ck_assert_ptr_nonnull(strstr(failure.message, "\xe2\x82\xac"));
    }
}
END_TEST

START_TEST(failures)
{
    failure_set(&failure, ERROR_NOT_OWNER, "%s %d", "holder", 7);
    ck_assert_int_eq(failure.error, ERROR_NOT_OWNER);
    ck_assert_str_eq(failure.message, "holder 7");
    ck_assert_str_eq(failure.param, "");
    failure_param(&failure, "timeout", "a number");
    ck_assert_int_eq(failure.error, ERROR_INVALID_PARAMS);
    ck_assert_str_eq(failure.message, "timeout: want a number");
    ck_assert_str_eq(failure.param, "timeout");
    failure_set(&failure, ERROR_NOT_HELD, "%s", "");
    ck_assert_str_eq(failure.param, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message");
    TCase *tcase = tcase_create("message");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, NULL, tear_down);
    tcase_add_test(tcase, a_whole_request);
    tcase_add_test(tcase, a_notification);
    tcase_add_test(tcase, no_json);
    tcase_add_test(tcase, trailing_data);
    tcase_add_test(tcase, invalid_utf8);
    tcase_add_test(tcase, nul_and_surrogates_in_escapes);
    tcase_add_test(tcase, duplicate_keys);
    tcase_add_test(tcase, numbers_that_do_not_fit);
    tcase_add_test(tcase, nesting);
    tcase_add_test(tcase, no_request);
    tcase_add_test(tcase, ids);
    tcase_add_test(tcase, keys);
    tcase_add_test(tcase, counts_of_descriptors);
    tcase_add_test(tcase, methods);
    tcase_add_test(tcase, params);
    tcase_add_test(tcase, strange_names_are_answered);
    tcase_add_test(tcase, failures);
    return RUN_SUITE(suite);
}
