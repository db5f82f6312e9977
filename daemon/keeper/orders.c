/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/orders.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/broker.h"
#include "daemon/keeper/capture.h"
#include "daemon/keeper/clients.h"
#include "daemon/keeper/drop.h"
#include "daemon/keeper/leave.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/pages.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/pty.h"
#include "daemon/keeper/reap.h"
#include "daemon/keeper/respawn.h"
#include "daemon/keeper/spawn.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/tree.h"
#include "daemon/keeper/upgrade.h"
#include "daemon/keeper/wire.h"

#include <string.h>

#define BATCH      64
#define DRAIN_MOST 65536 /* more than a socket holds */
#define NUMBER_GAP 1000000 /* orders that a broker undid are left out; more is no honest mistake */

/* ---- numbered orders ---- */

static void order_spawn(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    const struct link_spawn *order = message;

    spawn_begin(keeper, order, order + 1, fds);
}

/* The slot that it is for, or NULL. */
static struct slot *signalled(const struct keeper *keeper, const struct link_signal *order)
{
    struct slot *slot = slot_find(keeper, order->process);

    return slot && !slot->failed && order->signal >= 1 && order->signal <= 64 ? slot : NULL;
}

static void order_signal(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    const struct link_signal *order = message;
    struct slot *slot = signalled(keeper, order);

    (void) fds;
    if (!slot)
        return;
    if (order->tree)
        tree_signal(keeper, slot, order->signal);
    else if (!slot->ended)
        pidfd_signal(slot->pidfd, order->signal);
}

static void order_watch_tree(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    const struct link_process *order = message;
    struct slot *slot = slot_find(keeper, order->process);

    (void) fds;
    if (!slot)
        return;
    tree_watch(keeper, slot);
    if (slot->ended && !slot->tree_gone)
        reap_request_sweep(keeper);
}

static void order_forget_process(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    const struct link_process *order = message;
    struct slot *slot = slot_find(keeper, order->process);

    (void) fds;
    if (!slot)
        return;
    if (slot->again && slot->failed) { /* its end is told; the last try, which is not, may not be over */
        respawn_drop(keeper, slot);
        slot->again = false;
        slot_finish(keeper, slot);
        return;
    }
    if (!slot->ended || slot->job || slot->failed) {
        log_error("process %llu is not to be forgotten: it has not ended",
                  (unsigned long long) order->process);
        return;
    }
    respawn_drop(keeper, slot);
    tree_forget(keeper, slot, slot->tree_gone);
    capture_forget(keeper, slot);
    close_fd(slot->pidfd);
    slot_free(keeper, slot);
}

static void order_respawn(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    const struct link_process *order = message;
    struct slot *slot = slot_find(keeper, order->process);

    (void) fds;
    if (slot)
        respawn_asked(keeper, slot);
}

static void order_drop(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    const struct link_process *order = message;
    struct slot *slot = slot_find(keeper, order->process);

    (void) fds;
    if (slot)
        respawn_drop(keeper, slot);
}

static void order_forget_client(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    const struct link_client_ref *order = message;
    struct client *client = client_find(keeper, order->client);

    (void) fds;
    if (client)
        client_forget(keeper, client);
}

/* ---- the rest ---- */

static void take_ready(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    (void) message;
    (void) fds;
    keeper->link.ready = true;
    broker_ready(keeper);
}

static void take_acknowledgement(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    const struct link_head *head = message;

    (void) fds;
    reports_acknowledge(keeper, head->number);
}

static void take_close_connection(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    const struct link_connection_ref *order = message;
    struct connection *connection = connection_find(keeper, order->connection);

    (void) fds;
    if (connection)
        connection_free(keeper, connection);
}

static void take_identify(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    struct link_identity answer;
    int fd = client_identify(keeper, message, &answer);

    (void) fds;
    answer.head = (struct link_head){.kind = LINK_IDENTITY, .size = sizeof answer};
    link_answer(keeper, &answer, sizeof answer, &fd, fd >= 0);
}

static void take_get_pidfd(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    const struct link_get_pidfd *order = message;
    const struct slot *slot = slot_find(keeper, order->process);
    struct link_pidfd answer = {.head = {.kind = LINK_PIDFD, .size = sizeof answer}, .tag = order->tag};
    int fd = -1;

    (void) fds;
    if (slot && slot->pid > 0 && !slot->failed)
        fd = slot->pidfd >= 0 ? slot->pidfd : keeper->table.dead_pidfd;
    answer.error = fd < 0 ? ESRCH : 0;
    link_answer(keeper, &answer, sizeof answer, &fd, fd >= 0);
}

