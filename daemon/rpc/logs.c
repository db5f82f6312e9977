/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/logs.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/rpc/backlog.h"
#include "daemon/rpc/keeper_link.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/* ---- the view ---- */

static void on_bell(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;
    eventfd_t value;

    (void) what;
    (void) eventfd_read((int) fd, &value);
    server->follows_due = true;
}

void logs_shared(struct server *server, struct fdpass *fds)
{
    struct logs_view *view = fds->count == 3 && !server->logs ? calloc(1, sizeof *view) : NULL;
    int bell, r;

    if (!view)
        return;
    view->data_fd = -1;
    server->logs = view;
    r = logs_view_open(view, take_fd(&fds->fd[0]), take_fd(&fds->fd[1]));
    if (r < 0) {
        log_error("logs cannot be read: %s", strerror(-r));
        return;
    }
    bell = take_fd(&fds->fd[2]);
    server->logs_bell = event_new(server->base, bell, EV_READ | EV_PERSIST, on_bell, server);
    if (!server->logs_bell || event_add(server->logs_bell, NULL) < 0)
        log_error("nobody can follow a log: out of memory");
    if (!server->logs_bell)
        close_fd(bell);
}

bool logs_are_kept(const struct server *server)
{
    return server->hello.log_to_journal || (server->logs && server->logs->index);
}

void logs_end(struct server *server)
{
    if (server->logs_bell) {
        int bell = event_get_fd(server->logs_bell);

        event_free(server->logs_bell);
        close_fd(bell);
    }
    if (server->logs)
        logs_view_close(server->logs);
    free(server->logs);
}

/* ---- followers ---- */

static void tell_keeper(struct server *server, uint64_t process, bool on)
{
    struct link_log_follow message = {.process = process, .on = on};

    keeper_link_send(server->link, LINK_FOLLOW_LOG, 0, &message, sizeof message, NULL, 0);
}

static bool is_followed(const struct server *server, uint64_t process)
{
    const struct log_follow *follow;

    LIST_FOREACH(follow, &server->follows, of_server)
    if (follow->process == process)
        return true;
    return false;
}

struct log_follow *log_follow_new(struct session *session, const struct logs_cursor *cursor, int stream,
                                  uint64_t seen)
{
    struct log_follow *follow = calloc(1, sizeof *follow);
    struct server *server = session->server;

    if (!follow)
        return NULL;
    follow->id = ++session->subscriptions_made;
    follow->process = cursor->process;
    follow->session = session;
    follow->cursor = *cursor;
    follow->stream = stream;
    follow->seen = seen;
    if (cursor->log != 0 && !is_followed(server, cursor->process))
        tell_keeper(server, cursor->process, true);
    LIST_INSERT_HEAD(&session->follows, follow, of_session);
    LIST_INSERT_HEAD(&server->follows, follow, of_server);
    server->subscription_count++;
    session->backlog->subscriptions++;
    server->follows_due = true;
    return follow;
}

void log_follow_free(struct log_follow *follow)
{
    struct session *session = follow->session;

    LIST_REMOVE(follow, of_session);
    LIST_REMOVE(follow, of_server);
    session->server->subscription_count--;
    session->backlog->subscriptions--;
    if (follow->cursor.log != 0 && !is_followed(session->server, follow->process))
        tell_keeper(session->server, follow->process, false);
    logs_cursor_close(&follow->cursor);
    free(follow);
}

struct log_follow *log_follow_find(struct session *session, uint64_t id)
{
    struct log_follow *follow;

    LIST_FOREACH(follow, &session->follows, of_session)
    if (follow->id == id)
        return follow;
    return NULL;
}

void log_follows_drop(struct session *session)
{
    struct log_follow *follow;

    while ((follow = LIST_FIRST(&session->follows)))
        log_follow_free(follow);
}

/* ---- telling ---- */

void log_line_write(struct writer *writer, const struct logs_line *line)
{
    writer_integer(writer, "seq", (int64_t) line->seq);
    writer_seconds(writer, "time", line->wall);
    writer_word(writer, "stream", line->stream == LOGS_STDOUT ? "stdout" : "stderr");
    writer_bytes(writer, "text", line->bytes, line->size);
    if (line->is_split)
        writer_bool(writer, "split", true);
}

