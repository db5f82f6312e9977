/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/identity.h"

#include "daemon/base/cleanup.h"
#include "daemon/rpc/keeper_link.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    else if (message->error == ESRCH)
        (void) call_fail(call, ERROR_NO_SUCH_PROCESS, "owner_pid: no such process");
    else if (message->error != 0)
        (void) call_fail_limit(call, message->error == ENOMEM ? "memory" : "descriptors", 0);
    else
        (void) dispatch_identified(call, message->client);
    session_resume(session);
}

/* ---- descriptors ---- */

/* The keeper answers a question that has the call's ticket. */
static struct outcome ask(struct call *call, enum link_kind kind, void *message, size_t size, uint64_t *tag)
{
    if (!call->ticket && call_register(call) < 0)
        return call_fail_limit(call, "memory", 0);
    *tag = call->ticket;
    keeper_link_send(call->server->link, kind, 0, message, size, NULL, 0);
    return call_park(call);
}

#define TERMINAL_MEMBERS 32 /* ,"pty":1,"lease":2} */

/* The result, an object, says where they are. */
static struct outcome reply(struct call *call, int pidfd)
{
    size_t length = strlen(call->result), room = length + TERMINAL_MEMBERS;
    int fds[3], count = 0;
    char *text;

    if (pidfd >= 0)
        fds[count++] = pidfd;
    if (call->terminal[0] < 0)
        return call_reply_with_fds(call, TAKE(call->result), fds, (size_t) count);
    text = malloc(room);
    if (text)
        snprintf(text, room, "%.*s%s\"pty\":%d,\"lease\":%d}", (int) length - 1, call->result,
                 length == 2 ? "" : ",", count, count + 1);
    fds[count++] = take_fd(&call->terminal[0]);
    fds[count++] = take_fd(&call->terminal[1]);
    return call_reply_with_fds(call, text, fds, (size_t) count);
}

struct outcome descriptors_reply(struct call *call, uint64_t process, char *result, int pidfd)
{
    struct link_get_pidfd get = {.process = process};
    struct link_attach attach = {.process = process};

    if (!result) {
        close_fd(pidfd);
        return call_fail_limit(call, "memory", 0);
    }
    call->result = result;
    call->process = process;
    if (call->wants_terminal && call->terminal[0] < 0) {
        close_fd(pidfd); /* of a spawn that is told again; it is asked for again */
        return ask(call, LINK_ATTACH, &attach, sizeof attach, &attach.tag);
    }
    if (call->wants_pidfd && pidfd < 0)
        return ask(call, LINK_GET_PIDFD, &get, sizeof get, &get.tag);
    return reply(call, pidfd);
}

void pidfd_answered(struct server *server, const struct link_pidfd *message, int pidfd)
{
    struct call *call = call_find(server, message->tag);

    if (!call || !call->result)
        close_fd(pidfd);
    else if (message->error != 0 || pidfd < 0)
        (void) call_fail_limit(call, "descriptors", 0);
    else
        (void) reply(call, pidfd);
}

static void fail_attach(struct call *call, int error)
{
    unsigned long long process = call->process;

    if (error == ENOTTY)
        (void) call_fail(call, ERROR_NO_TERMINAL, "process %llu has no terminal, or has ended", process);
    else if (error == EBUSY)
        (void) call_fail(call, ERROR_ALREADY_ATTACHED, "somebody is attached to process %llu", process);
    else
        (void) call_fail_limit(call, "descriptors", 0);
}

void attach_answered(struct server *server, const struct link_attached *message, int master, int lease)
{
    struct call *call = call_find(server, message->tag);

    if (!call || call->terminal[0] >= 0 || message->error != 0 || master < 0 || lease < 0) {
        close_fd(master);
        close_fd(lease);
    } else {
        call->terminal[0] = master;
        call->terminal[1] = lease;
    }
    if (!call || !call->result) /* a spawn's, which comes before its answer */
        return;
    if (call->terminal[0] < 0 && call->request.method == METHOD_process_attach) {
        fail_attach(call, message->error);
        return;
    }
    call->wants_terminal = false; /* it is here; or a spawn that is told again has no use for it */
    (void) descriptors_reply(call, call->process, TAKE(call->result), -1);
}
