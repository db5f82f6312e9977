/* SPDX-License-Identifier: MIT */
/*
 * attach: the terminal of a process, for a while.
 */
#include "client/ctl/calls.h"
#include "client/ctl/join.h"
#include "client/ctl/output.h"
#include "client/ctl/relay.h"
#include "client/ctl/values.h"
#include "client/ctl/waiting.h"
#include "daemon/base/cleanup.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

struct attach {
    struct ctl *ctl;
    struct relay relay;
    int signals;
    json_t *params;   /* {process} */
    int64_t attach_id, join_id;
    bool was_attached;
    json_t *end;      /* of join */
    int signal;       /* that came and ends it, or 0 */
    int status;       /* with is_over */
    bool is_over;
};

static int ask(struct attach *attach, const char *method, int64_t *ret_id)
{
    struct connection_request request = {.method = method, .params = attach->params};

    return connection_send(attach->ctl->connection, &request, ret_id);
}

/* ---- answers ---- */

static int attached(struct attach *attach, struct incoming *incoming)
{
    const char *word = attach->ctl->arguments.words[0];

    if (incoming->fd_count != 2)
        return -EPROTO;
    if (!attach->was_attached && attach->relay.in >= 0) {
        relay_prepare(&attach->relay); /* what is typed from here on is for the process */
        note(attach->ctl, "attached to %s; Ctrl-P Ctrl-Q leaves it", word);
    }
    relay_attach(&attach->relay, take_fd(&incoming->fds[0]), take_fd(&incoming->fds[1]));
    if (attach->was_attached)
        return 0;
    attach->was_attached = true;
    return ask(attach, "process.join", &attach->join_id);
}

/* Once it was there, that there is no terminal means that the process has ended: the join tells. */
static void failed(struct attach *attach, json_t *error, bool is_join)
{
    if (attach->was_attached && !is_join && error_is(error, ERROR_NO_TERMINAL))
        return;
    relay_give_back(&attach->relay);
    attach->status = report_error(attach->ctl, error, attach->params);
    attach->is_over = true;
}

static int take_message(struct attach *attach, struct incoming *incoming)
{
    int64_t id = incoming_id(incoming);
    json_t *result = NULL, *error = NULL;
    int r;

    if (id == 0 || (id != attach->attach_id && id != attach->join_id))
        return 0;
    r = incoming_result(incoming, &result, &error);
    if (r < 0 && !error)
        return r;
    if (error)
        failed(attach, error, id == attach->join_id);
    else if (id == attach->attach_id)
        return attached(attach, incoming);
    else
        attach->end = json_incref(result);
    return 0;
}

static int take_messages(struct attach *attach)
{
    int error = 0;

    while (error == 0 && !attach->end && !attach->is_over) {
        struct incoming incoming = {0};

        error = connection_receive(attach->ctl->connection, 0, &incoming);
        if (error == 0)
            error = take_message(attach, &incoming);
        incoming_done(&incoming);
    }
    return error == -ETIMEDOUT ? 0 : error;
}

/* ---- signals ---- */

static int open_signals(struct attach *attach)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    attach->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return attach->signals < 0 ? -errno : 0;
}

static void take_signals(struct attach *attach)
{
    bool is_kernels;
    int number;

    while ((number = waiting_signal(attach->signals, &is_kernels)) > 0) {
        if (number == SIGWINCH)
            relay_resize(&attach->relay);
        else if (number == SIGCONT)
            relay_take(&attach->relay); /* the shell had it meanwhile */
        else
            attach->signal = number;
    }
}

/* ---- the whole ---- */

static bool goes_on(const struct attach *attach)
{
    return !attach->end && !attach->is_over && attach->signal == 0 && !attach->relay.is_detached;
}

/* The lease is at its end with the process, or with a daemon that another one follows, who is asked for a new
 * one. */
static int look_at_lease(struct attach *attach)
{
    if (attach->relay.lease < 0 || !attach->relay.is_over)
        return 0;
    relay_drain(&attach->relay);
    attach->relay.lease = close_fd(attach->relay.lease);
    return ask(attach, "process.attach", &attach->attach_id);
}

static int loop(struct attach *attach)
{
    struct pollfd entries[RELAY_ENTRIES];
    int error = ask(attach, "process.attach", &attach->attach_id);

    while (error == 0) {
        error = take_messages(attach);
        take_signals(attach);
        relay_move(&attach->relay);
        if (error == 0)
            error = look_at_lease(attach);
        if (error < 0 || !goes_on(attach))
            break;
        waiting_poll_more(attach->signals, -1, attach->ctl->connection, CONNECTION_FOREVER, entries,
                          relay_poll(&attach->relay, entries));
    }
    return error;
}

static int outcome(struct attach *attach)
{
    struct ctl *ctl = attach->ctl;

    if (attach->is_over)
        return attach->status;
    if (attach->end)
        return status_of_exit(ctl, attach->end);
    if (attach->signal)
        return CTL_SIGNALLED + attach->signal;
    note(ctl, "left %s alone", ctl->arguments.words[0]);
    return CTL_OK;
}

static int attach_to(struct attach *attach, bool reads)
{
    int status = call_open(attach->ctl), error;

    if (status != 0)
        return status;
    error = relay_open(&attach->relay, reads);
    attach->relay.detaches = true;
    if (error == 0)
        error = open_signals(attach);
    if (error < 0) {
        complain(attach->ctl, "the terminal cannot be used: %s", strerror(-error));
        return own_status(attach->ctl, CTL_FAILED);
    }
    error = loop(attach);
    if (attach->end)
        relay_drain(&attach->relay);
    relay_give_back(&attach->relay);
    return error < 0 ? report_connection(attach->ctl, error) : outcome(attach);
}

int command_attach(struct ctl *ctl)
{
    struct attach attach = {.ctl = ctl, .signals = -1};
    bool reads = !argument_given(&ctl->arguments, OPT_NO_STDIN);
    int status;

    ctl->exits_as_child = true;
    attach.relay = (struct relay){.in = -1, .out = -1, .master = -1, .lease = -1};
    status = call_local(ctl, "the terminal would be at %s: run procctl there, by ssh -t");
    if (status != 0)
        return status;
    if (ctl->is_json)
        return usage_error(ctl, "attach has no result for --json");
    if (reads && !relay_is_terminal()) {
        complain(ctl, "standard input is not a terminal: see --no-stdin");
        return own_status(ctl, CTL_FAILED);
    }
    attach.params = json_pack("{s:o}", "process", value_process(ctl->arguments.words[0]));
    status = attach_to(&attach, reads);
    relay_close(&attach.relay);
    close_fd(attach.signals);
    json_decref(attach.params);
    json_decref(attach.end);
    return status;
}
