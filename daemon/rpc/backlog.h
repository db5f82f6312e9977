/*
 * What a uid's sessions have been answered and have not read: bounded for all of them together, as one reader
 * that is slow is bounded for itself (session.h), but thousands of them are not.
 */
#ifndef PROCD_RPC_BACKLOG_H
#define PROCD_RPC_BACKLOG_H

#include "daemon/rpc/server.h"

#define BACKLOG_MAX        ((size_t) 64 << 20) /* bytes; above it queries are refused */
#define BACKLOG_ANSWER_BIG (256 << 10)        /* bytes; of such answers a uid gets one in a turn */

struct backlog {
    uint32_t uid;
    size_t sessions;
    size_t unsent;     /* bytes, of all its sessions */
    uint64_t big_turn; /* that of its last big answer; 0: none */
    UT_hash_handle hh;
};

/* The uid's, for one more session. NULL without memory. */
struct backlog *backlog_get(struct server *server, uint32_t uid);
/* One session less; NULL is ignored. */
void backlog_put(struct server *server, struct backlog *backlog);

/* Brings the count of a session up to date. */
void backlog_count(struct session *session);

/* Is nothing more to be asked for that may have a long answer? */
static inline bool backlog_is_full(const struct backlog *backlog)
{
    return backlog->unsent > BACKLOG_MAX;
}

#endif
