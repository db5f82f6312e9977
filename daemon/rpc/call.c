/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/call.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/closer.h"
#include "daemon/base/decimal.h"
#include "daemon/rpc/session.h"
#include "daemon/rpc/spawn_spec.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct outcome answered = {1};

/* ---- life ---- */

struct call *call_new(struct server *server, struct session *session, struct request *request)
{
    struct call *call = calloc(1, sizeof *call);

    if (!call)
        return NULL;
    call->server = server;
    call->session = session;
    call->terminal[0] = call->terminal[1] = -1;
    call->request = *request;
    call->id = json_incref((json_t *) request->id);
    call->fd_count = request->fd_count;
    memset(request, 0, sizeof *request);
    if (frame_take_fds(&session->reader, call->fds, call->fd_count) < 0)
        call->fd_count = 0; /* the caller has counted them before */
    TAILQ_INSERT_TAIL(&session->calls, call, of_session);
    return call;
}

void call_free(struct call *call)
{
    if (call->server->stepping == call)
        call->server->stepping = NULL;
    if (call->bell > 0)
        session_ring(call->session, call->uid, call->bell);
    if (call->hh.tbl)
        HASH_DEL(call->server->calls, call);
    if (call->hh_id.tbl)
        HASH_DELETE(hh_id, call->session->pending, call);
    TAILQ_REMOVE(&call->session->calls, call, of_session);
    closer_close(call->fds, call->fd_count);
    request_done(&call->request);
    json_decref(call->id);
    free(call->result);
    close_fd(call->terminal[0]);
    close_fd(call->terminal[1]);
    spawn_spec_free(call->spec);
    free(call->threads);
    free(call);
}

/* Integers and strings are told apart by the first byte. Returns the key's size. */
static size_t id_key(const json_t *id, char key[PROTO_KEY_MAX + 1])
{
    json_int_t number = json_integer_value(id);
    size_t size = json_is_string(id) ? json_string_length(id) : sizeof number;

    size = size < PROTO_KEY_MAX ? size : PROTO_KEY_MAX;
    key[0] = json_is_string(id) ? 's' : 'i';
    if (json_is_string(id))
        memcpy(key + 1, json_string_value(id), size);
    else
        memcpy(key + 1, &number, size);
    return size + 1;
}

static int register_id(struct call *call)
{
    size_t size;

    if (!call->id || call->hh_id.tbl)
        return 0;
    size = id_key(call->id, call->id_key);
    HASH_ADD_KEYPTR(hh_id, call->session->pending, call->id_key, size, call);
    return call->hh_id.tbl ? 0 : -ENOMEM;
}

static int register_ticket(struct call *call)
{
    HASH_ADD(hh, call->server->calls, ticket, sizeof call->ticket, call);
    return call->hh.tbl ? 0 : -ENOMEM;
}

int call_register(struct call *call)
{
    if (register_id(call) < 0)
        return -ENOMEM;
    call->ticket = ++call->server->ticket;
    if (register_ticket(call) == 0)
        return 0;
    call->ticket = 0;
    return -ENOMEM;
}

int call_hold(struct call *call)
{
    int r = call_register(call);

    if (r == 0)
        call->session->lookups++;
    return r;
}

struct session *call_go_on(struct call *call)
{
    call->session->lookups--;
    HASH_DEL(call->server->calls, call);
    call->hh.tbl = NULL;
    call->ticket = 0;
    return call->session;
}

struct call *call_find(struct server *server, uint64_t ticket)
{
    struct call *call = server->stepping;

    if (call && call->ticket == ticket)
        return call;
    HASH_FIND(hh, server->calls, &ticket, sizeof ticket, call);
    return call;
}

struct call *call_by_id(struct session *session, const json_t *id)
{
    char key[PROTO_KEY_MAX + 1];
    size_t size = id_key(id, key);
    struct call *call;

    HASH_FIND(hh_id, session->pending, key, size, call);
    return call;
}

/* ---- answers ---- */

/* {"jsonrpc":"2.0","id":ID, of a head that fits any id: 64 bytes grow sixfold when each is escaped */
#define HEAD_MAX 512

/* Returns its size; there is a NUL behind it. */
static size_t format_head(char head[HEAD_MAX], const json_t *id, const char *more)
{
    static const char begin[] = "{\"jsonrpc\":\"2.0\",\"id\":";
    char digits[DECIMAL_MAX], *number = digits, *at = head + sizeof begin - 1;
    size_t size = 0, room = HEAD_MAX - sizeof begin - 64;

    memcpy(head, begin, sizeof begin);
    if (json_is_integer(id)) {
        number = decimal_put_signed(digits + sizeof digits, json_integer_value(id));
        size = (size_t) (digits + sizeof digits - number);
        memcpy(at, number, size);
    } else if (id) {
        size = json_dumpb(id, at, room, JSON_ENCODE_ANY | JSON_COMPACT);
        size = size <= room ? size : 0;
    }
    if (size == 0) {
        memcpy(at, "null", 4);
        size = 4;
    }
    strcpy(at + size, more);
    return (size_t) (at - head) + size + strlen(more);
}

static struct outcome done(struct call *call)
{
    call_free(call);
    return answered;
}

struct outcome call_reply(struct call *call, json_t *result)
{
    char head[HEAD_MAX];

    if (!result)
        return call_fail_limit(call, "memory", 0);
    if (call->id) {
        format_head(head, call->id, ",\"result\":");
        session_write_line(call->session, head, result, "}\n", NULL, 0);
    }
    json_decref(result);
    return done(call);
}

