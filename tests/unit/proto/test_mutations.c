/* SPDX-License-Identifier: MIT */
/*
 * Valid lines, broken in many ways: a line ends as exactly one checked request or one error that
 * can be answered; nothing crashes, and no memory is kept.
 */
#include "proto/frame.h"
#include "proto/schema.h"
#include "tests/unit/core/must.h"
#include "tests/unit/proto/pieces.h"
#include "tests/unit/proto/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_HERE 4096

static const char *const valid[] = {
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.ping\"}",
    "{\"jsonrpc\":\"2.0\",\"id\":\"a\\u00e9\\ud83d\\ude00\",\"method\":\"daemon.hello\",\"params\":{"
    "\"client\":\"x\"}}",
    "{\"jsonrpc\":\"2.0\",\"id\":-9007199254740991,\"method\":\"process.spawn\",\"key\":\"k1\",\"fds\":3,"
    "\"params\":{"
    "\"argv\":[\"/bin/sh\",\"-c\",{\"b64\":\"/w==\"}],\"env\":{\"A\":\"1\",\"B\":{\"b64\":\"//"
    "8=\"}},\"cwd\":\"/tmp\","
    "\"stdin\":\"null\",\"stdout\":{\"fd\":0},\"stderr\":{\"file\":\"/"
    "x\",\"append\":true},\"fds\":[[0,3],[2,9]],"
    "\"exe_fd\":1,\"daemon\":true,\"umask\":18,\"nice\":-5,\"limits\":{\"nofile\":[10,\"unlimited\"],"
    "\"core\":0},"
    "\"stop_signal\":\"SIGRTMIN+3\",\"stop_timeout\":1.5,\"labels\":{\"a\":\"b\"},\"owner_pid\":7,\"pidfd\":"
    "true}}",
    "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"process.join\",\"params\":{\"process\":\"x\",\"timeout\":2e1,"
    "\"holder\":\"#1\",\"on_deadlock\":\"wait\",\"uid\":1000}}",
    "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"process.wait\",\"params\":{\"processes\":[1,\"b\"],\"mode\":"
    "\"all\","
    "\"for\":\"ready\",\"timeout\":null}}",
    "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"process.signal\",\"params\":{\"process\":1,\"signal\":15,"
    "\"tree\":false}}",
    "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"events.subscribe\",\"params\":{\"since\":0,\"kinds\":["
    "\"process.*\","
    "\"gap\"],\"process\":1,\"object\":\"lock\"}}",
    "{\"jsonrpc\":\"2.0\",\"method\":\"cancel\",\"params\":{\"id\":\"a\"}}",
};
#define VALID (sizeof valid / sizeof *valid)

/* Pieces that are wrong, or only nearly right, somewhere. */
static const char *const snippets[] = {
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-0",
    "1e400",
    "1.0",
    "65",
    "-1",
    "64",
    "\xff",
    "\xc3",
    "\xe2\x82\xac",
    "\\u0000",
    "\\ud800",
    "\\udc00",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "9007199254740992",
    "\"id\":1,",
    "\"key\":\"k\",",
    "\"fds\":1,",
    "\"params\":{},",
    "{\"b64\":\"Zg==\"}",
    "\"\":0,",
    "\"uid\":0,",
    "18446744073709551616",
    "\"process\":",
    "\t",
    "\r",
    " ",
    "\"2.0\"",
    "[]",
    "{}",
};
#define SNIPPETS (sizeof snippets / sizeof *snippets)

static unsigned seed;

static size_t pick(size_t below)
{
    return (size_t)rand_r(&seed) % below;
}

/* Replaces cut bytes at a place by others; what would not fit stays as it was. */
static size_t splice(char *line, size_t size, size_t at, size_t cut, const char *bytes, size_t count)
{
    if (size - cut + count > LINE_MAX_HERE)
        return size;
    memmove(line + at + count, line + at + cut, size - at - cut);
    memcpy(line + at, bytes, count);
    return size - cut + count;
}

/* The place of one of the line's marks, from anywhere on; its end where there is none. */
static size_t find_mark(const char *line, size_t size, char mark)
{
    size_t from = pick(size + 1);
    const char *found = memchr(line + from, mark, size - from);

    return found ? (size_t)(found - line) : size;
}

/* Another value for a member, or an element; or a member less. */
static size_t mutate_member(char *line, size_t size)
{
    size_t at = find_mark(line, size, pick(4) ? ':' : ','), end = at + 1;
    const char *snippet = snippets[pick(SNIPPETS)];

    if (at == size)
        return size;
    for (int depth = 0; end < size && (depth > 0 || !strchr(",}]", line[end])); end++)
        depth += (line[end] == '{' || line[end] == '[') - (line[end] == '}' || line[end] == ']');
    if (line[at] == ',' && end < size && line[end] == ',' && pick(2))
        return splice(line, size, at, end - at, "", 0);
    return splice(line, size, at + 1, end - at - 1, snippet, strlen(snippet));
}

