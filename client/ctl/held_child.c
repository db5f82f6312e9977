/* SPDX-License-Identifier: MIT */
#include "client/ctl/held_child.h"
#include "client/ctl/output.h"
#include "client/ctl/text.h"
#include "client/lib/connection.h"
#include "daemon/base/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The signals of a command are those that procctl was started with. */
static void give_signals_back(const struct waiting *waiting)
{
    struct sigaction action;

    if (sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
        signal(SIGINT, SIG_DFL);
    waiting_restore(waiting);
}

int command_execute(const struct waiting *waiting, int64_t token)
{
    char **words = waiting->ctl->arguments.words + 1;
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, token);
    if (setenv("PROCD_TOKEN", text, 1) < 0)
        return -errno;
    /* Standard output is for the document. */
    if (waiting->ctl->is_json && dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return -errno;
    give_signals_back(waiting);
    execvp(words[0], words);
    return -errno;
}

/* The child: waits for its token, or for the end of its parent. */
static _Noreturn void hold_back(const struct waiting *waiting, int channel)
{
    int64_t token;
    int error;

    connection_free(waiting->ctl->connection);
    give_signals_back(waiting);
    if (TEMP_FAILURE_RETRY(read(channel, &token, sizeof token)) != (ssize_t)sizeof token)
        _exit(CTL_FAILED);
    error = command_execute(waiting, token);
    if (TEMP_FAILURE_RETRY(write(channel, &error, sizeof error)) < 0)
        _exit(CTL_FAILED);
    _exit(error == -ENOENT ? CTL_NOT_FOUND : CTL_CANNOT_EXECUTE);
}

int held_child_start(struct held_child *child, const struct waiting *waiting)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    child->pid = fork();
    if (child->pid == 0) {
        close_fd(ends[0]);
        hold_back(waiting, ends[1]);
    }
    close_fd(ends[1]);
    if (child->pid < 0) {
        close_fd(ends[0]);
        return -errno;
    }
    child->channel = ends[0];
    return 0;
}

int held_child_let_go(struct held_child *child, int64_t token)
{
    int error = 0;

    /* Where it was killed meanwhile nobody reads: its end tells. */
    if (TEMP_FAILURE_RETRY(send(child->channel, &token, sizeof token, MSG_NOSIGNAL)) ==
            (ssize_t)sizeof token &&
        TEMP_FAILURE_RETRY(read(child->channel, &error, sizeof error)) != (ssize_t)sizeof error)
        error = 0;
    child->channel = close_fd(child->channel);
    return error;
}

void held_child_end(struct held_child *child)
{
    child->channel = close_fd(child->channel);
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

bool held_child_ended(const struct held_child *child, int *ret_status)
{
    return waitpid(child->pid, ret_status, WNOHANG) == child->pid;
}

int report_execute(const struct ctl *ctl, int error)
{
    CLEANUP_MEMORY char *text = text_format("exec %s: %s", ctl->arguments.words[1], strerror(-error));

    complain(ctl, "%s", text);
    print_failure(ctl, "SpawnFailed", text);
    return error == -ENOENT ? CTL_NOT_FOUND : CTL_CANNOT_EXECUTE;
}
