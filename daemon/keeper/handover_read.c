/* SPDX-License-Identifier: MIT */
/* The keeper's knowledge back into a keeper: everything is checked before it is believed. */
#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/capture.h"
#include "daemon/keeper/cgroup.h"
#include "daemon/keeper/cgroup_find.h"
#include "daemon/keeper/clients.h"
#include "daemon/keeper/handover.h"
#include "daemon/keeper/handover_layout.h"
#include "daemon/keeper/killing.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/notified.h"
#include "daemon/keeper/pages.h"
#include "daemon/keeper/reap.h"
#include "daemon/keeper/role.h"
#include "daemon/keeper/table.h"
#include "daemon/keeper/tree.h"

#include <string.h>

#define CLAIMED (-2) /* dir of a cgroup that has its slot; what is negative is never closed */

/* ---- cgroups ---- */

/* An empty one is opened when the pool wants it. */
static void place(struct cgroups *cgroups, struct cgroup *cgroup)
{
    if (cgroup->state == CGROUP_TAKEN)
        return;
    if (cgroup->state == CGROUP_EMPTY || cgroup->state == CGROUP_SPARE)
        cgroup->state = CGROUP_UNUSED;
    cgroups->used_up_count += cgroup->state == CGROUP_USED_UP;
    TAILQ_INSERT_TAIL(cgroup->state == CGROUP_ORPHAN    ? &cgroups->orphans
                      : cgroup->state == CGROUP_USED_UP ? &cgroups->used_up
                                                        : &cgroups->unused,
                      cgroup, order);
}

static int take_cgroups(struct keeper *keeper, const struct handover_head *head,
                        const struct handover_cgroup *from)
{
    struct cgroups *cgroups = &keeper->cgroups;

    for (uint64_t i = 0; i < head->cgroup_count; i++) {
        struct cgroup *cgroup = &cgroups->all[i];

        if (from[i].state > CGROUP_USED_UP || from[i].is_spoilt > 1)
            return -EBADMSG;
        *cgroup = (struct cgroup){
            .state = from[i].state, .dir = -1, .events = -1, .is_spoilt = from[i].is_spoilt};
        place(cgroups, cgroup);
    }
    cgroups->made = (unsigned) head->cgroup_count;
    return 0;
}

static int claim_cgroup(struct keeper *keeper, const struct handover_facts *from, struct slot *slot)
{
    struct cgroup *cgroup;

    if (from->cgroup < 0)
        return 0;
    if ((unsigned) from->cgroup >= keeper->cgroups.made)
        return -EBADMSG;
    cgroup = &keeper->cgroups.all[from->cgroup];
    if (cgroup->state != CGROUP_TAKEN || cgroup->dir == CLAIMED)
        return -EBADMSG;
    cgroup->dir = CLAIMED;
    slot->cgroup = cgroup;
    return 0;
}

/* ---- the table ---- */

/* An adopted one may have gone where its number leads nobody: then its pidfd is -1. */
static bool facts_are_sound(const struct handover_facts *from)
{
    bool is_bool = from->failed <= 1 && from->ended <= 1 && from->reaped <= 1 && from->tree_gone <= 1 &&
                   from->tree_watched <= 1 && from->adopted <= 1 && from->stored <= 1 &&
                   from->ticket_kept <= 1 && from->notify_kept <= 1 && from->kill_due <= 1 &&
                   from->kill_again <= 1;
    bool is_alive = !from->ended, is_held = !from->reaped;

    return is_bool && from->process != 0 && from->pid >= 0 &&
           (!is_held || from->adopted || (from->pid > 0 && from->pidfd >= 0)) && (!is_alive || is_held) &&
           from->notify_fd >= -1;
}

