/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/handover.h"
#include "daemon/keeper/handover_layout.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/cgroup_find.h"
#include "daemon/keeper/pages.h"
#include "daemon/keeper/role.h"
#include "daemon/keeper/ticket.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static const char magic[16] = "procd keeper";

/* ---- sizes ---- */

static uint64_t count_clients(const struct keeper *keeper)
{
    const struct client *client;
    uint64_t count = 0;

    TAILQ_FOREACH(client, &keeper->clients.all, order)
        count++;
    return count;
}

static size_t size_of(const struct handover_head *head)
{
    return sizeof *head + head->slot_count * sizeof(struct handover_slot) +
           head->client_count * sizeof(struct handover_client) +
           head->pipe_count * sizeof(struct handover_pipe) +
           head->cgroup_count * sizeof(struct handover_cgroup) +
           head->page_count * sizeof(struct handover_page) + head->tickets_size;
}

/* ---- writing ---- */

static void put_config(const struct keeper *keeper, struct handover_head *head)
{
    const struct keeper_config *config = keeper->config;

    head->system = config->system;
    head->no_cgroups = config->no_cgroups;
    head->idle_exit = config->idle_exit;
    head->log_level = config->log_level;
    head->broker_uid = config->broker_uid;
    head->broker_gid = config->broker_gid;
    head->log_to_journal = config->log_to_journal;
    head->log_size = config->log_size;
    head->log_quota = config->log_quota;
    head->log_age = config->log_age;
    snprintf(head->broker_user, sizeof head->broker_user, "%s",
             config->broker_user ? config->broker_user : "");
    snprintf(head->program, sizeof head->program, "%s", role_name());
    snprintf(head->socket_path, sizeof head->socket_path, "%s",
             keeper->socket.path ? keeper->socket.path : "");
    head->socket_for_all = keeper->socket.for_all;
    head->socket_device = keeper->socket.device;
    head->socket_inode = keeper->socket.inode;
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        head->limits[i][0] = keeper->base_limits[i].rlim_cur;
        head->limits[i][1] = keeper->base_limits[i].rlim_max;
    }
    head->watchdog = keeper->watchdog;
}

static void put_numbers(const struct keeper *keeper, struct handover_head *head)
{
    head->listen_fd = keeper->clients.listening.ready ? keeper->clients.listening.fd : -1;
    head->front_fd = keeper->front.ready ? keeper->front.fd : -1;
    head->state_fd = keeper->state_fd;
    head->ledger_fd = keeper->ledger.fd;
    head->dead_pidfd = keeper->table.dead_pidfd;
    head->cgroup_base = keeper->cgroups.base;
    head->logs_index_fd = keeper->capture.logs.index ? keeper->capture.logs.index_fd : -1;
    head->logs_data_fd = keeper->capture.logs.index ? keeper->capture.logs.data_fd : -1;
    head->started = keeper->started;
    memcpy(head->epoch, keeper->epoch, sizeof head->epoch);
    head->restarts = keeper->restarts;
    head->starts = keeper->starts;
    head->told_ready = keeper->told_ready;
    head->restart_due = (keeper->link.due & DUE_RESTART) != 0;
    head->executed = keeper->link.executed;
    head->last_report = keeper->table.last_report;
    head->last_client = keeper->clients.last_client;
    head->last_connection = keeper->clients.last_connection;
    memcpy(head->cgroup_path, keeper->cgroups.path, sizeof head->cgroup_path);
    snprintf(head->cgroup_folder, sizeof head->cgroup_folder, "%s", cgroup_folder());
    head->memory_events = keeper->cgroups.memory_events;
}

void handover_facts(const struct keeper *keeper, const struct slot *slot, struct handover_facts *to)
{
    *to = (struct handover_facts){
        .process = slot->process,
        .creator = slot->creator,
        .creator_process = slot->creator_process,
        .order = slot->spawn_order,
        .pidfd = slot->pidfd,
        .pid = slot->pid,
        .cgroup = slot->cgroup ? (int32_t) (slot->cgroup - keeper->cgroups.all) : -1,
        .uid = slot->uid,
        .gid = slot->gid,
        .flags = slot->flags,
        .failed = slot->failed,
        .ended = slot->ended,
        .reaped = slot->reaped,
        .notify_fd = slot->notify_fd,
        .again = slot->again,
        .respawns = slot->respawns,
        .tree_gone = slot->tree_gone,
        .tree_watched = slot->tree_watched,
        .adopted = slot->adopted,
        .stored = slot->stored,
        .ticket_kept = slot->ticket_kept,
        .notify_kept = slot->notify_kept,
        .error = slot->error,
        .stage = slot->stage,
        .stop_seen = slot->stop_seen,
        .kill_due = slot->kill_due,
        .kill_again = slot->kill_again,
        .mono = slot->mono,
        .wall = slot->wall,
        .pid_seen = slot->pid_seen,
        .end = slot->end,
        .log = slot->log,
    };
    for (int i = 0; i < REPORT_PLACES; i++) {
        to->report_number[i] = slot->reports[i].number;
        to->report_kind[i] = slot->reports[i].kind;
    }
}

