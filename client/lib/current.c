/* SPDX-License-Identifier: MIT */
/* The process that asks. */
#include "client/lib/process.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static procd_process *make(const char *name)
{
    procd_process *process = process_make();

    if (!process)
        return NULL;
    process->is_current = true;
    process->state = PROCESS_STARTED;
    process->daemon = PROCD_NOT_DAEMON;
    process->pid = getpid();
    process->name = name ? strdup(name) : NULL;
    return process;
}

procd_process *current_make_target(const char *name, pid_t parent)
{
    struct library *here = library();

    if (!here)
        return NULL;
    here->parent_pid = parent;
    here->current = make(name);
    return here->current;
}

procd_process *procd_current_process(void)
{
    struct library *here = library();
    procd_process *process;

    if (!here) {
        failure_note(-ENOMEM, NULL);
        return NULL;
    }
    pthread_mutex_lock(&here->lock);
    if (!here->current)
        here->current = make(NULL);
    process = here->current;
    pthread_mutex_unlock(&here->lock);
    if (!process)
        failure_note(-ENOMEM, NULL);
    return process;
}

/* Each connection begins with being told who we are. */
static json_t *ask_daemon(void)
{
    struct connection *connection;
    json_t *info;

    if (library_take(true, &connection) < 0)
        return NULL;
    info = json_incref(json_object_get(connection_hello(connection), "process"));
    library_give(connection);
    return info;
}

/* Once: who is not the daemon's at its start will never be. */
static void learn(procd_process *process)
{
    json_t *info;
    bool has_asked;

    pthread_mutex_lock(&process->lock);
    has_asked = process->has_asked;
    pthread_mutex_unlock(&process->lock);
    if (has_asked)
        return;
    info = ask_daemon();
    pthread_mutex_lock(&process->lock);
    if (!process->has_asked) {
        pid_t pid = process->pid;

        if (json_is_object(info) && process_keep_info(process, info) == 0)
            process->creator =
                (pid_t) json_integer_value(json_object_get(json_object_get(info, "owner"), "pid"));
        process->pid = pid; /* as we see it: the daemon's pid namespace may be another */
        if (!process->name)
            process->name = strdup("MainProcess");
        process->has_asked = true;
    }
    pthread_mutex_unlock(&process->lock);
    json_decref(info);
}

/* The handle of the process that asks is filled when somebody wants to know. 0 with the lock held, or the
 * error. */
static int lock(procd_process *process)
{
    int r = process_check(process);

    if (r < 0)
        return r;
    if (process->is_current)
        learn(process);
    pthread_mutex_lock(&process->lock);
    return 0;
}

pid_t procd_process_pid(procd_process *process)
{
    return process_check(process) < 0 ? -EINVAL : process->pid;
}

long procd_process_id(procd_process *process)
{
    long id;

    if (lock(process) < 0)
        return -EINVAL;
    id = process->id;
    pthread_mutex_unlock(&process->lock);
    return id;
}

/* A target that was given a name knows it without a question. */
static const char *given_name(procd_process *process)
{
    const char *name;

    pthread_mutex_lock(&process->lock);
    name = process->name;
    pthread_mutex_unlock(&process->lock);
    return name;
}

const char *procd_process_name(procd_process *process)
{
    const char *name;

    if (process_check(process) < 0)
        return NULL;
    name = given_name(process);
    if (name || !process->is_current)
        return name;
    learn(process);
    return given_name(process);
}

int procd_process_daemon(procd_process *process)
{
    enum procd_daemon_flag flag;
    int r = lock(process);

    if (r < 0)
        return r;
    flag = process->daemon;
    pthread_mutex_unlock(&process->lock);
    if (flag == PROCD_INHERIT) {
        procd_process *creator = procd_current_process();

        return creator ? procd_process_daemon(creator) : -ENOMEM;
    }
    return flag == PROCD_DAEMON;
}

pid_t procd_parent_pid(void)
{
    struct library *here = library();
    procd_process *process = procd_current_process();

    if (!process)
        return -ENOMEM;
    if (here->parent_pid)
        return here->parent_pid;
    learn(process);
    return process->creator ? process->creator : getppid();
}
