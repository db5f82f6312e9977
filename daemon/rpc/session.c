/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/session.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/closer.h"
#include "daemon/base/fdpass.h"
#include "daemon/base/hangup.h"
#include "daemon/base/log.h"
#include "daemon/rpc/backlog.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/logs.h"
#include "daemon/rpc/memory.h"
#include "daemon/rpc/pages.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/subscription.h"
#include "daemon/rpc/undelivered.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define UNREAD_PAUSE 100 /* ms, then one may look again whether a client has read its descriptors */

/* ---- writing ---- */

void session_wants_flush(struct session *session)
{
    if (session->flags & (SESSION_UNSENT | SESSION_DEAD))
        return;
    session->flags |= SESSION_UNSENT;
    TAILQ_INSERT_TAIL(&session->server->unsent, session, of_unsent);
}

void session_write(struct session *session, const char *bytes, size_t size, const int *fds, size_t fd_count)
{
    if (frame_queue(&session->writer, bytes, size, fds, fd_count) < 0)
        session_kill(session);
    else
        session_wants_flush(session);
    backlog_count(session);
}

/* A failure sticks: jansson does not look at that of a member's name, and the rest would follow a hole. */
struct dump {
    struct frame_writer *writer;
    bool failed;
};

static int append_json(const char *bytes, size_t size, void *context)
{
    struct dump *dump = context;

    dump->failed = dump->failed || frame_queue(dump->writer, bytes, size, NULL, 0) < 0;
    return dump->failed ? -1 : 0;
}

/* The end of a line that began when `before` bytes were unsent. r: what became of it. */
static void line_queued(struct session *session, size_t before, int r)
{
    if (r < 0)
        session_kill(session); /* half a line is out of the question */
    else
        session_wants_flush(session);
    if (frame_unsent(&session->writer) - before > BACKLOG_ANSWER_BIG)
        session->backlog->big_turn = session->server->turn;
    backlog_count(session);
}

void session_write_line(struct session *session, const char *head, const json_t *json, const char *tail,
                        const int *fds, size_t fd_count)
{
    struct dump dump = {.writer = &session->writer};
    size_t before = frame_unsent(&session->writer);
    int r = frame_queue(&session->writer, head, strlen(head), fds, fd_count);

    if (r == 0)
        r = json_dump_callback(json, append_json, &dump, JSON_COMPACT | JSON_ENCODE_ANY);
    r = dump.failed ? -1 : r;
    if (r == 0)
        r = frame_queue(&session->writer, tail, strlen(tail), NULL, 0);
    line_queued(session, before, r);
}

void session_write_text(struct session *session, const char *head, const char *text, size_t size,
                        const char *tail, const int *fds, size_t fd_count)
{
    size_t before = frame_unsent(&session->writer);
    int r = frame_queue(&session->writer, head, strlen(head), fds, fd_count);

    if (r == 0)
        r = frame_queue(&session->writer, text, size, NULL, 0);
    if (r == 0)
        r = frame_queue(&session->writer, tail, strlen(tail), NULL, 0);
    line_queued(session, before, r);
}

/* What cannot be watched any more would wait for ever. */
static void session_watch(struct session *session, struct event *event, const struct timeval *patience)
{
    if (event_add(event, patience) < 0)
        session_kill(session);
}

/* Reads go on only while the client drains what it is told. */
static void session_pause(struct session *session, bool pause)
{
    if (pause == !!(session->flags & SESSION_PAUSED) || session->flags & SESSION_DEAD)
        return;
    session->flags ^= SESSION_PAUSED;
    if (session->flags & SESSION_EOF)
        return;
    if (pause)
        event_del(session->readable);
    else
        session_watch(session, session->readable, NULL);
}

static void session_mark_ready(struct session *session)
{
    if (session->flags & (SESSION_READY | SESSION_DEAD))
        return;
    session->flags |= SESSION_READY;
    TAILQ_INSERT_TAIL(&session->server->ready, session, of_ready);
}

