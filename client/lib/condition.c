/* SPDX-License-Identifier: MIT */
/* condition: the object, and the lock that guards what it is about. */
#include "client/lib/object.h"
#include "client/lib/order.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <math.h>
#include <string.h>

struct procd_condition {
    struct object object;
    struct object lock;
};

static struct object *self(struct procd_condition *condition)
{
    return (struct object *)condition; /* also of NULL */
}

/* ---- making ---- */

/* Its lock is what the daemon says, for the condition may have been there before. */
static int open_lock(struct procd_condition *condition)
{
    json_t *result = NULL;
    struct incoming answer;
    const char *lock;
    int r = object_ask(self(condition), "object.info", json_object(), CONNECTION_FOREVER, &answer, &result);

    if (r == 0) {
        lock = json_string_value(json_object_get(result, "lock"));
        r = lock ? object_open(&condition->lock, KIND(LOCK) | KIND(RLOCK), lock)
                 : failure_note(PROCD_E_NO_SUCH_OBJECT, "the lock of the condition is gone");
    }
    incoming_done(&answer);
    return r;
}

static procd_condition *finish(procd_condition *condition, const struct object *lock)
{
    int r;

    if (!condition)
        return NULL;
    r = open_lock(condition);
    if (r == 0 && lock && strcmp(lock->name, condition->lock.name) != 0)
        r = failure_note(PROCD_E_ALREADY_EXISTS, "the condition has another lock");
    if (r == 0)
        return condition;
    procd_condition_free(condition);
    return NULL;
}

procd_condition *procd_condition_new(const char *name, procd_rlock *rlock)
{
    const struct object *lock = (const struct object *)rlock;
    json_t *params = NULL;

    if (lock) {
        if (object_check(lock) < 0)
            return NULL;
        params = json_pack("{s:s}", "lock", lock->name);
    }
    return finish(
        object_create(sizeof(procd_condition), OBJECT_CONDITION, name, params, lock ? lock->epoch : NULL),
        lock);
}

procd_condition *procd_condition_from_json(const json_t *json)
{
    return finish(object_from_json(sizeof(procd_condition), KIND(CONDITION), json), NULL);
}

json_t *procd_condition_json(procd_condition *condition)
{
    return object_json(self(condition));
}

void procd_condition_free(procd_condition *condition)
{
    if (condition)
        object_close(&condition->lock);
    object_free(self(condition));
}

/* ---- the lock ---- */

int procd_condition_acquire(procd_condition *condition, double timeout)
{
    int r = object_check(self(condition));

    if (r < 0)
        return r;
    r = object_acquire(&condition->lock,
                       condition->lock.kind == OBJECT_LOCK ? "lock.acquire" : "rlock.acquire", timeout, NULL,
                       NULL);
    if (r > 0)
        order_go_by_answer(&condition->lock);
    return r;
}

int procd_condition_release(procd_condition *condition)
{
    int r = object_check(self(condition));

    if (r < 0)
        return r;
    order_let_by_daemon(&condition->lock);
    if (condition->lock.kind == OBJECT_LOCK)
        return object_tell(&condition->lock, "lock.release", json_object());
    return object_tell(&condition->lock, "rlock.release", object_add_holder(json_object()));
}

/* ---- wait and notify ---- */

/* The time-out is over long before the answer where somebody else has the lock: no deadline for the
 * daemon. */
int procd_condition_wait(procd_condition *condition, double timeout)
{
    struct incoming answer;
    json_t *params, *result;
    int64_t unused;
    int r = object_check(self(condition));

    if (r == 0)
        r = object_wait_params(timeout, &params, &unused);
    if (r < 0)
        return r;
    order_let_by_daemon(&condition->lock);
    r = object_ask(self(condition), "condition.wait", object_add_holder(params), CONNECTION_FOREVER, &answer,
                   &result);
    if (r == 0 && json_is_true(json_object_get(result, "notified")))
        r = json_is_true(json_object_get(result, "abandoned")) ? 2 : 1;
    if (r >= 0)
        order_go_by_answer(&condition->lock);
    incoming_done(&answer);
    return r;
}

static double seconds(void)
{
    return (double)clock_monotonic() / (double)NSEC_PER_SEC;
}

int procd_condition_wait_for(procd_condition *condition, int (*predicate)(void *), void *arg, double timeout)
{
    double end = seconds() + timeout, rest = timeout;
    int r = object_check(self(condition));

    if (r < 0)
        return r;
    if (!predicate || isnan(timeout))
        return failure_note(-EINVAL, predicate ? "the time-out is no number" : "no predicate");
    while (!predicate(arg)) {
        if (rest <= 0)
            return 0;
        r = procd_condition_wait(condition, rest);
        if (r < 0)
            return r;
        rest = end - seconds();
    }
    return 1;
}

int procd_condition_notify(procd_condition *condition, int n)
{
    return object_number(self(condition), "condition.notify", object_add_holder(json_pack("{s:i}", "n", n)),
                         "woken");
}

int procd_condition_notify_all(procd_condition *condition)
{
    return object_number(self(condition), "condition.notify_all", object_add_holder(json_object()), "woken");
}
