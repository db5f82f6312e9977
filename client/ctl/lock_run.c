/* SPDX-License-Identifier: MIT */
/*
 * lock, rlock and semaphore NAME -- CMD: the hold belongs to the process of CMD, which makes it last as
 * long as CMD, whatever becomes of procctl or of CMD's children.
 */
#include "client/ctl/calls.h"
#include "client/ctl/held_child.h"
#include "client/ctl/object.h"
#include "client/ctl/output.h"
#include "client/ctl/values.h"
#include "client/ctl/waiting.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETTLE_PATIENCE NSEC_PER_SEC

struct lock_run {
    struct ctl *ctl;
    struct waiting waiting;
    struct held_child child;
    const char *kind;
    char *acquire; /* the method */
    double seconds;
    int64_t conflict;
};

/* ---- the hold ---- */

/* For a process. Whatever kind of semaphore it is: its permit comes back. */
static json_t *acquire_params(const struct lock_run *run, pid_t pid)
{
    json_t *params = object_params(run->ctl);

    json_object_set_new(params, "owner_pid", json_integer(pid));
    if (strcmp(run->kind, "semaphore") == 0)
        json_object_set_new(params, "undo", json_true());
    return params;
}

static bool is_acquired(const json_t *result)
{
    return json_is_true(json_object_get(result, "acquired"));
}

/* At once, or else in the queue. Who waits there for the end of a command is not told that it has ended:
 * that is its release, and looks like a death. But what lies there abandoned was left by a process that
 * was killed. */
static int acquire(struct lock_run *run, pid_t pid)
{
    struct waiting *waiting = &run->waiting;
    int status = waiting_ask(waiting, run->acquire, acquire_params(run, pid), 0);

    if (is_acquired(waiting->result))
        object_note_abandoned(run->ctl, waiting->result);
    if (status != 0 || !waiting->result || is_acquired(waiting->result))
        return status;
    if (run->seconds == 0 || waiting->signal > 0)
        return status;
    json_decref(waiting->result);
    waiting->result = NULL;
    return waiting_ask(waiting, run->acquire, acquire_params(run, pid), run->seconds);
}

static int not_obtained(const struct lock_run *run)
{
    if (run->ctl->is_json)
        print_document(json_pack("{s:b}", "acquired", 0));
    return (int)run->conflict;
}

static int64_t token_of(const json_t *result)
{
    return json_integer_value(json_object_get(result, "token"));
}

/* ---- afterwards ---- */

/* True: our connection is of use, or we have another one. A daemon is not started for this. */
static bool is_connected(struct ctl *ctl)
{
    struct endpoint_options options = {.socket = ctl->socket, .no_autostart = true};
    struct pollfd entry = {.fd = connection_fd(ctl->connection), .events = POLLRDHUP};

    if (entry.fd >= 0 && poll(&entry, 1, 0) == 0)
        return true;
    ctl->connection = connection_free(ctl->connection);
    return connection_open(&options, &ctl->connection) == 0;
}

/* The daemon sees a holder die, and the next would be told so. But here the end of the process is the
 * release: where nobody was waiting we take that word for ourselves. Sent in one go, so that nobody meets
 * us. */
static void settle(struct lock_run *run)
{
    json_t *acquire = object_params(run->ctl), *params = object_params(run->ctl);
    struct connection_request take = {.method = run->acquire, .params = acquire};
    struct connection_request give = {.method = "object.close", .params = params};
    struct incoming incoming = {0};

    json_object_set_new(acquire, "timeout", json_integer(0));
    if (strcmp(run->kind, "semaphore") == 0)
        json_object_set_new(acquire, "undo", json_true());
    if (is_connected(run->ctl) && connection_send(run->ctl->connection, &take, NULL) == 0)
        (void)connection_call(run->ctl->connection, &give, clock_monotonic() + SETTLE_PATIENCE, &incoming);
    incoming_done(&incoming);
    json_decref(acquire);
    json_decref(params);
}

static int finish(struct lock_run *run, int status)
{
    json_t *document = run->waiting.result;

    if (WIFEXITED(status))
        settle(run);
    if (run->ctl->is_json) {
        json_object_set_new(document, "exitcode",
                            json_integer(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)));
        print_document(json_incref(document));
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : CTL_SIGNALLED + WTERMSIG(status);
}

/* ---- CMD as a child ---- */

/* What a terminal sends has reached the command already; what was meant for procctl is for the command. */
static int watch(struct lock_run *run)
{
    struct pollfd entry = {.fd = run->waiting.signals, .events = POLLIN};
    bool is_kernels;
    int status, number;

    while (!held_child_ended(&run->child, &status)) {
        poll(&entry, 1, -1);
        while ((number = waiting_signal(run->waiting.signals, &is_kernels)) > 0)
            if (number != SIGCHLD && !is_kernels)
                kill(run->child.pid, number);
    }
    return finish(run, status);
}

