/* SPDX-License-Identifier: MIT */
/* The params of process.spawn, and the descriptors that travel with them. */
#include "client/lib/arguments.h"
#include "client/lib/environment.h"
#include "client/lib/object.h"
#include "client/lib/process.h"
#include "client/lib/zygote.h"
#include "daemon/base/cleanup.h"
#include "proto/bytes.h"
#include "proto/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>

static const char *const stdio_names[3] = {"stdin", "stdout", "stderr"};

static json_t *text(const char *bytes)
{
    return bytes_to_json(bytes, strlen(bytes));
}

/* Takes the value over. */
static int set(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) < 0 ? -ENOMEM : 0;
}

/* The member, made where it is not there. NULL: no memory. */
static json_t *member(json_t *object, const char *name, json_t *(*make)(void))
{
    if (!json_object_get(object, name) && set(object, name, make()) < 0)
        return NULL;
    return json_object_get(object, name);
}

/* The index of our descriptor in the message. -EBADF; -EINVAL: too many. */
static int fd_index(struct spawn *spawn, json_int_t fd)
{
    for (size_t i = 0; i < spawn->fd_count; i++)
        if (spawn->fds[i] == fd)
            return (int) i;
    if (library_is_remote())
        return -EOPNOTSUPP;
    if (fd < 0 || fd > INT_MAX || fcntl((int) fd, F_GETFD) < 0)
        return -EBADF;
    if (spawn->fd_count == FRAME_FDS_MAX)
        return -EINVAL;
    spawn->fds[spawn->fd_count] = (int) fd;
    return (int) spawn->fd_count++;
}

/* ---- what the caller passes on ---- */

static int add_stdio(struct spawn *spawn, int which, int choice)
{
    int index;

    if (choice == PROCD_LOG && which != 0)
        return set(spawn->params, stdio_names[which], json_string("log"));
    if (choice < 0 && choice != PROCD_NULL)
        return -EINVAL;
    index = choice == PROCD_NULL ? -EBADF : fd_index(spawn, choice == 0 ? which : choice - 1);
    if (index == -EBADF && choice <= 0) /* where ours is closed the child's is /dev/null */
        return set(spawn->params, stdio_names[which], json_string("null"));
    return index < 0 ? index : set(spawn->params, stdio_names[which], json_pack("{s:i}", "fd", index));
}

static json_t *pack_directory(const char *cwd)
{
    char buffer[PATH_MAX];

    if (!cwd)
        cwd = getcwd(buffer, sizeof buffer);
    return cwd && cwd[0] == '/' ? text(cwd) : NULL;
}

/* umask(2) tells only by changing it for a moment, for all threads, and for signal handlers. */
static int swap_umask(void)
{
    sigset_t all, before;
    mode_t mask;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    mask = umask(077);
    umask(mask);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return (int) mask;
}

/* So where there may be others it is read, at twenty times the price. -1: not known. */
static int read_umask(void)
{
    char buffer[512];
    CLEANUP_FD int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, buffer, sizeof buffer - 1);
    const char *line;
    unsigned mask;

    if (size <= 0)
        return -1;
    buffer[size] = '\0';
    line = strstr(buffer, "\nUmask:");
    return line && sscanf(line, "\nUmask: %o", &mask) == 1 ? (int) mask : -1;
}

static int find_umask(void)
{
    return __libc_single_threaded ? swap_umask() : read_umask();
}

static int add_environment(struct spawn *spawn, char *const *variables)
{
    int index;

    if (library_is_remote())
        return set(spawn->params, "env", environment_pack(variables));
    spawn->environment = environment_write(variables);
    if (spawn->environment < 0)
        return spawn->environment;
    index = fd_index(spawn, spawn->environment);
    return index < 0 ? index : set(spawn->params, "env_fd", json_integer(index));
}

/* Is it said in `extra`? */
static bool has_environment(const struct procd_process *process)
{
    return json_object_get(process->extra, "env") || json_object_get(process->extra, "env_fd");
}

