/* SPDX-License-Identifier: MIT */
/* barrier */
#include "client/lib/object.h"

#include <errno.h>

struct procd_barrier {
    struct object object;
    pthread_mutex_t lock; /* over the action */
    int (*action)(void *);
    void *arg;
};

static procd_barrier *finish(procd_barrier *barrier, int (*action)(void *), void *arg)
{
    if (!barrier)
        return NULL;
    pthread_mutex_init(&barrier->lock, NULL);
    barrier->action = action;
    barrier->arg = arg;
    return barrier;
}

procd_barrier *procd_barrier_new(const char *name, unsigned parties, int (*action)(void *), void *arg)
{
    json_t *params = json_pack("{s:I}", "parties", (json_int_t)parties);

    return finish(object_create(sizeof(procd_barrier), OBJECT_BARRIER, name, params, NULL), action, arg);
}

procd_barrier *procd_barrier_from_json(const json_t *json)
{
    return finish(object_from_json(sizeof(procd_barrier), KIND(BARRIER), json), NULL, NULL);
}

json_t *procd_barrier_json(procd_barrier *barrier)
{
    return object_json((struct object *)barrier);
}

int procd_barrier_set_action(procd_barrier *barrier, int (*action)(void *), void *arg)
{
    int r = object_check((struct object *)barrier);

    if (r < 0)
        return r;
    pthread_mutex_lock(&barrier->lock);
    barrier->action = action;
    barrier->arg = arg;
    pthread_mutex_unlock(&barrier->lock);
    return 0;
}

/* The others wait until the daemon has heard how it went. */
static int run(procd_barrier *barrier, int (*action)(void *), void *arg)
{
    bool ok = action && action(arg) == 0;

    return object_number((struct object *)barrier, "barrier.done", json_pack("{s:b}", "ok", ok), "index");
}

/* Everybody's time-out stands still while an action runs, so the daemon has no deadline. -> index, or
 * error */
static int wait_with(procd_barrier *barrier, double timeout, int (*action)(void *), void *arg)
{
    json_t *params, *result = NULL;
    struct incoming answer;
    bool runs = false;
    int64_t unused;
    int r = object_wait_params(timeout, &params, &unused);

    if (r < 0)
        return r;
    json_object_set_new(params, "action", json_boolean(action != NULL));
    r = object_ask((struct object *)barrier, "barrier.wait", params, CONNECTION_FOREVER, &answer, &result);
    if (r == 0) {
        runs = json_is_true(json_object_get(result, "run_action"));
        r = (int)json_integer_value(json_object_get(result, "index"));
    }
    incoming_done(&answer);
    return runs ? run(barrier, action, arg) : r;
}

int procd_barrier_wait(procd_barrier *barrier, double timeout, int *index)
{
    int (*action)(void *);
    void *arg;
    int r = object_check((struct object *)barrier);

    if (r < 0)
        return r;
    pthread_mutex_lock(&barrier->lock);
    action = barrier->action;
    arg = barrier->arg;
    pthread_mutex_unlock(&barrier->lock);
    r = wait_with(barrier, timeout, action, arg);
    if (r < 0)
        return r;
    if (index)
        *index = r;
    return 0;
}

int procd_barrier_reset(procd_barrier *barrier)
{
    return object_tell((struct object *)barrier, "barrier.reset", json_object());
}

int procd_barrier_abort(procd_barrier *barrier)
{
    return object_tell((struct object *)barrier, "barrier.abort", json_object());
}

int procd_barrier_parties(procd_barrier *barrier)
{
    return object_number((struct object *)barrier, "object.info", json_object(), "parties");
}

int procd_barrier_waiting(procd_barrier *barrier)
{
    return object_number((struct object *)barrier, "object.info", json_object(), "waiting");
}

int procd_barrier_broken(procd_barrier *barrier)
{
    return object_number((struct object *)barrier, "object.info", json_object(), "broken");
}

void procd_barrier_free(procd_barrier *barrier)
{
    object_free((struct object *)barrier);
}
