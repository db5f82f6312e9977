/* SPDX-License-Identifier: MIT */
#include "client/lib/process.h"

#include "client/lib/forks.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

/* Between the end of a process, which its pidfd tells, and the daemon's knowing the status lie
 * milliseconds. */
#define SETTLE_TIME 5.0

struct procd_process *process_make(void)
{
    struct procd_process *process = calloc(1, sizeof *process);

    if (!process)
        return NULL;
    process->references = 1;
    process->generation = forks_generation();
    process->pidfd = -1;
    pthread_mutex_init(&process->lock, NULL);
    return process;
}

static void free_strings(char **strings)
{
    for (size_t i = 0; strings && strings[i]; i++)
        free(strings[i]);
    free(strings);
}

void process_release(struct procd_process *process)
{
    if (atomic_fetch_sub(&process->references, 1) != 1)
        return;
    close_fd(process->pidfd);
    free(process->target);
    free(process->cwd);
    free_strings(process->argv);
    free_strings(process->env);
    json_decref(process->args);
    json_decref(process->kwargs);
    json_decref(process->extra);
    free(process->name);
    free(process->epoch);
    free(process);
}

void procd_process_free(procd_process *process)
{
    if (process && !process->is_current)
        process_release(process);
}

int process_check(const struct procd_process *process)
{
    if (!process)
        return failure_note(-EINVAL, "no process");
    if (!forks_is(process->generation))
        return failure_note(-EINVAL, "the handle belongs to the process that this one was forked from");
    return 0;
}

int process_check_started(struct procd_process *process)
{
    enum process_state state;
    int r = process_check(process);

    if (r < 0)
        return r;
    pthread_mutex_lock(&process->lock);
    state = process->state;
    pthread_mutex_unlock(&process->lock);
    if (state == PROCESS_CLOSED)
        return failure_note(-EINVAL, "the process is closed");
    if (process->is_current)
        return failure_note(-EINVAL, "not for the process that asks");
    return state == PROCESS_STARTED ? 0 : failure_note(-EINVAL, "the process is not started");
}

int process_keep_info(struct procd_process *process, const json_t *info)
{
    const json_t *id = json_object_get(info, "id");
    const char *name = json_string_value(json_object_get(info, "name"));

    if (!json_is_integer(id) || !name)
        return -EPROTO;
    if (!process->name || strcmp(process->name, name) != 0) {
        char *copy = strdup(name);

        if (!copy)
            return -ENOMEM;
        free(process->name);
        process->name = copy;
    }
    process->id = (long) json_integer_value(id);
    process->pid = (pid_t) json_integer_value(json_object_get(info, "pid"));
    process->daemon = json_is_true(json_object_get(info, "daemon")) ? PROCD_DAEMON : PROCD_NOT_DAEMON;
    return 0;
}

/* ---- questions about one process ---- */

/* A method whose params begin with the process. Steals params. */
static int ask(struct procd_process *process, const char *method, json_t *params, int64_t deadline,
               struct incoming *ret_incoming, json_t **ret_result)
{
    struct connection_request request = {.method = method, .params = params, .epoch = process->epoch};
    struct call_options options = {.deadline = deadline};
    int r;

    *ret_incoming = (struct incoming) {0};
    if (json_object_set_new(params, "process", json_integer(process->id)) < 0)
        r = failure_note(-ENOMEM, NULL);
    else
        r = library_call(&request, &options, ret_incoming, ret_result);
    json_decref(params);
    return r;
}

/* ... and whose result says nothing. */
static int tell(struct procd_process *process, const char *method, json_t *params)
{
    struct incoming answer;
    int r = ask(process, method, params, CONNECTION_FOREVER, &answer, NULL);

    incoming_done(&answer);
    return r;
}

static void keep_end(struct procd_process *process, const json_t *result)
{
    const json_t *exitcode = json_object_get(result, "exitcode");

    pthread_mutex_lock(&process->lock);
    process->end = json_is_integer(exitcode) ? END_KNOWN : END_UNKNOWN;
    process->exitcode = (int) json_integer_value(exitcode);
    pthread_mutex_unlock(&process->lock);
    children_remove(process);
}

static enum process_end end_of(struct procd_process *process, int *ret_exitcode)
{
    enum process_end end;

    pthread_mutex_lock(&process->lock);
    end = process->end;
    *ret_exitcode = process->exitcode;
    pthread_mutex_unlock(&process->lock);
    return end;
}

int process_ask_join(struct procd_process *process, double timeout)
{
    struct incoming answer;
    int64_t deadline;
    char holder[24];
    json_t *limit = library_timeout(timeout, &deadline), *params, *result = NULL;
    int r;

    if (!limit)
        return failure_note(-EINVAL, "the time-out is no number");
    params = json_pack("{s:o,s:s}", "timeout", limit, "holder", library_holder(holder, sizeof holder));
    r = ask(process, "process.join", params, deadline, &answer, &result);
    if (r == 0 && json_is_true(json_object_get(result, "exited"))) {
        keep_end(process, result);
        r = 1;
    }
    incoming_done(&answer);
    return r;
}