struct outcome call_reply_written(struct call *call, struct writer *result)
{
    size_t size;
    const char *text = writer_text(result, &size);
    char head[HEAD_MAX];

    if (text && call->id) {
        format_head(head, call->id, ",\"result\":");
        session_write_text(call->session, head, text, size, "}\n", NULL, 0);
    }
    writer_done(result);
    return text ? done(call) : call_fail_limit(call, "memory", 0);
}

struct outcome call_reply_with_fds(struct call *call, char *result, const int *fds, size_t count)
{
    char head[HEAD_MAX], more[32];

    if (!result || !call->id) {
        for (size_t i = 0; i < count; i++)
            close_fd(fds[i]);
    } else {
        snprintf(more, sizeof more, ",\"fds\":%zu,\"result\":", count);
        format_head(head, call->id, more);
        session_write_text(call->session, head, result, strlen(result), "}\n", fds, count);
    }
    if (!result)
        return call_fail_limit(call, "memory", 0);
    free(result);
    return done(call);
}

struct outcome call_reply_text(struct call *call, const char *text)
{
    static const char member[] = ",\"result\":", tail[] = "}\n";
    char line[HEAD_MAX + CALL_TEXT_MAX];
    size_t size, text_size = strlen(text);

    if (call->id && text_size < CALL_TEXT_MAX - sizeof tail) {
        size = format_head(line, call->id, member);
        memcpy(line + size, text, text_size);
        memcpy(line + size + text_size, tail, sizeof tail - 1);
        session_write(call->session, line, size + text_size + sizeof tail - 1, NULL, 0);
    }
    return done(call);
}

struct outcome call_reply_nothing(struct call *call)
{
    call->bell = 0;
    return done(call);
}

struct outcome call_reply_empty(struct call *call)
{
    return call_reply_text(call, "{}");
}

void answer_failure(struct session *session, const json_t *id, const struct failure *failure, json_t *data)
{
    const char *name = proto_error_name(failure->error);
    char head[HEAD_MAX];
    json_t *error;

    data = data ? data : json_object();
    json_object_set_new(data, "name", json_string(name));
    if (failure->param[0])
        json_object_set_new(data, "param", json_string(failure->param));
    error =
        json_pack("{s:i, s:s, s:o}", "code", proto_error_code(failure->error), "message",
                  failure->message[0] ? failure->message : proto_error_message(failure->error), "data", data);
    format_head(head, id, ",\"error\":");
    if (error)
        session_write_line(session, head, error, "}\n", NULL, 0);
    else
        session_kill(session); /* without memory for an answer, an end is clearer than silence */
    json_decref(error);
}

struct outcome call_fail_with(struct call *call, const struct failure *failure, json_t *data)
{
    if (call->id)
        answer_failure(call->session, call->id, failure, data);
    else
        json_decref(data);
    return done(call);
}

struct outcome call_fail(struct call *call, enum proto_error error, const char *format, ...)
{
    struct failure failure = {.error = error};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(failure.message, sizeof failure.message, format, arguments);
    va_end(arguments);
    return call_fail_with(call, &failure, NULL);
}

struct outcome call_fail_limit(struct call *call, const char *limit, int64_t value)
{
    struct failure failure;

    failure_set(&failure, ERROR_LIMIT_EXCEEDED, "limit reached: %s", limit);
    return call_fail_with(call, &failure,
                          json_pack("{s:s, s:I}", "limit", limit, "value", (json_int_t) value));
}

struct outcome call_fail_param(struct call *call, const char *param, const char *wanted)
{
    struct failure failure;

    failure_param(&failure, param, wanted);
    return call_fail_with(call, &failure, NULL);
}

struct outcome call_park(struct call *call)
{
    (void) call;
    return answered;
}

/* ---- to the core ---- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const unsigned char *) bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/*
 * FNV-1a of method, uid and params: tells a repeated request from another one with the same key. A process
 * may have become another user's, who is not to be told what the one before was.
 */
static uint64_t digest_of(const struct call *call)
{
    const json_t *params = call->request.params;
    char *text = params ? json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t) call->request.method;

    hash = hash_bytes(hash, &call->uid, sizeof call->uid);
    hash = text ? hash_bytes(hash, text, strlen(text)) : hash_bytes(hash, "{}", 2);
    free(text);
    return hash;
}

/* The core has it now. An answer that could not find its call would be lost, as if it had been read: without
 * memory the connection ends, and with it the wait. */
static void wait_for_answer(struct call *call)
{
    /* a thousand that wait need not keep what they have asked */
    if (!(method_specs[call->request.method].flags & METHOD_REMEMBERED))
        request_forget(&call->request);
    if (register_id(call) < 0 || register_ticket(call) < 0)
        session_kill(call->session);
}

void call_address(const struct call *call, struct core_input *input)
{
    input->body.request.connection = call->session->connection;
    input->body.request.uid = call->uid;
}

struct outcome call_submit(struct call *call, struct core_input *input)
{
    struct input_request *request = &input->body.request;
    struct server *server = call->server;
    int r;

    request->ticket = call->ticket = ++server->ticket;
    call_address(call, input);
    if (call->request.key && method_specs[call->request.method].flags & METHOD_KEYED) {
        input->blob[BLOB_KEY] = (struct blob){call->request.key, strlen(call->request.key)};
        request->digest = digest_of(call);
    }
    server->stepping = call;
    r = server_step(server, input);
    /* most are answered already, and gone */
    call = TAKE(server->stepping);
    if (r < 0)
        return call_fail_limit(call, "memory", 0);
    if (call)
        wait_for_answer(call);
    return answered;
}
