/* SPDX-License-Identifier: MIT */
/*
 * The broker: puts the rooms together. Its start is always the same: take the table and the state memory from
 * the keeper, rebuild, serve. The first start is merely one with an empty table.
 */
#include "daemon/broker.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/rpc/deliver.h"
#include "daemon/rpc/event_text.h"
#include "daemon/rpc/keeper_link.h"
#include "daemon/rpc/logs.h"
#include "daemon/rpc/lookup_client.h"
#include "daemon/rpc/memory.h"
#include "daemon/rpc/pages.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/restart.h"
#include "daemon/rpc/session.h"
#include "daemon/rpc/undelivered.h"
#include "daemon/sandbox.h"
#include "daemon/version.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Whose inputs the journal holds: nobody else may replay them. */
#define BUILD PROCD_VERSION " " __DATE__ " " __TIME__

#define KEEPER_DEATH_MS 200 /* between the end of its descriptors and its own */

/* ---- the start ---- */

static const char *replay_problem(int r)
{
    return r == -ESTALE            ? "inputs that only another build may replay"
           : r == -EPROTONOSUPPORT ? "another format"
                                   : strerror(-r);
}

/*
 * The state as the last broker left it, or an empty one over the keeper's table. A state that cannot be read
 * is fatal here: the keeper tries again, and the third time it says to begin anew, under an epoch in which
 * nobody takes the new numbers for the old ones.
 */
static int begin_core(struct server *server, int state_fd)
{
    const struct link_hello *hello = &server->hello;
    int r = journal_open(state_fd, hello->epoch, BUILD, &server->journal);

    if (r < 0) {
        log_error("state memory: %s", strerror(-r));
        if (hello->restarts > 0 && !hello->fresh_state)
            return r;
        log_error("the journal is off: a new broker would begin from the keeper's table");
        server->journal = NULL;
    }
    if (server->journal && hello->fresh_state) {
        log_error("the state was fatal to three brokers: beginning with an empty one over the keeper's "
                  "table");
        journal_abandon(server->journal);
    }
    r = server->journal ? journal_replay(server->journal, &server->core) : 1;
    if (r <= 0) {
        if (r < 0)
            log_error("state memory, replay: %s", replay_problem(r));
        return r;
    }
    server->core = core_new();
    if (!server->core)
        return -ENOMEM;
    /* numbers last as long as the keeper: a core that begins anew must not use one again, nor an id, of
     * which there were no more than orders */
    server->core->counters.order = hello->head.number;
    server->core->counters.process = hello->head.number;
    server->core_is_new = hello->restarts > 0;
    server->core->counters.adopts = server->core_is_new;
    return server->journal ? journal_snapshot(server->journal, server->core) : 0;
}

/* Whom the core knows and the keeper does not is dead; its pidfd is gone with its burial. */
static void reconcile_clients(struct server *server)
{
    struct client *client, *next;

    HASH_ITER(hh, server->core->clients, client, next) {
        struct core_input input = {.kind = INPUT_CLIENT_DEAD, .body.number = client->data.id};

        if (!peer_find(server, client->data.id))
            (void) server_step(server, &input);
    }
}

static int take_table(struct server *server, int link_fd)
{
    static char buffer[LINK_MESSAGE_MAX] __attribute__((aligned(8)));
    const struct link_head *head = (const struct link_head *) buffer;

    for (;;) {
        CLEANUP(fdpass_close) struct fdpass fds = {.count = 0};
        int size = keeper_link_wait(link_fd, buffer, sizeof buffer, &fds);

        if (size < (int) sizeof *head)
            return size < 0 ? size : -EPROTO;
        if (head->kind == LINK_TABLE_END)
            return 0;
        keeper_link_receive(server, head, (size_t) size, &fds);
    }
}

static int take_hello(struct server *server, int link_fd, int *ret_state_fd, int *ret_lookup_fd)
{
    CLEANUP(fdpass_close) struct fdpass fds = {.count = 0};
    int size = keeper_link_wait(link_fd, &server->hello, sizeof server->hello, &fds);

    if (size < 0)
        return size;
    if (size != sizeof server->hello || server->hello.head.kind != LINK_HELLO ||
        server->hello.version != LINK_VERSION || fds.count < 1)
        return -EPROTO;
    *ret_state_fd = take_fd(&fds.fd[0]);
    *ret_lookup_fd = fds.count > 1 ? take_fd(&fds.fd[1]) : -1;
    return 0;
}

/* ---- the loop ---- */

/* The turn's end looks at the clock. */
static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void) fd;
    (void) what;
    (void) context;
}

static void on_unread(evutil_socket_t fd, short what, void *context)
{
    (void) fd;
    (void) what;
    undelivered_unread(context);
}

static void on_acknowledging(evutil_socket_t fd, short what, void *context)
{
    (void) fd;
    (void) what;
    server_acknowledge(context);
}

static void on_idle(evutil_socket_t fd, short what, void *context)
{
    (void) fd;
    (void) what;
    server_idle_over(context);
}

/*
 * Without epoll's change list, which forgets a descriptor at the end of the turn, when its number is closed:
 * what we are sent the keeper has, too, and for as long as it has its copy the kernel would go on telling of
 * a file that nobody can name any more, under a number that is somebody else's by then. A living client was
 * taken for a dead one.
 */
static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

/* The library speaks to stderr; its lines are to have a level, as ours. */
static void on_event_log(int severity, const char *message)
{
    if (severity >= EVENT_LOG_WARN)
        log_warning("%s", message);
}