/* What is ours means nothing on another machine: only what was said goes there. */
static int add_surroundings(struct spawn *spawn, const struct procd_process *process)
{
    bool is_remote = library_is_remote();
    json_t *cwd = is_remote && !process->cwd ? NULL : pack_directory(process->cwd);
    int mask = is_remote ? -1 : find_umask(), r = 0;

    if (!cwd && !is_remote)
        return process->cwd ? -EINVAL : -ENOENT;
    if (cwd)
        r = set(spawn->params, "cwd", cwd);
    if (r == 0 && mask >= 0)
        r = set(spawn->params, "umask", json_integer(mask));
    if (r == 0 && !has_environment(process) && (process->env || !is_remote))
        r = add_environment(spawn, process->env ? process->env : environ);
    for (int i = 0; i < 3 && r == 0; i++)
        r = add_stdio(spawn, i, process->stdio[i]);
    return r;
}

/* ---- extra: the caller's numbers become indices ---- */

/* Changes the number in place. 0, -EBADF, -EINVAL. */
static int translate(struct spawn *spawn, json_t *number)
{
    int index = json_is_integer(number) ? fd_index(spawn, json_integer_value(number)) : 0;

    if (index >= 0)
        json_integer_set(number, index); /* what is no integer is for the daemon to complain about */
    return index < 0 ? index : 0;
}

static int add_extra(struct spawn *spawn, const json_t *extra)
{
    json_t *copy = extra ? json_deep_copy(extra) : json_object(), *placed;
    size_t i;
    int r;

    r = json_object_update(spawn->params, copy) < 0 ? -ENOMEM : 0;
    json_array_foreach(json_object_get(copy, "fds"), i, placed)
    {
        if (r == 0)
            r = translate(spawn, json_array_get(placed, 0));
    }
    if (r == 0)
        r = translate(spawn, json_object_get(copy, "exe_fd"));
    if (r == 0)
        r = translate(spawn, json_object_get(copy, "env_fd"));
    for (int which = 0; which < 3 && r == 0; which++)
        r = translate(spawn, json_object_get(json_object_get(copy, stdio_names[which]), "fd"));
    json_decref(copy);
    return r;
}

/* ---- what runs ---- */

static int add_argv(struct spawn *spawn, const struct procd_process *process)
{
    json_t *argv = json_array();

    for (char **argument = process->argv; *argument; argument++)
        json_array_append_new(argv, text(*argument));
    return set(spawn->params, "argv", argv);
}

/* As long as what a copy may write over it, which is what procd_init's argv shows. */
static json_t *pack_zygote_title(void)
{
    return json_pack("[o,s]", text(target_program_name()),
                     "procd:zygote                                                   ");
}

/* For ps: what program, and which of its processes. */
static json_t *pack_title(const struct procd_process *process)
{
    char title[PROTO_NAME_MAX + sizeof "procd:"];
    json_t *argv = json_pack("[o]", text(target_program_name()));

    snprintf(title, sizeof title, "procd:%s", process->target);
    json_array_append_new(argv, text(title));
    if (process->name)
        json_array_append_new(argv, json_string(process->name));
    return argv;
}

/* The first number from 3 on that nothing else takes in the child. */
static int free_target(const json_t *placed)
{
    int target = 3;

    for (size_t i = 0; i < json_array_size(placed); i++) {
        if (json_integer_value(json_array_get(json_array_get(placed, i), 1)) == target) {
            target++;
            i = (size_t) -1; /* from the front again: they are in no order */
        }
    }
    return target;
}

/* The text for the child, or NULL: no memory, or strings that are not UTF-8. */
static char *pack_arguments(const struct procd_process *process)
{
    json_t *arguments =
        json_pack("{s:s,s:O*,s:O*,s:s*,s:i}", "target", process->target, "args", process->args, "kwargs",
                  process->kwargs, "name", process->name, "parent", (int) getpid());
    char *text = arguments ? json_dumps(arguments, JSON_COMPACT) : NULL;

    json_decref(arguments);
    return text;
}

/* What the child is given it has open before its first instruction: the creator may let go of it at once. */
static int add_objects(struct spawn *spawn, const struct procd_process *process)
{
    json_t *names = json_array(), *all;
    int r = references_find(process->args, names);

    if (r == 0)
        r = references_find(process->kwargs, names);
    if (r == 0 && json_array_size(names) > 0) {
        all = member(spawn->params, "objects", json_array);
        if (!all)
            r = -ENOMEM;
        else if (json_is_array(all)) /* else it is for the daemon to complain about */
            r = json_array_extend(all, names) < 0 ? -ENOMEM : 0;
    }
    json_decref(names);
    return r;
}

