/* SPDX-License-Identifier: MIT */
/* event */
#include "client/lib/forks.h"
#include "client/lib/object.h"
#include "client/lib/order.h"
#include "client/lib/shared.h"
#include "daemon/base/clock.h"

#include <math.h>

struct procd_event {
    struct object object;
    struct shared shared;
};

/* Not in a forked child, which has not the memory. The daemon's side says what is wrong with a handle. */
static bool is_ours(const procd_event *event)
{
    return event && forks_is(event->object.generation);
}

procd_event *procd_event_new(const char *name)
{
    return object_create(sizeof(procd_event), OBJECT_EVENT, name, NULL, NULL);
}

procd_event *procd_event_from_json(const json_t *json)
{
    return object_from_json(sizeof(procd_event), KIND(EVENT), json);
}

json_t *procd_event_json(procd_event *event)
{
    return object_json((struct object *)event);
}

static int tell(procd_event *event, bool is_set)
{
    if (event)
        order_let_by_daemon(&event->object);
    return object_tell((struct object *) event, is_set ? "event.set" : "event.clear", json_object());
}

static __attribute__((noinline)) int put_seen(procd_event *event, bool is_set, uint64_t seen)
{
    struct shared *shared = &event->shared;
    int r = shared_event_put_seen(shared, is_set, seen);

    if (r == SHARED_ASK && shared_map_event(shared, &event->object, CONNECTION_FOREVER))
        r = shared_event_put_guessed(shared, is_set, &seen) ? 0 : shared_event_put_seen(shared, is_set, seen);
    return r == SHARED_ASK ? tell(event, is_set) : r;
}

static inline int put(procd_event *event, bool is_set)
{
    uint64_t seen;

    if (!is_ours(event))
        return tell(event, is_set); /* which says what is wrong with it */
    order_let_by_word(&event->object);
    return shared_event_put_guessed(&event->shared, is_set, &seen) ? 0 : put_seen(event, is_set, seen);
}

static int get(const procd_event *event)
{
    int r = is_ours(event) ? shared_event_get(&event->shared) : SHARED_ASK;

    if (r != SHARED_ASK)
        order_go_by_word(&event->object);
    return r;
}

/* By an answer. r: 0 or 1, or the error, which it returns. */
static int got(const procd_event *event, int r)
{
    if (r >= 0)
        order_go_by_answer(&event->object);
    return r;
}

/* A thread that waits takes a place in the memory, and has it until the process ends: of threads that come
 * and go only so many do, the others wait by the socket. */
#define PLACES_MOST 64

static bool may_take_place(const struct shared *shared)
{
    static _Atomic uint32_t taken;

    if (shared_knows_slot(shared))
        return true;
    return atomic_load_explicit(&taken, memory_order_relaxed) < PLACES_MOST &&
           atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed) < PLACES_MOST;
}

/* Where the word is not known, or no more; or, for who is to wait, the thread's bell. */
static int map_and_get(procd_event *event, int64_t deadline, bool is_to_wait)
{
    bool is_mapped = false;

    if (is_ours(event) && is_to_wait && may_take_place(&event->shared))
        is_mapped = shared_map(&event->shared, &event->object, deadline);
    else if (is_ours(event))
        is_mapped = shared_map_event(&event->shared, &event->object, deadline);
    return is_mapped ? get(event) : SHARED_ASK;
}

int procd_event_set(procd_event *event)
{
    return put(event, true);
}

int procd_event_clear(procd_event *event)
{
    return put(event, false);
}

int procd_event_is_set(procd_event *event)
{
    int r = get(event);

    if (r == SHARED_ASK)
        r = map_and_get(event, CONNECTION_FOREVER, false);
    if (r != SHARED_ASK)
        return r;
    return got(event, object_number((struct object *) event, "event.is_set", json_object(), "set"));
}

/* Is this all that a wait is to find out? */
static bool is_enough(int state, double timeout)
{
    return state == 1 || (state == 0 && timeout == 0);
}

/* bell: whose round is in params, or NULL. 0, 1, or the error. */
static int ask(procd_event *event, json_t *params, int64_t deadline, const struct bell *bell)
{
    struct incoming answer;
    json_t *result;
    int r = object_ask_by_bell((struct object *) event, "event.wait", params, deadline, bell, &answer,
                               &result);

    if (r == 0)
        r = json_is_true(json_object_get(result, "set"));
    incoming_done(&answer);
    return got(event, r);
}

static int ask_for(procd_event *event, double timeout)
{
    int64_t deadline;
    json_t *params;
    int r = object_wait_params(timeout, &params, &deadline);

    return r < 0 ? r : ask(event, params, deadline, NULL);
}

/* Where it is said that it was not waited, though this word's round is not over, the word is another event's
 * by now: it is waited without, for the rest of the time. */
static int ask_by_bell(procd_event *event, double timeout, const struct shared_round *round,
                       const struct bell *bell)
{
    int64_t begin = clock_monotonic(), deadline;
    json_t *params;
    int r = object_wait_params(timeout, &params, &deadline);

    if (r < 0)
        return r;
    params = object_add_holder(params);
    if (json_object_set_new(params, "round", json_integer((json_int_t) round->number)) < 0) {
        json_decref(params);
        params = NULL;
    }
    r = ask(event, params, deadline, bell);
    if (r == 0 && shared_round_is_over(round))
        r = 1;
    if (r != 0)
        return r;
    timeout -= (double) (clock_monotonic() - begin) / (double) NSEC_PER_SEC;
    return timeout > 0 ? ask_for(event, timeout) : 0;
}

int procd_event_wait(procd_event *event, double timeout)
{
    struct shared_round round;
    struct bell bell;
    int64_t deadline;
    int r = isnan(timeout) ? SHARED_ASK : get(event);

    /* the clock is not looked at where nobody waits */
    if (is_enough(r, timeout))
        return r;
    if (isnan(timeout))
        return ask_for(event, timeout);
    json_decref(library_timeout(timeout, &deadline));
    r = map_and_get(event, deadline, timeout > 0);
    if (is_enough(r, timeout))
        return r;
    if (timeout <= 0 || !is_ours(event) || !shared_round(&event->shared, &round, &bell))
        return ask_for(event, timeout);
    return get(event) == 1 ? 1 : ask_by_bell(event, timeout, &round, &bell);
}

void procd_event_free(procd_event *event)
{
    object_free((struct object *)event);
}
