/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/server.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/rpc/deliver.h"
#include "daemon/rpc/keeper_link.h"
#include "daemon/rpc/logs.h"
#include "daemon/rpc/pages.h"
#include "daemon/rpc/restart.h"
#include "daemon/rpc/session.h"
#include "daemon/rpc/subscription.h"

#include <errno.h>
#include <stdlib.h>

#define ACKNOWLEDGE_MANY  32
#define ACKNOWLEDGE_AFTER 20000 /* microseconds */
#define LATE              (5 * NSEC_PER_MSEC) /* more than a timer's own delay */
#define CATCH_UP_MOST     NSEC_PER_SEC

/* Inputs that somebody can be told to try again later; the others have happened. */
static bool refusable(uint32_t kind)
{
    switch (kind) {
    case INPUT_CONNECT:
    case INPUT_CLIENT:
    case INPUT_SPAWN:
    case INPUT_JOIN:
    case INPUT_WAIT:
    case INPUT_SIGNAL:
    case INPUT_STOP:
    case INPUT_CLOSE:
    case INPUT_READ:
        return true;
    default:
        return false;
    }
}

void server_set_time(struct core_input *input)
{
    input->mono = clock_monotonic();
    input->wall = clock_realtime();
}

int server_apply(struct server *server, struct core_input *input)
{
    int r = 0;

    if (server->journal)
        r = journal_reserve(server->journal, server->core, input, !refusable(input->kind));
    if (r < 0 && refusable(input->kind))
        return -ENOMEM;
    if (r < 0) {
        /* it has happened, and must be applied; what the journal holds is no longer the state */
        log_error("no memory for the journal: a new broker would begin from the keeper's table");
        journal_abandon(server->journal);
        server->journal = journal_close(server->journal);
    }
    r = core_step(server->core, input);
    if (r < 0)
        return r;
    if (server->journal)
        journal_commit(server->journal, input);
    return 0;
}

int server_step(struct server *server, struct core_input *input)
{
    int r;

    server_set_time(input); /* which time-outs have passed is the same for both */
    pages_look(server, input);
    r = server_apply(server, input);
    if (r == 0)
        deliver(server);
    return r;
}

void server_arm_deadline(struct server *server)
{
    int64_t when = core_next_deadline(server->core), span = when - clock_monotonic();
    struct timeval timeout = {0};

    if (when == INT64_MAX) {
        event_del(server->deadline);
        return;
    }
    if (span > 0) {
        span += 999; /* rather a microsecond late than a turn early */
        timeout.tv_sec = span / NSEC_PER_SEC < 1000000000 ? span / NSEC_PER_SEC : 1000000000;
        timeout.tv_usec = span % NSEC_PER_SEC / 1000;
    }
    event_add(server->deadline, &timeout);
}

/*
 * The time-outs that have passed; but what came in before we looked at the clock comes first. After we stood
 * still (SIGSTOP, a frozen cgroup) we look at least once more, as that ends a wait for events without any,
 * and it may take some turns to do it all: as long as there is more, though not for longer than we are late.
 */
static void fire_deadlines(struct server *server)
{
    struct core_input input = {.kind = INPUT_TIME};
    int64_t when = core_next_deadline(server->core), now, late;
    bool more = server->stirred || !TAILQ_EMPTY(&server->ready);

    server->stirred = false;
    now = when == INT64_MAX ? 0 : clock_monotonic();
    if (when > now) {
        server->late_since = 0;
        return;
    }
    if (server->late_since == 0) {
        server->late_since = now;
        more |= now - when > LATE;
    }
    late = server->late_since - when < CATCH_UP_MOST ? server->late_since - when : CATCH_UP_MOST;
    if (more && now - server->late_since < late)
        return;
    server->late_since = 0;
    (void) server_step(server, &input);
}