static void *put_table(const struct keeper *keeper, void *memory)
{
    struct handover_slot *to = memory;
    const struct slot *slot;

    TAILQ_FOREACH(slot, &keeper->table.used, order)
    {
        handover_facts(keeper, slot, &to->facts);
        if (slot->pid == 0 && !slot->reaped) /* a zygote was asked; before an exec it has answered */
            to->facts.failed = to->facts.ended = to->facts.reaped = 1;
        to->place = (uint64_t) (slot - keeper->table.slots);
        memset(to->name, 0, sizeof to->name);
        memcpy(to->name, slot->name, strlen(slot->name));
        to++;
    }
    return to;
}

static void *put_pipes(const struct keeper *keeper, void *memory)
{
    const struct capture_pipe *pipe;
    struct handover_pipe *to = memory;

    TAILQ_FOREACH(pipe, &keeper->capture.all, order)
        *to++ = (struct handover_pipe){.process = pipe->slot ? pipe->slot->process : 0,
                                       .kept = pipe->kept,
                                       .fd = pipe->fd,
                                       .stream = pipe->stream,
                                       .is_open_line = pipe->is_open_line,
                                       .is_terminal = pipe->is_terminal,
                                       .was_shared = pipe->was_shared,
                                       .lease = pipe->lease};
    return to;
}

static void *put_clients_and_the_rest(const struct keeper *keeper, void *memory)
{
    struct handover_client *client_to = memory;
    struct handover_cgroup *cgroup_to;
    struct handover_page *page_to;
    const struct kept_page *page;
    const struct client *client;

    TAILQ_FOREACH(client, &keeper->clients.all, order)
        *client_to++ = (struct handover_client){.client = client->client,
                                                .process = client->process,
                                                .pid_seen = client->pid_seen,
                                                .pidfd = client->pidfd,
                                                .pid = client->pid,
                                                .uid = client->uid,
                                                .place = client->place,
                                                .stored = client->stored};
    cgroup_to = put_pipes(keeper, client_to);
    for (unsigned i = 0; i < keeper->cgroups.made; i++)
        *cgroup_to++ = (struct handover_cgroup){.state = keeper->cgroups.all[i].state,
                                                .is_spoilt = keeper->cgroups.all[i].is_spoilt};
    page_to = (void *) cgroup_to;
    LIST_FOREACH(page, &keeper->pages, order)
        *page_to++ = (struct handover_page){.uid = page->uid, .fd = page->fd, .stored = page->stored};
    return page_to;
}

