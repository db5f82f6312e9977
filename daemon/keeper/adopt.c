/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/adopt.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/adopt_image.h"
#include "daemon/keeper/adopted.h"
#include "daemon/keeper/broker.h"
#include "daemon/keeper/handover.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/ledger_layout.h"
#include "daemon/keeper/notified.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/respawn.h"
#include "daemon/keeper/store.h"
#include "daemon/keeper/ticket_kept.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

#define ATTEMPTS_MOST 10 /* without a broker that served: what we take over is what kills us */
#define BROKER_MS     5000

/* It has the state memory mapped, and may be writing still. */
static int end_broker(const struct ledger_counters *counters)
{
    CLEANUP_FD int pidfd = pidfd_open_seen(counters->broker_pid, counters->broker_seen);
    struct pollfd wait_for = {.fd = pidfd, .events = POLLIN};

    if (pidfd < 0)
        return pidfd == -ESRCH ? 0 : pidfd;
    pidfd_signal(pidfd, SIGKILL);
    return poll(&wait_for, 1, BROKER_MS) == 1 ? 0 : -ETIMEDOUT;
}

static void take_state(struct keeper *keeper, struct shelf *shelf)
{
    keeper->state_fd = shelf_take(shelf, STATE_NAME);
    if (keeper->state_fd >= 0)
        return;
    log_error("the state is lost: the next broker begins with an EMPTY one, under another epoch; locks and "
              "events are lost, processes are kept");
    if (broker_anew(keeper) < 0)
        log_error("there is no memory for a state");
}

/* What the earlier keeper has bound is ours to remove. */
static void take_socket(struct keeper *keeper)
{
    const struct ledger_head *from = keeper->ledger.head;
    struct socket_name *socket = &keeper->socket;

    if (!socket->path || socket->inode != 0 ||
        strncmp(socket->path, from->socket_path, sizeof from->socket_path) != 0)
        return;
    socket->device = from->socket_device;
    socket->inode = from->socket_inode;
}

/* What the store has for a process besides its descriptor. */
static void take_belongings(struct keeper *keeper, struct shelf *shelf)
{
    struct slot *slot;

    TAILQ_FOREACH(slot, &keeper->table.used, order)
    {
        notified_adopt(keeper, shelf, slot);
        ticket_adopt(keeper, shelf, slot);
        respawn_adopted(keeper, slot);
    }
}

static void look_at_all(struct keeper *keeper)
{
    const struct ledger_wait wait = keeper->ledger.head->wait; /* others are waited for from now on */
    struct slot *slot, *next;

    for (slot = TAILQ_FIRST(&keeper->table.used); slot; slot = next) {
        next = TAILQ_NEXT(slot, order);
        adopted_begin(keeper, slot, &wait);
    }
}

static bool is_hopeless(int r)
{
    return r == -EBADMSG || r == -EPROTONOSUPPORT || r == -EBUSY || r == -ELOOP || r == -ENODATA;
}

int adopt_give_up(int r)
{
    if (r == -EBUSY)
        log_warning("an earlier keeper still lives, and is left to itself");
    else if (is_hopeless(r))
        log_error("what an earlier keeper has left cannot be taken over (%s): its children go on, and nobody "
                  "will know of them", r == -ELOOP ? "keepers that did have died" : strerror(-r));
    return is_hopeless(r) ? 1 : r;
}

int adopt(struct keeper *keeper, struct shelf *shelf)
{
    const struct ledger_counters *counters = ledger_counters(keeper->ledger.head);
    CLEANUP_MEMORY struct handover_head *head = NULL;
    int r = end_broker(counters);

    if (r == 0)
        r = ledger_attempt(keeper) > ATTEMPTS_MOST ? -ELOOP : adopt_image(keeper, shelf, &head);
    if (r == 0)
        r = handover_rehearse(head);
    if (r < 0)
        return adopt_give_up(r);
    r = handover_restore(keeper, head);
    if (r < 0)
        return r;
    keeper->fresh_state = counters->fresh_state;
    ledger_restored(keeper);
    store_restored(keeper);
    take_state(keeper, shelf);
    take_socket(keeper);
    take_belongings(keeper, shelf);
    log_warning("takes over from a keeper that has died: %u processes", keeper->table.live);
    look_at_all(keeper);
    return 0;
}
