/* SPDX-License-Identifier: MIT */
#include "client/ctl/waiting.h"
#include "client/ctl/calls.h"
#include "client/ctl/join.h"
#include "client/ctl/output.h"
#include "client/ctl/progress.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#define RECONNECT_STEP (20 * NSEC_PER_MSEC) /* how often we look while the broker is away */

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* ---- signals ---- */

static bool is_ignored(int number)
{
    struct sigaction action;

    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int waiting_open(struct waiting *waiting)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        if (!is_ignored(ending[i]))
            sigaddset(&set, ending[i]);
    if (waiting->has_child)
        sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &waiting->blocked);
    waiting->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return waiting->signals < 0 ? -errno : 0;
}

void waiting_restore(const struct waiting *waiting)
{
    sigprocmask(SIG_SETMASK, &waiting->blocked, NULL);
}

int waiting_signal(int signals, bool *ret_is_kernels)
{
    struct signalfd_siginfo info;

    if (TEMP_FAILURE_RETRY(read(signals, &info, sizeof info)) != (ssize_t)sizeof info)
        return 0;
    *ret_is_kernels = info.ssi_code > 0;
    return (int)info.ssi_signo;
}

void waiting_poll(int signals, int other, const struct connection *connection, int64_t until)
{
    waiting_poll_more(signals, other, connection, until, NULL, 0);
}

void waiting_poll_more(int signals, int other, const struct connection *connection, int64_t until,
                       const struct pollfd *more, size_t count)
{
    struct pollfd entries[3 + WAITING_MORE] = {
        {.fd = signals, .events = POLLIN},
        {.fd = connection_fd(connection), .events = connection_poll_events(connection)},
        {.fd = other, .events = POLLIN},
    };
    int64_t left = until == CONNECTION_FOREVER ? INT64_MAX : until - clock_monotonic();
    struct timespec span;

    for (size_t i = 0; i < count; i++)
        entries[3 + i] = more[i];
    if (entries[1].fd < 0 && left > RECONNECT_STEP)
        left = RECONNECT_STEP;
    if (left < 0)
        left = 0;
    span = (struct timespec){.tv_sec = left / NSEC_PER_SEC, .tv_nsec = left % NSEC_PER_SEC};
    ppoll(entries, 3 + count, left == INT64_MAX ? NULL : &span, NULL);
}

/* ---- the wait ---- */

/* Without reaping it. Others may be our children, too: they were those of the program that became procctl. */
static bool has_ended(pid_t child)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child;
}

/* Takes the signals that have come. True: the wait is over. */
static bool take_signals(struct waiting *waiting)
{
    bool is_kernels;
    int number;

    while ((number = waiting_signal(waiting->signals, &is_kernels)) > 0) {
        if (number == SIGCHLD && !has_ended(waiting->child))
            continue;
        waiting->signal = number;
        if (waiting->has_child || waiting->is_cancelled)
            return true;
        waiting->is_cancelled = true;
        if (connection_cancel(waiting->ctl->connection, waiting->id) < 0)
            return true;
    }
    return false;
}

/* 1: answered; 0: that was something else; or the status of an error, negative. */
static int take_message(struct waiting *waiting, const struct incoming *incoming, const json_t *params)
{
    json_t *result = NULL, *error = NULL;

    if (incoming_id(incoming) != waiting->id)
        return 0;
    if (incoming_result(incoming, &result, &error) == 0) {
        waiting->result = json_incref(result);
        return 1;
    }
    if (!error)
        return -report_connection(waiting->ctl, -EPROTO);
    if (waiting->has_child && has_ended(waiting->child)) {
        waiting->signal = SIGCHLD;
        return 1;
    }
    if (waiting->is_cancelled && error_is(error, ERROR_CANCELLED))
        return 1;
    return -report_error(waiting->ctl, error, params);
}

/* As take_message, of what has come. 0: nothing more. */
static int take_messages(struct waiting *waiting, const json_t *params)
{
    int error = 0, state = 0;

    while (error == 0 && state == 0) {
        struct incoming incoming = {0};

        error = connection_receive(waiting->ctl->connection, 0, &incoming);
        if (error == 0)
            state = take_message(waiting, &incoming, params);
        incoming_done(&incoming);
    }
    if (error < 0 && error != -ETIMEDOUT)
        return -report_connection(waiting->ctl, error);
    return state;
}

/* 1: it goes on; 0: it is over; or the status of an error, negative. */
static int look(struct waiting *waiting, const json_t *params, int64_t deadline)
{
    int state = take_messages(waiting, params);

    if (state != 0)
        return state < 0 ? state : 0;
    if (take_signals(waiting))
        return 0;
    waiting->has_timed_out = clock_monotonic() >= deadline;
    return !waiting->has_timed_out;
}

static int wait_for_answer(struct waiting *waiting, const json_t *params, int64_t deadline)
{
    struct progress progress = progress_begin(waiting->ctl);
    int state;

    while ((state = look(waiting, params, deadline)) > 0) {
        progress_show(&progress, waiting->ctl->arguments.words[0]);
        waiting_poll(waiting->signals, -1, waiting->ctl->connection, progress_due(&progress, deadline));
    }
    progress_erase();
    return -state;
}

int waiting_ask(struct waiting *waiting, const char *method, json_t *params, double seconds)
{
    struct connection_request request = {.method = method, .params = params};
    int status = call_open(waiting->ctl), error;

    if (status == 0) {
        if (seconds >= 0)
            json_object_set_new(params, "timeout", json_real(seconds));
        error = connection_send(waiting->ctl->connection, &request, &waiting->id);
        status = error < 0 ? report_connection(waiting->ctl, error)
                           : wait_for_answer(waiting, params, deadline_in(seconds));
    }
    json_decref(params);
    return status;
}

int waiting_outcome(struct waiting *waiting, json_t **ret_result)
{
    struct ctl *ctl = waiting->ctl;

    waiting->signals = close_fd(waiting->signals);
    *ret_result = waiting->result;
    waiting->result = NULL;
    if (waiting->signal > 0) {
        waiting_restore(waiting);
        print_failure(ctl, "Interrupted", "interrupted");
        return CTL_SIGNALLED + waiting->signal;
    }
    if (waiting->has_timed_out) {
        print_failure(ctl, "Connection", "procd does not answer");
        return CTL_TIMEOUT;
    }
    return 0;
}

int waiting_call(struct ctl *ctl, const char *method, json_t *params, double seconds, json_t **ret_result)
{
    struct waiting waiting = {.ctl = ctl, .signals = -1};
    int error = waiting_open(&waiting), status;

    if (error < 0) {
        json_decref(params);
        return report_connection(ctl, error);
    }
    status = waiting_ask(&waiting, method, params, seconds);
    if (status == 0)
        return waiting_outcome(&waiting, ret_result);
    close_fd(waiting.signals);
    return status;
}
