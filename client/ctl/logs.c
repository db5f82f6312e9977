/* SPDX-License-Identifier: MIT */
/*
 * logs: what a process has written, and what it goes on to write.
 */
#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/harmless.h"
#include "proto/bytes.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct reading {
    struct ctl *ctl;
    bool has_times, is_terminal;
    const char *open_stream; /* of a line that was cut, and goes on; NULL: we are at the beginning of one */
};

/* ---- lines ---- */

/* A log is where others leave what makes a terminal do things. Tabs are harmless, and backslashes stay. */
static void put_harmless(const char *bytes, size_t size)
{
    for (size_t i = 0, length; i < size; i += length > 0 ? length : 1) {
        length = bytes[i] == '\t' ? 1 : harmless_length(bytes + i, size - i);
        if (length == 0)
            printf("\\x%02x", (unsigned char) bytes[i]);
        else
            fwrite(bytes + i, 1, length, stdout);
    }
}

static const char *stream_of(const json_t *line)
{
    const char *stream = json_string_value(json_object_get(line, "stream"));

    return stream && strcmp(stream, "stderr") == 0 ? "stderr" : "stdout";
}

/* The pieces of a line that was cut are put together, unless the other stream comes between. */
static void begin_text(struct reading *reading, const json_t *line)
{
    bool goes_on = reading->open_stream && strcmp(reading->open_stream, stream_of(line)) == 0;

    if (reading->open_stream && !goes_on)
        putchar('\n');
    if (reading->has_times && !goes_on) {
        CLEANUP_MEMORY char *time = text_of_time(json_number_value(json_object_get(line, "time")));

        printf("%s ", time);
    }
}

static void print_text(struct reading *reading, const json_t *line)
{
    const json_t *text = json_object_get(line, "text");
    CLEANUP_MEMORY char *bytes = bytes_valid(text) ? malloc(bytes_size(text) + 1) : NULL;
    size_t size = bytes ? bytes_size(text) : 0;

    begin_text(reading, line);
    if (bytes)
        bytes_copy(text, bytes);
    if (reading->is_terminal && size > 0 && bytes[size - 1] == '\r') /* the process has a terminal, too */
        size--;
    if (reading->is_terminal)
        put_harmless(bytes, size);
    else if (size > 0)
        fwrite(bytes, 1, size, stdout);
    reading->open_stream = json_is_true(json_object_get(line, "split")) ? stream_of(line) : NULL;
    if (!reading->open_stream)
        putchar('\n');
}

static void print_log_line(struct reading *reading, json_t *line)
{
    json_object_del(line, "subscription"); /* a number of our connection: of no use to a reader */
    if (reading->ctl->is_json)
        print_line(json_incref(line));
    else
        print_text(reading, line);
}

static void print_gap(struct reading *reading, json_t *gap)
{
    long long from = json_integer_value(json_object_get(gap, "from"));
    long long to = json_integer_value(json_object_get(gap, "to"));

    if (reading->ctl->is_json)
        print_line(json_pack("{s:O}", "gap", gap));
    else
        note(reading->ctl, "lines %lld to %lld are no longer kept", from, to);
}

/* ---- what is there ---- */

static int make_params(const struct ctl *ctl, json_t **ret_params)
{
    const char *stream = argument_value(&ctl->arguments, OPT_STREAM);
    int64_t tail = -1;
    int status = value_integer(ctl, OPT_TAIL, 0, PROTO_INTEGER_MAX, &tail);

    if (status == 0 && stream && strcmp(stream, "stdout") != 0 && strcmp(stream, "stderr") != 0)
        status = usage_error(ctl, "--stream: stdout or stderr, not %s", stream);
    if (status != 0)
        return status;
    *ret_params = json_pack("{s:o}", "process", value_process(ctl->arguments.words[0]));
    if (stream)
        json_object_set_new(*ret_params, "stream", json_string(stream));
    if (tail >= 0)
        json_object_set_new(*ret_params, "tail", json_integer(tail));
    if (argument_given(&ctl->arguments, OPT_FOLLOW))
        json_object_set_new(*ret_params, "follow", json_true());
    return 0;
}