/* 1: that pid has ended; 0: not; -1: there is no pidfd to tell. */
static int pidfd_look(const struct procd_process *process)
{
    struct pollfd entry = {.fd = process->pidfd, .events = POLLIN};

    if (process->pidfd < 0)
        return -1;
    return poll(&entry, 1, 0) > 0;
}

int process_look(struct procd_process *process)
{
    int exitcode, seen;

    if (end_of(process, &exitcode) != END_NOT_YET)
        return 1;
    seen = pidfd_look(process);
    if (seen == 0)
        return 0;
    return process_ask_join(process, seen == 1 && !process->restarts ? SETTLE_TIME : 0);
}

/* ---- the calls ---- */

int procd_process_join(procd_process *process, double timeout)
{
    int exitcode, r = process_check_started(process);

    if (r < 0)
        return r;
    return end_of(process, &exitcode) != END_NOT_YET ? 1 : process_ask_join(process, timeout);
}

int procd_process_is_alive(procd_process *process)
{
    int r = process_check(process);

    if (r < 0)
        return r;
    if (process->is_current)
        return 1;
    pthread_mutex_lock(&process->lock);
    r = process->state;
    pthread_mutex_unlock(&process->lock);
    if (r == PROCESS_NEW || r == PROCESS_STARTING)
        return 0;
    r = process_check_started(process);
    if (r == 0)
        r = process_look(process);
    if (r == PROCD_E_NO_SUCH_PROCESS)
        return 0; /* forgotten, or gone with its daemon */
    return r < 0 ? r : !r;
}

int procd_process_exitcode(procd_process *process, int *ret_exitcode)
{
    enum process_end end;
    int exitcode, r = process_check(process);

    if (r < 0)
        return r;
    pthread_mutex_lock(&process->lock);
    r = process->state;
    pthread_mutex_unlock(&process->lock);
    if (process->is_current || r == PROCESS_NEW || r == PROCESS_STARTING)
        return 0;
    r = process_check_started(process);
    if (r == 0)
        r = process_look(process);
    if (r <= 0)
        return r;
    end = end_of(process, &exitcode);
    if (end == END_UNKNOWN)
        return failure_note(-ENODATA, "its status could not be known");
    if (ret_exitcode)
        *ret_exitcode = exitcode;
    return 1;
}

static int send_signal(procd_process *process, const char *method, json_t *params)
{
    int exitcode, r = process_check_started(process);

    if (r < 0 || end_of(process, &exitcode) != END_NOT_YET) {
        json_decref(params);
        return r;
    }
    return tell(process, method, params);
}

int procd_process_terminate(procd_process *process)
{
    return send_signal(process, "process.terminate", json_object());
}

int procd_process_kill(procd_process *process)
{
    return send_signal(process, "process.kill", json_object());
}

int procd_process_signal(procd_process *process, int signal)
{
    if (signal < 1 || signal >= NSIG)
        return failure_note(-EINVAL, "no such signal");
    return send_signal(process, "process.signal", json_pack("{s:i}", "signal", signal));
}

static int open_pidfd(procd_process *process)
{
    CLEANUP_FD int pidfd = (int) syscall(SYS_pidfd_open, process->pid, 0);
    int r;

    if (pidfd < 0)
        return failure_note(-errno, NULL);
    r = process_ask_join(process, 0); /* it runs still: so that pid was its own when we opened it */
    if (r < 0)
        return r;
    pthread_mutex_lock(&process->lock);
    if (process->pidfd < 0)
        process->pidfd = take_fd(&pidfd);
    pthread_mutex_unlock(&process->lock);
    return 0;
}

int procd_process_sentinel(procd_process *process)
{
    int pidfd, r = process_check_started(process);

    if (r < 0)
        return r;
    pthread_mutex_lock(&process->lock);
    pidfd = process->pidfd;
    pthread_mutex_unlock(&process->lock);
    if (pidfd >= 0)
        return pidfd;
    if (library_is_remote())
        return failure_note(-EOPNOTSUPP, "no descriptor comes from another host");
    r = open_pidfd(process);
    return r < 0 ? r : process->pidfd;
}

int procd_process_close(procd_process *process)
{
    int r = process_check(process);

    if (r < 0)
        return r;
    if (process->is_current)
        return failure_note(-EINVAL, "not for the process that asks");
    pthread_mutex_lock(&process->lock);
    r = process->state;
    if (r == PROCESS_NEW)
        process->state = PROCESS_CLOSED;
    pthread_mutex_unlock(&process->lock);
    if (r == PROCESS_NEW || r == PROCESS_CLOSED)
        return 0;
    r = process_check_started(process);
    if (r == 0)
        r = tell(process, "process.close", json_object());
    if (r < 0 && r != PROCD_E_NO_SUCH_PROCESS)
        return r;
    pthread_mutex_lock(&process->lock);
    process->state = PROCESS_CLOSED;
    process->pidfd = close_fd(process->pidfd);
    pthread_mutex_unlock(&process->lock);
    children_remove(process);
    return 0;
}
