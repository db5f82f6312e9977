/* SPDX-License-Identifier: MIT */
/*
 * A connection of the library to a hostile daemon: calls end, answers belong to who asked, and no memory and
 * no descriptor is lost.
 *
 * The input: how many steps, what each does, and the streams (hostile.h).
 */
#include "client/lib/connection.h"
#include "tests/fuzz/hostile.h"
#include "tests/unit/base/descriptors.h"
#include "tests/unit/core/must.h"

const char fuzz_target[] = "connection";

enum step { SUBSCRIBE, UNSUBSCRIBE, SPAWN, SIGNAL, CALL, CALL_ONCE, CALL_IN_HASTE, RECEIVE, CANCEL, STEPS };

static int64_t asked; /* the id of the last request */

static void send_request(struct connection *connection, const char *method, json_t *params)
{
    struct connection_request request = {.method = method, .params = params};
    int64_t id;

    if (connection_send(connection, &request, &id) == 0) {
        must(id > 0);
        asked = id;
    }
    json_decref(params);
}

/* What there is to look at is looked at. */
static void must_be_incoming(struct incoming *incoming)
{
    json_t *result = NULL, *error = NULL;
    int r;

    must(json_is_object(incoming->message) && incoming->fd_count <= FRAME_FDS_MAX);
    for (size_t i = 0; i < incoming->fd_count; i++)
        must(descriptor_open(incoming->fds[i]));
    r = incoming_result(incoming, &result, &error);
    must(r == 0 ? result != NULL : r < 0);
    incoming_done(incoming);
}

static void receive(struct connection *connection)
{
    struct incoming incoming;

    if (connection_receive(connection, 0, &incoming) == 0)
        must_be_incoming(&incoming);
}

static void call(struct connection *connection, enum step how)
{
    json_t *params = json_pack("{s:i,s:f}", "process", 1, "timeout", 0.0);
    struct connection_request request = {.method = "process.join", .params = params};
    int64_t deadline = how == CALL_IN_HASTE ? 0 : CONNECTION_FOREVER;
    struct incoming incoming;
    int r;

    if (how == CALL_ONCE)
        r = connection_call_once(connection, &request, deadline, &incoming);
    else
        r = connection_call(connection, &request, deadline, &incoming);
    must(r <= 0);
    if (r == 0) {
        must(incoming_id(&incoming) > asked);
        asked = incoming_id(&incoming);
        must_be_incoming(&incoming);
    }
    json_decref(params);
}

static void take_step(struct connection *connection, uint8_t step)
{
    switch ((enum step) (step % STEPS)) {
    case SUBSCRIBE:
        send_request(connection, "events.subscribe", json_pack("{s:i}", "since", step / STEPS));
        break;
    case UNSUBSCRIBE:
        send_request(connection, "events.unsubscribe", json_pack("{s:i}", "subscription", step / STEPS));
        break;
    case SPAWN:
        send_request(connection, "process.spawn", json_pack("{s:[s]}", "argv", "true"));
        break;
    case SIGNAL:
        send_request(connection, "process.signal", json_pack("{s:i,s:i}", "process", 1, "signal", 15));
        break;
    case CALL:
    case CALL_ONCE:
    case CALL_IN_HASTE:
        call(connection, (enum step) (step % STEPS));
        break;
    case RECEIVE:
        receive(connection);
        break;
    case CANCEL:
        connection_cancel(connection, asked);
        break;
    case STEPS:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size}, steps;
    size_t open_before = descriptors_count();
    struct connection *connection;
    static bool is_warm;

    steps.at = source_take(&source, source_byte(&source) % 64, &steps.left);
    asked = 0;
    hostile_begin(&source);
    if (connection_open(NULL, &connection) == 0) {
        while (steps.left > 0) {
            take_step(connection, source_byte(&steps));
            must(connection_epoch(connection) != NULL);
            (void) connection_has_unread(connection);
            (void) connection_is_idle(connection);
        }
        connection_free(connection);
    }
    hostile_end();
    must(descriptors_count() == open_before || !is_warm); /* some stay from the first time on */
    is_warm = true;
    return 0;
}
