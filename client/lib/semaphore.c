/* SPDX-License-Identifier: MIT */
/* semaphore and bounded_semaphore: one handle for both. */
#include "client/lib/forks.h"
#include "client/lib/object.h"
#include "client/lib/order.h"
#include "client/lib/shared.h"

#include <errno.h>
#include <math.h>

struct procd_semaphore {
    struct object object;
    struct shared shared;
};

/* Not in a forked child, which has not the memory. */
static inline bool is_ours(const procd_semaphore *semaphore)
{
    return semaphore && forks_is(semaphore->object.generation);
}

static procd_semaphore *make(enum object_kind kind, const char *name, unsigned value)
{
    return object_create(sizeof(procd_semaphore), kind, name, json_pack("{s:I}", "value", (json_int_t)value),
                         NULL);
}

procd_semaphore *procd_semaphore_new(const char *name, unsigned value)
{
    return make(OBJECT_SEMAPHORE, name, value);
}

procd_semaphore *procd_bounded_semaphore_new(const char *name, unsigned value)
{
    return make(OBJECT_BOUNDED_SEMAPHORE, name, value);
}

procd_semaphore *procd_semaphore_from_json(const json_t *json)
{
    return object_from_json(sizeof(procd_semaphore), KIND(SEMAPHORE) | KIND(BOUNDED_SEMAPHORE), json);
}

json_t *procd_semaphore_json(procd_semaphore *semaphore)
{
    return object_json((struct object *)semaphore);
}

/* A permit, by any word. */
static bool take(procd_semaphore *semaphore)
{
    bool is_taken = shared_take_seen(&semaphore->shared);

    if (is_taken)
        order_go_by_word(&semaphore->object);
    return is_taken;
}

static int ask_back(procd_semaphore *semaphore)
{
    order_let_by_daemon(&semaphore->object);
    return object_tell((struct object *)semaphore, "semaphore.release", json_object());
}

/* Any request about it makes the daemon look; where this one cannot be made, the next one by anybody does, or
 * the end of this process. */
static int have_looked(procd_semaphore *semaphore)
{
    (void) object_tell(&semaphore->object, "object.info", json_object());
    return 0;
}

/* For the first time, or where no permit is free in memory. */
static int ask_for(procd_semaphore *semaphore, double timeout)
{
    struct bell bell, *by_bell = NULL;
    int64_t deadline;
    int r = 0;

    if (!isnan(timeout)) {
        json_decref(library_timeout(timeout, &deadline));
        if (shared_is_unsure(&semaphore->shared))
            r = shared_ask((struct object *)semaphore, deadline);
        if (r != 0)
            return r < 0 ? r : 1;
        if (shared_map(&semaphore->shared, &semaphore->object, deadline) && take(semaphore))
            return 1;
    }
    if (timeout > 0 && shared_permit_bell(&semaphore->shared, &bell))
        by_bell = &bell;
    r = object_acquire((struct object *)semaphore, "semaphore.acquire", timeout, by_bell, NULL);
    if (r == OBJECT_GRANTED) {
        order_go_by_word(&semaphore->object);
        return 1;
    }
    if (r < 0 && r > -4096 && r != -EINVAL) /* not by the daemon, and it may have been asked */
        shared_self.is_in_doubt = true;
    else if (r > 0)
        order_go_by_answer(&semaphore->object);
    if (shared_is_unsure(&semaphore->shared))
        r = shared_settled(r) > 0 ? 1 : r;
    return r;
}

static __attribute__((noinline)) int acquire_seen(procd_semaphore *semaphore, double timeout)
{
    if (!isnan(timeout) && take(semaphore))
        return 1;
    if (timeout > 0 && shared_take_soon(&semaphore->shared, &timeout)) {
        order_go_by_word(&semaphore->object);
        return 1;
    }
    return ask_for(semaphore, timeout);
}

int procd_semaphore_acquire(procd_semaphore *semaphore, double timeout)
{
    if (!is_ours(semaphore))
        return object_check((struct object *)semaphore);
    /* no time-out is needed where nobody waits */
    if (isnan(timeout) || !shared_take_guessed(&semaphore->shared))
        return acquire_seen(semaphore, timeout);
    order_go_by_word(&semaphore->object);
    return 1;
}

static __attribute__((noinline)) int release_seen(procd_semaphore *semaphore)
{
    switch (shared_give_seen(&semaphore->shared)) {
    case SHARED_GIVEN:
        return 0;
    case SHARED_GIVEN_UNSEEN:
        return have_looked(semaphore);
    default:
        return ask_back(semaphore);
    }
}

int procd_semaphore_release(procd_semaphore *semaphore)
{
    if (!is_ours(semaphore))
        return object_check((struct object *)semaphore);
    order_let_by_word(&semaphore->object);
    return shared_give_guessed(&semaphore->shared) ? 0 : release_seen(semaphore);
}

int procd_semaphore_value(procd_semaphore *semaphore)
{
    return object_number((struct object *)semaphore, "object.info", json_object(), "value");
}

void procd_semaphore_free(procd_semaphore *semaphore)
{
    object_free((struct object *)semaphore);
}