static void begin_notification(struct writer *writer, const struct log_follow *follow)
{
    writer_begin(writer);
    writer_open(writer, NULL, '{');
    writer_word(writer, "jsonrpc", "2.0");
    writer_word(writer, "method", "log");
    writer_open(writer, "params", '{');
    writer_integer(writer, "subscription", (int64_t) follow->id);
}

static void end_notification(struct writer *writer, struct session *session)
{
    const char *text;
    size_t size;

    writer_close(writer, '}');
    writer_close(writer, '}');
    writer_line_end(writer);
    text = writer_text(writer, &size);
    if (text)
        session_write(session, text, size, NULL, 0);
    else
        session_kill(session); /* rather an end than a hole */
    writer_done(writer);
}

/* Lines up to `last` have not come, and will not. */
static void tell_gap(struct log_follow *follow, uint64_t last)
{
    struct writer writer;

    if (last <= follow->seen)
        return;
    begin_notification(&writer, follow);
    writer_open(&writer, "gap", '{');
    writer_integer(&writer, "from", (int64_t) follow->seen + 1);
    writer_integer(&writer, "to", (int64_t) last);
    writer_close(&writer, '}');
    end_notification(&writer, follow->session);
    follow->seen = last;
}

static void tell_line(struct log_follow *follow, const struct logs_line *line)
{
    struct writer writer;

    if (line->seq <= follow->seen)
        return;
    tell_gap(follow, line->seq - 1);
    follow->seen = line->seq;
    if (follow->stream != LOGS_ANY_STREAM && follow->stream != (int) line->stream)
        return;
    begin_notification(&writer, follow);
    log_line_write(&writer, line);
    end_notification(&writer, follow->session);
}

static bool has_ended(const struct log_follow *follow)
{
    const struct process *process = core_process(follow->session->server->core, follow->process);

    return !process || process_ended(process);
}

static void tell_end(struct log_follow *follow)
{
    struct writer writer;

    tell_gap(follow, follow->cursor.point.seq);
    begin_notification(&writer, follow);
    writer_bool(&writer, "end", true);
    end_notification(&writer, follow->session);
    log_follow_free(follow);
}

/* Its end was known before its log was looked at: then nothing that it wrote is missing. */
static void tell(struct log_follow *follow)
{
    struct session *session = follow->session;
    struct logs_view *view = session->server->logs;
    /* as for answers: where its uid has too much to read, only a session that has nothing is told more */
    size_t most = backlog_is_full(session->backlog) ? 1 : SESSION_UNSENT_MAX;
    bool ended = has_ended(follow);
    struct logs_line line;
    int r = 1;

    while (!(session->flags & SESSION_DEAD) && frame_unsent(&session->writer) < most) {
        r = view ? logs_next(view, &follow->cursor, &line) : 0;
        if (r <= 0)
            break;
        tell_line(follow, &line);
    }
    follow->is_idle = r == 0;
    if (r < 0)
        session_kill(session);
    else if (r == 0 && ended)
        tell_end(follow);
}

void log_follows_tell(struct session *session)
{
    struct log_follow *follow, *next;

    if (session->flags & (SESSION_BLOCKED | SESSION_DEAD | SESSION_CLOSING))
        return;
    for (follow = LIST_FIRST(&session->follows); follow; follow = next) {
        next = LIST_NEXT(follow, of_session);
        tell(follow);
    }
    /* the rest of a log that is longer than a buffer is for the next turn: others have theirs first */
    LIST_FOREACH(follow, &session->follows, of_session)
    if (!follow->is_idle)
        session->server->follows_due = true;
}

void log_follows_wake(struct server *server)
{
    struct log_follow *follow;

    if (!server->follows_due)
        return;
    server->follows_due = false;
    LIST_FOREACH(follow, &server->follows, of_server)
    {
        if (follow->is_idle && !has_ended(follow) &&
            !(server->logs && logs_has_more(server->logs, &follow->cursor)))
            continue;
        if (!(follow->session->flags & SESSION_BLOCKED))
            session_wants_flush(follow->session);
    }
}
