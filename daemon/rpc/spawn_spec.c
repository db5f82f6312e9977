/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/spawn_spec.h"

#include "daemon/base/cleanup.h"
#include "daemon/rpc/session.h"
#include "proto/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Without `env`: what a login would find, and what execvp(3) looks in when there is no PATH. */
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"
#define PATH_NONE    "/bin:/usr/bin"

/* ---- appending ---- */

static struct link_spec *head_of(const struct spawn_spec *spec)
{
    return (struct link_spec *) spec->bytes;
}

/* Room for size more bytes; NULL without memory, which sticks. */
static char *extend(struct spawn_spec *spec, size_t size)
{
    size_t room = spec->room ? spec->room : 4096;
    char *bytes;

    while (room < spec->size + size)
        room *= 2;
    if (!spec->failed && room != spec->room) {
        bytes = realloc(spec->bytes, room);
        spec->failed = !bytes;
        if (bytes) {
            spec->bytes = bytes;
            spec->room = room;
        }
    }
    if (spec->failed)
        return NULL;
    spec->size += size;
    return spec->bytes + spec->size - size;
}

static uint32_t add_bytes(struct spawn_spec *spec, const void *bytes, size_t size)
{
    char *to = extend(spec, size);

    if (to)
        memcpy(to, bytes, size);
    return (uint32_t) (spec->size - size);
}

static uint32_t add_text(struct spawn_spec *spec, const char *text)
{
    return add_bytes(spec, text, strlen(text) + 1);
}

/* A byte string of the request, with a NUL. */
static uint32_t add_json(struct spawn_spec *spec, const json_t *json)
{
    size_t size = bytes_size(json);
    char *to = extend(spec, size + 1);

    if (to) {
        bytes_copy(json, to);
        to[size] = '\0';
    }
    return (uint32_t) (spec->size - size - 1);
}

static void align(struct spawn_spec *spec)
{
    static const char zeros[8];

    if (spec->size % 8)
        add_bytes(spec, zeros, 8 - spec->size % 8);
}

/* ---- argv, cwd, labels ---- */

static void add_argv(struct spawn_spec *spec, const json_t *argv)
{
    uint32_t start = (uint32_t) spec->size;
    size_t index;
    json_t *item;

    json_array_foreach(argv, index, item)
        add_json(spec, item);
    if (spec->failed)
        return;
    head_of(spec)->argv = start;
    head_of(spec)->argc = (uint32_t) json_array_size(argv);
    spec->argv_size = spec->size - start;
}

static void add_cwd(struct spawn_spec *spec, const json_t *cwd)
{
    uint32_t at = cwd ? add_json(spec, cwd) : add_text(spec, "/");

    if (spec->failed)
        return;
    head_of(spec)->cwd = at;
    spec->cwd_size = spec->size - at - 1;
}

static void add_labels(struct spawn_spec *spec, const json_t *labels)
{
    const char *name;
    json_t *value;
    size_t size = 0;
    char *at;

    json_object_foreach((json_t *) labels, name, value)
        size += strlen(name) + json_string_length(value) + 2;
    spec->labels = at = malloc(size + 1);
    if (!at) {
        spec->failed = true;
        return;
    }
    json_object_foreach((json_t *) labels, name, value)
    {
        at = stpcpy(at, name) + 1;
        at = stpcpy(at, json_string_value(value)) + 1;
    }
    spec->labels_size = size;
    spec->label_count = json_object_size(labels);
}

/* ---- the environment ---- */

static void add_variable(struct spawn_spec *spec, const char *name, const json_t *value)
{
    size_t name_size = strlen(name), value_size = bytes_size(value);
    char *to;

    if (spec->notifies && strcmp(name, "NOTIFY_SOCKET") == 0) /* the keeper adds its own */
        return;
    to = extend(spec, name_size + value_size + 2);
    if (!to)
        return;
    memcpy(to, name, name_size);
    to[name_size] = '=';
    bytes_copy(value, to + name_size + 1);
    to[name_size + 1 + value_size] = '\0';
    head_of(spec)->envc++;
}

static void add_default(struct spawn_spec *spec, const json_t *laid_over, const char *name, const char *value)
{
    char *to;

    if (json_object_get(laid_over, name))
        return;
    to = extend(spec, strlen(name) + strlen(value) + 2);
    if (!to)
        return;
    stpcpy(stpcpy(stpcpy(to, name), "="), value);
    head_of(spec)->envc++;
}

