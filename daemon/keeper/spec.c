/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/spec.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

struct extent {
    const char *data;
    size_t size, fd_count;
};

/* An array of `count` elements lies inside. */
static bool array_fits(const struct extent *in, uint32_t offset, uint32_t count, size_t element, size_t align)
{
    if (count == 0)
        return true;
    return offset % align == 0 && offset <= in->size && count <= (in->size - offset) / element;
}

/* A string lies inside with its NUL. Returns where the next one would begin, 0 if not. */
static size_t string_end(const struct extent *in, size_t offset)
{
    const char *end;

    if (offset >= in->size)
        return 0;
    end = memchr(in->data + offset, '\0', in->size - offset);
    return end ? (size_t) (end - in->data) + 1 : 0;
}

static bool strings_fit(const struct extent *in, uint32_t offset, uint32_t count)
{
    size_t at = offset;

    /* each takes a byte at least: a count that lies ends here and not after 2^32 steps */
    if (count > in->size)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!(at = string_end(in, at)))
            return false;
    return true;
}

/* "" or absolute folders: no empty or relative element, which would mean the working directory. */
static bool search_fits(const struct extent *in, uint32_t offset)
{
    const char *at;

    if (!string_end(in, offset))
        return false;
    at = in->data + offset;
    if (*at == '\0')
        return true;
    for (;;) {
        if (*at != '/')
            return false;
        at = strchr(at, ':');
        if (!at)
            return true;
        at++;
    }
}

static bool stdio_fits(const struct extent *in, const struct link_stdio *stdio, int which)
{
    switch (stdio->kind) {
    case LINK_STDIO_NULL:
    case LINK_STDIO_PTY:
        return true;
    case LINK_STDIO_LOG:
        return which != 0;
    case LINK_STDIO_FD:
        return stdio->fd < in->fd_count;
    case LINK_STDIO_READ:
    case LINK_STDIO_WRITE:
    case LINK_STDIO_APPEND:
        return string_end(in, stdio->path) != 0;
    }
    return false;
}

static bool placed_fit(const struct extent *in, const struct link_spec *spec)
{
    const struct link_placed_fd *placed = (const void *) (in->data + spec->placed);

    if (spec->placed_count > SPEC_PLACED_MAX ||
        !array_fits(in, spec->placed, spec->placed_count, sizeof *placed, _Alignof(struct link_placed_fd)))
        return false;
    for (uint32_t i = 0; i < spec->placed_count; i++) {
        if (placed[i].fd >= in->fd_count || placed[i].target < 3 || placed[i].target > SPEC_TARGET_MAX)
            return false;
        for (uint32_t before = 0; before < i; before++)
            if (placed[before].target == placed[i].target)
                return false;
    }
    return true;
}

static bool limits_fit(const struct extent *in, const struct link_spec *spec)
{
    const struct link_limit *limits = (const void *) (in->data + spec->limits);

    if (spec->limit_count > SPEC_LIMITS_MAX ||
        !array_fits(in, spec->limits, spec->limit_count, sizeof *limits, _Alignof(struct link_limit)))
        return false;
    for (uint32_t i = 0; i < spec->limit_count; i++)
        if (limits[i].resource < 0 || limits[i].resource >= RLIM_NLIMITS)
            return false;
    return true;
}

/* (uid_t) -1 means "leave it" to the kernel: never to be let through. */
static bool identity_fits(const struct extent *in, const struct link_spec *spec)
{
    const uint32_t *groups = (const void *) (in->data + spec->groups);

    if (spec->flags & LINK_SPEC_AS && (spec->as_uid == UINT32_MAX || spec->as_gid == UINT32_MAX))
        return false;
    if (spec->group_count > SPEC_GROUPS_MAX ||
        !array_fits(in, spec->groups, spec->group_count, sizeof *groups, _Alignof(uint32_t)))
        return false;
    for (uint32_t i = 0; i < spec->group_count; i++)
        if (groups[i] == UINT32_MAX)
            return false;
    return true;
}

int spec_check(const void *data, size_t size, size_t fd_count)
{
    const struct extent in = {.data = data, .size = size, .fd_count = fd_count};
    const struct link_spec *spec = data;

    if (size < sizeof *spec || size > SPEC_SIZE_MAX || spec->size != size)
        return -EINVAL;
    if (spec->flags & ~(uint32_t) (LINK_SPEC_NICE | LINK_SPEC_EXE_FD | LINK_SPEC_AS))
        return -EINVAL;
    if (spec->argc < 1 || !strings_fit(&in, spec->argv, spec->argc) ||
        !strings_fit(&in, spec->envp, spec->envc))
        return -EINVAL;
    if (!search_fits(&in, spec->search) || !string_end(&in, spec->cwd) || spec->umask > 0777)
        return -EINVAL;
    if (spec->flags & LINK_SPEC_NICE && (spec->nice < -20 || spec->nice > 19))
        return -EINVAL;
    if (spec->flags & LINK_SPEC_EXE_FD && spec->exe_fd >= fd_count)
        return -EINVAL;
    for (int i = 0; i < 3; i++)
        if (!stdio_fits(&in, &spec->stdio[i], i))
            return -EINVAL;
    return placed_fit(&in, spec) && limits_fit(&in, spec) && identity_fits(&in, spec) ? 0 : -EINVAL;
}
