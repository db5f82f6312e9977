/* SPDX-License-Identifier: MIT */
#include "client/lib/forks.h"
#include "client/lib/library.h"
#include "client/lib/subscriptions.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct procd_events {
    uint64_t generation;
    pthread_mutex_t lock; /* held while waiting: threads take turns */
    struct connection *connection;
    json_t *gap;   /* what to tell first, or NULL */
    int epoll;     /* what the user polls: it outlives the sockets in it */
    int attention; /* an eventfd in it, readable while a call has something to do that no socket shows */
    bool wants_call;
};

static void watch(struct procd_events *events, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    epoll_ctl(events->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* After every use of the connection: it may have another socket, or none. One that was closed has left the
 * set by itself, and its number may have been given out again; so it is added each time, and refused where
 * it is in already. */
static void follow(struct procd_events *events)
{
    int fd = connection_fd(events->connection);
    bool wants_call = fd < 0 || events->gap || connection_has_unread(events->connection);
    eventfd_t value;

    if (fd >= 0)
        watch(events, fd);
    if (wants_call && !events->wants_call)
        eventfd_write(events->attention, 1);
    if (!wants_call && events->wants_call)
        eventfd_read(events->attention, &value);
    events->wants_call = wants_call;
}

static json_t *make_params(uint64_t since, const char *const *kinds)
{
    json_t *params = json_object(), *list;

    if (since != PROCD_EVENTS_NEW)
        json_object_set_new(params, "since", json_integer((json_int_t) since));
    if (!kinds)
        return params;
    list = json_array();
    for (; *kinds; kinds++)
        json_array_append_new(list, json_string(*kinds));
    json_object_set_new(params, "kinds", list);
    return params;
}

/* What was lost before the stream began. */
static json_t *first_gap(uint64_t since, const json_t *result)
{
    int64_t first = subscription_number(result, "first"), last = subscription_number(result, "last");

    if (since == PROCD_EVENTS_NEW || !json_is_true(json_object_get(result, "gap")))
        return NULL;
    if (since + 1 < (uint64_t) first)
        return subscription_gap(0, (int64_t) since + 1, first - 1);
    return subscription_gap(0, last, last); /* a number of another daemon's: nobody knows what is missing */
}

static int subscribe(struct procd_events *events, uint64_t since, const char *const *kinds)
{
    json_t *params = make_params(since, kinds), *result, *error = NULL;
    struct connection_request request = {.method = "events.subscribe", .params = params};
    struct incoming answer;
    int r;

    if (!params)
        return failure_note(-ENOMEM, NULL);
    r = connection_call(events->connection, &request, CONNECTION_FOREVER, &answer);
    json_decref(params);
    if (r < 0)
        return failure_note(r, NULL);
    r = incoming_result(&answer, &result, &error);
    if (r < 0)
        failure_note_daemon(r, error);
    else
        events->gap = first_gap(since, result);
    incoming_done(&answer);
    return r;
}

static int open_stream(struct procd_events *events, uint64_t since, const char *const *kinds)
{
    int r;

    events->epoll = epoll_create1(EPOLL_CLOEXEC);
    events->attention = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (events->epoll < 0 || events->attention < 0)
        return failure_note(-errno, NULL);
    watch(events, events->attention);
    r = library_take(false, &events->connection);
    if (r == 0)
        r = subscribe(events, since, kinds);
    if (r == 0)
        follow(events);
    return r;
}

procd_events *procd_events_open(uint64_t since, const char *const *kinds)
{
    procd_events *events;

    if (since > INT64_MAX && since != PROCD_EVENTS_NEW) {
        failure_note(-EINVAL, "since: no such number");
        return NULL;
    }
    events = calloc(1, sizeof *events);
    if (!events) {
        failure_note(-ENOMEM, NULL);
        return NULL;
    }
    events->generation = forks_generation();
    events->epoll = events->attention = -1;
    pthread_mutex_init(&events->lock, NULL);
    if (open_stream(events, since, kinds) < 0) {
        procd_events_free(events);
        return NULL;
    }
    return events;
}

static int check(const procd_events *events)
{
    if (!events)
        return failure_note(-EINVAL, "no stream");
    if (!forks_is(events->generation))
        return failure_note(-EINVAL, "the stream belongs to the process that this one was forked from");
    return 0;
}

int procd_events_fd(procd_events *events)
{
    int r = check(events);

    return r < 0 ? r : events->epoll;
}

static int64_t deadline_of(double timeout)
{
    if (timeout > 1e9)
        return CONNECTION_FOREVER;
    return timeout > 0 ? clock_monotonic() + (int64_t) (timeout * (double) NSEC_PER_SEC) : 0;
}

static json_t *event_of(const struct incoming *incoming)
{
    const char *method = json_string_value(json_object_get(incoming->message, "method"));
    json_t *params = json_object_get(incoming->message, "params");

    return method && strcmp(method, "event") == 0 && json_is_object(params) ? json_incref(params) : NULL;
}

static int next(procd_events *events, int64_t deadline, json_t **ret_event)
{
    struct incoming incoming;
    int r = 0;

    *ret_event = TAKE(events->gap);
    while (!*ret_event && r == 0) {
        r = connection_receive(events->connection, deadline, &incoming);
        if (r == 0) {
            *ret_event = event_of(&incoming);
            incoming_done(&incoming);
        }
    }
    follow(events);
    return r;
}

int procd_events_next(procd_events *events, double timeout, json_t **ret_event)
{
    json_t *event;
    int r = check(events);

    if (r < 0)
        return r;
    if (isnan(timeout) || !ret_event)
        return failure_note(-EINVAL, "the time-out is no number, or there is no place for the event");
    pthread_mutex_lock(&events->lock);
    r = next(events, deadline_of(timeout), &event);
    pthread_mutex_unlock(&events->lock);
    if (event) {
        *ret_event = event;
        return 1;
    }
    return r == -ETIMEDOUT ? 0 : failure_note(r, r == -ECONNRESET ? "the daemon is gone" : NULL);
}

void procd_events_free(procd_events *events)
{
    if (!events)
        return;
    connection_free(events->connection);
    close_fd(events->epoll);
    close_fd(events->attention);
    json_decref(events->gap);
    free(events);
}