static void take_facts(const struct handover_facts *from, struct slot *slot)
{
    slot->creator = from->creator;
    slot->creator_process = from->creator_process;
    slot->spawn_order = from->order;
    slot->pidfd = from->pidfd;
    slot->notify_fd = from->notify_fd;
    slot->uid = from->uid;
    slot->gid = from->gid;
    slot->flags = from->flags;
    slot->failed = from->failed;
    slot->ended = from->ended;
    slot->reaped = from->reaped;
    slot->tree_gone = from->tree_gone;
    slot->tree_watched = from->tree_watched;
    slot->adopted = from->adopted;
    slot->stored = from->stored;
    slot->ticket_kept = from->ticket_kept;
    slot->notify_kept = from->notify_kept;
    slot->kill_again = from->kill_again;
    slot->error = from->error;
    slot->stage = from->stage;
    slot->stop_seen = from->stop_seen;
    slot->mono = from->mono;
    slot->wall = from->wall;
    slot->pid_seen = from->pid_seen;
    slot->end = from->end;
    slot->log = from->log;
}

static int take_slot(struct keeper *keeper, const struct handover_slot *from_slot)
{
    const struct handover_facts *from = &from_slot->facts;
    struct table *table = &keeper->table;
    struct slot *slot;

    if (!facts_are_sound(from) || !memchr(from_slot->name, '\0', sizeof from_slot->name) ||
        slot_find(keeper, from->process))
        return -EBADMSG;
    slot = slot_new_at(keeper, from->process, from_slot->place);
    if (!slot)
        return -EBADMSG;
    take_facts(from, slot);
    if (keeper->ledger.head)
        ledger_name(keeper, slot, from_slot->name);
    if (slot->reaped || from->pid == 0)
        slot->pid = from->pid; /* the number is free: nobody is found by it */
    else
        slot_set_pid(keeper, slot, from->pid);
    table->live += !slot->ended;
    table->sessions += !slot->reaped && from->cgroup < 0;
    for (int i = 0; i < REPORT_PLACES; i++)
        if (report_restore(keeper, slot, (enum report_place) i, from->report_kind[i],
                           from->report_number[i]) < 0)
            return -EBADMSG;
    if (handover_take_respawn(keeper, slot, from->again, from->respawns) < 0)
        return -EBADMSG;
    if (slot->ended && !slot->tree_gone)
        tree_linger(keeper, slot);
    if (from->kill_due && from->cgroup >= 0 && !slot->tree_gone)
        killing_restore(keeper, slot);
    return claim_cgroup(keeper, from, slot);
}

/* ---- the rest ---- */

