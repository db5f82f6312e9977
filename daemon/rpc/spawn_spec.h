/* SPDX-License-Identifier: MIT */
/* The parameters of process.spawn as the spec that the keeper executes (daemon/keeper/link.h). */
#ifndef PROCD_RPC_SPAWN_SPEC_H
#define PROCD_RPC_SPAWN_SPEC_H

#include "daemon/rpc/call.h"

struct spawn_spec {
    char *bytes; /* struct link_spec and what it refers to */
    size_t size, room;
    int memfd; /* sealed, holds the same, where it is too large to travel inline; else -1 */
    bool failed; /* for memory */
    bool is_zygote;  /* it is to be copied */
    uint64_t zygote; /* what it is to be a copy of, where that can be; 0: nothing */
    bool notifies; /* NOTIFY_SOCKET is not the caller's */
    size_t argv_size, cwd_size;
    char *labels; /* pairs of strings, each with its NUL */
    size_t labels_size, label_count;
};

/* Builds the spec of a checked call. who: its uid's entry of passwd(5), for the default environment and for
 * root in another's place; NULL where neither is needed. 0 or -errno;
 * -EINVAL: env_fd is the index of no environment. */
int spawn_spec_new(const struct call *call, const struct lookup_answer *who, struct spawn_spec **ret_spec);
void spawn_spec_free(struct spawn_spec *spec);

/* Does the call need to know its uid's entry? */
bool spawn_spec_needs_lookup(const struct call *call);

#endif
