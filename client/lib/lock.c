/* lock and rlock. */
#include "client/lib/object.h"

#include <stdatomic.h>

struct lock {
    struct object object;
    _Atomic uint64_t token; /* of the newest acquire */
};

struct procd_lock {
    struct lock lock;
};

struct procd_rlock {
    struct lock lock;
};

static int acquire(struct lock *lock, const char *method, double timeout)
{
    const struct object *object = (const struct object *) lock; /* which may be NULL */
    uint64_t token;
    int r = object_check(object);

    if (r == 0)
        r = object_acquire(object, method, timeout, &token);
    if (r > 0)
        atomic_store(&lock->token, token);
    return r;
}

/* ---- lock ---- */

procd_lock *procd_lock_new(const char *name)
{
    return object_create(sizeof(procd_lock), OBJECT_LOCK, name, NULL, NULL);
}

procd_lock *procd_lock_from_json(const json_t *json)
{
    return object_from_json(sizeof(procd_lock), KIND(LOCK), json);
}

json_t *procd_lock_json(procd_lock *lock)
{
    return object_json((struct object *)lock);
}

int procd_lock_acquire(procd_lock *lock, double timeout)
{
    return acquire((struct lock *)lock, "lock.acquire", timeout);
}

/* Any thread may, so it does not say who it is. */
int procd_lock_release(procd_lock *lock)
{
    return object_tell((struct object *)lock, "lock.release", json_object());
}

uint64_t procd_lock_token(procd_lock *lock)
{
    return object_check((struct object *)lock) < 0 ? 0 : atomic_load(&lock->lock.token);
}

void procd_lock_free(procd_lock *lock)
{
    object_free((struct object *)lock);
}

/* ---- rlock ---- */

procd_rlock *procd_rlock_new(const char *name)
{
    return object_create(sizeof(procd_rlock), OBJECT_RLOCK, name, NULL, NULL);
}

procd_rlock *procd_rlock_from_json(const json_t *json)
{
    return object_from_json(sizeof(procd_rlock), KIND(RLOCK), json);
}

json_t *procd_rlock_json(procd_rlock *lock)
{
    return object_json((struct object *)lock);
}

int procd_rlock_acquire(procd_rlock *lock, double timeout)
{
    return acquire((struct lock *)lock, "rlock.acquire", timeout);
}

int procd_rlock_release(procd_rlock *lock)
{
    return object_tell((struct object *)lock, "rlock.release", object_add_holder(json_object()));
}

uint64_t procd_rlock_token(procd_rlock *lock)
{
    return object_check((struct object *)lock) < 0 ? 0 : atomic_load(&lock->lock.token);
}

void procd_rlock_free(procd_rlock *lock)
{
    object_free((struct object *)lock);
}
