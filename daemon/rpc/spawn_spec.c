/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/spawn_spec.h"

#include "daemon/base/cleanup.h"
#include "daemon/rpc/session.h"
#include "daemon/rpc/spawn_append.h"
#include "proto/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- appending ---- */

char *spec_extend(struct spawn_spec *spec, size_t size)
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

uint32_t spec_add_bytes(struct spawn_spec *spec, const void *bytes, size_t size)
{
    char *to = spec_extend(spec, size);

    if (to)
        memcpy(to, bytes, size);
    return (uint32_t) (spec->size - size);
}

uint32_t spec_add_text(struct spawn_spec *spec, const char *text)
{
    return spec_add_bytes(spec, text, strlen(text) + 1);
}

/* A byte string of the request, with a NUL. */
static uint32_t add_json(struct spawn_spec *spec, const json_t *json)
{
    size_t size = bytes_size(json);
    char *to = spec_extend(spec, size + 1);

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
        spec_add_bytes(spec, zeros, 8 - spec->size % 8);
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
    spec_head(spec)->argv = start;
    spec_head(spec)->argc = (uint32_t) json_array_size(argv);
    spec->argv_size = spec->size - start;
}

static void add_cwd(struct spawn_spec *spec, const json_t *cwd)
{
    uint32_t at = cwd ? add_json(spec, cwd) : spec_add_text(spec, "/");

    if (spec->failed)
        return;
    spec_head(spec)->cwd = at;
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
        spec_head(spec)->stdio[which] = stdio;
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

        spec_add_bytes(spec, &placed, sizeof placed);
    }
    if (spec->failed)
        return;
    spec_head(spec)->placed = start;
    spec_head(spec)->placed_count = (uint32_t) json_array_size(list);
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
        spec_add_bytes(spec, &limit, sizeof limit);
    }
    if (spec->failed)
        return;
    spec_head(spec)->limits = start;
    spec_head(spec)->limit_count = (uint32_t) json_object_size(limits);
}

/* ---- who ---- */

static bool in_anothers_place(const struct call *call)
{
    return call->server->hello.system && call->uid != call->session->uid;
}

bool spawn_spec_needs_lookup(const struct call *call)
{
    bool has_environment = ARG(call, process_spawn, env) || ARG(call, process_spawn, env_fd);

    return !has_environment || in_anothers_place(call);
}

static void add_credentials(struct spawn_spec *spec, const struct lookup_answer *who)
{
    uint32_t start;

    align(spec);
    start = spec_add_bytes(spec, who->groups, who->group_count * sizeof who->groups[0]);
    if (spec->failed)
        return;
    spec_head(spec)->flags |= LINK_SPEC_AS;
    spec_head(spec)->as_uid = who->uid;
    spec_head(spec)->as_gid = who->gid;
    spec_head(spec)->groups = start;
    spec_head(spec)->group_count = who->group_count;
}

static void add_numbers(struct spawn_spec *spec, const struct call *call)
{
    const json_t *mask = ARG(call, process_spawn, umask), *nice = ARG(call, process_spawn, nice);
    const json_t *exe_fd = ARG(call, process_spawn, exe_fd), *size = ARG(call, process_spawn, winsize);
    struct link_spec *head = spec_head(spec);

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
    const json_t *zygote = ARG(call, process_spawn, zygote);
    struct spawn_spec *spec = calloc(1, sizeof *spec);
    char *head;
    int r = 0;

    if (!spec)
        return -ENOMEM;
    spec->memfd = -1;
    spec->zygote = (uint64_t) json_integer_value(zygote);
    spec->is_zygote = zygote && spec->zygote == 0;
    spec->notifies = json_is_true(ARG(call, process_spawn, notify));
    head = spec_extend(spec, sizeof(struct link_spec));
    if (head) {
        memset(head, 0, sizeof(struct link_spec));
        add_numbers(spec, call);
        add_limits(spec, ARG(call, process_spawn, limits));
        add_placed(spec, ARG(call, process_spawn, fds));
        if (in_anothers_place(call))
            add_credentials(spec, who);
        add_argv(spec, ARG(call, process_spawn, argv));
        add_cwd(spec, ARG(call, process_spawn, cwd));
        r = spec_add_environment(spec, call, who);
        add_stdio(spec, 0, ARG(call, process_spawn, stdin));
        add_stdio(spec, 1, ARG(call, process_spawn, stdout));
        add_stdio(spec, 2, ARG(call, process_spawn, stderr));
        add_labels(spec, ARG(call, process_spawn, labels));
    }
    if (!spec->failed)
        spec_head(spec)->size = (uint32_t) spec->size;
    if (r == 0 && !spec->failed && spec->size > LINK_SPEC_INLINE)
        r = seal(spec);
    if (spec->failed || r < 0) {
        r = r < 0 ? r : -ENOMEM;
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
