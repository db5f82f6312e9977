/* SPDX-License-Identifier: MIT */
#include "client/lib/library.h"

#include "client/lib/forks.h"
#include "daemon/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* The daemon keeps time-outs itself; this much later it must be dead or stopped. */
#define GRACE (10 * NSEC_PER_SEC)

#define TIMEOUT_MAX 1e9 /* seconds; more is for ever */

static_assert(sizeof(struct library) <= FORKS_AREA_SIZE, "the library does not fit into its area");

struct library *library(void)
{
    return forks_area();
}

bool library_is_remote(void)
{
    struct endpoint_options options = {0};

    return endpoint_host(&options) != NULL;
}

static struct connection *take_idle(struct library *library)
{
    struct connection *connection = NULL;

    pthread_mutex_lock(&library->lock);
    if (library->idle_count > 0)
        connection = library->idle[--library->idle_count];
    pthread_mutex_unlock(&library->lock);
    return connection;
}

static const char *explain(int error)
{
    if (error == -ENOENT || error == -ECONNREFUSED)
        return "no daemon answers";
    if (error == -ETIMEDOUT)
        return "the daemon does not answer";
    if (error == -EHOSTUNREACH || (error == -EINVAL && library_is_remote()))
        return "there is no link to the host of $PROCD_HOST";
    if (error == -EOPNOTSUPP)
        return "descriptors cannot go to the host of $PROCD_HOST";
    if (error == -EPERM)
        return "the folder of the daemon's socket belongs to somebody else";
    return NULL;
}

int library_take(bool no_autostart, struct connection **ret_connection)
{
    struct library *here = library();
    struct endpoint_options options = {.no_autostart = no_autostart};
    int r;

    if (!here)
        return failure_note(-ENOMEM, NULL);
    *ret_connection = take_idle(here);
    if (*ret_connection)
        return 0;
    pthread_mutex_lock(&here->lock);
    options.first = here->endpoint;
    pthread_mutex_unlock(&here->lock);
    r = connection_open(&options, ret_connection);
    if (r < 0)
        return failure_note(r, explain(r));
    pthread_mutex_lock(&here->lock);
    here->endpoint = *connection_endpoint(*ret_connection);
    pthread_mutex_unlock(&here->lock);
    return 0;
}

void library_give(struct connection *connection)
{
    struct library *here = library();

    bool is_owed = connection_is_owed(connection);

    if (here && (is_owed || connection_is_idle(connection))) {
        pthread_mutex_lock(&here->lock);
        if (here->idle_count < (is_owed ? POOL_OWED_MAX : POOL_MAX)) {
            here->idle[here->idle_count++] = connection;
            connection = NULL;
        }
        pthread_mutex_unlock(&here->lock);
    }
    connection_free(connection);
}

static int note_transport(int error, const struct call_options *options)
{
    if (error == -ESTALE)
        return failure_note(options->stale ? options->stale : PROCD_E_NO_SUCH_PROCESS,
                            "the daemon that kept it is gone");
    if (error == -ECONNRESET)
        return failure_note(error, library_is_remote() ? "the link to the host of $PROCD_HOST is lost"
                                                       : "the daemon is gone");
    if (error == -EMSGSIZE)
        return failure_note(error, "more than a line can carry (1 MiB)");
    return failure_note(error, explain(error));
}

/* What incoming_result says, noted. */
static int note_result(const struct incoming *incoming, const struct call_options *options,
                       json_t **ret_result)
{
    json_t *result = NULL, *error = NULL;
    int r = incoming_result(incoming, &result, &error);

    if (r == 0 && ret_result)
        *ret_result = result;
    if (r == 0)
        return 0;
    return r > -4096 ? note_transport(r, options) : failure_note_daemon(r, error);
}

/* On a connection of its own. 0 and ret_epoch (may be NULL); 1: the bell rang; or -errno. */
static int call_pooled(const struct connection_request *request, const struct call_options *options,
                       struct incoming *ret_incoming, char **ret_epoch)
{
    struct connection *connection;
    int r = library_take(options->no_autostart, &connection);

    if (r < 0)
        return r;
    if (options->bell)
        r = connection_call_by_bell(connection, request, options->deadline, options->bell, ret_incoming);
    else
        r = connection_call_once(connection, request, options->deadline, ret_incoming);
    if (r == 0 && ret_epoch) {
        *ret_epoch = strdup(connection_epoch(connection));
        r = *ret_epoch ? 0 : -ENOMEM;
    }
    library_give(connection);
    return r < 0 ? note_transport(r, options) : r;
}

static int call_far(const struct connection_request *request, const struct call_options *options,
                    struct incoming *ret_incoming, char **ret_epoch)
{
    struct connection_request there = *request;
    int r;

    if (far_is_anchored(request->method)) {
        r = far_call(request, options->deadline, ret_incoming, ret_epoch);
        return r < 0 ? note_transport(r, options) : 0;
    }
    r = far_params(request, &there.params);
    r = r < 0 ? note_transport(r, options) : call_pooled(&there, options, ret_incoming, ret_epoch);
    json_decref(there.params);
    return r;
}

static int call(const struct connection_request *request, const struct call_options *options,
                struct incoming *ret_incoming, json_t **ret_result)
{
    char *epoch = NULL, **ret_epoch = options->ret_epoch ? &epoch : NULL;
    int r;

    *ret_incoming = (struct incoming) {0};
    r = library_is_remote() ? call_far(request, options, ret_incoming, ret_epoch)
                            : call_pooled(request, options, ret_incoming, ret_epoch);
    if (r == 1)
        return r;
    if (r == 0)
        r = note_result(ret_incoming, options, ret_result);
    if (r < 0) {
        free(epoch);
        incoming_done(ret_incoming);
    } else if (options->ret_epoch) {
        *options->ret_epoch = epoch;
    }
    return r;
}

/* As with mutexes, a thread is not cancelled while it waits: what it waits for might be granted to it. */
int library_call(const struct connection_request *request, const struct call_options *options,
                 struct incoming *ret_incoming, json_t **ret_result)
{
    int state, r;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    r = call(request, options, ret_incoming, ret_result);
    pthread_setcancelstate(state, NULL);
    return r;
}

const char *library_holder(char *buffer, size_t size)
{
    static _Atomic unsigned long count;
    static _Thread_local unsigned long mine;

    if (mine == 0)
        mine = atomic_fetch_add(&count, 1) + 1;
    snprintf(buffer, size, "%lu", mine);
    return buffer;
}

json_t *library_timeout(double timeout, int64_t *ret_deadline)
{
    if (isnan(timeout))
        return NULL;
    *ret_deadline = CONNECTION_FOREVER;
    if (timeout > TIMEOUT_MAX)
        return json_null();
    if (timeout < 0)
        timeout = 0;
    *ret_deadline = clock_monotonic() + (int64_t) (timeout * (double) NSEC_PER_SEC) + GRACE;
    return json_real(timeout);
}

int procd_call(const char *method, json_t *params, json_t **result)
{
    struct connection_request request = {.method = method, .params = params};
    struct call_options options = {.deadline = CONNECTION_FOREVER};
    struct incoming answer;
    json_t *value;
    int r;

    if (!method || (params && !json_is_object(params)))
        return failure_note(-EINVAL, "params: want an object");
    r = library_call(&request, &options, &answer, &value);
    if (r == 0 && result)
        *result = json_incref(value);
    incoming_done(&answer);
    return r;
}
