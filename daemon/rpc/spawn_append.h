/* SPDX-License-Identifier: MIT */
/* Building a spawn's spec, piece by piece. Private to spawn_spec.c and spawn_environment.c. */
#ifndef PROCD_RPC_SPAWN_APPEND_H
#define PROCD_RPC_SPAWN_APPEND_H

#include "daemon/rpc/spawn_spec.h"

static inline struct link_spec *spec_head(const struct spawn_spec *spec)
{
    return (struct link_spec *) spec->bytes;
}

/* Room for size more bytes; NULL without memory, which sticks. */
char *spec_extend(struct spawn_spec *spec, size_t size);

/* Each returns where it begins. */
uint32_t spec_add_bytes(struct spawn_spec *spec, const void *bytes, size_t size);
uint32_t spec_add_text(struct spawn_spec *spec, const char *text);

/* ---- spawn_environment.c ---- */

/* The child's variables, and the PATH in which its argv[0] is looked for. 0, or -EINVAL: what env_fd is the
 * index of is no environment. */
int spec_add_environment(struct spawn_spec *spec, const struct call *call, const struct lookup_answer *who);

#endif
