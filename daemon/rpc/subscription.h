/* SPDX-License-Identifier: MIT */
/*
 * Subscriptions to events. Each has a cursor into the core's event log and is told what lies before it when
 * its session drains: a slow reader costs no memory and blocks nobody; what the log has dropped meanwhile is
 * told as a gap.
 */
#ifndef PROCD_RPC_SUBSCRIPTION_H
#define PROCD_RPC_SUBSCRIPTION_H

#include "daemon/rpc/session.h"

#define SUBSCRIPTIONS_MAX     64 /* of one connection */
#define SUBSCRIPTION_HEAD_MAX 96

struct subscription {
    uint64_t id;      /* on its session */
    uint64_t cursor;  /* the last event that it was told of, or that it does not want */
    uint32_t uid;     /* whose events */
    uint64_t kinds;   /* a bit for each event_kind */
    uint64_t process; /* only of this one; 0: of all */
    char *object;     /* only of this one; NULL: of all */
    size_t head_size;
    char head[SUBSCRIPTION_HEAD_MAX]; /* what every notification of it begins with */
    LIST_ENTRY(subscription) of_session;
};

/* Tells the session's subscriptions what is new, as far as its buffer may grow. */
void subscriptions_tell(struct session *session);
/* Is there something that they were not told of? */
bool subscriptions_behind(const struct session *session);
/* Frees all of a session. */
void subscriptions_drop(struct session *session);

/* Sets its number. */
void subscription_number(struct subscription *subscription, uint64_t id);
/* How many the session has, of events and of logs. */
size_t subscriptions_count(const struct session *session);

struct subscription *subscription_find(struct session *session, uint64_t id);
void subscription_free(struct session *session, struct subscription *subscription);

#endif