/* May the next line be begun? Where its uid has too much to read, only if this session has nothing. */
static bool session_may_run(const struct session *session)
{
    size_t most = backlog_is_full(session->backlog) ? 0 : SESSION_UNSENT_MAX;
    size_t most_fds = backlog_has_all_fds(session->backlog) ? 0 : SESSION_FDS_MAX;

    return !(session->flags & (SESSION_DEAD | SESSION_CLOSING)) && session->lookups == 0 &&
           frame_unsent(&session->writer) <= most && session->writer.fd_count <= most_fds;
}

/* Is the rest of this turn for others? */
static bool session_had_its_turn(const struct session *session)
{
    return session->backlog->big_turn == session->server->turn;
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct session *session = context;

    (void) fd;
    (void) what;
    session->flags &= ~(unsigned) SESSION_BLOCKED;
    session_wants_flush(session);
}

/* Until the socket has room, or, where that says nothing, for so many ms. */
static void session_block(struct session *session, int ms)
{
    const struct timeval pause = {.tv_usec = ms * 1000};

    session->flags |= SESSION_BLOCKED;
    event_assign(session->writable, session->server->base, ms > 0 ? -1 : session->fd,
                 ms > 0 ? 0 : EV_WRITE, on_writable, session);
    session_watch(session, session->writable, ms > 0 ? &pause : NULL);
    if (frame_unsent(&session->writer) > SESSION_UNSENT_MAX)
        session_pause(session, true);
}

/* All of them are rung again until there is room: each once. */
static bool is_to_be_rung(const struct session *session, uint32_t uid, uint32_t slot)
{
    for (size_t i = 0; i < session->bell_count; i++)
        if (session->bells[i].uid == uid && session->bells[i].slot == slot)
            return true;
    return false;
}

void session_ring(struct session *session, uint32_t uid, uint32_t slot)
{
    struct session_bell *bells;

    if (session->flags & SESSION_BLOCKED && is_to_be_rung(session, uid, slot)) {
        session_wants_flush(session);
        return;
    }
    bells = realloc(session->bells, (session->bell_count + 1) * sizeof session->bells[0]);
    if (!bells) { /* the end of the connection is seen when it is rung now */
        session_kill(session);
        page_ring(session->server, uid, slot);
        return;
    }
    session->bells = bells;
    bells[session->bell_count++] = (struct session_bell){uid, slot};
    session_wants_flush(session);
}

static void ring_bells(struct session *session)
{
    for (size_t i = 0; i < session->bell_count; i++)
        page_ring(session->server, session->bells[i].uid, session->bells[i].slot);
}

/* Those that are in the socket count against our user: with too many of them there nobody's arrive (unix(7),
 * ETOOMANYREFS). SIOCOUTQ tells that there is nothing unread. */
static bool has_fds_unread(struct session *session)
{
    size_t most = backlog_has_all_fds(session->backlog) ? 0 : SESSION_FDS_MAX;
    int unread = 0;

    if (session->writer.fd_count == 0 || session->fds_sent <= most)
        return false;
    if (ioctl(session->fd, SIOCOUTQ, &unread) == 0 && unread > 0)
        return true;
    session->fds_sent = 0;
    return false;
}

static void write_more(struct session *session)
{
    size_t before = frame_unsent(&session->writer), fds = session->writer.fd_count;
    int r = frame_flush(&session->writer, session->fd);

    session->fds_sent += fds - session->writer.fd_count;
    undelivered_sent(session, before - frame_unsent(&session->writer));
    backlog_count(session);
    if (r > 0 || fdpass_is_short(r)) {
        session_block(session, r < 0 ? FDPASS_PAUSE : 0);
    } else if (r < 0) {
        session_kill(session);
    } else if (session->flags & SESSION_CLOSING) {
        session_kill(session);
    } else if (session->flags & SESSION_PAUSED && session->lookups == 0) {
        session_resume(session);
    }
}

