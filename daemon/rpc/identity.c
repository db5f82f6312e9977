/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/identity.h"

#include "daemon/base/cleanup.h"
#include "daemon/rpc/keeper_link.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/session.h"

#include <errno.h>
#include <stdlib.h>

struct outcome identity_ask(struct call *call, int32_t pid)
{
    struct link_identify message = {.connection = call->session->connection, .pid = pid};

    if (call_hold(call) < 0)
        return call_fail_limit(call, "memory", 0);
    message.tag = call->ticket;
    keeper_link_send(call->server->link, LINK_IDENTIFY, 0, &message, sizeof message, NULL, 0);
    return call_park(call);
}

void identity_answered(struct server *server, const struct link_identity *message, int pidfd)
{
    struct input_connect who = {
        .client = message->client, .process = message->process, .pid = message->pid, .uid = message->uid};
    struct call *call = call_find(server, message->tag);
    struct session *session;
    int r = 0;

    /* its connection, which brings the pidfd, may be under way still: then it is watched from then on */
    if (message->error == 0)
        r = peer_meet(server, &who, pidfd);
    else
        close_fd(pidfd);
    if (!call)
        return;
    session = call_go_on(call);
    if (r < 0)
        (void) call_fail_limit(call, "memory", 0);
    else if (message->error == EPERM)
        (void) call_fail(call, ERROR_PERMISSION_DENIED, "owner_pid: a process of another uid");
    else if (message->error != 0)
        (void) call_fail(call, ERROR_NO_SUCH_PROCESS, "owner_pid: no such process");
    else
        (void) dispatch_identified(call, message->client);
    session_resume(session);
}

struct outcome pidfd_ask(struct call *call, uint64_t process, char *result)
{
    struct link_get_pidfd message = {.process = process};

    if (!result || (!call->ticket && call_register(call) < 0)) {
        free(result);
        return call_fail_limit(call, "memory", 0);
    }
    call->result = result;
    message.tag = call->ticket;
    keeper_link_send(call->server->link, LINK_GET_PIDFD, 0, &message, sizeof message, NULL, 0);
    return call_park(call);
}

void pidfd_answered(struct server *server, const struct link_pidfd *message, int pidfd)
{
    struct call *call = call_find(server, message->tag);

    if (!call)
        close_fd(pidfd);
    else if (message->error != 0 || pidfd < 0)
        (void) call_fail_limit(call, "descriptors", 0);
    else
        (void) call_reply_with_fd(call, TAKE(call->result), pidfd);
}
