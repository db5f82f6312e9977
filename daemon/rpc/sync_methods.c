/* SPDX-License-Identifier: MIT */
/*
 * Locks, semaphores, events, conditions and barriers: each handler says what its method asks of the core.
 */
#include "daemon/rpc/arguments.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/object_request.h"

#include <string.h>

/* ---- lock, rlock, semaphore ---- */

struct outcome handle_lock_acquire(struct call *call)
{
    struct object_request request = {
        .input.kind = INPUT_ACQUIRE,
        .input.body.sync.kind = OBJECT_LOCK,
        .name = ARG(call, lock_acquire, name),
        .timeout = ARG(call, lock_acquire, timeout),
        .holder = ARG(call, lock_acquire, holder),
        .owner_pid = ARG(call, lock_acquire, owner_pid),
        .on_deadlock = ARG(call, lock_acquire, on_deadlock),
        .bell = ARG(call, lock_acquire, bell),
    };

    return object_request_submit(call, &request);
}

struct outcome handle_rlock_acquire(struct call *call)
{
    struct object_request request = {
        .input.kind = INPUT_ACQUIRE,
        .input.body.sync.kind = OBJECT_RLOCK,
        .name = ARG(call, rlock_acquire, name),
        .timeout = ARG(call, rlock_acquire, timeout),
        .holder = ARG(call, rlock_acquire, holder),
        .owner_pid = ARG(call, rlock_acquire, owner_pid),
        .on_deadlock = ARG(call, rlock_acquire, on_deadlock),
        .bell = ARG(call, rlock_acquire, bell),
    };

    return object_request_submit(call, &request);
}

struct outcome handle_semaphore_acquire(struct call *call)
{
    const json_t *undo = ARG(call, semaphore_acquire, undo);
    struct object_request request = {
        .input.kind = INPUT_ACQUIRE,
        .input.body.sync.kind = OBJECT_SEMAPHORE,
        .name = ARG(call, semaphore_acquire, name),
        .timeout = ARG(call, semaphore_acquire, timeout),
        .holder = ARG(call, semaphore_acquire, holder),
        .owner_pid = ARG(call, semaphore_acquire, owner_pid),
        .bell = ARG(call, semaphore_acquire, bell),
    };

    if (undo)
        request.input.body.request.flags = json_is_true(undo) ? REQUEST_UNDO : REQUEST_NO_UNDO;
    return object_request_submit(call, &request);
}

struct outcome handle_lock_release(struct call *call)
{
    const json_t *token = ARG(call, lock_release, token);
    struct object_request request = {
        .input.kind = INPUT_RELEASE,
        .input.body.sync.kind = OBJECT_LOCK,
        .name = ARG(call, lock_release, name),
        .owner_pid = ARG(call, lock_release, owner_pid),
    };

    if (token) {
        request.input.body.request.flags = REQUEST_TOKEN;
        request.input.body.sync.token = (uint64_t) json_integer_value(token);
    }
    return object_request_submit(call, &request);
}

struct outcome handle_rlock_release(struct call *call)
{
    struct object_request request = {
        .input.kind = INPUT_RELEASE,
        .input.body.sync.kind = OBJECT_RLOCK,
        .name = ARG(call, rlock_release, name),
        .holder = ARG(call, rlock_release, holder),
        .owner_pid = ARG(call, rlock_release, owner_pid),
    };

    return object_request_submit(call, &request);
}

struct outcome handle_semaphore_release(struct call *call)
{
    struct object_request request = {
        .input.kind = INPUT_RELEASE,
        .input.body.sync.kind = OBJECT_SEMAPHORE,
        .input.body.sync.value = count_argument(ARG(call, semaphore_release, n)),
        .name = ARG(call, semaphore_release, name),
        .owner_pid = ARG(call, semaphore_release, owner_pid),
    };

    return object_request_submit(call, &request);
}

/* ---- event ---- */

static struct outcome event_change(struct call *call, const json_t *name, bool is_set)
{
    struct object_request request = {
        .input.kind = INPUT_EVENT_SET,
        .input.body.sync.kind = OBJECT_EVENT,
        .input.body.sync.value = is_set,
        .name = name,
    };