/* What marks the child: the text itself, or where it finds it. */
static int add_arguments(struct spawn *spawn, const char *text)
{
    json_t *more = member(spawn->params, "env_add", json_object), *placed;
    char number[16];
    int memory, target;

    if (strlen(text) <= ARGUMENTS_INLINE_MAX)
        return set(more, ARGUMENTS_MARKER, json_string(text));
    spawn->memory = arguments_write(text);
    if (spawn->memory < 0)
        return spawn->memory;
    memory = fd_index(spawn, spawn->memory);
    if (memory < 0)
        return -EINVAL;
    placed = member(spawn->params, "fds", json_array);
    target = free_target(placed);
    snprintf(number, sizeof number, "%d", target);
    if (json_array_append_new(placed, json_pack("[i,i]", memory, target)) < 0)
        return -ENOMEM;
    return set(more, ARGUMENTS_MARKER, json_string(number));
}

/* This program once more. */
static int add_program(struct spawn *spawn, json_t *title)
{
    int program, r = set(spawn->params, "argv", title);

    if (r < 0)
        return r;
    spawn->program = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    if (spawn->program < 0)
        return -errno;
    program = fd_index(spawn, spawn->program);
    if (program < 0)
        return -EINVAL;
    return set(spawn->params, "exe_fd", json_integer(program));
}

/* ... with a marker that leads procd_init to the target. */
static int add_target(struct spawn *spawn, const struct procd_process *process)
{
    CLEANUP_MEMORY char *text = pack_arguments(process);
    long zygote = library_is_remote() ? 0 : zygote_id();
    int r = text ? add_arguments(spawn, text) : -ENOMEM;

    if (r == 0 && zygote > 0)
        r = set(spawn->params, "zygote", json_integer(zygote));
    if (r == 0)
        r = add_program(spawn, pack_title(process));
    return r < 0 ? r : add_objects(spawn, process);
}

/* ... with one that leads it to where copies are made. */
static int add_zygote(struct spawn *spawn)
{
    json_t *more = member(spawn->params, "env_add", json_object);
    int r = set(more, ARGUMENTS_MARKER, json_string(ZYGOTE_MARKER));

    if (r == 0)
        r = set(spawn->params, "zygote", json_integer(0));
    return r < 0 ? r : add_program(spawn, pack_zygote_title());
}

static int add_what_runs(struct spawn *spawn, const struct procd_process *process)
{
    if (process->is_zygote)
        return add_zygote(spawn);
    return process->target ? add_target(spawn, process) : add_argv(spawn, process);
}

static int fill(struct spawn *spawn, const struct procd_process *process)
{
    int r = add_surroundings(spawn, process);

    if (r == 0 && process->name)
        r = set(spawn->params, "name", json_string(process->name));
    if (r == 0 && process->daemon != PROCD_INHERIT)
        r = set(spawn->params, "daemon", json_boolean(process->daemon == PROCD_DAEMON));
    if (r == 0 && !library_is_remote())
        r = set(spawn->params, "pidfd", json_true());
    if (r == 0)
        r = add_extra(spawn, process->extra);
    if (r == 0)
        r = add_what_runs(spawn, process);
    return r;
}

static const char *explain(int error)
{
    if (error == -EBADF)
        return "a descriptor that is not open";
    if (error == -ENOENT)
        return "the working directory is gone";
    if (error == -EOPNOTSUPP)
        return "no target and no descriptor goes to another host: PROCD_NULL or PROCD_LOG is wanted";
    if (error == -EMSGSIZE)
        return "more than 1 MiB of environment";
    return error == -EINVAL ? "too many descriptors, or a directory that is not absolute" : NULL;
}

int spawn_prepare(const struct procd_process *process, struct spawn *ret_spawn)
{
    int r;

    *ret_spawn = (struct spawn) {.params = json_object(), .program = -1, .memory = -1, .environment = -1};
    r = fill(ret_spawn, process);
    return r < 0 ? failure_note(r, explain(r)) : 0;
}

void spawn_done(struct spawn *spawn)
{
    json_decref(spawn->params);
    close_fd(spawn->program);
    close_fd(spawn->memory);
    close_fd(spawn->environment);
}