/* A number that is free again may be another's by now: what lives still had it while it was looked at. */
static uint64_t threads_of(const struct keeper *keeper, uint64_t process)
{
    const struct slot *slot = slot_find(keeper, process);
    struct proc_entry entry;

    if (!slot || slot->pid <= 0 || slot->pidfd < 0 || slot->failed)
        return 0;
    if (proc_read(slot->pid, &entry) < 0 || !pidfd_alive(slot->pidfd) || entry.threads < 0)
        return 0;
    return (uint64_t) entry.threads;
}

static void take_count_threads(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    struct link_threads answer = *(const struct link_threads *) message;

    (void) fds;
    answer.head = (struct link_head){.kind = LINK_THREADS, .size = sizeof answer};
    if (answer.count > LINK_THREADS_MAX)
        answer.count = 0;
    for (uint32_t i = 0; i < answer.count; i++)
        answer.of[i].threads = threads_of(keeper, answer.of[i].process);
    link_answer(keeper, &answer, sizeof answer, NULL, 0);
}

static void take_keep_page(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    struct link_page answer = *(const struct link_page *) message;

    answer.head = (struct link_head){.kind = LINK_PAGE_KEPT, .size = sizeof answer};
    answer.error = page_keep(keeper, answer.uid, fds->count > 0 ? fds->fd[0] : -1);
    link_answer(keeper, &answer, sizeof answer, NULL, 0);
}

static void take_drop_page(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    (void) fds;
    page_drop(keeper, ((const struct link_page *) message)->uid);
}

static void take_pong(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    (void) message;
    (void) fds;
    broker_pong(keeper);
}

static void take_leave(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    const struct link_leave *order = message;

    (void) fds;
    leave_asked(keeper, order);
}

static void take_check(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    (void) message;
    upgrade_check(keeper, fds->count > 0 ? fds->fd[0] : -1);
}

static void take_replace(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    (void) message;
    (void) fds;
    upgrade_replace(keeper);
}

static void take_follow_log(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    (void) fds;
    capture_follow(keeper, message);
}

static void take_attach(struct keeper *keeper, const void *message, struct fdpass *fds)
{
    (void) fds;
    pty_attach(keeper, message);
}

static const struct order_kind {
    uint32_t kind;
    uint32_t size; /* exact, but for LINK_SPAWN, whose spec follows */
    void (*execute)(struct keeper *keeper, const void *message, struct fdpass *fds);
} order_kinds[] = {
    {LINK_SPAWN, sizeof(struct link_spawn), order_spawn},
    {LINK_SIGNAL, sizeof(struct link_signal), order_signal},
    {LINK_WATCH_TREE, sizeof(struct link_process), order_watch_tree},
    {LINK_FORGET_PROCESS, sizeof(struct link_process), order_forget_process},
    {LINK_FORGET_CLIENT, sizeof(struct link_client_ref), order_forget_client},
    {LINK_RESPAWN, sizeof(struct link_process), order_respawn},
    {LINK_DROP, sizeof(struct link_process), order_drop},
    {LINK_READY, sizeof(struct link_head), take_ready},
    {LINK_ACK_REPORTS, sizeof(struct link_head), take_acknowledgement},
    {LINK_CLOSE_CONNECTION, sizeof(struct link_connection_ref), take_close_connection},
    {LINK_IDENTIFY, sizeof(struct link_identify), take_identify},
    {LINK_GET_PIDFD, sizeof(struct link_get_pidfd), take_get_pidfd},
    {LINK_PONG, sizeof(struct link_head), take_pong},
    {LINK_LEAVE, sizeof(struct link_leave), take_leave},
    {LINK_CHECK, sizeof(struct link_head), take_check},
    {LINK_REPLACE, sizeof(struct link_head), take_replace},
    {LINK_COUNT_THREADS, sizeof(struct link_threads), take_count_threads},
    {LINK_FOLLOW_LOG, sizeof(struct link_log_follow), take_follow_log},
    {LINK_KEEP_PAGE, sizeof(struct link_page), take_keep_page},
    {LINK_ATTACH, sizeof(struct link_attach), take_attach},
    {LINK_DROP_PAGE, sizeof(struct link_page), take_drop_page},
};

/* ---- from the socket ---- */

static const struct order_kind *find_kind(const void *message, size_t size)
{
    const struct link_head *head = message;

    if (size < sizeof *head || head->size != size)
        return NULL;
    for (size_t i = 0; i < sizeof order_kinds / sizeof *order_kinds; i++) {
        const struct order_kind *kind = &order_kinds[i];

        if (kind->kind != head->kind)
            continue;
        if (kind->kind == LINK_SPAWN && size >= kind->size)
            return ((const struct link_spawn *) message)->spec_size == size - kind->size ? kind : NULL;
        return size == kind->size ? kind : NULL;
    }
    return NULL;
}

