/* SPDX-License-Identifier: MIT */
#include "client/ctl/run.h"
#include "client/ctl/calls.h"
#include "client/ctl/join.h"
#include "client/ctl/output.h"
#include "client/ctl/spawn_request.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "client/ctl/waiting.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

int run_ask(struct run *run, const char *method, json_t *members, int64_t *ret_id)
{
    struct connection_request request = {.method = method, .params = members};
    int error;

    json_object_set(members, "process", run->process);
    error = connection_send(run->ctl->connection, &request, ret_id);
    json_decref(members);
    return error;
}

/* A background job does not read from the terminal. The kernel would stop it, but knows nothing of our
 * process: it would take what is typed from under the shell's hands. */
static bool is_stdin_of_another(void)
{
    pid_t foreground = tcgetpgrp(STDIN_FILENO);

    return foreground > 0 && foreground != getpgrp();
}

/* The three descriptors are sent as they are; `{"fd": index}` picks. With --json standard output is for the
 * document. */
static void add_stdio(const struct ctl *ctl, json_t *params)
{
    if (!json_object_get(params, "stdin"))
        json_object_set_new(params, "stdin",
                            is_stdin_of_another() ? json_string("null") : json_pack("{s:i}", "fd", 0));
    if (!json_object_get(params, "stdout"))
        json_object_set_new(params, "stdout", json_pack("{s:i}", "fd", ctl->is_json ? 2 : 1));
    json_object_set_new(params, "stderr", json_pack("{s:i}", "fd", 2));
    /* Its creator is procctl, or whom --daemon and --for-pid name. */
    json_object_set_new(params, "daemon", json_true());
}