static void add_environment(struct spawn_spec *spec, const json_t *env, const json_t *env_add,
                            const struct lookup_answer *who, uint32_t uid)
{
    uint32_t start = (uint32_t) spec->size;
    const char *name;
    json_t *value;
    char number[16];

    snprintf(number, sizeof number, "%u", uid);
    json_object_foreach((json_t *) env, name, value)
        if (!json_object_get(env_add, name))
            add_variable(spec, name, value);
    if (!env) {
        bool found = who && who->found;

        add_default(spec, env_add, "PATH", PATH_DEFAULT);
        add_default(spec, env_add, "HOME", found ? who->home : "/");
        add_default(spec, env_add, "USER", found ? who->user : number);
        add_default(spec, env_add, "LOGNAME", found ? who->user : number);
        add_default(spec, env_add, "SHELL", found && who->shell[0] ? who->shell : "/bin/sh");
    }
    json_object_foreach((json_t *) env_add, name, value)
        add_variable(spec, name, value);
    if (!spec->failed)
        head_of(spec)->envp = start;
}

/* Where argv[0] is looked for: the child's PATH, but for folders that are not absolute. */
static void add_search(struct spawn_spec *spec, const json_t *env, const json_t *env_add)
{
    const json_t *path = json_object_get(env_add, "PATH");
    CLEANUP_MEMORY char *text = NULL;
    size_t size, length = 0;
    uint32_t at;

    path = path ? path : json_object_get(env, "PATH");
    if (path && bytes_from_json(path, &text, &size) < 0) {
        spec->failed = true;
        return;
    }
    if (!text && !(text = strdup(env ? PATH_NONE : PATH_DEFAULT))) {
        spec->failed = true;
        return;
    }
    for (char *from = text, *end; from; from = end ? end + 1 : NULL) {
        end = strchr(from, ':');
        size = end ? (size_t) (end - from) : strlen(from);
        if (*from != '/')
            continue;
        if (length > 0)
            text[length++] = ':';
        memmove(text + length, from, size);
        length += size;
    }
    text[length] = '\0';
    at = add_bytes(spec, text, length + 1);
    if (!spec->failed)
        head_of(spec)->search = at;
}

/* ---- descriptors and limits ---- */

static void add_stdio(struct spawn_spec *spec, int which, const json_t *json)
{
    struct link_stdio stdio = {.kind = LINK_STDIO_NULL};
    const json_t *fd = json_object_get(json, "fd"), *file = json_object_get(json, "file");

    if (fd) {
        stdio.kind = LINK_STDIO_FD;
        stdio.fd = (uint32_t) json_integer_value(fd);
    } else if (file) {
        bool append = json_is_true(json_object_get(json, "append"));

        stdio.kind = which == 0 ? LINK_STDIO_READ : append ? LINK_STDIO_APPEND : LINK_STDIO_WRITE;
        stdio.path = add_json(spec, file);
    } else if (json && strcmp(json_string_value(json), "pty") == 0) {
        stdio.kind = LINK_STDIO_PTY;
    } else if (which > 0 && (!json || strcmp(json_string_value(json), "log") == 0)) {
        stdio.kind = LINK_STDIO_LOG;
    }
    if (!spec->failed)
        head_of(spec)->stdio[which] = stdio;
}

static void add_placed(struct spawn_spec *spec, const json_t *list)
{
    uint32_t start = (uint32_t) spec->size;
    size_t index;
    json_t *pair;

    json_array_foreach(list, index, pair)
    {
        struct link_placed_fd placed = {(uint32_t) json_integer_value(json_array_get(pair, 0)),
                                        (uint32_t) json_integer_value(json_array_get(pair, 1))};

        add_bytes(spec, &placed, sizeof placed);
    }
    if (spec->failed)
        return;
    head_of(spec)->placed = start;
    head_of(spec)->placed_count = (uint32_t) json_array_size(list);
}

static void add_limits(struct spawn_spec *spec, const json_t *limits)
{
    const char *name;
    json_t *value;
    uint32_t start;

    align(spec);
    start = (uint32_t) spec->size;
    json_object_foreach((json_t *) limits, name, value)
    {
        struct link_limit limit = {.resource = limit_from_name(name)};

        limit_values(value, &limit.soft, &limit.hard);
        add_bytes(spec, &limit, sizeof limit);
    }
    if (spec->failed)
        return;
    head_of(spec)->limits = start;
    head_of(spec)->limit_count = (uint32_t) json_object_size(limits);
}

