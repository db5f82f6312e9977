/* SPDX-License-Identifier: MIT */
/* What the keeper tells, as inputs of the core. */
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/identity.h"
#include "daemon/rpc/keeper_link.h"
#include "daemon/rpc/logs.h"
#include "daemon/rpc/lookup_client.h"
#include "daemon/rpc/pages.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/restart.h"
#include "daemon/rpc/threads.h"

#include <string.h>

static int take_passed(struct fdpass *fds, size_t index)
{
    return index < fds->count ? take_fd(&fds->fd[index]) : -1;
}

static void step_report(struct server *server, enum input_kind kind, const struct link_head *head,
                        const struct input_report *report)
{
    struct core_input input = {.kind = kind, .report = head->number, .body.report = *report};

    (void) server_step(server, &input);
    busy_poll_expect(&server->busy, clock_monotonic()); /* a report, or what a client makes of it */
}

static void on_spawned(struct server *server, const struct link_spawned *message, struct fdpass *fds)
{
    struct input_report report = {
        .process = message->process, .pid = message->pid, .mono = message->mono, .wall = message->wall};

    server->fresh_pidfd = message->has_pidfd ? take_passed(fds, 0) : -1;
    step_report(server, INPUT_SPAWNED, &message->head, &report);
    server->fresh_pidfd = close_fd(server->fresh_pidfd);
}

static void on_spawn_failed(struct server *server, const struct link_spawn_failed *message)
{
    struct input_report report = {.process = message->process,
                                  .error = message->error,
                                  .stage = message->stage,
                                  .undone = message->error == 0,
                                  .final = message->stage == LINK_STAGE_TICKET,
                                  .mono = message->mono,
                                  .wall = message->wall};

    step_report(server, INPUT_SPAWN_FAILED, &message->head, &report);
}

static void on_exited(struct server *server, const struct link_exited *message)
{
    const struct link_rusage *used = &message->rusage;
    struct peer *peer = peer_of_process(server, message->process);
    struct input_report report = {
        .process = message->process,
        .exitcode = message->exitcode,
        .core = message->core,
        .oom = message->oom,
        .known = message->known,
        .mono = message->mono,
        .wall = message->wall,
        .rusage = {used->utime, used->stime, used->maxrss, used->minflt, used->majflt, used->inblock,
                   used->oublock, used->nvcsw, used->nivcsw},
    };

    /* what it had sent is executed before its end is told; then its client goes in the same step */
    if (peer)
        peer_drain(peer);
    step_report(server, INPUT_EXITED, &message->head, &report);
    if (peer && !core_client(server->core, peer->client))
        peer_bury(peer);
}

static void on_process(struct server *server, enum input_kind kind, const struct link_process *message)
{
    step_report(server, kind, &message->head, &(struct input_report){.process = message->process});
}

static void on_client(struct server *server, const struct link_client *message, struct fdpass *fds)
{
    struct core_input input = {.kind = INPUT_CLIENT,
                               .body.connect = {.client = message->client,
                                                .process = message->process,
                                                .pid = message->pid,
                                                .uid = message->uid}};

    (void) server_step(server, &input);
    (void) peer_new(server, message->client, message->process, take_passed(fds, 0));
}

static void on_child(struct server *server, const struct link_child *message)
{
    struct core_input input = {.kind = INPUT_ADOPT,
                               .body.adopt = {.process = message->process,
                                              .creator_process = message->creator_process,
                                              .mono = message->mono,
                                              .wall = message->wall,
                                              .pid = message->pid,
                                              .uid = message->uid,
                                              .daemon = message->flags & LINK_SPAWN_DAEMON,
                                              .notify = message->flags & LINK_SPAWN_NOTIFY}};
    bool known = core_process(server->core, message->process);

    input.blob[BLOB_NAME] = (struct blob){message->name, strnlen(message->name, LINK_NAME_MAX)};
    (void) server_step(server, &input);
    /* its end may have been told to a core that is lost, and is not told again */
    if (!known && message->ended)
        on_exited(server, &message->end);
}

static void on_stop_request(struct server *server)
{
    struct core_input input = {.kind = INPUT_SHUTDOWN};

    log_info("asked to stop");
    (void) server_step(server, &input);
}