int handover_write(const struct keeper *keeper)
{
    CLEANUP_FD int memory = memfd_create("procd-keeper", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct handover_head head = {.format = HANDOVER_FORMAT,
                                 .head_size = sizeof head,
                                 .slot_count = keeper->table.used_count,
                                 .slots_made = keeper->table.made,
                                 .client_count = count_clients(keeper),
                                 .pipe_count = keeper->capture.pipe_count,
                                 .cgroup_count = keeper->cgroups.made,
                                 .page_count = pages_count(keeper),
                                 .tickets_size = handover_tickets_size(keeper)};
    size_t size = size_of(&head);
    char *data;

    if (memory < 0 || fallocate(memory, 0, 0, (off_t) size) < 0)
        return -errno;
    memcpy(head.magic, magic, sizeof magic);
    put_config(keeper, &head);
    put_numbers(keeper, &head);
    data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (data == MAP_FAILED)
        return -errno;
    memcpy(data, &head, sizeof head);
    handover_put_tickets(keeper, put_clients_and_the_rest(keeper, put_table(keeper, data + sizeof head)));
    munmap(data, size);
    if (fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return -errno;
    return take_fd(&memory);
}

/* ---- descriptors ---- */

static void set_inherit(int fd, bool inherit, int *r)
{
    if (fd >= 0 && fcntl(fd, F_SETFD, inherit ? 0 : FD_CLOEXEC) < 0)
        *r = -errno;
}

int handover_inherit(const struct keeper *keeper, int memory, bool inherit)
{
    const struct capture_pipe *pipe;
    const struct kept_page *page;
    const struct client *client;
    const struct slot *slot;
    int r = 0;

    set_inherit(memory, inherit, &r);
    set_inherit(keeper->clients.listening.ready ? keeper->clients.listening.fd : -1, inherit, &r);
    set_inherit(keeper->front.ready ? keeper->front.fd : -1, inherit, &r);
    set_inherit(keeper->state_fd, inherit, &r);
    set_inherit(keeper->ledger.fd, inherit, &r);
    set_inherit(keeper->table.dead_pidfd, inherit, &r);
    set_inherit(keeper->cgroups.base, inherit, &r);
    TAILQ_FOREACH(slot, &keeper->table.used, order) {
        set_inherit(slot->pidfd, inherit, &r);
        set_inherit(slot->notify_fd, inherit, &r);
        for (uint32_t i = 0; slot->ticket && i < slot->ticket->fd_count; i++)
            set_inherit(slot->ticket->fds[i], inherit, &r);
    }
    TAILQ_FOREACH(client, &keeper->clients.all, order)
        set_inherit(client->pidfd, inherit, &r);
    set_inherit(keeper->capture.logs.index ? keeper->capture.logs.index_fd : -1, inherit, &r);
    set_inherit(keeper->capture.logs.index ? keeper->capture.logs.data_fd : -1, inherit, &r);
    TAILQ_FOREACH(pipe, &keeper->capture.all, order)
    {
        set_inherit(pipe->fd, inherit, &r);
        set_inherit(pipe->lease, inherit, &r);
    }
    LIST_FOREACH(page, &keeper->pages, order)
        set_inherit(page->fd, inherit, &r);
    return r;
}

/* ---- reading the whole ---- */

static bool is_text(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static bool head_is_sound(const struct handover_head *head, size_t size)
{
    return head->slot_count <= head->slots_made && head->slots_made <= SLOTS_MAX &&
           head->client_count <= size / sizeof(uint64_t) && head->pipe_count <= size / sizeof(uint64_t) &&
           head->cgroup_count <= SLOTS_MAX &&
           head->page_count <= size / sizeof(uint64_t) &&
           head->tickets_size <= size && size_of(head) == size &&
           is_text(head->broker_user, sizeof head->broker_user) &&
           is_text(head->program, sizeof head->program) &&
           is_text(head->socket_path, sizeof head->socket_path) &&
           is_text(head->epoch, sizeof head->epoch) && is_text(head->cgroup_path, sizeof head->cgroup_path) &&
           is_text(head->cgroup_folder, sizeof head->cgroup_folder) && head->system <= 1 &&
           head->no_cgroups <= 1 && head->log_to_journal <= 1 && head->log_level <= LOG_LEVEL_DEBUG;
}

/* -EPROTONOSUPPORT: of another format, as far as it can be told; -EBADMSG. */
static int judge_head(const struct handover_head *head, size_t size)
{
    if (size < offsetof(struct handover_head, slot_count) || memcmp(head->magic, magic, sizeof magic) != 0)
        return -EBADMSG;
    if (head->format != HANDOVER_FORMAT)
        return -EPROTONOSUPPORT;
    return size >= sizeof *head && head->head_size == sizeof *head && head_is_sound(head, size) ? 0
                                                                                               : -EBADMSG;
}

static int map_whole(int memory, const struct handover_head **ret_head, size_t *ret_size)
{
    off_t size = lseek(memory, 0, SEEK_END);
    int seals = fcntl(memory, F_GET_SEALS);
    void *data;

    if (size <= 0 || seals < 0 || !(seals & F_SEAL_SHRINK) || !(seals & F_SEAL_WRITE))
        return -EBADMSG;
    data = mmap(NULL, (size_t) size, PROT_READ, MAP_PRIVATE, memory, 0);
    if (data == MAP_FAILED)
        return -errno;
    *ret_head = data;
    *ret_size = (size_t) size;
    return judge_head(data, (size_t) size);
}

const struct handover_head *handover_open(int memory)
{
    const struct handover_head *head = NULL;
    size_t size;

    return map_whole(memory, &head, &size) == 0 ? head : NULL;
}

void handover_close(const struct handover_head *head)
{
    munmap((void *) head, size_of(head));
}

int handover_check(int memory, char why[HANDOVER_WHY])
{
    const struct handover_head *head = NULL;
    size_t size = 0;
    int r = map_whole(memory, &head, &size);

    if (r == -EPROTONOSUPPORT) {
        snprintf(why, HANDOVER_WHY, "it reads keepers of format %d, and this one is of format %u",
                 HANDOVER_FORMAT, head->format);
        return r;
    }
    if (r == 0)
        r = handover_rehearse(head);
    if (r < 0)
        snprintf(why, HANDOVER_WHY, "the keeper's table cannot be read: %s", strerror(-r));
    return r;
}