static size_t mutate_once(char *line, size_t size)
{
    size_t at = pick(size + 1), rest = size - at, cut = pick((rest < 16 ? rest : 16) + 1);
    const char *snippet = snippets[pick(SNIPPETS)], *other = valid[pick(VALID)];
    char byte = (char)pick(256), copy[64];
    size_t from;

    switch (pick(8)) {
    case 0:
        return rest ? splice(line, size, at, 1, &byte, 1) : size;
    case 1:
        return splice(line, size, at, 0, &byte, 1);
    case 2:
        return splice(line, size, at, cut, "", 0);
    case 3:
        return splice(line, size, at, pick(2) ? cut : 0, snippet, strlen(snippet));
    case 4: /* a piece of another line */
        from = pick(strlen(other));
        return splice(line, size, at, pick(2) ? cut : 0, other + from, pick(strlen(other) - from) + 1);
    case 5:
    case 6:
        return mutate_member(line, size);
    default: /* a piece of its own, twice: duplicate keys */
        from = rest < sizeof copy ? rest : sizeof copy;
        memcpy(copy, line + at, from);
        return splice(line, size, at, 0, copy, from);
    }
}

static size_t make_line(char *line)
{
    const char *base = valid[pick(VALID)];
    size_t size = strlen(base);

    memcpy(line, base, size);
    for (size_t i = pick(4); i > 0; i--) /* some stay as they are */
        size = mutate_once(line, size);
    for (size_t i = 0; i < size; i++) /* an LF is the frame's matter */
        if (line[i] == '\n')
            line[i] = ' ';
    return size;
}

static unsigned passed, refused[ERROR_COUNT];

static void must_end(const char *line, size_t length)
{
    enum proto_error error = verdict_on(line, length);

    if (error)
        refused[error]++;
    else
        passed++;
}

/* In memory of exactly its size: a sanitizer sees each step beyond. */
static void check_lines(unsigned count)
{
    static char line[LINE_MAX_HERE];

    for (unsigned i = 0; i < count; i++) {
        size_t size = make_line(line);
        char *copy = malloc(size + 1);

        memcpy(copy, line, size);
        copy[size] = '\0';
        must_end(copy, size);
        free(copy);
    }
}

static void choose_seed(void)
{
    const char *chosen = getenv("TEST_SEED");

    seed = chosen ? (unsigned)strtoul(chosen, NULL, 10) : (unsigned)time(NULL) ^ (unsigned)getpid() << 16;
    printf("TEST_SEED=%u\n", seed);
    fflush(stdout);
}

START_TEST(every_line_ends_once)
{
    unsigned rounds = getenv("TEST_LONG") ? 5000000 : 200000;

    choose_seed();
    check_lines(rounds);
    printf("%u passed, %u no JSON, %u no requests, %u no methods, %u wrong params\n", passed,
           refused[ERROR_PARSE_ERROR], refused[ERROR_INVALID_REQUEST], refused[ERROR_METHOD_NOT_FOUND],
           refused[ERROR_INVALID_PARAMS]);
    ck_assert_uint_gt(passed, rounds / 10); /* the mutations are neither too wild nor too tame */
    for (int error = ERROR_PARSE_ERROR; error <= ERROR_INVALID_PARAMS; error++)
        ck_assert_msg(refused[error] > rounds / 1000, "%s", proto_error_name((enum proto_error)error));
}
END_TEST

/* The same through a socket: as many lines come out as LFs went in. */
START_TEST(every_line_comes_out)
{
    static char line[LINE_MAX_HERE + 1];
    struct frame_reader reader = {0};
    unsigned rounds = 20000, out = 0;
    size_t length, none = 0;
    int ends[2];

    choose_seed();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    for (unsigned in = 1; in <= rounds; in++) {
        size_t size = make_line(line), first;
        char *got;

        line[size++] = '\n';
        first = pick(size) + 1;
        pieces_send(ends[0], line, first, NULL, 0);
        if (pick(2))
            must(frame_receive(&reader, ends[1]) == (int)first);
        if (first < size)
            pieces_send(ends[0], line + first, size - first, NULL, 0);
        while (frame_receive(&reader, ends[1]) > 0)
            ;
        while (frame_next(&reader, &got, &length) == FRAME_LINE) {
            must(length == size - 1 && memcmp(got, line, length) == 0);
            must_end(got, length);
            out++;
        }
        must(out == in);
    }
    frame_reader_done(&reader, NULL, &none);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mutations");
    TCase *tcase = tcase_create("mutations");

    verdict_counts_memory();
    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, getenv("TEST_LONG") ? 1800 : 120);
    tcase_add_test(tcase, every_line_ends_once);
    tcase_add_test(tcase, every_line_comes_out);
    return RUN_SUITE(suite);
}
