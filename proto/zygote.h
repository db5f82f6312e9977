/* SPDX-License-Identifier: MIT */
/*
 * Between the keeper and a zygote: a program that waits, just begun, to be copied. A copy is there in a third
 * of the time that it takes to execute the program again. No library.
 *
 * The zygote's stdin is one end of a SOCK_SEQPACKET pair, the keeper has the other. The end of that is the
 * zygote's own. An order is a struct zygote_order and a spec (proto/spec.h), with the descriptors that the
 * spec speaks of, in its order; then the copy's end of another pair, on which all about this copy is said;
 * then, with ZYGOTE_IN_CGROUP, the directory of its cgroup.
 *
 * The zygote clones itself with CLONE_PARENT: the copy is the keeper's child, as if the keeper had made it.
 * It begins a session of its own, says on its own socket by one byte that it is ready, and waits for one.
 * Without it it ends by SIGKILL and has done nothing that anybody sees: until the keeper has said so there is
 * no process, and the keeper may change its mind, or die, at any time. Where anything fails the copy ends, or
 * there is none; the keeper then executes the program, by which the failure, if it is one, has its name.
 *
 * Trust: the zygote is its user's program, and may do anything. The kernel tells the keeper who has spoken on
 * a copy's socket (SCM_CREDENTIALS), and the keeper takes nobody for the process but a child of its own that
 * runs as the user that it is to run as, leads a session and is not known yet.
 */
#ifndef PROCD_PROTO_ZYGOTE_H
#define PROCD_PROTO_ZYGOTE_H

#include "proto/spec.h"

/* Another one with any change here or in proto/spec.h: the library may be older. */
#define ZYGOTE_VERSION    1
#define ZYGOTE_MARKER     "zygote" /* in the place of what a target is told (client/lib/arguments.h) */
#define ZYGOTE_LIMITS_MAX 32
#define ZYGOTE_ORDER_MAX  (72 << 10) /* bytes; what is larger is executed */
#define ZYGOTE_READY      'r'
#define ZYGOTE_GO         'g'

enum zygote_order_flags { ZYGOTE_IN_CGROUP = 1 << 0 };

struct zygote_order {
    uint32_t version;     /* a zygote that knows another one ends */
    uint32_t flags;       /* zygote_order_flags */
    uint32_t spec_size;   /* behind this struct, 8-byte aligned */
    uint32_t limit_count; /* to be set in this order; those of the spec are among them */
    struct link_limit limits[ZYGOTE_LIMITS_MAX];
};

#endif
