#include "client/ctl/run.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* The process is in a session of its own: it ignores SIGTSTP, for a session leader's group is an orphan,
 * unless it has a handler. A handler has this long to stop the process. */
#define SUSPEND_PATIENCE (100 * NSEC_PER_MSEC)

static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT, SIGTSTP};

/* nohup and shells without job control ignore some for us: then they are not for the process either. */
static bool is_ignored(int number)
{
    struct sigaction action;

    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int run_signals_open(struct run *run)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++)
        if (!is_ignored(forwarded[i]))
            sigaddset(&set, forwarded[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return run->signals < 0 ? -errno : 0;
}

/* To the whole tree: a terminal would have sent it to the whole foreground group. */
static int forward(struct run *run, int number, int64_t *ret_id)
{
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

void run_suspend(struct run *run)
{
    run->suspension = SUSPENSION_NONE;
    run->suspend_at = CONNECTION_FOREVER;
    raise(SIGSTOP);
    /* Here SIGCONT has come, and waits in the signalfd. */
}

int run_suspend_due(struct run *run)
{
    if (run->suspension == SUSPENSION_FORCED) {
        run_suspend(run);
        return 0;
    }
    run->suspension = SUSPENSION_FORCED;
    run->suspend_at = clock_monotonic() + SUSPEND_PATIENCE;
    return forward(run, SIGSTOP, NULL);
}

/* The answer to the spawn is still to come, though the process may run: the signal is kept for it. Who
 * insists on an end does not wait for a daemon that does not answer; it ends the process then. */
static void take_early_signal(struct run *run, int number)
{
    if (number == SIGWINCH || number == SIGCONT)
        return;
    if (run->early_signal && number != SIGTSTP) {
        run->is_over = true;
        run->status = CTL_SIGNALLED + number;
    }
    run->early_signal = number;
}

static int take_signal(struct run *run, int number)
{
    if (!run->process) {
        take_early_signal(run, number);
        return 0;
    }
    if (number == SIGTSTP)
        return run->suspension == SUSPENSION_NONE ? suspend_ask(run) : 0;
    if (number == SIGCONT) {
        run->suspension = SUSPENSION_NONE;
        run->suspend_at = CONNECTION_FOREVER;
    }
    return forward(run, number, NULL);
}

int run_signals_started(struct run *run)
{
    return run->early_signal ? take_signal(run, run->early_signal) : 0;
}

int run_signals_forward(struct run *run)
{
    struct signalfd_siginfo info;

    while (read(run->signals, &info, sizeof info) == (ssize_t) sizeof info) {
        int error = take_signal(run, (int) info.ssi_signo);

        if (error < 0)
            return error;
    }
    return 0;
}