static int server_begin(struct server *server)
{
    TAILQ_INIT(&server->ready);
    TAILQ_INIT(&server->unsent);
    TAILQ_INIT(&server->dead);
    TAILQ_INIT(&server->unread);
    LIST_INIT(&server->follows);
    server->fresh_pidfd = -1;
    server->turn = 1;
    event_set_log_callback(on_event_log);
    server->base = new_base();
    if (!server->base)
        return -ENOMEM;
    server->deadline = evtimer_new(server->base, on_deadline, server);
    server->idle = evtimer_new(server->base, on_idle, server);
    server->unread_timer = evtimer_new(server->base, on_unread, server);
    server->acknowledging = evtimer_new(server->base, on_acknowledging, server);
    if (!server->deadline || !server->idle || !server->unread_timer || !server->acknowledging)
        return -ENOMEM;
    return lookup_client_new(server, &server->lookup);
}

static void serve(struct server *server)
{
    struct link_head message;
    bool look;

    keeper_link_send(server->link, LINK_READY, 0, &message, sizeof message, NULL, 0);
    while (!server->done) {
        server_turn_end(server);
        if (server->done)
            break;
        look = server_has_more(server) || busy_poll_again(&server->busy);
        event_base_loop(server->base, EVLOOP_ONCE | (look ? EVLOOP_NONBLOCK : 0));
    }
}

/* For good, with nobody to go on. Its descriptors are closed before it is seen to be dead: that is waited
 * for, as what is closed for good because of it must stay open where it lives. */
static bool keeper_has_died(const struct server *server)
{
    bool may_live = server->link_closed && server->restart != RESTART_LEAVES && !server->hello.is_followed;

    for (int i = 0; may_live && i < KEEPER_DEATH_MS; i++) {
        if (getppid() != server->hello.pid)
            return true;
        (void) poll(NULL, 0, 1);
    }
    return false;
}

static void server_end(struct server *server)
{
    struct session *session, *next_session;
    struct peer *peer, *next_peer;

    HASH_ITER(hh, server->sessions, session, next_session) {
        session_flush(session);
        session->flags |= SESSION_DISCONNECTED; /* the core's connections end with the core */
        session_kill(session);
    }
    session_sweep(server);
    undelivered_unread(server);
    HASH_ITER(hh, server->peers, peer, next_peer)
        peer_bury(peer);
    pages_done(server, server->leaving || keeper_has_died(server));
    restart_leave(server);
    lookup_client_free(server->lookup);
    logs_end(server);
    keeper_link_close(server->link);
    event_texts_free(server);
    frame_spare_done(&server->spare);
    core_free(server->core);
    journal_close(server->journal);
    close_fd(server->statm_fd);
    if (server->deadline)
        event_free(server->deadline);
    if (server->idle)
        event_free(server->idle);
    if (server->unread_timer)
        event_free(server->unread_timer);
    if (server->acknowledging)
        event_free(server->acknowledging);
    if (server->base)
        event_base_free(server->base);
}

/* Orders that the keeper has not executed go out again; connections of the old broker are gone. */
static void resume(struct server *server)
{
    struct core_input input = {.kind = INPUT_RESTARTED, .body.number = server->hello.head.number};
    const struct order *order;

    (void) server_step(server, &input);
    STAILQ_FOREACH(order, &server->core->orders, pending)
        deliver_order(server, &order->data);
}

static int begin(struct server *server, int link_fd)
{
    CLEANUP_FD int state_fd = -1;
    int lookup_fd = -1, r;

    r = take_hello(server, link_fd, &state_fd, &lookup_fd);
    if (r < 0)
        return r;
    log_open("broker", (enum log_level) server->hello.log_level);
    server->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    r = sandbox_enter(server->hello.broker_uid, server->hello.broker_gid);
    if (r == 0)
        r = server_begin(server);
    if (r == 0)
        r = begin_core(server, state_fd);
    if (r == 0)
        r = keeper_link_open(server, link_fd, &server->link);
    if (r < 0) {
        close_fd(lookup_fd);
        return r;
    }
    lookup_client_connect(server->lookup, lookup_fd);
    /* no ticket of an earlier broker comes again */
    server->ticket = server->hello.restarts * (UINT64_C(1) << 40);
    r = take_table(server, link_fd);
    if (r < 0)
        return r;
    if (server->hello.restarts > 0)
        resume(server);
    reconcile_clients(server); /* what the dead held goes to those who are still waited for */
    pages_ring_all(server);
    return 0;
}

int broker_run(int link_fd)
{
    struct server *server = calloc(1, sizeof *server);
    struct rlimit files;
    int r;

    if (!server)
        return 1;
    server->statm_fd = -1;
    server->version = PROCD_VERSION;
    server->files = getrlimit(RLIMIT_NOFILE, &files) < 0 ? 1024 : files.rlim_cur;
    json_set_alloc_funcs(memory_or_end, free);
    signal(SIGPIPE, SIG_IGN);
    fcntl(link_fd, F_SETFD, FD_CLOEXEC);
    fcntl(link_fd, F_SETFL, fcntl(link_fd, F_GETFL) | O_NONBLOCK);
    log_open("broker", LOG_LEVEL_INFO);
    r = begin(server, link_fd);
    if (r < 0)
        log_error("start: %s", strerror(-r));
    else
        serve(server);
    server_end(server);
    close_fd(link_fd);
    free(server);
    return r < 0 ? 1 : 0;
}
