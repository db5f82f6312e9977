/* SPDX-License-Identifier: MIT */
/* The environment of a child: exactly what was given, or what a login would find; and what is laid over. */
#include "daemon/rpc/session.h"
#include "daemon/rpc/spawn_append.h"
#include "proto/bytes.h"
#include "proto/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without `env`: what a login would find, and what execvp(3) looks in when there is no PATH. */
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"
#define PATH_NONE "/bin:/usr/bin"

/* The keeper adds its own. */
static bool is_the_keepers(const struct spawn_spec *spec, const char *name, size_t size)
{
    return spec->notifies && size == strlen("NOTIFY_SOCKET") && memcmp(name, "NOTIFY_SOCKET", size) == 0;
}

/* ---- as an object ---- */

static void add_variable(struct spawn_spec *spec, const char *name, const json_t *value)
{
    size_t name_size = strlen(name), value_size = bytes_size(value);
    char *to;

    if (is_the_keepers(spec, name, name_size))
        return;
    to = spec_extend(spec, name_size + value_size + 2);
    if (!to)
        return;
    memcpy(to, name, name_size);
    to[name_size] = '=';
    bytes_copy(value, to + name_size + 1);
    to[name_size + 1 + value_size] = '\0';
    spec_head(spec)->envc++;
}

static void add_default(struct spawn_spec *spec, const json_t *laid_over, const char *name, const char *value)
{
    char *to;

    if (json_object_get(laid_over, name))
        return;
    to = spec_extend(spec, strlen(name) + strlen(value) + 2);
    if (!to)
        return;
    stpcpy(stpcpy(stpcpy(to, name), "="), value);
    spec_head(spec)->envc++;
}

static void add_defaults(struct spawn_spec *spec, const json_t *laid_over, const struct lookup_answer *who,
                         uint32_t uid)
{
    bool found = who && who->found;
    char number[16];

    snprintf(number, sizeof number, "%u", uid);
    add_default(spec, laid_over, "PATH", PATH_DEFAULT);
    add_default(spec, laid_over, "HOME", found ? who->home : "/");
    add_default(spec, laid_over, "USER", found ? who->user : number);
    add_default(spec, laid_over, "LOGNAME", found ? who->user : number);
    add_default(spec, laid_over, "SHELL", found && who->shell[0] ? who->shell : "/bin/sh");
}

/* ---- as a memfd ---- */

/* Sealed: nobody changes it between the look and the use. No other kind of descriptor is read, as that might
 * block. */
static int block_size(int fd, size_t *ret_size)
{
    const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat info;

    if (seals < 0 || (seals & wanted) != wanted || fstat(fd, &info) < 0 || info.st_size > FRAME_LINE_MAX)
        return -EINVAL;
    *ret_size = (size_t) info.st_size;
    return 0;
}

/* NAME= is what it begins with. Its length without the =; 0: it does not. */
static size_t name_length(const char *variable)
{
    const char *equals = strchr(variable, '=');

    return equals ? (size_t) (equals - variable) : 0;
}

static bool is_left_out(const struct spawn_spec *spec, char *variable, size_t name, const json_t *laid_over)
{
    bool is_laid_over;

    variable[name] = '\0';
    is_laid_over = json_object_get(laid_over, variable);
    variable[name] = '=';
    return is_laid_over || is_the_keepers(spec, variable, name);
}

/* Drops what is laid over or the keeper's, and counts the rest. -EINVAL: one has no name, or the last one no
 * end. */
static int take_variables(struct spawn_spec *spec, char *block, size_t size, const json_t *laid_over)
{
    char *to = block;

    if (size > 0 && block[size - 1] != '\0')
        return -EINVAL;
    for (char *from = block, *next; from < block + size; from = next) {
        size_t name = name_length(from), length = strlen(from) + 1;

        next = from + length;
        if (name == 0)
            return -EINVAL;
        if (is_left_out(spec, from, name, laid_over))
            continue;
        if (to != from)
            memmove(to, from, length);
        to += length;
        spec_head(spec)->envc++;
    }
    spec->size -= (size_t) (block + size - to);
    return 0;
}

static int add_block(struct spawn_spec *spec, int fd, const json_t *laid_over)
{
    size_t size;
    char *to;

    if (block_size(fd, &size) < 0)
        return -EINVAL;
    to = spec_extend(spec, size);
    if (!to)
        return 0;
    for (size_t done = 0; done < size;) {
        ssize_t got = TEMP_FAILURE_RETRY(pread(fd, to + done, size - done, (off_t) done));

        if (got <= 0)
            return -EINVAL;
        done += (size_t) got;
    }
    return take_variables(spec, to, size, laid_over);
}

/* ---- PATH ---- */

/* The value that the child sees; NULL: none. */
static const char *find_path(const struct spawn_spec *spec)
{
    const char *at = spec->bytes + spec_head(spec)->envp;

    for (uint32_t i = 0; i < spec_head(spec)->envc; i++, at += strlen(at) + 1)
        if (strncmp(at, "PATH=", 5) == 0)
            return at + 5;
    return NULL;
}

/* Where argv[0] is looked for: the child's PATH, but for folders that are not absolute. */
static void add_search(struct spawn_spec *spec)
{
    const char *path = spec->failed ? NULL : find_path(spec);
    size_t size, length = 0, room = path ? strlen(path) + 1 : sizeof PATH_NONE;
    size_t offset = path ? (size_t) (path - spec->bytes) : 0;
    char *to = spec_extend(spec, room);
    const char *from;

    if (!to)
        return;
    from = path ? spec->bytes + offset : PATH_NONE; /* which has moved, perhaps */
    spec_head(spec)->search = (uint32_t) (to - spec->bytes);
    for (const char *end; from; from = end ? end + 1 : NULL) {
        end = strchr(from, ':');
        size = end ? (size_t) (end - from) : strlen(from);
        if (*from != '/')
            continue;
        if (length > 0)
            to[length++] = ':';
        memcpy(to + length, from, size);
        length += size;
    }
    to[length] = '\0';
    spec->size -= room - length - 1;
}

/* ---- the whole ---- */

int spec_add_environment(struct spawn_spec *spec, const struct call *call, const struct lookup_answer *who)
{
    const json_t *env = ARG(call, process_spawn, env), *laid_over = ARG(call, process_spawn, env_add);
    const json_t *fd = ARG(call, process_spawn, env_fd);
    uint32_t start = (uint32_t) spec->size;
    const char *name;
    json_t *value;
    int r = 0;

    if (!spec->failed)
        spec_head(spec)->envp = start;
    if (fd)
        r = add_block(spec, call->fds[json_integer_value(fd)], laid_over);
    else if (!env)
        add_defaults(spec, laid_over, who, call->uid);
    json_object_foreach((json_t *) env, name, value)
        if (!json_object_get(laid_over, name))
            add_variable(spec, name, value);
    json_object_foreach((json_t *) laid_over, name, value)
        add_variable(spec, name, value);
    if (r == 0)
        add_search(spec);
    return r;
}
