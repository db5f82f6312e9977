/* SPDX-License-Identifier: MIT */
#include "client/ctl/output.h"
#include "client/ctl/run.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* The process is in a session of its own: it ignores SIGTSTP, for a session leader's group is an orphan,
 * unless it has a handler. A handler has this long to stop the process. */
#define SUSPEND_PATIENCE (100 * NSEC_PER_MSEC)

/* SIGSTOP needs nobody's help. Only a process that waits for its vfork does not stop until that is over. */
#define FORCED_PATIENCE (1 * NSEC_PER_SEC)

/* A daemon that does not answer has this long after a signal that asks for an end; this long where it was
 * asked for once more. */
#define END_PATIENCE    (5 * NSEC_PER_SEC)
#define INSIST_PATIENCE (1 * NSEC_PER_SEC)

static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT, SIGTSTP};

/* nohup and shells without job control ignore some for us: then they are not for the process either. */
static bool is_ignored(int number)
{
    struct sigaction action;

    return number != SIGCONT && sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static int open_signals(const sigset_t *set, int *ret_fd)
{
    *ret_fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *ret_fd < 0 ? -errno : 0;
}

int run_signals_open(struct run *run)
{
    sigset_t set, stop;
    int error = 0;

    sigemptyset(&set);
    sigemptyset(&stop);
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++)
        if (!is_ignored(forwarded[i]))
            sigaddset(forwarded[i] == SIGTSTP ? &stop : &set, forwarded[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    error = open_signals(&set, &run->signals);
    return error < 0 ? error : open_signals(&stop, &run->stop_signal);
}

void run_signals_close(struct run *run)
{
    run->signals = close_fd(run->signals);
    run->stop_signal = close_fd(run->stop_signal);
}

static bool is_pending(int number)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, number) == 1;
}

#define FOREVER 1e9 /* the longest grace */

static bool asks_for_an_end(int number)
{
    return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

/* To the whole tree: a terminal would have sent it to the whole foreground group. What asks for an end asks
 * for no other run, either: a stop that never kills. */
static int forward(struct run *run, int number, int64_t *ret_id)
{
    if (asks_for_an_end(number) && json_object_get(run->params, "restart"))
        return run_ask(run, "process.stop", json_pack("{s:i, s:f}", "signal", number, "grace", FOREVER),
                       ret_id);
    return run_ask(run, "process.signal", json_pack("{s:i, s:b}", "signal", number, "tree", 1), ret_id);
}

static int suspend_ask(struct run *run)
{
    int error = 0;

    if (!run->is_subscribed)
        error = run_ask(run, "events.subscribe", json_pack("{s:[s]}", "kinds", "process.stopped"), NULL);
    run->is_subscribed = true;
    run->suspension = SUSPENSION_ASKED;
    run->suspend_at = clock_monotonic() + SUSPEND_PATIENCE;
    return error < 0 ? error : forward(run, SIGTSTP, NULL);
}

/* The SIGTSTP that began this is still pending, so that the kernel stops us here; a SIGCONT that has come
 * since has taken it away, and waits in the signalfd. (Were we to send ourselves a signal that stops, it
 * would take that SIGCONT away.) In an orphaned group, which SIGTSTP does not stop, there is no other way. */
void run_suspend(struct run *run)
{
    sigset_t stop;

    run->suspension = SUSPENSION_NONE;
    run->suspend_at = CONNECTION_FOREVER;
    relay_give_back(&run->relay);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &stop, NULL);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    if (!is_pending(SIGCONT))
        raise(SIGSTOP);
    relay_take(&run->relay);
}

int run_suspend_due(struct run *run)
{
    if (run->suspension == SUSPENSION_FORCED) {
        run_suspend(run);
        return 0;
    }
    run->suspension = SUSPENSION_FORCED;
    run->suspend_at = clock_monotonic() + FORCED_PATIENCE;
    return forward(run, SIGSTOP, NULL);
}

int run_stop_signal(const struct run *run)
{
    return run->process && run->suspension == SUSPENSION_NONE ? run->stop_signal : -1;
}

/* The answer to the spawn is still to come, though the process may run: the signal is kept for it. */
static void keep_early(struct run *run, int number)
{
    int64_t patience = END_PATIENCE, give_up_at;
    size_t i = 0;

    while (i < run->early_count && run->early[i] != number)
        i++;
    if (i < run->early_count)
        patience = INSIST_PATIENCE;
    else
        run->early[run->early_count++] = number;
    give_up_at = clock_monotonic() + patience;
    if (asks_for_an_end(number) && give_up_at < run->give_up_at)
        run->give_up_at = give_up_at;
}

/* The daemon ends the process, should there be one, for its creator ends. */
void run_give_up(struct run *run)
{
    size_t i = 0;

    while (!asks_for_an_end(run->early[i]))
        i++;
    complain(run->ctl, "procd does not answer; ending without the process");
    run->is_over = true;
    run->status = CTL_SIGNALLED + run->early[i];
}

static int take_signal(struct run *run, int number)
{
    if (!run->process) {
        keep_early(run, number);
        return 0;
    }
    if (number == SIGCONT) {
        run->suspension = SUSPENSION_NONE;
        run->suspend_at = CONNECTION_FOREVER;
        relay_take(&run->relay); /* the shell had it meanwhile */
    }
    if (number == SIGWINCH && run->has_relay) { /* its terminal tells it */
        relay_resize(&run->relay);
        return 0;
    }
    return forward(run, number, NULL);
}

int run_signals_started(struct run *run)
{
    int error = 0;

    run->give_up_at = CONNECTION_FOREVER;
    for (size_t i = 0; i < run->early_count && error == 0; i++)
        error = take_signal(run, run->early[i]);
    return error;
}

int run_signals_forward(struct run *run)
{
    struct signalfd_siginfo info;
    int error = 0;

    while (error == 0 && TEMP_FAILURE_RETRY(read(run->signals, &info, sizeof info)) == (ssize_t) sizeof info)
        error = take_signal(run, (int) info.ssi_signo);
    if (error == 0 && run_stop_signal(run) >= 0 && is_pending(SIGTSTP))
        error = suspend_ask(run);
    return error;
}
