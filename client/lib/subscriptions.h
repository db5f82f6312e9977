/* SPDX-License-Identifier: MIT */
/*
 * The streams of one connection, of events and of what processes write, and where each stands, so that they
 * can be taken up again with another broker. Private to connection.c.
 */
#ifndef PROCD_CLIENT_LIB_SUBSCRIPTIONS_H
#define PROCD_CLIENT_LIB_SUBSCRIPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct subscription {
    struct subscription *next;
    int64_t number;  /* what the caller knows it by */
    int64_t current; /* what the present broker knows it by; 0: not taken up yet */
    int64_t last;    /* seq of the last event, or line, that the caller has */
    bool is_log;     /* it came by process.logs, not by events.subscribe */
    json_t *params;  /* of that */
};

/* A number that the daemon has sent, of a stream or of an event; 0: none, or one that the protocol does not
 * have, with which nobody shall reckon. */
int64_t subscription_number(const json_t *object, const char *name);

/* Does this answer, with a result, begin a stream? */
bool subscriptions_begins(const char *method, const json_t *result);
/* It has come: remembers the stream. The number in the result is changed where the caller knows another
 * stream by it. 0, -EPROTO (it has no number) or -ENOMEM. */
int subscriptions_add(struct subscription **list, const char *method, const json_t *params, json_t *result);

struct subscription *subscriptions_find(struct subscription *list, int64_t number);

/* The caller does not want it any more. */
void subscriptions_remove(struct subscription **list, int64_t number);
void subscriptions_clear(struct subscription **list);

/* The connection is gone, and with it what the broker knew them by. */
void subscriptions_lost(struct subscription *list);

/* The method and the params with which to take it up behind the last event, or line. NULL: no memory. */
const char *subscription_method(const struct subscription *subscription);
json_t *subscription_resume(const struct subscription *subscription);

/* The answer to that, of an event stream. A notification that tells of a gap, for the caller, or NULL. */
json_t *subscription_resumed(struct subscription *subscription, const json_t *result);
/* The same of a log; NULL: it cannot be taken up. Notifications for the caller, in an array: of a gap, the
 * lines in the answer, the end of what is gone. NULL without memory. */
json_t *subscription_log_resumed(struct subscription *subscription, const json_t *result);

/* An event of kind gap: from..to are lost. NULL: no memory. */
json_t *subscription_gap(int64_t number, int64_t from, int64_t to);

/* An event or a line came: keeps its seq, and puts the caller's number into it. The stream of a log may end
 * by it. */
void subscriptions_event(struct subscription **list, json_t *params);

#endif