static int take_clients(struct keeper *keeper, const struct handover_head *head,
                        const struct handover_client *from)
{
    keeper->clients.last_client = head->last_client;
    keeper->clients.last_connection = head->last_connection;
    for (uint64_t i = 0; i < head->client_count; i++) {
        if (from[i].client == 0 || from[i].client > head->last_client || from[i].pidfd < 0 ||
            client_find(keeper, from[i].client))
            return -EBADMSG;
        if (client_restore(keeper, &from[i]) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int take_pipes(struct keeper *keeper, const struct handover_head *head,
                      const struct handover_pipe *from)
{
    for (uint64_t i = 0; i < head->pipe_count; i++) {
        struct slot *slot = from[i].process ? slot_find(keeper, from[i].process) : NULL;

        if (from[i].fd < 0 || from[i].stream >= LOGS_STREAMS || from[i].is_open_line > 1 ||
            from[i].is_terminal > 1 || from[i].was_shared > 1 ||
            (from[i].lease >= 0 && !from[i].is_terminal) ||
            (from[i].process && !slot))
            return -EBADMSG;
        if (capture_restore(keeper, slot, &from[i]) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int take_pages(struct keeper *keeper, const struct handover_head *head,
                      const struct handover_page *from)
{
    int r = 0;

    for (uint64_t i = 0; i < head->page_count && r == 0; i++)
        r = page_restore(keeper, from[i].uid, from[i].fd, from[i].stored);
    return r;
}

static void take_numbers(struct keeper *keeper, const struct handover_head *head)
{
    keeper->state_fd = head->state_fd;
    keeper->table.dead_pidfd = head->dead_pidfd;
    keeper->started = head->started;
    memcpy(keeper->epoch, head->epoch, sizeof keeper->epoch);
    keeper->restarts = head->restarts;
    keeper->starts = head->starts;
    keeper->told_ready = head->told_ready;
    keeper->link.due = head->restart_due ? DUE_RESTART : 0;
    keeper->link.executed = head->executed;
    keeper->cgroups.base = head->cgroup_base;
    keeper->cgroups.memory_events = head->memory_events;
    memcpy(keeper->cgroups.path, head->cgroup_path, sizeof keeper->cgroups.path);
    cgroup_found(head->cgroup_folder);
}

/* Everything but what an epoll would have to watch. */
static int take_all(struct keeper *keeper, const struct handover_head *head)
{
    const struct handover_slot *slots = (const void *) (head + 1);
    const struct handover_client *clients = (const void *) (slots + head->slot_count);
    const struct handover_pipe *pipes = (const void *) (clients + head->client_count);
    const struct handover_cgroup *cgroups = (const void *) (pipes + head->pipe_count);
    const struct handover_page *pages = (const void *) (cgroups + head->cgroup_count);
    const void *tickets = pages + head->page_count;
    int r = take_cgroups(keeper, head, cgroups);

    for (uint64_t i = 0; i < head->slot_count && r == 0; i++)
        r = slots[i].place < head->slots_made ? take_slot(keeper, &slots[i]) : -EBADMSG;
    if (r == 0)
        r = reports_order(keeper, head->last_report);
    if (r == 0)
        r = take_pipes(keeper, head, pipes);
    if (r == 0)
        r = handover_take_tickets(keeper, tickets, head->tickets_size);
    if (r == 0)
        r = take_clients(keeper, head, clients);
    return r < 0 ? r : take_pages(keeper, head, pages);
}

int handover_restore(struct keeper *keeper, const struct handover_head *head)
{
    int r = take_all(keeper, head);
    struct slot *slot;

    if (r < 0)
        return r;
    take_numbers(keeper, head);
    /* a watch that cannot be set is made up for by the sweep */
    TAILQ_FOREACH(slot, &keeper->table.used, order) {
        if (!slot->ended && slot->pidfd >= 0)
            (void) loop_add(&keeper->loop, &slot->exit, slot->pidfd, EPOLLIN, reap_ready);
        (void) notified_restore(keeper, slot); /* heard at its end, at the latest */
    }
    capture_fill(keeper, head->logs_index_fd, head->logs_data_fd);
    reap_request_sweep(keeper);
    return 0;
}

/* The descriptors are the keeper's that is to be replaced. */
static void forget_tickets(struct keeper *keeper)
{
    struct slot *slot;

    TAILQ_FOREACH(slot, &keeper->table.used, order) {
        free(slot->ticket);
        slot->ticket = NULL;
    }
}

int handover_rehearse(const struct handover_head *head)
{
    static struct keeper keeper; /* too large for a stack */
    int r;

    memset(&keeper, 0, sizeof keeper);
    TAILQ_INIT(&keeper.killing);
    TAILQ_INIT(&keeper.respawns);
    r = table_open(&keeper.table);

    if (r == 0)
        r = clients_begin(&keeper);
    if (r == 0)
        r = cgroups_begin(&keeper.cgroups);
    if (r == 0)
        r = capture_begin_rooms(&keeper.capture);
    if (r == 0) {
        r = take_all(&keeper, head);
        forget_tickets(&keeper);
    }
    return r;
}

void handover_configure(const struct handover_head *head, struct keeper_config *config)
{
    static char socket_path[sizeof head->socket_path], broker_user[sizeof head->broker_user];

    memcpy(socket_path, head->socket_path, sizeof socket_path);
    memcpy(broker_user, head->broker_user, sizeof broker_user);
    role_rename(head->program);
    *config = (struct keeper_config){
        .socket = {.path = *socket_path ? socket_path : NULL,
                   .for_all = head->socket_for_all,
                   .device = head->socket_device,
                   .inode = head->socket_inode},
        .listen_fd = head->listen_fd,
        .front_fd = head->front_fd > 0 ? head->front_fd : 0,
        .watchdog = head->watchdog,
        .system = head->system,
        .no_cgroups = head->no_cgroups,
        .idle_exit = head->idle_exit,
        .log_level = head->log_level,
        .log_to_journal = head->log_to_journal,
        .log_size = head->log_size,
        .log_quota = head->log_quota,
        .log_age = head->log_age,
        .broker_user = broker_user,
        .broker_uid = head->broker_uid,
        .broker_gid = head->broker_gid,
    };
}