static int let_go(struct lock_run *run)
{
    int error, status;

    error = held_child_let_go(&run->child, token_of(run->waiting.result));
    if (error == 0)
        return watch(run);
    while (waitpid(run->child.pid, &status, 0) < 0)
        ;
    settle(run);
    return report_execute(run->ctl, error);
}

/* The wait is over, and the child has not run. */
static int give_up(struct lock_run *run, int status)
{
    int ended;

    if (run->waiting.signal == SIGCHLD && held_child_ended(&run->child, &ended)) {
        print_failure(run->ctl, "Interrupted", "the process was ended before it began");
        return WIFSIGNALED(ended) ? CTL_SIGNALLED + WTERMSIG(ended) : CTL_FAILED;
    }
    held_child_end(&run->child);
    if (status != 0)
        return status;
    if (run->waiting.signal == 0)
        return not_obtained(run);
    print_failure(run->ctl, "Interrupted", "interrupted");
    return CTL_SIGNALLED + run->waiting.signal;
}

static int run_as_child(struct lock_run *run)
{
    int status, error;

    signal(SIGCHLD, SIG_DFL); /* ignored it would hide how the child has ended */
    run->waiting.has_child = true;
    error = waiting_open(&run->waiting);
    if (error == 0)
        error = held_child_start(&run->child, &run->waiting);
    if (error < 0) {
        complain(run->ctl, "cannot fork: %s", strerror(-error));
        print_failure(run->ctl, "Fork", strerror(-error));
        return CTL_FAILED;
    }
    run->waiting.child = run->child.pid;
    status = acquire(run, run->child.pid);
    if (is_acquired(run->waiting.result))
        return let_go(run);
    return give_up(run, status);
}

/* ---- CMD in our place ---- */

/* Not to be left to our death, which would look like that of a holder. */
static void give_back(struct lock_run *run)
{
    json_t *closed = NULL;

    run->ctl->is_json = false; /* the document has been printed */
    call(run->ctl, "object.close", object_params(run->ctl), &closed);
    json_decref(closed);
}

static int run_in_place(struct lock_run *run)
{
    json_t *result = NULL;
    int error = waiting_open(&run->waiting), status;

    if (error < 0)
        return report_connection(run->ctl, error);
    status = acquire(run, getpid());
    if (status != 0)
        return status;
    status = waiting_outcome(&run->waiting, &result);
    if (status == CTL_TIMEOUT || (status == 0 && !is_acquired(result))) {
        status = not_obtained(run);
    } else if (status == 0) {
        status = report_execute(run->ctl, command_execute(&run->waiting, token_of(result)));
    }
    if (is_acquired(result))
        give_back(run);
    json_decref(result);
    return status;
}

/* ---- the commands ---- */

static int set_up(struct lock_run *run)
{
    struct ctl *ctl = run->ctl;
    int status = value_seconds(ctl, OPT_LOCK_TIMEOUT, &run->seconds);

    if (status == 0)
        status = value_integer(ctl, OPT_CONFLICT, 0, 255, &run->conflict);
    if (argument_given(&ctl->arguments, OPT_NONBLOCK))
        run->seconds = 0;
    if (status == 0 && ctl->is_json && argument_given(&ctl->arguments, OPT_NO_FORK))
        status = usage_error(ctl, "with -F nobody is left to print the document of --json");
    if (status == 0)
        status = call_open(ctl);
    /* A semaphore has a number of permits, which only its maker knows. */
    if (status == 0 && strcmp(run->kind, "semaphore") != 0)
        status = object_make(ctl, run->kind, NULL, NULL);
    return status;
}

static int run_with(struct ctl *ctl, const char *kind)
{
    struct lock_run run = {.ctl = ctl, .kind = kind, .seconds = -1, .conflict = CTL_NEGATIVE};
    int status;

    ctl->exits_as_child = true;
    run.waiting = (struct waiting){.ctl = ctl, .signals = -1};
    run.child.channel = -1;
    run.acquire = object_method(ctl, "acquire");
    status = call_local(ctl, "CMD runs here, and what it would hold is at %s: run procctl there, by ssh");
    if (status == 0)
        status = set_up(&run);
    if (status == 0)
        status = argument_given(&ctl->arguments, OPT_NO_FORK) ? run_in_place(&run) : run_as_child(&run);
    close_fd(run.waiting.signals);
    json_decref(run.waiting.result);
    free(run.acquire);
    return status;
}

int command_lock(struct ctl *ctl)
{
    return run_with(ctl, "lock");
}

int command_rlock(struct ctl *ctl)
{
    return run_with(ctl, "rlock");
}

int command_semaphore(struct ctl *ctl)
{
    return run_with(ctl, "semaphore");
}
