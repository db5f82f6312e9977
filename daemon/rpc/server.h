/* SPDX-License-Identifier: MIT */
/*
 * What the broker's rooms share: the core, the sessions, the link to the keeper, and the turn that ties them
 * together.
 *
 *     events of the loop -> server_step (core_step, commit, deliver) ... -> server_turn_end (write, sweep,
 *     acknowledge)
 *
 * Nothing is freed but at the end of a turn, so that no step finds a session gone that it has just looked at;
 * and nothing is written before, but by a step that answers many.
 */
#ifndef PROCD_RPC_SERVER_H
#define PROCD_RPC_SERVER_H

#include "daemon/base/busy_poll.h"
#include "daemon/core/core.h"
#include "daemon/journal/journal.h"
#include "daemon/keeper/link.h"
#include "proto/frame.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/queue.h>

struct session;
struct peer;
struct call;
struct lookup_client;
struct keeper_link;
struct event_text;
struct backlog;
struct logs_view;
struct log_follow;
struct uid_page;

struct undelivered;

/* See restart.h: the keeper was asked; it has agreed; the broker ends. */
enum restart { RESTART_NONE, RESTART_CHECKED, RESTART_ALLOWED, RESTART_LEAVES };

TAILQ_HEAD(session_list, session);
TAILQ_HEAD(undelivered_list, undelivered);

struct server {
    struct event_base *base;
    struct core *core;
    struct journal *journal;
    struct keeper_link *link;
    struct lookup_client *lookup;
    struct link_hello hello;
    const char *version; /* of this program */
    int statm_fd; /* /proc/self/statm, opened before the sandbox closes */

    struct session *sessions; /* by connection number */
    struct peer *peers;       /* client processes, by client number */
    struct call *calls;       /* parked calls, by ticket */
    struct call *stepping;    /* the one whose input is in the core, not parked yet */
    uint64_t files;           /* descriptors that we may have, and the keeper, too */
    struct backlog *backlogs; /* what is unsent, by uid */
    struct uid_page *pages;   /* memory that clients share with us, by uid */
    bool core_is_new;         /* it began empty, though there were brokers before */
    struct frame_spare spare; /* of the sessions' readers */
    struct session_list ready;   /* have whole lines that were not begun yet */
    struct session_list unsent;  /* have bytes to write, or events to be told */
    struct session_list dead;    /* to be swept */
    struct event_text *texts;    /* of the newest events, serialised once */
    struct event *deadline;      /* of the core: ends the wait, see server_turn_end */
    struct event *idle;          /* --idle-exit */
    struct event *acknowledging; /* of reports, before they are many */
    struct undelivered_list unread; /* grants whose connections were closed before they were read */
    struct event *unread_timer;
    struct logs_view *logs;  /* what processes write; NULL: it was not shared */
    struct event *logs_bell; /* there is more */
    LIST_HEAD(, log_follow) follows; /* all of them */
    bool follows_due; /* there may be something to tell */

    struct busy_poll busy;
    /* when it may be said again of connections and pages: anybody causes it */
    int64_t tell_refused_at, tell_unkept_at, tell_lost_at;
    int64_t late_since;    /* when a passed deadline was first seen that has not fired yet, or 0 */
    bool stirred;          /* something has come in, in this turn */
    uint64_t turn;         /* of the loop, from 1 */
    uint64_t ticket;       /* last one given */
    uint64_t told;         /* last event that subscribers were told of */
    uint64_t acknowledged; /* last report */
    uint64_t last_connection; /* that the keeper has told of */
    int fresh_pidfd;       /* came with the report that is being stepped, or -1 */
    size_t session_count, subscription_count;
    bool leaving; /* LINK_LEAVE was sent */
    bool detached; /* and that the children live on */
    enum restart restart;
    bool link_closed; /* by the keeper, or by its death */
    bool done; /* the keeper has let go: end the loop */
};

/* One input through the core, the journal and out. 0; or -ENOMEM: refused, nothing has changed. Sets input's
 * time. */
int server_step(struct server *server, struct core_input *input);
void server_set_time(struct core_input *input);
/* The same, but not out, with the time that it has: for one that has no answer, and goes before another. */
int server_apply(struct server *server, struct core_input *input);

/* Writes what is queued. At the end of each turn; and in one that answers many, before it is over. */
void server_flush(struct server *server);

/* Is there something left to be done, without anything that happens? Then the loop must not sleep. */
bool server_has_more(const struct server *server);

/* The end of each turn of the loop. */
void server_turn_end(struct server *server);

/* Tells the keeper which reports have been applied. */
void server_acknowledge(struct server *server);

/* Nobody has been here for the time of --idle-exit. */
void server_idle_over(struct server *server);

/* Sets the loop's timer to the core's next deadline. */
void server_arm_deadline(struct server *server);

#endif
