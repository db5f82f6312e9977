/* SPDX-License-Identifier: MIT */
/* lock and rlock. */
#include "client/lib/forks.h"
#include "client/lib/object.h"
#include "client/lib/order.h"
#include "client/lib/shared.h"

#include <math.h>
#include <stdatomic.h>

struct lock {
    struct object object;
    struct shared shared;
    _Atomic uint64_t token; /* of the newest acquire, if owner is 0 */
    _Atomic uint64_t owner; /* not 0: the daemon has not told the token of this one, who has taken it, yet */
};

struct procd_lock {
    struct lock lock;
};

struct procd_rlock {
    struct lock lock;
};

/* ---- with the daemon ---- */

/* By the word. */
static void note_owner(struct lock *lock)
{
    order_go_by_word(&lock->object);
    atomic_store_explicit(&lock->owner, shared_self.slot, memory_order_relaxed);
}

static int take(struct shared *shared, bool is_recursive)
{
    uint64_t seen;

    return shared_acquire_guessed(shared, &seen) ? 1 : shared_acquire_seen(shared, is_recursive, seen);
}

static int ask_back(struct lock *lock, bool is_recursive)
{
    order_let_by_daemon(&lock->object);
    if (is_recursive)
        return object_tell(&lock->object, "rlock.release", object_add_holder(json_object()));
    /* any thread may, so it does not say who it is */
    return object_tell(&lock->object, "lock.release", json_object());
}

/* For the first time, or where somebody else has it. */
static int ask_for(struct lock *lock, bool is_recursive, double timeout)
{
    struct bell bell, *by_bell = NULL;
    int64_t deadline;
    uint64_t token;
    int r = 0;

    if (!isnan(timeout)) {
        json_decref(library_timeout(timeout, &deadline));
        if (shared_is_unsure(&lock->shared) && (r = shared_ask(&lock->object, deadline)) < 0)
            return r;
        if (r == 0 && shared_map(&lock->shared, &lock->object, deadline))
            r = take(&lock->shared, is_recursive);
    }
    if (r > 0) {
        note_owner(lock);
        return r;
    }
    if (timeout > 0 && shared_bell(&lock->shared, &bell))
        by_bell = &bell;
    r = object_acquire(&lock->object, is_recursive ? "rlock.acquire" : "lock.acquire", timeout, by_bell,
                       &token);
    if (r == OBJECT_GRANTED) {
        r = 1; /* by its last owner, who lived */
        note_owner(lock);
    } else if (by_bell && r < 0 && r > -4096) { /* not by the daemon */
        shared_self.has_given_up = true;
    } else if (r > 0) {
        order_go_by_answer(&lock->object);
        atomic_store(&lock->token, token);
        atomic_store(&lock->owner, 0);
    } else if (shared_is_unsure(&lock->shared)) {
        r = shared_settled(r);
        if (r > 0)
            note_owner(lock);
    }
    return r;
}

/* ---- without ---- */

static inline bool is_ours(const struct lock *lock)
{
    return lock && forks_is(lock->object.generation);
}

static __attribute__((noinline)) int acquire_seen(struct lock *lock, bool is_recursive, double timeout,
                                                  uint64_t seen)
{
    int r = shared_acquire_seen(&lock->shared, is_recursive, seen);

    if (r == 0 && timeout > 0)
        r = shared_acquire_soon(&lock->shared, is_recursive, &timeout);
    if (r == 0)
        return ask_for(lock, is_recursive, timeout);
    note_owner(lock);
    return r;
}

/* No time-out is needed where nobody waits; what is no number is for the daemon's side to refuse. */
static inline int acquire(struct lock *lock, bool is_recursive, double timeout)
{
    uint64_t seen;

    if (!is_ours(lock))
        return object_check((struct object *) lock);
    if (isnan(timeout))
        return ask_for(lock, is_recursive, timeout);
    if (!shared_acquire_guessed(&lock->shared, &seen))
        return acquire_seen(lock, is_recursive, timeout, seen);
    note_owner(lock);
    return 1;
}

static __attribute__((noinline)) int release_seen(struct lock *lock, bool is_recursive, uint64_t seen)
{
    return shared_release_seen(&lock->shared, is_recursive, seen) ? 0 : ask_back(lock, is_recursive);
}

static inline int release(struct lock *lock, bool is_recursive)
{
    uint64_t seen;

    if (!is_ours(lock))
        return object_check((struct object *) lock);
    order_let_by_word(&lock->object);
    return shared_release_guessed(&lock->shared, is_recursive, &seen)
               ? 0
               : release_seen(lock, is_recursive, seen);
}

/* ---- tokens ---- */

/* A token is minted when it is asked for: whoever looks at the lock is told that of its holder, which we are
 * if the word has said so before and after. Only its holder notes it: for anybody else it may have been given
 * back and taken again meanwhile. */
static uint64_t mint(struct lock *lock, uint64_t owner)
{
    struct incoming answer;
    json_t *result = NULL, *token = NULL;
    uint64_t number = 0;
    int r = object_ask(&lock->object, "object.info", json_object(), CONNECTION_FOREVER, &answer, &result);

    if (r == 0)
        token = json_object_get(json_array_get(json_object_get(result, "holders"), 0), "token");
    if (token && shared_owner(&lock->shared) == owner)
        number = (uint64_t) json_integer_value(token);
    if (number != 0 && shared_knows_slot(&lock->shared) && shared_self.slot == owner) {
        atomic_store(&lock->token, number);
        atomic_store(&lock->owner, 0);
    }
    incoming_done(&answer);
    return number;
}

static uint64_t token(struct lock *lock)
{
    uint64_t owner;

    if (object_check((struct object *) lock) < 0)
        return 0;
    owner = atomic_load(&lock->owner);
    if (owner == 0)
        return atomic_load(&lock->token);
    return shared_owner(&lock->shared) == owner ? mint(lock, owner) : 0;
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
    return acquire((struct lock *) lock, false, timeout);
}

int procd_lock_release(procd_lock *lock)
{
    return release((struct lock *) lock, false);
}

uint64_t procd_lock_token(procd_lock *lock)
{
    return token((struct lock *) lock);
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
    return acquire((struct lock *) lock, true, timeout);
}

int procd_rlock_release(procd_rlock *lock)
{
    return release((struct lock *) lock, true);
}

uint64_t procd_rlock_token(procd_rlock *lock)
{
    return token((struct lock *) lock);
}

void procd_rlock_free(procd_rlock *lock)
{
    object_free((struct object *)lock);
}
