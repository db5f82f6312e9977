/* SPDX-License-Identifier: MIT */
/*
 * What a uid's sessions take of the broker: the answers that they have not read, the lines that have not come
 * to their end, the descriptors of both, subscriptions. One session is bounded for itself (session.h,
 * frame.h), but thousands of them are not. What outlives a broker is counted by the core.
 */
#ifndef PROCD_RPC_BACKLOG_H
#define PROCD_RPC_BACKLOG_H

#include "daemon/rpc/server.h"

#define BACKLOG_MAX        ((size_t) 64 << 20) /* bytes; above it queries are refused */
#define BACKLOG_UNREAD_MAX ((size_t) 64 << 20) /* bytes; above it no line may become a long one */
#define BACKLOG_SUBSCRIPTIONS_MAX 8192
#define BACKLOG_FDS_SHARE  16                 /* of our descriptors, for each uid but root */
#define BACKLOG_ANSWER_BIG (256 << 10)        /* bytes; of such answers a uid gets one in a turn */

struct backlog {
    uint32_t uid;
    size_t sessions;
    size_t unsent;     /* bytes, of all its sessions */
    size_t unread;     /* bytes of the buffers for long lines */
    size_t fds;        /* descriptors: of answers that were not read, and that came without their lines */
    size_t fds_max;    /* a share of ours, of which the kernel counts those in queues, too (unix(7)) */
    size_t subscriptions;
    uint64_t big_turn; /* that of its last big answer; 0: none */
    UT_hash_handle hh;
};

/* The uid's, for one more session. NULL without memory. */
struct backlog *backlog_get(struct server *server, uint32_t uid);
/* One session less; NULL is ignored. */
void backlog_put(struct server *server, struct backlog *backlog);

/* Bring the counts of a session up to date. */
void backlog_count(struct session *session);
void backlog_count_unread(struct session *session);

/* How many subscriptions the uid may have. */
size_t backlog_subscriptions_limit(const struct backlog *backlog);

static inline bool backlog_has_all_fds(const struct backlog *backlog)
{
    return backlog->fds > backlog->fds_max;
}

/* Is nothing more to be asked for that may have a long answer? */
static inline bool backlog_is_full(const struct backlog *backlog)
{
    return backlog->unsent > BACKLOG_MAX;
}

#endif
