/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/restart.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/core/save.h"
#include "daemon/rpc/keeper_link.h"
#include "daemon/rpc/session.h"
#include "daemon/rpc/undelivered.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the copy of the state ---- */

struct piece {
    int fd;
    int error;
    size_t used;
    char bytes[64 << 10];
};

static void write_out(struct piece *piece)
{
    for (size_t at = 0; at < piece->used && piece->error == 0;) {
        ssize_t written = write(piece->fd, piece->bytes + at, piece->used - at);

        if (written > 0)
            at += (size_t) written;
        else if (written == 0 || errno != EINTR)
            piece->error = written == 0 ? -EIO : -errno;
    }
    piece->used = 0;
}

static void append(void *context, const void *data, size_t size)
{
    struct piece *piece = context;
    const char *at = data;

    while (size > 0) {
        size_t room = sizeof piece->bytes - piece->used, some = size < room ? size : room;

        memcpy(piece->bytes + piece->used, at, some);
        piece->used += some;
        at += some;
        size -= some;
        if (piece->used == sizeof piece->bytes)
            write_out(piece);
    }
}

/* Sealed: whoever reads it can map it, and need not fear that it changes. A descriptor, or -errno. */
static int copy_state(const struct core *core)
{
    static struct piece piece; /* too large for a stack */
    CLEANUP_FD int fd = memfd_create("procd-copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    piece = (struct piece){.fd = fd};
    core_save(core, append, &piece);
    write_out(&piece);
    if (piece.error < 0)
        return piece.error;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return -errno;
    return take_fd(&fd);
}

/* ---- answers ---- */

static bool is_restart(const struct call *call)
{
    return call->request.method == METHOD_daemon_restart;
}

/* Everybody who has asked meanwhile. why NULL: it is done. */
static void answer_all(struct server *server, const char *why)
{
    struct call *call, *next;

    if (why)
        log_warning("not restarted: %s", why);
    HASH_ITER(hh, server->calls, call, next) {
        if (!is_restart(call))
            continue;
        if (why)
            (void) call_fail(call, ERROR_INTERNAL_ERROR, "not restarted: %s", why);
        else
            (void) call_reply_empty(call);
    }
}

static void give_up(struct server *server, const char *why)
{
    server->restart = RESTART_NONE;
    answer_all(server, why);
}

/* ---- the course ---- */

/* What is not on record would be lost. */
static void begin(struct server *server)
{
    struct link_head message;
    CLEANUP_FD int fd = -1;

    if (server->restart != RESTART_NONE)
        return;
    if (!server->journal) {
        give_up(server, "the state is not on record, for lack of memory");
        return;
    }
    fd = copy_state(server->core);
    if (fd < 0) {
        give_up(server, strerror(-fd));
        return;
    }
    server->restart = RESTART_CHECKED;
    keeper_link_send(server->link, LINK_CHECK, 0, &message, sizeof message, &fd, 1);
}

struct outcome restart_asked(struct call *call)
{
    struct server *server = call->server;

    if (server->core->counters.shutting_down)
        return call_fail(call, ERROR_SHUTTING_DOWN, "%s", proto_error_message(ERROR_SHUTTING_DOWN));
    if (call_register(call) < 0)
        return call_fail_limit(call, "memory", 0);
    begin(server); /* which may answer it */
    return call_park(call);
}

void restart_signalled(struct server *server)
{
    if (!server->core->counters.shutting_down)
        begin(server);
}

void restart_checked(struct server *server, const struct link_checked *message)
{
    char why[LINK_WHY_MAX + 1];

    if (server->restart != RESTART_CHECKED)
        return;
    if (message->refused) {
        memcpy(why, message->why, LINK_WHY_MAX);
        why[LINK_WHY_MAX] = '\0';
        give_up(server, why);
        return;
    }
    server->restart = RESTART_ALLOWED;
}

void restart_turn(struct server *server)
{
    int r;

    /* what stands in the queue would be lost with us: a spawn's descriptors are in it */
    if (server->restart != RESTART_ALLOWED || !keeper_link_idle(server->link))
        return;
    r = server->journal ? journal_snapshot(server->journal, server->core) : -ENOMEM;
    if (r < 0) {
        give_up(server, strerror(-r));
        return;
    }
    answer_all(server, NULL);
    undelivered_unread(server);
    server->restart = RESTART_LEAVES;
    server->done = true;
}

void restart_leave(struct server *server)
{
    struct link_head message;
    int r;

    if (server->restart != RESTART_LEAVES)
        return;
    r = server->journal ? journal_settle(server->journal, server->core) : -ENOMEM;
    if (r < 0) {
        log_error("no snapshot for another program (%s): this one goes on", strerror(-r));
        return;
    }
    keeper_link_send(server->link, LINK_REPLACE, 0, &message, sizeof message, NULL, 0);
    keeper_link_finish(server->link);
}