static void on_executed(struct server *server, uint64_t number)
{
    struct core_input input = {.kind = INPUT_EXECUTED, .body.number = number};

    (void) server_step(server, &input);
}

static void send_plain(struct server *server, enum link_kind kind)
{
    struct link_head message;

    keeper_link_send(server->link, kind, 0, &message, sizeof message, NULL, 0);
}

/* The sizes of what the keeper may send; 0: it does not send that. */
static size_t size_of(uint32_t kind)
{
    switch (kind) {
    case LINK_SPAWNED: return sizeof(struct link_spawned);
    case LINK_SPAWN_FAILED: return sizeof(struct link_spawn_failed);
    case LINK_EXITED: return sizeof(struct link_exited);
    case LINK_STOPPED:
    case LINK_CONTINUED:
    case LINK_TREE_GONE:
    case LINK_NOTIFIED: return sizeof(struct link_process);
    case LINK_CLIENT: return sizeof(struct link_client);
    case LINK_CHILD: return sizeof(struct link_child);
    case LINK_CONNECTION: return sizeof(struct link_connection);
    case LINK_IDENTITY: return sizeof(struct link_identity);
    case LINK_PIDFD: return sizeof(struct link_pidfd);
    case LINK_ATTACHED: return sizeof(struct link_attached);
    case LINK_THREADS: return sizeof(struct link_threads);
    case LINK_TABLE_END:
    case LINK_EXECUTED:
    case LINK_PING:
    case LINK_LOOKUP:
    case LINK_STOP_REQUEST:
    case LINK_RESTART_REQUEST:
    case LINK_LOGS:
    case LINK_STAYS: return sizeof(struct link_head);
    case LINK_PAGE:
    case LINK_PAGE_KEPT: return sizeof(struct link_page);
    case LINK_CHECKED: return sizeof(struct link_checked);
    default: return 0;
    }
}

void keeper_link_receive(struct server *server, const struct link_head *head, size_t size, struct fdpass *fds)
{
    const void *message = head;

    if (size_of(head->kind) == 0 || size != size_of(head->kind)) {
        log_error("link to the keeper: message %u of %zu bytes", head->kind, size);
        return;
    }
    switch (head->kind) {
    case LINK_SPAWNED: on_spawned(server, message, fds); break;
    case LINK_SPAWN_FAILED: on_spawn_failed(server, message); break;
    case LINK_EXITED: on_exited(server, message); break;
    case LINK_STOPPED: on_process(server, INPUT_STOPPED, message); break;
    case LINK_CONTINUED: on_process(server, INPUT_CONTINUED, message); break;
    case LINK_TREE_GONE: on_process(server, INPUT_TREE_GONE, message); break;
    case LINK_NOTIFIED: on_process(server, INPUT_NOTIFIED, message); break;
    case LINK_CLIENT: on_client(server, message, fds); break;
    case LINK_CHILD: on_child(server, message); break;
    case LINK_CONNECTION: {
        int socket = take_passed(fds, 0);

        peer_connected(server, message, socket, take_passed(fds, 1));
        break;
    }
    case LINK_IDENTITY: identity_answered(server, message, take_passed(fds, 0)); break;
    case LINK_PIDFD: pidfd_answered(server, message, take_passed(fds, 0)); break;
    case LINK_ATTACHED: {
        int master = take_passed(fds, 0);

        attach_answered(server, message, master, take_passed(fds, 1));
        break;
    }
    case LINK_THREADS: threads_answered(server, message); break;
    case LINK_EXECUTED: on_executed(server, head->number); break;
    case LINK_PING: send_plain(server, LINK_PONG); break;
    case LINK_LOOKUP: lookup_client_connect(server->lookup, take_passed(fds, 0)); break;
    case LINK_STOP_REQUEST: on_stop_request(server); break;
    case LINK_RESTART_REQUEST: restart_signalled(server); break;
    case LINK_CHECKED: restart_checked(server, message); break;
    case LINK_STAYS: server->leaving = false; break;
    case LINK_LOGS: logs_shared(server, fds); break;
    case LINK_PAGE:
        page_returned(server, ((const struct link_page *) message)->uid, take_passed(fds, 0));
        break;
    case LINK_PAGE_KEPT: page_kept(server, message); break;
    default: break;
    }
}