static int start(struct run *run)
{
    static const int descriptors[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    struct connection_request request = {.method = "process.spawn",
                                         .params = run->params,
                                         .fds = descriptors,
                                         .fd_count = run->has_relay ? 0 : 3};

    return connection_send(run->ctl->connection, &request, &run->spawn_id);
}

static void end_with_error(struct run *run, json_t *error)
{
    CLEANUP_MEMORY char *text = error_line(run->ctl, error, run->params);

    relay_give_back(&run->relay);
    complain_escaped(run->ctl, text);
    if (run->ctl->is_json)
        print_document(json_pack("{s:O}", "error", error));
    run->is_over = true;
    run->status = error_status(run->ctl, error);
}

/* It has the process's terminal; of one that has ended already there is none any more. */
static void take_terminal(struct run *run, const json_t *info, struct incoming *incoming)
{
    json_t *pty = json_object_get(info, "pty"), *lease = json_object_get(info, "lease");

    if (!run->has_relay || json_integer_value(pty) != 0 || json_integer_value(lease) != 1 ||
        incoming->fd_count != 2)
        return;
    relay_attach(&run->relay, take_fd(&incoming->fds[0]), take_fd(&incoming->fds[1]));
}

static int started(struct run *run, const json_t *info, struct incoming *incoming)
{
    int error;

    take_terminal(run, info, incoming);

    run->process = json_incref(json_object_get(info, "id"));
    error = run_ask(run, "process.join", json_object(), &run->join_id);
    return error < 0 ? error : run_signals_started(run);
}

/* The time limit has struck: SIGTERM, after the grace SIGKILL; answered when the whole tree is gone. */
static int limit_struck(struct run *run)
{
    run->limit_at = CONNECTION_FOREVER;
    run->has_timed_out = true;
    if (!run->process) {
        note(run->ctl, "the time limit is over; the process was not started in time");
        run->is_over = true;
        run->status = CTL_TIMEOUT;
        return 0;
    }
    relay_give_back(&run->relay); /* lines end as ours do */
    note(run->ctl, "the time limit is over; stopping the process");
    relay_take(&run->relay);
    return run_ask(run, "process.stop", json_object(), &run->stop_id);
}

static int take_answer(struct run *run, struct incoming *incoming)
{
    int64_t id = incoming_id(incoming);
    json_t *result = NULL, *error = NULL;
    int failed = incoming_result(incoming, &result, &error);

    if (failed < 0 && !error)
        return failed;
    /* What else was asked is a signal for a process that may have ended: nothing to say. */
    if (id == run->attach_id && !error)
        take_terminal(run, result, incoming);
    if (id != run->spawn_id && id != run->join_id && id != run->stop_id)
        return 0;
    if (error)
        end_with_error(run, error);
    else if (id == run->spawn_id)
        return started(run, result, incoming);
    else if (id == run->stop_id || !run->has_timed_out)
        run->end = json_incref(result);
    return 0;
}

static int take_message(struct run *run, struct incoming *incoming)
{
    if (incoming_id(incoming) > 0)
        return take_answer(run, incoming);
    if (run->suspension != SUSPENSION_NONE)
        run_suspend(run);
    return 0;
}

static int take_messages(struct run *run)
{
    int error = 0;

    while (error == 0 && !run->end && !run->is_over) {
        struct incoming incoming = {0};

        error = connection_receive(run->ctl->connection, 0, &incoming);
        if (error == 0)
            error = take_message(run, &incoming);
        incoming_done(&incoming);
    }
    return error == -ETIMEDOUT ? 0 : error;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What is due by the clock. */
static int look_at_clock(struct run *run)
{
    int error = 0;

    if (clock_monotonic() >= run->suspend_at)
        error = run_suspend_due(run);
    if (error == 0 && clock_monotonic() >= run->limit_at)
        error = limit_struck(run);
    if (clock_monotonic() >= run->give_up_at && !run->is_over)
        run_give_up(run);
    return error;
}

static void wait_for_something(struct run *run)
{
    int64_t until = earlier(earlier(run->limit_at, run->suspend_at), run->give_up_at);
    struct pollfd entries[RELAY_ENTRIES];
    size_t count = 0;

    if (run->has_relay) {
        relay_move(&run->relay);
        count = relay_poll(&run->relay, entries);
    }
    waiting_poll_more(run->signals, run_stop_signal(run), run->ctl->connection, until, entries, count);
}

/* The lease is at its end with the process, or with a daemon that another one follows: then it is asked for
 * again. */
static int look_at_lease(struct run *run)
{
    if (!run->has_relay || !run->relay.is_over || run->relay.lease < 0)
        return 0;
    relay_drain(&run->relay);
    run->relay.lease = close_fd(run->relay.lease);
    return run_ask(run, "process.attach", json_object(), &run->attach_id);
}

static int run_loop(struct run *run)
{
    int error = start(run);

    while (error == 0) {
        error = take_messages(run);
        if (error == 0)
            error = run_signals_forward(run);
        if (error == 0)
            error = look_at_clock(run);
        if (error == 0)
            error = look_at_lease(run);
        if (run->end || run->is_over)
            return 0;
        if (error == 0)
            wait_for_something(run);
    }
    return error;
}

static int finish(struct run *run)
{
    if (!run->end) {
        if (run->status == CTL_TIMEOUT || run->status > CTL_SIGNALLED)
            print_failure(run->ctl, "NotStarted", "ended before the process was started");
        return run->status;
    }
    if (run->ctl->is_json) {
        json_object_set(run->end, "process", run->process);
        print_document(json_incref(run->end));
    }
    return run->has_timed_out ? CTL_TIMEOUT : status_of_exit(run->ctl, run->end);
}

static int run_in_foreground(struct run *run)
{
    int error, status = call_open(run->ctl);

    if (status != 0)
        return status;
    error = run_loop(run);
    if (run->has_relay) {
        relay_drain(&run->relay);
        relay_close(&run->relay);
    }
    return error < 0 ? report_connection(run->ctl, error) : finish(run);
}

/* All three streams, as with a terminal that one sits at. */
static int add_terminal(struct run *run)
{
    const struct ctl *ctl = run->ctl;
    int error;

    if (ctl->is_json || argument_given(&ctl->arguments, OPT_STDIN) ||
        argument_given(&ctl->arguments, OPT_STDOUT))
        return usage_error(ctl, "-t does not go with %s",
                           ctl->is_json ? "--json" : "--stdin and --stdout");
    if (!relay_is_terminal()) {
        complain(ctl, "standard input is not a terminal: -t makes no sense here");
        return own_status(ctl, CTL_FAILED);
    }
    error = relay_open(&run->relay, true);
    if (error < 0) {
        complain(ctl, "the terminal cannot be used: %s", strerror(-error));
        return own_status(ctl, CTL_FAILED);
    }
    run->has_relay = true;
    spawn_request_terminal(run->params);
    json_object_set_new(run->params, "attach", json_true());
    json_object_set_new(run->params, "daemon", json_true());
    return 0;
}

static int prepare(struct run *run)
{
    double seconds = -1;
    int status = value_seconds(run->ctl, OPT_TIMEOUT, &seconds);

    if (status == 0)
        status = spawn_request(run->ctl, &run->params);
    if (status != 0)
        return status;
    if (seconds >= 0)
        run->limit_at = clock_monotonic() + (int64_t) (seconds * NSEC_PER_SEC);
    if (argument_given(&run->ctl->arguments, OPT_TTY))
        return add_terminal(run);
    add_stdio(run->ctl, run->params);
    return 0;
}

int command_run(struct ctl *ctl)
{
    struct run run = {.ctl = ctl,
                      .signals = -1,
                      .relay = {.in = -1, .out = -1, .master = -1, .lease = -1},
                      .stop_signal = -1,
                      .limit_at = CONNECTION_FOREVER,
                      .suspend_at = CONNECTION_FOREVER,
                      .give_up_at = CONNECTION_FOREVER};
    int status, error = run_signals_open(&run);

    ctl->exits_as_child = true;
    status = call_local(ctl, "the process would be at %s, its input and output here: use spawn, and logs");
    if (status == 0)
        status = error < 0 ? report_connection(ctl, error) : prepare(&run);
    if (status == 0)
        status = run_in_foreground(&run);
    run_signals_close(&run);
    relay_close(&run.relay);
    json_decref(run.params);
    json_decref(run.process);
    json_decref(run.end);
    return status;
}