void session_flush(struct session *session)
{
    if (!(session->flags & (SESSION_BLOCKED | SESSION_DEAD)) && has_fds_unread(session))
        session_block(session, UNREAD_PAUSE);
    if (!(session->flags & (SESSION_BLOCKED | SESSION_DEAD)))
        write_more(session);
    if (session->flags & SESSION_DEAD) /* it is rung when it is freed */
        return;
    /* who sleeps on a bell does not read what is in the way of its answer: it is rung for that, and again */
    ring_bells(session);
    if (!(session->flags & SESSION_BLOCKED))
        session->bell_count = 0;
}

void session_resume(struct session *session)
{
    session_pause(session, false);
    session_mark_ready(session);
}

/* ---- reading ---- */

/* Nothing but memory is ever short before there is a call. */
static json_t *refusal_data(const struct failure *failure)
{
    return failure->error == ERROR_LIMIT_EXCEEDED ? json_pack("{s:s, s:i}", "limit", "memory", "value", 0)
                                                  : NULL;
}

/* The last answer of a connection on which nothing more can be understood. */
static void session_refuse(struct session *session, const json_t *id, const struct failure *failure)
{
    answer_failure(session, id, failure, refusal_data(failure));
    session->flags |= SESSION_CLOSING;
    session_pause(session, true);
}

/* Now, and not with the session: of many that are refused in one turn there would be too many. */
static void drop_fds(struct session *session)
{
    int fds[FRAME_FDS_MAX];

    while (session->reader.fd_count > 0) {
        size_t count = session->reader.fd_count < FRAME_FDS_MAX ? session->reader.fd_count : FRAME_FDS_MAX;

        if (frame_take_fds(&session->reader, fds, count) < 0)
            break;
        closer_close(fds, count);
    }
    backlog_count_unread(session);
}

/* Its uid has begun too many lines. Where all waited for room, none might ever come to its end. */
static void refuse_more(struct session *session, const char *limit, size_t value)
{
    struct failure failure;

    drop_fds(session);
    failure_set(&failure, ERROR_LIMIT_EXCEEDED, "limit reached: %s", limit);
    answer_failure(session, NULL, &failure,
                   json_pack("{s:s, s:I}", "limit", limit, "value", (json_int_t) value));
    session->flags |= SESSION_CLOSING;
    session_pause(session, true);
}

static void refuse_line(struct session *session, const struct request *request, const struct failure *failure)
{
    int fds[FRAME_FDS_MAX];

    /* whose descriptors are queued cannot be known any more */
    if (!request->fds_known && session->reader.fd_count > 0) {
        session_refuse(session, request->id, failure);
        return;
    }
    if (frame_take_fds(&session->reader, fds, request->fd_count) < 0) {
        session_kill(session);
        return;
    }
    closer_close(fds, request->fd_count);
    /* notifications are never answered, but for lines of which one cannot say that they are one */
    if (request->id || failure->error == ERROR_PARSE_ERROR || failure->error == ERROR_INVALID_REQUEST)
        answer_failure(session, request->id, failure, refusal_data(failure));
}

/* A question to which nobody wants the answer changes nothing. To look for it would cost what no answer is
 * charged for. */
static bool is_idle_talk(const struct request *request)
{
    return !request->id && method_specs[request->method].flags & METHOD_LONG;
}