/* ---- who ---- */

static bool in_anothers_place(const struct call *call)
{
    return call->server->hello.system && call->uid != call->session->uid;
}

bool spawn_spec_needs_lookup(const struct call *call)
{
    return !ARG(call, process_spawn, env) || in_anothers_place(call);
}

static void add_credentials(struct spawn_spec *spec, const struct lookup_answer *who)
{
    uint32_t start;

    align(spec);
    start = add_bytes(spec, who->groups, who->group_count * sizeof who->groups[0]);
    if (spec->failed)
        return;
    head_of(spec)->flags |= LINK_SPEC_AS;
    head_of(spec)->as_uid = who->uid;
    head_of(spec)->as_gid = who->gid;
    head_of(spec)->groups = start;
    head_of(spec)->group_count = who->group_count;
}

static void add_numbers(struct spawn_spec *spec, const struct call *call)
{
    const json_t *mask = ARG(call, process_spawn, umask), *nice = ARG(call, process_spawn, nice);
    const json_t *exe_fd = ARG(call, process_spawn, exe_fd), *size = ARG(call, process_spawn, winsize);
    struct link_spec *head = head_of(spec);

    head->umask = mask ? (uint32_t) json_integer_value(mask) : 022;
    if (nice) {
        head->flags |= LINK_SPEC_NICE;
        head->nice = (int32_t) json_integer_value(nice);
    }
    if (exe_fd) {
        head->flags |= LINK_SPEC_EXE_FD;
        head->exe_fd = (uint32_t) json_integer_value(exe_fd);
    }
    if (size) {
        head->rows = (uint16_t) json_integer_value(json_array_get(size, 0));
        head->columns = (uint16_t) json_integer_value(json_array_get(size, 1));
    }
}

/* ---- the whole ---- */

static int seal(struct spawn_spec *spec)
{
    CLEANUP_FD int fd = memfd_create("procd-spec", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    size_t written = 0;

    if (fd < 0)
        return -errno;
    while (written < spec->size) {
        ssize_t r = write(fd, spec->bytes + written, spec->size - written);

        if (r < 0 && errno != EINTR)
            return -errno;
        written += r > 0 ? (size_t) r : 0;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return -errno;
    spec->memfd = take_fd(&fd);
    return 0;
}

int spawn_spec_new(const struct call *call, const struct lookup_answer *who, struct spawn_spec **ret_spec)
{
    const json_t *env = ARG(call, process_spawn, env), *env_add = ARG(call, process_spawn, env_add);
    struct spawn_spec *spec = calloc(1, sizeof *spec);
    char *head;
    int r = 0;

    if (!spec)
        return -ENOMEM;
    spec->memfd = -1;
    spec->notifies = json_is_true(ARG(call, process_spawn, notify));
    head = extend(spec, sizeof(struct link_spec));
    if (head) {
        memset(head, 0, sizeof(struct link_spec));
        add_numbers(spec, call);
        add_limits(spec, ARG(call, process_spawn, limits));
        add_placed(spec, ARG(call, process_spawn, fds));
        if (in_anothers_place(call))
            add_credentials(spec, who);
        add_argv(spec, ARG(call, process_spawn, argv));
        add_cwd(spec, ARG(call, process_spawn, cwd));
        add_environment(spec, env, env_add, who, call->uid);
        add_search(spec, env, env_add);
        add_stdio(spec, 0, ARG(call, process_spawn, stdin));
        add_stdio(spec, 1, ARG(call, process_spawn, stdout));
        add_stdio(spec, 2, ARG(call, process_spawn, stderr));
        add_labels(spec, ARG(call, process_spawn, labels));
    }
    if (!spec->failed)
        head_of(spec)->size = (uint32_t) spec->size;
    if (!spec->failed && spec->size > LINK_SPEC_INLINE)
        r = seal(spec);
    if (spec->failed || r < 0) {
        r = spec->failed ? -ENOMEM : r;
        spawn_spec_free(spec);
        return r;
    }
    *ret_spec = spec;
    return 0;
}

void spawn_spec_free(struct spawn_spec *spec)
{
    if (!spec)
        return;
    close_fd(spec->memfd);
    free(spec->bytes);
    free(spec->labels);
    free(spec);
}
