/* SPDX-License-Identifier: MIT */
/*
 * A spawn spec from a hostile broker: it is refused, or everything that the keeper reads of it lies inside,
 * and is as spec.h says.
 *
 * The input: how many descriptors come with it, and the spec.
 */
#include "daemon/keeper/spec.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/core/must.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

const char fuzz_target[] = "spec";

static void must_be_strings(const char *spec, uint32_t offset, uint32_t count)
{
    const char *at = spec + offset;

    for (uint32_t i = 0; i < count; i++)
        at += strlen(at) + 1; /* a sanitizer sees the step beyond */
}

static void must_fit(const char *bytes, size_t fd_count)
{
    const struct link_spec *spec = (const void *) bytes;
    const struct link_placed_fd *placed = (const void *) (bytes + spec->placed);
    const struct link_limit *limits = (const void *) (bytes + spec->limits);
    const uint32_t *groups = (const void *) (bytes + spec->groups);

    must(spec->argc > 0);
    must_be_strings(bytes, spec->argv, spec->argc);
    must_be_strings(bytes, spec->envp, spec->envc);
    must_be_strings(bytes, spec->search, 1);
    must_be_strings(bytes, spec->cwd, 1);
    must(bytes[spec->search] == '\0' || bytes[spec->search] == '/');
    must(spec->placed_count <= SPEC_PLACED_MAX && spec->limit_count <= SPEC_LIMITS_MAX);
    must(spec->group_count <= SPEC_GROUPS_MAX);
    for (uint32_t i = 0; i < spec->placed_count; i++)
        must(placed[i].fd < fd_count && placed[i].target >= 3 && placed[i].target <= SPEC_TARGET_MAX);
    for (uint32_t i = 0; i < spec->limit_count; i++)
        must(limits[i].resource >= 0 && limits[i].resource < RLIM_NLIMITS);
    for (uint32_t i = 0; i < spec->group_count; i++)
        must(groups[i] != UINT32_MAX);
    for (int i = 0; i < 3; i++) {
        must(spec->stdio[i].kind <= LINK_STDIO_PTY);
        if (spec->stdio[i].kind == LINK_STDIO_FD)
            must(spec->stdio[i].fd < fd_count);
        else if (spec->stdio[i].kind > LINK_STDIO_FD && spec->stdio[i].kind < LINK_STDIO_LOG)
            must_be_strings(bytes, spec->stdio[i].path, 1);
    }
    must(!(spec->flags & LINK_SPEC_EXE_FD) || spec->exe_fd < fd_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    size_t fd_count = source_byte(&source) % 65;
    char *bytes = malloc(source.left ? source.left : 1);
    int r;

    memcpy(bytes, source.at, source.left);
    r = spec_check(bytes, source.left, fd_count);
    must(r == 0 || r == -EINVAL);
    if (r == 0)
        must_fit(bytes, fd_count);
    free(bytes);
    return 0;
}
