/* SPDX-License-Identifier: MIT */
/*
 * What a program calls, against a hostile daemon: every call ends, a failure has its words, and no memory and
 * no descriptor is lost.
 *
 * The input: how many steps, what each does, and the streams (hostile.h).
 */
#include "client/lib/library.h"
#include "client/lib/process.h"
#include "tests/fuzz/hostile.h"
#include "tests/unit/base/descriptors.h"
#include "tests/unit/core/must.h"

const char fuzz_target[] = "library";

static void must_be_told(bool failed)
{
    const struct procd_failure *failure = procd_last_error();

    must(failure && failure->message && procd_strerror(failure->code));
    must(!failed || failure->code < 0);
    must(!failure->data || json_is_object(failure->data));
}

static void use_lock(uint8_t how)
{
    procd_lock *lock = procd_lock_new(how & 1 ? "l" : NULL);

    must_be_told(!lock);
    if (!lock)
        return;
    must_be_told(procd_lock_acquire(lock, how & 2 ? PROCD_FOREVER : 0) < 0);
    (void) procd_lock_token(lock);
    must_be_told(procd_lock_release(lock) < 0);
    json_decref(procd_lock_json(lock));
    procd_lock_free(lock);
}

static void use_semaphore(uint8_t how)
{
    procd_semaphore *semaphore =
        how & 1 ? procd_semaphore_new("s", 2) : procd_bounded_semaphore_new("b", how & 7);

    must_be_told(!semaphore);
    if (!semaphore)
        return;
    must_be_told(procd_semaphore_acquire(semaphore, 1) < 0);
    must_be_told(procd_semaphore_value(semaphore) < 0);
    must_be_told(procd_semaphore_release(semaphore) < 0);
    procd_semaphore_free(semaphore);
}

static int succeed(void *unused)
{
    (void) unused;
    return 0;
}

static void use_barrier(uint8_t how)
{
    procd_barrier *barrier = procd_barrier_new("b", 2, how & 1 ? succeed : NULL, NULL);
    int index;

    must_be_told(!barrier);
    if (!barrier)
        return;
    must_be_told(procd_barrier_wait(barrier, how & 2 ? PROCD_FOREVER : 1, &index) < 0);
    must_be_told(procd_barrier_waiting(barrier) < 0);
    must_be_told(procd_barrier_broken(barrier) < 0);
    procd_barrier_free(barrier);
}

static void use_condition(uint8_t how)
{
    procd_condition *condition = procd_condition_new(how & 1 ? "c" : NULL, NULL);

    must_be_told(!condition);
    if (!condition)
        return;
    must_be_told(procd_condition_acquire(condition, 1) < 0);
    must_be_told(procd_condition_wait(condition, how & 2 ? PROCD_FOREVER : 0) < 0);
    must_be_told(procd_condition_notify_all(condition) < 0);
    must_be_told(procd_condition_release(condition) < 0);
    procd_condition_free(condition);
}

static void ask_about(procd_process *process, uint8_t how)
{
    int exitcode;

    must_be_told(procd_process_is_alive(process) < 0);
    must_be_told(procd_process_exitcode(process, &exitcode) < 0);
    must_be_told(procd_process_join(process, how & 1 ? PROCD_FOREVER : 0) < 0);
    must_be_told(procd_process_terminate(process) < 0);
    (void) procd_process_name(process);
    (void) procd_process_sentinel(process);
    must_be_told(procd_process_close(process) < 0);
}

static void use_process(uint8_t how)
{
    static const char *const argv[] = {"true", NULL}, *const env[] = {"A=1", NULL};
    struct procd_options options = {.argv = argv, .env = env, .cwd = "/", .daemon = PROCD_DAEMON};
    procd_process *process = how & 2 ? procd_process_open(1) : procd_process_new(&options);

    must_be_told(!process);
    if (process && !(how & 2))
        must_be_told(procd_process_start(process) < 0);
    if (process)
        ask_about(process, how);
    procd_process_free(process);
}

static void use_events(uint8_t how)
{
    procd_events *events = procd_events_open(how & 1 ? how : PROCD_EVENTS_NEW, NULL);
    json_t *event;
    int r = 1;

    must_be_told(!events);
    while (events && r > 0) {
        r = procd_events_next(events, 0, &event);
        must_be_told(r < 0);
        if (r > 0) {
            must(json_is_object(event));
            json_decref(event);
        }
    }
    procd_events_free(events);
}

static void use_call(uint8_t how)
{
    json_t *result = NULL;

    must_be_told(procd_call(how & 1 ? "daemon.info" : "process.list", NULL, &result) < 0);
    json_decref(result);
}

static void (*const uses[])(uint8_t how) = {use_call,      use_lock,    use_semaphore, use_barrier,
                                            use_condition, use_process, use_events};
#define USES (sizeof uses / sizeof *uses)

/* The next input shall find it as this one did: what has not ended is kept for procd_active_children. */
static void forget_everything(void)
{
    struct library *here = library();

    while (here->children)
        children_remove(here->children);
    while (here->idle_count > 0)
        connection_free(here->idle[--here->idle_count]);
}

static void run(const uint8_t *data, size_t size)
{
    struct source source = {data, size}, steps;

    steps.at = source_take(&source, source_byte(&source) % 8, &steps.left);
    hostile_begin(&source);
    while (steps.left > 0) {
        uint8_t step = source_byte(&steps);

        uses[step % USES]((uint8_t) (step / USES));
    }
    forget_everything();
    hostile_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t each_use[] = {USES, 0, 1, 2, 3, 4, 5, 6};
    static bool is_warm;
    size_t open_before;

    _Static_assert(sizeof each_use == USES + 1, "");
    if (!is_warm) /* some descriptors stay from the first use on */
        run(each_use, sizeof each_use);
    is_warm = true;
    open_before = descriptors_count();
    run(data, size);
    must(descriptors_count() == open_before);
    return 0;
}