static void run_ready(struct server *server)
{
    struct session *session, *last = TAILQ_LAST(&server->ready, session_list);

    /* those that are ready now, each once: who has more comes again in the next turn */
    while ((session = TAILQ_FIRST(&server->ready))) {
        bool was_last = session == last;

        TAILQ_REMOVE(&server->ready, session, of_ready);
        session->flags &= ~(unsigned) SESSION_READY;
        session_run(session);
        if (was_last)
            break;
    }
}

static void tell_subscribers(struct server *server)
{
    struct session *session, *next;

    if (server->told == server->core->counters.seq || server->subscription_count == 0)
        return;
    server->told = server->core->counters.seq;
    server->follows_due = true; /* one of these events may be the end that they wait for */
    HASH_ITER(hh, server->sessions, session, next)
        if (subscriptions_behind(session))
            session_wants_flush(session);
}

void server_flush(struct server *server)
{
    struct session *session;

    while ((session = TAILQ_FIRST(&server->unsent))) {
        TAILQ_REMOVE(&server->unsent, session, of_unsent);
        session->flags &= ~(unsigned) SESSION_UNSENT;
        subscriptions_tell(session);
        log_follows_tell(session);
        session_flush(session);
        /* a full buffer went out at once: there may be more to tell */
        if (!(session->flags & (SESSION_BLOCKED | SESSION_DEAD)) && subscriptions_behind(session))
            session_wants_flush(session);
    }
}

void server_acknowledge(struct server *server)
{
    struct link_head message;

    server->acknowledged = server->core->counters.report;
    keeper_link_send(server->link, LINK_ACK_REPORTS, server->acknowledged, &message, sizeof message, NULL, 0);
}

/* Each one wakes the keeper, which needs to know only to be rid of what it keeps: many at once, and the last
 * ones soon enough. */
static void acknowledge_in_time(struct server *server)
{
    const struct timeval patience = {.tv_usec = ACKNOWLEDGE_AFTER};
    uint64_t due = server->core->counters.report - server->acknowledged;

    if (due >= ACKNOWLEDGE_MANY || (due > 0 && server->core->counters.shutting_down))
        server_acknowledge(server);
    else if (due > 0 && !event_pending(server->acknowledging, EV_TIMEOUT, NULL))
        event_add(server->acknowledging, &patience);
}

static void leave(struct server *server, bool if_idle)
{
    struct link_leave message = {.last_connection = server->last_connection,
                                 .if_idle = if_idle,
                                 .detach = server->core->counters.detach};

    server->leaving = true;
    server->detached = message.detach;
    keeper_link_send(server->link, LINK_LEAVE, 0, &message, sizeof message, NULL, 0);
}

static void watch_idleness(struct server *server)
{
    struct timeval timeout = {.tv_sec = server->hello.idle_exit};
    bool idle;

    if (server->hello.idle_exit == 0)
        return;
    idle = server->session_count == 0 && !server->leaving && core_is_idle(server->core);
    if (!idle)
        event_del(server->idle);
    else if (!event_pending(server->idle, EV_TIMEOUT, NULL))
        event_add(server->idle, &timeout);
}

void server_idle_over(struct server *server)
{
    if (server->session_count == 0 && !server->leaving && core_is_idle(server->core))
        leave(server, true);
}

bool server_has_more(const struct server *server)
{
    return !TAILQ_EMPTY(&server->ready) || !TAILQ_EMPTY(&server->unsent) || !TAILQ_EMPTY(&server->dead) ||
           (server->follows_due && !LIST_EMPTY(&server->follows));
}

void server_turn_end(struct server *server)
{
    run_ready(server);
    fire_deadlines(server);
    /* a write may show that somebody is gone, and what that leaves be for somebody else to be told */
    do {
        session_sweep(server);
        tell_subscribers(server);
        log_follows_wake(server);
        server_flush(server);
    } while (!TAILQ_EMPTY(&server->dead));
    acknowledge_in_time(server);
    server_arm_deadline(server);
    watch_idleness(server);
    if ((!server->leaving || (server->detached && !server->core->counters.detach)) &&
        core_wants_to_leave(server->core))
        leave(server, false);
    restart_turn(server);
    server->turn++;
}