/* Where lines are missing in an answer: before its first one. */
static void print_answer_gap(struct reading *reading, const json_t *params, const json_t *answer)
{
    json_int_t since = json_integer_value(json_object_get(params, "since"));
    const json_t *first = json_array_get(json_object_get(answer, "lines"), 0);
    const json_t *seq = json_object_get(first ? first : answer, "seq");
    json_t *gap;

    if (!json_is_true(json_object_get(answer, "gap")))
        return;
    gap = json_pack("{s:I,s:I}", "from", since + 1, "to", json_integer_value(seq) - (first != NULL));
    print_gap(reading, gap);
    json_decref(gap);
}

/* Prints an answer. Of a long log there is more: params then ask for what follows, by the id, as a name may
 * be another process's by then. True: ask again. */
static bool print_answer(struct reading *reading, json_t *params, const json_t *answer)
{
    json_t *line;
    size_t i;

    print_answer_gap(reading, params, answer);
    json_array_foreach(json_object_get(answer, "lines"), i, line)
        print_log_line(reading, line);
    json_object_del(params, "tail");
    json_object_set(params, "since", json_object_get(answer, "seq"));
    json_object_set(params, "process", json_object_get(answer, "process"));
    return json_is_true(json_object_get(answer, "more")) && fflush(stdout) == 0;
}

/* Its output is elsewhere, and nothing would be all that is said of it. */
static void tell_of_journal(struct ctl *ctl, const json_t *answer)
{
    json_t *params = json_pack("{s:O}", "process", json_object_get(answer, "process")), *info;

    if (!json_is_true(json_object_get(answer, "journal"))) {
        json_decref(params);
        return;
    }
    if (call(ctl, "process.info", params, &info) != 0)
        return;
    note(ctl, "its output is in the system's journal: journalctl _PID=%lld",
         (long long) json_integer_value(json_object_get(info, "pid")));
    json_decref(info);
}

/* ---- what comes ---- */

/* 1: that was all. */
static int take_notification(struct reading *reading, json_t *params)
{
    json_t *gap = json_object_get(params, "gap");

    if (json_is_true(json_object_get(params, "end")))
        return 1;
    if (gap)
        print_gap(reading, gap);
    else
        print_log_line(reading, params);
    /* a reader that has gone away is seen by what is written, not only when nothing more comes */
    if (connection_has_unread(reading->ctl->connection))
        return ferror(stdout) != 0;
    return fflush(stdout) != 0;
}

static int follow(struct reading *reading)
{
    int state = fflush(stdout) != 0;

    while (state == 0) {
        struct incoming incoming = {0};

        state = connection_receive(reading->ctl->connection, CONNECTION_FOREVER, &incoming);
        if (state == 0 && incoming_id(&incoming) == 0)
            state = take_notification(reading, json_object_get(incoming.message, "params"));
        incoming_done(&incoming);
    }
    return state < 0 ? report_connection(reading->ctl, state) : CTL_OK;
}

int command_logs(struct ctl *ctl)
{
    struct reading reading = {.ctl = ctl,
                              .has_times = argument_given(&ctl->arguments, OPT_STAMPS),
                              .is_terminal = isatty(STDOUT_FILENO)};
    json_t *params = NULL, *answer;
    int status = make_params(ctl, &params);
    bool goes_on = status == 0;

    while (goes_on) {
        status = call(ctl, "process.logs", json_incref(params), &answer);
        if (status != 0)
            break;
        goes_on = print_answer(&reading, params, answer);
        tell_of_journal(ctl, answer);
        json_decref(answer);
    }
    if (status == 0 && json_is_true(json_object_get(params, "follow")))
        status = follow(&reading);
    if (reading.open_stream)
        putchar('\n');
    json_decref(params);
    return status;
}