static bool is_numbered(const struct link_head *head)
{
    return head->kind < LINK_READY;
}

/* Each order once: true if this is its turn. */
static bool is_its_turn(struct keeper *keeper, const struct link_head *head)
{
    struct link *link = &keeper->link;

    if (!is_numbered(head))
        return true;
    if (head->number <= link->executed)
        return false;
    if (head->number - link->executed > NUMBER_GAP) {
        if (!link->told_malformed)
            log_error("order %llu refused: the last one was %llu", (unsigned long long) head->number,
                      (unsigned long long) link->executed);
        link->told_malformed = true;
        return false;
    }
    return true;
}

static void take_number(struct keeper *keeper, const struct link_head *head)
{
    if (!is_numbered(head))
        return;
    keeper->link.executed = head->number;
    link_executed(keeper);
}

/* Once per broker: a hostile one shall not fill the log. */
static void tell_malformed(struct keeper *keeper, const void *message, size_t size)
{
    const struct link_head *head = message;

    if (!keeper->link.told_malformed)
        log_error("a malformed message from the broker (kind %u, %zu bytes)",
                  size >= sizeof *head ? head->kind : 0, size);
    keeper->link.told_malformed = true;
}

/* What was put off counts as executed from now on only: whoever takes over executes it else. */
static void execute_due(struct keeper *keeper)
{
    if (tree_signal_due(keeper))
        ledger_executed(keeper);
}

/* Is it put off, with others of its kind? */
static bool joins(struct keeper *keeper, const struct order_kind *kind, const void *message)
{
    const struct link_signal *order = message;
    struct slot *slot = kind->kind == LINK_SIGNAL && order->tree ? signalled(keeper, order) : NULL;

    return slot && tree_signal_joins(slot, order->signal);
}

/* May it be executed before signals that were put off, and again with them? A stop is a signal and this. */
static bool is_apart(const struct order_kind *kind)
{
    return kind->kind == LINK_WATCH_TREE;
}

static void execute(struct keeper *keeper, const struct order_kind *kind, const void *message,
                    struct fdpass *fds)
{
    bool is_due = joins(keeper, kind, message);

    if (!is_due && !is_apart(kind)) {
        execute_due(keeper);
        is_due = joins(keeper, kind, message);
    }
    take_number(keeper, message);
    if (!is_due)
        kind->execute(keeper, message, fds);
    if (is_numbered(message) && tree_signals_due() == 0)
        ledger_executed(keeper);
}

/* One message: 1, 0 when there is none, or -errno (-ENOTCONN: end of the stream). An empty message looks like
 * the end, which carries no descriptors, and is taken for it. */
static int read_one(struct keeper *keeper)
{
    void *message = keeper->link.buffer;
    struct fdpass fds;
    ssize_t size = fdpass_receive(keeper->link.fd, message, LINK_MESSAGE_MAX, &fds);
    const struct order_kind *kind;

    if (size <= 0) {
        drop_descriptors(fds.fd, fds.count);
        return size == -EAGAIN ? 0 : size == 0 ? -ENOTCONN : (int) size;
    }
    kind = find_kind(message, (size_t) size);
    if (!kind)
        tell_malformed(keeper, message, (size_t) size);
    else if (is_its_turn(keeper, message))
        execute(keeper, kind, message, &fds);
    drop_descriptors(fds.fd, fds.count);
    return 1;
}

void orders_read(struct keeper *keeper)
{
    int r = 1;

    /* what is put off costs next to nothing, nor does the watch over its tree */
    for (unsigned i = 0; r > 0 && i < BATCH + 2 * tree_signals_due(); i++)
        r = keeper->link.fd >= 0 && keeper->link.answer_size == 0 ? read_one(keeper) : 0;
    execute_due(keeper);
    if (r < 0)
        orders_drain(keeper);
}

/* Of a broker that lives (another takes its place) the end is not waited for: it could go on for ever.
 * What is cut off counts as not executed. */
void orders_drain(struct keeper *keeper)
{
    int errors = 0;

    for (int i = 0; keeper->link.fd >= 0; i++) {
        int r;

        link_answer_close(keeper); /* nobody waits for answers */
        r = read_one(keeper);
        /* an end with messages of ours unread is told as ECONNRESET once, before what is queued for us */
        if (r == 0 || r == -ENOTCONN || (r < 0 && ++errors > 2) || i >= DRAIN_MOST)
            link_down(keeper);
    }
    execute_due(keeper);
}