static void session_execute(struct session *session, const char *line, size_t length)
{
    struct failure failure;
    struct request request;
    struct call *call;

    if (!memory_for(length)) {
        /* who asked knows by the end what an answer without an id cannot tell */
        failure_set(&failure, ERROR_LIMIT_EXCEEDED, "limit reached: memory");
        session_refuse(session, NULL, &failure);
        return;
    }
    message_parse(line, length, &request, &failure);
    if (!failure.error && request.id && call_by_id(session, request.id)) {
        failure_set(&failure, ERROR_INVALID_REQUEST, "id: in use on this connection");
        request.id = NULL; /* the answer to that id belongs to the request that uses it */
    }
    if (!failure.error)
        message_check(&request, &failure);
    if (!failure.error && session->reader.fd_count < request.fd_count) {
        session_kill(session); /* descriptors out of step */
    } else if (failure.error || is_idle_talk(&request)) {
        refuse_line(session, &request, &failure);
    } else if (!(call = call_new(session->server, session, &request)) && !request.id) {
        session_kill(session); /* nobody would be told: rather an end than a wait that is not cancelled */
    } else if (!call) {
        failure_set(&failure, ERROR_LIMIT_EXCEEDED, "limit reached: memory");
        refuse_line(session, &request, &failure);
    } else if (backlog_is_full(session->backlog) && method_specs[call->request.method].flags & METHOD_LONG) {
        (void) call_fail_limit(call, "unsent bytes", BACKLOG_MAX);
    } else {
        (void) dispatch(call);
    }
    request_done(&request);
}

static void session_end_of_input(struct session *session)
{
    struct call *call;

    /* what still waits is cancelled; what was answered is still written, and what it was handed and has not
     * taken yet is answered by this */
    session->flags |= SESSION_CLOSING;
    peer_disconnect(session);
    while ((call = TAILQ_FIRST(&session->calls)))
        call_free(call);
    session_wants_flush(session);
}

static enum frame_result session_run_lines(struct session *session)
{
    enum frame_result result = FRAME_NONE;
    size_t length;
    char *line;

    for (int lines = 0; lines < SESSION_LINES_PER_TURN && session_may_run(session); lines++) {
        if (lines > 0 && session_had_its_turn(session))
            break;
        result = frame_next(&session->reader, &line, &length);
        if (result == FRAME_LINE)
            session_execute(session, line, length);
        else
            break;
    }
    return result;
}

/* Does what has come in, as far as it may. */
static void session_advance(struct session *session)
{
    enum frame_result result = session_run_lines(session);

    if (session->flags & (SESSION_DEAD | SESSION_CLOSING))
        return;
    if (!session_may_run(session)) {
        session_pause(session, true); /* until it has drained, or the look-up is over */
    } else if (result == FRAME_LINE) {
        session_mark_ready(session);
    } else if (result == FRAME_TOO_LONG) {
        struct failure failure;

        failure_set(&failure, ERROR_PARSE_ERROR, "a line is longer than %u bytes", FRAME_LINE_MAX);
        session_refuse(session, NULL, &failure);
    } else if (frame_fds_orphaned(&session->reader)) {
        session_kill(session);
    } else if (session->flags & SESSION_EOF) {
        session_end_of_input(session);
    } else {
        frame_reader_trim(&session->reader);
    }
    backlog_count_unread(session);
}

void session_run(struct session *session)
{
    if (session_had_its_turn(session))
        session_mark_ready(session);
    else
        session_advance(session);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct session *session = context;
    int r;

    (void) what;
    if (session->flags & SESSION_READY)
        /* whole lines are left from before: more would pile up, as executing is slower than reading */
        return;
    if (session->backlog->unread > BACKLOG_UNREAD_MAX && frame_will_be_long(&session->reader)) {
        refuse_more(session, "unread bytes", BACKLOG_UNREAD_MAX);
        return;
    }
    r = frame_receive(&session->reader, (int) fd);
    if (r == -EAGAIN)
        return;
    session->server->stirred = true;
    if (r == 0) {
        event_del(session->readable);
        session->flags |= SESSION_EOF;
    } else if (r < 0) {
        session->flags |= r == -ECONNRESET ? SESSION_RESET : 0;
        session_kill(session);
        return;
    }
    backlog_count_unread(session);
    if (session->reader.fd_count > 0 && backlog_has_all_fds(session->backlog))
        refuse_more(session, "descriptors", session->backlog->fds_max);
    else
        session_mark_ready(session); /* behind those that came before it */
}

