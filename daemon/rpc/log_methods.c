/* SPDX-License-Identifier: MIT */
/* process.logs */
#include "daemon/rpc/access.h"
#include "daemon/rpc/backlog.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/logs.h"
#include "daemon/rpc/subscription.h"

#include <string.h>

#define LINES_MAX (512 << 10) /* bytes of an answer; then the rest is to be asked for */

struct log_query {
    struct logs_cursor cursor;
    struct logs_mark until; /* what comes while we read is not waited for */
    int stream;
    uint64_t since;
    uint64_t seen; /* seq of the last line that was looked at */
    bool gap, more;
};

static bool is_wanted(const struct log_query *query, const struct logs_line *line)
{
    return line->seq > query->since &&
           (query->stream == LOGS_ANY_STREAM || query->stream == (int) line->stream);
}

/* How many lines there are that are wanted, or -errno. */
static int64_t count_lines(struct logs_view *view, const struct log_query *query)
{
    struct logs_cursor cursor;
    struct logs_line line;
    int64_t count = 0;
    int r = 1;

    logs_cursor_open(view, &cursor, query->cursor.process);
    while (logs_is_before(&cursor, &query->until) && (r = logs_next(view, &cursor, &line)) > 0)
        count += is_wanted(query, &line);
    logs_cursor_close(&cursor);
    return r < 0 ? r : count;
}

static void write_lines(struct logs_view *view, struct log_query *query, int64_t skip, struct writer *writer)
{
    struct logs_line line;

    writer_open(writer, "lines", '[');
    while (logs_is_before(&query->cursor, &query->until)) {
        int r;

        if (writer->size > LINES_MAX) {
            query->more = true;
            break;
        }
        r = logs_next(view, &query->cursor, &line);
        writer->failed |= r < 0;
        if (r <= 0)
            break;
        query->gap |= line.seq > query->seen + 1 && line.seq > query->since + 1;
        query->seen = line.seq;
        if (!is_wanted(query, &line))
            continue;
        if (skip > 0) {
            skip--;
            query->gap = false; /* of what is before the tail nobody speaks */
            continue;
        }
        writer_open(writer, NULL, '{');
        log_line_write(writer, &line);
        writer_close(writer, '}');
    }
    writer_close(writer, ']');
    if (!query->more && query->cursor.point.seq > query->seen && query->cursor.point.seq > query->since)
        query->gap = true;
    if (!query->more && query->since > query->cursor.point.seq) { /* of another daemon's life */
        query->seen = query->cursor.point.seq;
        query->gap = true;
    }
}

/* NULL: the answer has been given, in ret_outcome. */
static struct log_follow *begin_following(struct call *call, struct log_query *query,
                                          struct outcome *ret_outcome)
{
    const struct backlog *backlog = call->session->backlog;
    struct log_follow *follow;

    if (subscriptions_count(call->session) >= SUBSCRIPTIONS_MAX)
        *ret_outcome = call_fail_limit(call, "subscriptions of one connection", SUBSCRIPTIONS_MAX);
    else if (backlog->subscriptions >= backlog_subscriptions_limit(backlog))
        *ret_outcome = call_fail_limit(call, "subscriptions", (int64_t) backlog_subscriptions_limit(backlog));
    else if ((follow = log_follow_new(call->session, &query->cursor, query->stream, query->seen)))
        return follow;
    else
        *ret_outcome = call_fail_limit(call, "memory", 0);
    return NULL;
}

static struct outcome answer(struct call *call, struct log_query *query, struct writer *writer)
{
    struct log_follow *follow;
    struct outcome outcome;

    if (json_is_true(ARG(call, process_logs, follow))) {
        follow = begin_following(call, query, &outcome);
        if (!follow) {
            logs_cursor_close(&query->cursor);
            writer_done(writer);
            return outcome;
        }
        writer_integer(writer, "subscription", (int64_t) follow->id);
        query->more = false; /* it comes by itself */
        session_wants_flush(call->session);
    } else {
        logs_cursor_close(&query->cursor);
    }
    writer_integer(writer, "process", (int64_t) query->cursor.process);
    if (call->server->hello.log_to_journal && query->cursor.log == 0)
        writer_bool(writer, "journal", true);
    writer_integer(writer, "seq", (int64_t) query->seen);
    writer_bool(writer, "gap", query->gap);
    writer_bool(writer, "more", query->more);
    writer_close(writer, '}');
    return call_reply_written(call, writer);
}

struct outcome handle_process_logs(struct call *call)
{
    const struct process *process = access_process(call, ARG(call, process_logs, process));
    const json_t *stream = ARG(call, process_logs, stream), *tail = ARG(call, process_logs, tail);
    struct logs_view *view = call->server->logs;
    struct log_query query = {.stream = LOGS_ANY_STREAM};
    int64_t count = 0;
    struct writer writer;

    if (!process)
        return fail_no_such_process(call);
    if (!logs_are_kept(call->server))
        return call_fail_limit(call, "memory", 0);
    if (stream)
        query.stream = strcmp(json_string_value(stream), "stdout") == 0 ? LOGS_STDOUT : LOGS_STDERR;
    query.since = (uint64_t) json_integer_value(ARG(call, process_logs, since));
    query.seen = query.since;
    query.cursor.process = process->data.id;
    if (view) {
        logs_cursor_open(view, &query.cursor, process->data.id);
        query.until = logs_now(view, &query.cursor);
        count = tail ? count_lines(view, &query) : 0;
    }
    writer_begin(&writer);
    writer.failed |= count < 0;
    writer_open(&writer, NULL, '{');
    write_lines(view, &query, tail ? count - json_integer_value(tail) : 0, &writer);
    return answer(call, &query, &writer);
}
