/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/leave.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/base/notify.h"
#include "daemon/keeper/clients.h"
#include "daemon/keeper/store.h"
#include "daemon/keeper/tree.h"
#include "daemon/keeper/wire.h"

#include <poll.h>
#include <string.h>

#define STOP_GRACE   (30 * NSEC_PER_SEC)
#define KILL_GRACE   (5 * NSEC_PER_SEC)
#define KILL_AGAIN   (100 * NSEC_PER_MSEC)
#define TELL_GRACE   (5 * NSEC_PER_SEC)
#define LOCK_TRIES   100
#define LOCK_WAIT_MS 10

/* A starter holds the lock for as long as it probes: not for long. -errno: go on without. */
static int lock_to_leave(const char *path)
{
    int lock = -EWOULDBLOCK;

    for (int i = 0; i < LOCK_TRIES && lock == -EWOULDBLOCK; i++) {
        lock = socket_lock(path, false);
        if (lock == -EWOULDBLOCK)
            poll(NULL, 0, LOCK_WAIT_MS);
    }
    return lock;
}

static void give_up_socket(struct keeper *keeper)
{
    CLEANUP_FD int lock = -1;

    notify_send("STOPPING=1");
    if (keeper->socket.path) {
        lock = lock_to_leave(keeper->socket.path);
        socket_unlink(&keeper->socket);
    }
    clients_stop_listening(keeper);
}

static void leave_begin(struct keeper *keeper)
{
    if (keeper->state >= STATE_LEAVING)
        return;
    if (keeper->state == STATE_RUNNING)
        give_up_socket(keeper);
    keeper->state = STATE_LEAVING;
    keeper->leave_until = keeper->now + KILL_GRACE;
    keeper->kill_at = keeper->now;
    link_flush(keeper);
    link_down(keeper);
}

/* With the name gone nobody new can come: whoever is on the old socket came in time, and is served on a new
 * one. */
static bool somebody_came(struct keeper *keeper)
{
    CLEANUP_FD int lock = -1;
    int fd, r;

    if (!keeper->socket.path)
        return clients_accept(keeper) > 0;
    lock = socket_lock(keeper->socket.path, false);
    if (lock < 0) /* somebody who is just starting will connect to us */
        return true;
    socket_unlink(&keeper->socket);
    if (clients_accept(keeper) == 0)
        return false;
    fd = socket_bind(&keeper->socket);
    if (fd >= 0) {
        while (clients_accept(keeper) > 0)
            ;
        r = clients_listen(keeper, fd);
    } else {
        r = fd;
    }
    if (r < 0) {
        close_fd(fd);
        log_error("%s cannot be bound again: %s", keeper->socket.path, strerror(-r));
    }
    return true;
}

/* Connections are on their way that the broker had not heard of when it found itself idle. */
static bool somebody_is_coming(const struct keeper *keeper, uint64_t told)
{
    uint64_t last = keeper->clients.last_connection;

    return last > told && connection_find(keeper, last);
}

void leave_asked(struct keeper *keeper, const struct link_leave *order)
{
    bool if_idle = order->if_idle, detach = order->detach;

    if (keeper->state == STATE_DETACHED && !detach && !if_idle)
        leave_begin(keeper);
    if (keeper->state != STATE_RUNNING)
        return;
    if (if_idle && (somebody_is_coming(keeper, order->last_connection) || somebody_came(keeper))) {
        keeper->link.due |= DUE_STAYS;
        return;
    }
    if (!detach) {
        leave_begin(keeper);
        return;
    }
    log_info("detached: %u processes live on", keeper->table.live);
    store_close(keeper);
    give_up_socket(keeper);
    keeper->state = STATE_DETACHED;
    keeper->stop_at = INT64_MAX;
}

void leave_signalled(struct keeper *keeper)
{
    if (keeper->state == STATE_DETACHED || keeper->stop_at != INT64_MAX) {
        leave_begin(keeper);
        return;
    }
    keeper->stop_at = keeper->now + STOP_GRACE;
    keeper->link.due |= DUE_STOP;
    if (keeper->table.live == 0 && !keeper->link.ready) /* nobody to ask, nothing to stop */
        leave_begin(keeper);
}

static bool everything_gone(const struct keeper *keeper)
{
    return keeper->table.live == 0 && keeper->table.sessions == 0 && TAILQ_EMPTY(&keeper->table.lingering) &&
           TAILQ_EMPTY(&keeper->cgroups.orphans);
}

/*
 * Detached, and the last child has ended. Whatever else it or others have left behind is nobody's any more,
 * and lives on where it is. The cgroups of such processes cannot be removed before they end, and nobody will
 * then; to move them out would race with their forks, and take away the name by which an administrator can
 * still end them together. The service manager removes what is empty with the unit. The broker has the time
 * to tell whom it has to.
 */
static int64_t leave_behind(struct keeper *keeper)
{
    if (keeper->leave_until == 0)
        keeper->leave_until = keeper->now + TELL_GRACE;
    if (keeper->link.fd >= 0 && !TAILQ_EMPTY(&keeper->table.reports) && keeper->leave_until > keeper->now)
        return keeper->leave_until;
    keeper->state = STATE_DONE;
    return 0;
}

/* A tree that is being stopped is not left behind. */
static bool is_stopping(const struct keeper *keeper)
{
    const struct slot *first = TAILQ_FIRST(&keeper->table.lingering);

    return keeper->link.fd >= 0 && first && first->tree_watched;
}

int64_t leave_tick(struct keeper *keeper)
{
    if (keeper->state == STATE_RUNNING && keeper->stop_at <= keeper->now) {
        log_warning("the broker has not stopped everything in time: killing");
        leave_begin(keeper);
    }
    if (keeper->state == STATE_DETACHED && keeper->table.live == 0 && !is_stopping(keeper))
        return leave_behind(keeper);
    if (keeper->state != STATE_LEAVING)
        return keeper->stop_at;
    if (everything_gone(keeper) || keeper->leave_until <= keeper->now) {
        keeper->state = STATE_DONE;
        return 0;
    }
    if (keeper->kill_at <= keeper->now) {
        tree_kill_all(keeper);
        keeper->kill_at = keeper->now + KILL_AGAIN;
        keeper->table.unsearched = true;
        if (keeper->sweep_at > keeper->kill_at)
            keeper->sweep_at = keeper->kill_at;
    }
    return keeper->kill_at;
}