void session_drain(struct session *session)
{
    size_t most = (size_t) 1 << 20; /* a forked child that goes on writing must not postpone the burial */

    while (!(session->flags & (SESSION_DEAD | SESSION_CLOSING | SESSION_EOF)) && most > 0) {
        int r = frame_receive(&session->reader, session->fd);

        if (r <= 0)
            break;
        most -= (size_t) r < most ? (size_t) r : most;
        session_advance(session);
    }
    while (session->flags & SESSION_READY && session_may_run(session)) {
        session->flags &= ~(unsigned) SESSION_READY;
        TAILQ_REMOVE(&session->server->ready, session, of_ready);
        session_advance(session);
    }
}

/* ---- life ---- */

int session_open(struct server *server, const struct link_connection *connection, struct peer *peer, int fd)
{
    struct session *session = calloc(1, sizeof *session);

    if (!session)
        goto fail;
    session->server = server;
    session->connection = connection->connection;
    session->uid = connection->uid;
    session->gid = connection->gid;
    session->pid = connection->pid;
    session->fd = fd;
    hang_up_prepare(fd);
    session->backlog = backlog_get(server, connection->uid);
    session->reader.spare = &server->spare;
    TAILQ_INIT(&session->calls);
    TAILQ_INIT(&session->undelivered);
    LIST_INIT(&session->subscriptions);
    LIST_INIT(&session->follows);
    session->readable = event_new(server->base, fd, EV_READ | EV_PERSIST, on_readable, session);
    session->writable = event_new(server->base, fd, EV_WRITE, on_writable, session);
    if (!session->backlog || !session->readable || !session->writable ||
        event_add(session->readable, NULL) < 0)
        goto fail;
    HASH_ADD(hh, server->sessions, connection, sizeof session->connection, session);
    if (!session->hh.tbl)
        goto fail;
    session->peer = peer;
    LIST_INSERT_HEAD(&peer->sessions, session, of_peer);
    server->session_count++;
    return 0;
fail:
    if (session && session->readable)
        event_free(session->readable);
    if (session && session->writable)
        event_free(session->writable);
    if (session)
        backlog_put(server, session->backlog);
    free(session);
    return -ENOMEM;
}

void session_kill(struct session *session)
{
    if (session->flags & SESSION_DEAD)
        return;
    if (session->flags & SESSION_READY)
        TAILQ_REMOVE(&session->server->ready, session, of_ready);
    if (session->flags & SESSION_UNSENT)
        TAILQ_REMOVE(&session->server->unsent, session, of_unsent);
    session->flags &= ~(unsigned) (SESSION_READY | SESSION_UNSENT);
    session->flags |= SESSION_DEAD;
    TAILQ_INSERT_TAIL(&session->server->dead, session, of_dead);
    event_del(session->readable);
    event_del(session->writable);
}

static void session_free(struct session *session)
{
    struct server *server = session->server;
    int fds[FRAME_FDS_QUEUED_MAX];
    size_t fd_count = sizeof fds / sizeof *fds;
    struct call *call;

    peer_disconnect(session);
    while ((call = TAILQ_FIRST(&session->calls)))
        call_free(call);
    undelivered_return(session);
    subscriptions_drop(session);
    log_follows_drop(session);
    frame_reader_done(&session->reader, fds, &fd_count);
    closer_close(fds, fd_count);
    event_free(session->readable);
    event_free(session->writable);
    frame_writer_done(&session->writer);
    hang_up(session->fd, NULL, NULL); /* whoever is rung finds the end, though the keeper has a copy */
    ring_bells(session);
    free(session->bells);
    session->backlog->unsent -= session->counted;
    session->backlog->unread -= session->counted_unread;
    session->backlog->fds -= session->counted_fds;
    backlog_put(server, session->backlog);
    HASH_DEL(server->sessions, session);
    server->session_count--;
    if (session->peer)
        LIST_REMOVE(session, of_peer);
    free(session);
}

void session_sweep(struct server *server)
{
    struct session *session;

    while ((session = TAILQ_FIRST(&server->dead))) {
        TAILQ_REMOVE(&server->dead, session, of_dead);
        session_free(session);
    }
}