    return object_request_submit(call, &request);
}

struct outcome handle_event_set(struct call *call)
{
    return event_change(call, ARG(call, event_set, name), true);
}

struct outcome handle_event_clear(struct call *call)
{
    return event_change(call, ARG(call, event_clear, name), false);
}

struct outcome handle_event_is_set(struct call *call)
{
    struct object_request request = {
        .input.kind = INPUT_EVENT_IS_SET,
        .input.body.sync.kind = OBJECT_EVENT,
        .name = ARG(call, event_is_set, name),
    };

    return object_request_submit(call, &request);
}

struct outcome handle_event_wait(struct call *call)
{
    struct object_request request = {
        .input.kind = INPUT_EVENT_WAIT,
        .input.body.sync.kind = OBJECT_EVENT,
        .name = ARG(call, event_wait, name),
        .timeout = ARG(call, event_wait, timeout),
        .holder = ARG(call, event_wait, holder),
        .round = ARG(call, event_wait, round),
    };

    return object_request_submit(call, &request);
}

/* ---- condition ---- */

struct outcome handle_condition_wait(struct call *call)
{
    struct object_request request = {
        .input.kind = INPUT_CONDITION_WAIT,
        .input.body.sync.kind = OBJECT_CONDITION,
        .name = ARG(call, condition_wait, name),
        .timeout = ARG(call, condition_wait, timeout),
        .holder = ARG(call, condition_wait, holder),
        .owner_pid = ARG(call, condition_wait, owner_pid),
    };

    return object_request_submit(call, &request);
}

struct outcome handle_condition_notify(struct call *call)
{
    struct object_request request = {
        .input.kind = INPUT_CONDITION_NOTIFY,
        .input.body.sync.kind = OBJECT_CONDITION,
        .input.body.sync.value = count_argument(ARG(call, condition_notify, n)),
        .name = ARG(call, condition_notify, name),
        .holder = ARG(call, condition_notify, holder),
        .owner_pid = ARG(call, condition_notify, owner_pid),
    };

    return object_request_submit(call, &request);
}

struct outcome handle_condition_notify_all(struct call *call)
{
    struct object_request request = {
        .input.kind = INPUT_CONDITION_NOTIFY,
        .input.body.sync.kind = OBJECT_CONDITION,
        .input.body.sync.value = UINT64_MAX,
        .name = ARG(call, condition_notify_all, name),
        .holder = ARG(call, condition_notify_all, holder),
        .owner_pid = ARG(call, condition_notify_all, owner_pid),
    };

    return object_request_submit(call, &request);
}

/* ---- barrier ---- */

static struct outcome barrier_request(struct call *call, enum input_kind kind, const json_t *name,
                                      unsigned flags, const json_t *timeout)
{
    struct object_request request = {
        .input.kind = kind,
        .input.body.sync.kind = OBJECT_BARRIER,
        .input.body.sync.request.flags = flags,
        .name = name,
        .timeout = timeout,
    };

    return object_request_submit(call, &request);
}

struct outcome handle_barrier_wait(struct call *call)
{
    return barrier_request(call, INPUT_BARRIER_WAIT, ARG(call, barrier_wait, name),
                           json_is_true(ARG(call, barrier_wait, action)) ? REQUEST_ACTION : 0,
                           ARG(call, barrier_wait, timeout));
}

struct outcome handle_barrier_done(struct call *call)
{
    return barrier_request(call, INPUT_BARRIER_DONE, ARG(call, barrier_done, name),
                           json_is_true(ARG(call, barrier_done, ok)) ? REQUEST_OK : 0, NULL);
}

struct outcome handle_barrier_reset(struct call *call)
{
    return barrier_request(call, INPUT_BARRIER_RESET, ARG(call, barrier_reset, name), 0, NULL);
}

struct outcome handle_barrier_abort(struct call *call)
{
    return barrier_request(call, INPUT_BARRIER_ABORT, ARG(call, barrier_abort, name), 0, NULL);
}
