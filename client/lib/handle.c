/* SPDX-License-Identifier: MIT */
/* A handle from its making to its start. */
#include "client/lib/process.h"
#include "daemon/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* NULL stays NULL. False: no memory. */
static bool copy_string(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

static bool copy_strings(char ***to, const char *const *from)
{
    size_t count = 0;

    if (!from)
        return true;
    while (from[count])
        count++;
    *to = calloc(count + 1, sizeof **to);
    for (size_t i = 0; *to && i < count; i++)
        if (!copy_string(&(*to)[i], from[i]))
            return false;
    return *to;
}

static bool name_valid(const char *name)
{
    json_t *json = name ? json_string(name) : NULL; /* refuses what is not UTF-8 */
    bool is_valid = !name || (json && name[0] && strlen(name) <= PROTO_NAME_MAX);

    json_decref(json);
    return is_valid;
}

static int check_options(const struct procd_options *options)
{
    if (!options->target == !options->argv || (options->argv && !options->argv[0]))
        return failure_note(-EINVAL, "want a target, or argv");
    if (options->argv && (options->args || options->kwargs))
        return failure_note(-EINVAL, "args and kwargs are for a target");
    if ((options->args && !json_is_array(options->args)) ||
        (options->kwargs && !json_is_object(options->kwargs)) ||
        (options->extra && !json_is_object(options->extra)))
        return failure_note(-EINVAL, "args: want an array; kwargs and extra: want an object");
    if (!name_valid(options->name))
        return failure_note(-EINVAL, "name: want 1 to 255 bytes of UTF-8");
    if ((unsigned) options->daemon > PROCD_NOT_DAEMON)
        return failure_note(-EINVAL, "daemon: want PROCD_INHERIT, PROCD_DAEMON or PROCD_NOT_DAEMON");
    if (options->target && target_known(options->target) == 0)
        return failure_note(-ENOENT, "this program has no such target");
    return 0;
}

static bool copy_options(procd_process *process, const struct procd_options *options)
{
    process->args = json_incref(options->args);
    process->kwargs = json_incref(options->kwargs);
    process->extra = json_incref(options->extra);
    process->daemon = options->daemon;
    process->restarts = json_object_get(options->extra, "restart");
    memcpy(process->stdio, options->stdio, sizeof process->stdio);
    return copy_string(&process->target, options->target) && copy_strings(&process->argv, options->argv) &&
           copy_string(&process->name, options->name) && copy_strings(&process->env, options->env) &&
           copy_string(&process->cwd, options->cwd);
}

procd_process *procd_process_new(const struct procd_options *options)
{
    procd_process *process = NULL;

    if (!options) {
        failure_note(-EINVAL, "no options");
        return NULL;
    }
    if (check_options(options) == 0) {
        process = process_make();
        if (!process || !copy_options(process, options)) {
            failure_note(-ENOMEM, NULL);
            procd_process_free(process);
            process = NULL;
        }
    }
    json_decref(options->args);
    json_decref(options->kwargs);
    json_decref(options->extra);
    return process;
}

/* A foreign process's record has come. */
static int keep_foreign(procd_process *process, const json_t *info, char *epoch)
{
    int r = process_keep_info(process, info);

    process->epoch = epoch;
    process->is_foreign = true;
    process->restarts = true; /* for all we know */
    process->state = PROCESS_STARTED;
    return r < 0 ? failure_note(r, NULL) : 0;
}

procd_process *procd_process_open(long id)
{
    json_t *params = json_pack("{s:I}", "process", (json_int_t) id), *info = NULL;
    struct connection_request request = {.method = "process.info", .params = params};
    char *epoch;
    struct call_options options = {.deadline = CONNECTION_FOREVER, .ret_epoch = &epoch};
    procd_process *process = process_make();
    struct incoming answer;
    int r;

    if (!process || !params) {
        failure_note(-ENOMEM, NULL);
        procd_process_free(process);
        json_decref(params);
        return NULL;
    }
    r = library_call(&request, &options, &answer, &info);
    if (r == 0)
        r = keep_foreign(process, info, epoch);
    json_decref(params);
    incoming_done(&answer);
    if (r < 0) {
        procd_process_free(process);
        return NULL;
    }
    return process;
}

/* ---- what can be changed before the start ---- */

/* 0 with the lock held, or the error without it. */
static int lock_new(procd_process *process)
{
    int r = process_check(process);

    if (r < 0)
        return r;
    pthread_mutex_lock(&process->lock);
    if (process->state == PROCESS_NEW && !process->is_current)
        return 0;
    pthread_mutex_unlock(&process->lock);
    return failure_note(-EINVAL, "the process was started before");
}

int procd_process_set_name(procd_process *process, const char *name)
{
    char *copy;
    int r;

    if (!name_valid(name))
        return failure_note(-EINVAL, "name: want 1 to 255 bytes of UTF-8");
    if (!copy_string(&copy, name))
        return failure_note(-ENOMEM, NULL);
    r = lock_new(process);
    if (r == 0) {
        char *old = process->name;

        process->name = copy;
        copy = old;
        pthread_mutex_unlock(&process->lock);
    }
    free(copy);
    return r;
}

int procd_process_set_daemon(procd_process *process, int daemon)
{
    int r = lock_new(process);

    if (r == 0) {
        process->daemon = daemon ? PROCD_DAEMON : PROCD_NOT_DAEMON;
        pthread_mutex_unlock(&process->lock);
    }
    return r;
}

/* ---- the start ---- */

/* A child whose pidfd found no free number would run without anybody knowing it here. */
static int check_room(void)
{
    int fd = fcntl(0, F_DUPFD_CLOEXEC, 3);

    if (fd < 0 && errno == EMFILE)
        return failure_note(-EMFILE, NULL);
    close_fd(fd);
    return 0;
}

/* Takes the epoch over. */
static int keep_start(procd_process *process, struct incoming *answer, const json_t *info, char *epoch)
{
    int r;

    pthread_mutex_lock(&process->lock);
    r = process_keep_info(process, info);
    if (r == 0) {
        process->epoch = TAKE(epoch);
        process->state = PROCESS_STARTED;
        if (answer->fd_count > 0)
            process->pidfd = take_fd(&answer->fds[0]);
    }
    pthread_mutex_unlock(&process->lock);
    free(epoch);
    return r < 0 ? failure_note(r, "an answer that makes no sense") : 0;
}

/* What was printed before the start comes before what the child prints, also where it is not a terminal. */
static void flush_inherited(const procd_process *process)
{
    if (process->stdio[1] == 0)
        fflush(stdout);
    if (process->stdio[2] == 0)
        fflush(stderr);
}

int process_spawn(struct procd_process *process)
{
    struct spawn spawn;
    struct connection_request request = {.method = "process.spawn"};
    char *epoch = NULL;
    struct call_options options = {.deadline = CONNECTION_FOREVER, .ret_epoch = &epoch};
    struct incoming answer = {0};
    json_t *info;
    int r = check_room();

    if (r < 0)
        return r;
    flush_inherited(process);
    r = spawn_prepare(process, &spawn);
    if (r == 0) {
        request.params = spawn.params;
        request.fds = spawn.fds;
        request.fd_count = spawn.fd_count;
        r = library_call(&request, &options, &answer, &info);
    }
    if (r == 0)
        r = keep_start(process, &answer, info, epoch);
    incoming_done(&answer);
    spawn_done(&spawn);
    return r;
}

int procd_process_start(procd_process *process)
{
    int r = lock_new(process);

    if (r < 0)
        return r;
    process->state = PROCESS_STARTING;
    pthread_mutex_unlock(&process->lock);
    if (process->target && target_known(process->target) < 0)
        r = failure_note(-EINVAL, "procd_init was not called");
    else
        r = process_spawn(process);
    if (r < 0) {
        pthread_mutex_lock(&process->lock);
        process->state = PROCESS_NEW;
        pthread_mutex_unlock(&process->lock);
        return r;
    }
    children_add(process);
    return 0;
}
