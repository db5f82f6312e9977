/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/wire.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/capture.h"
#include "daemon/keeper/clients.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/orders.h"
#include "daemon/keeper/proc.h"
#include "daemon/keeper/table.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define EXECUTED_MANY  32
#define EXECUTED_AFTER (20 * NSEC_PER_MSEC)

static void arm(struct keeper *keeper)
{
    struct link *link = &keeper->link;
    uint32_t read = link->phase == PHASE_SERVING && link->answer_size == 0 ? EPOLLIN : 0;
    uint32_t write = link->full && link->retry_at == INT64_MAX ? EPOLLOUT : 0;

    loop_arm(&keeper->loop, &link->socket, read | write);
}

bool link_send(struct keeper *keeper, const void *message, size_t size, const int *fds, size_t fd_count)
{
    const struct iovec iov = {.iov_base = (void *) message, .iov_len = size};
    ssize_t sent;

    if (keeper->link.fd < 0 || keeper->link.full)
        return false;
    sent = fdpass_send(keeper->link.fd, &iov, 1, fds, fd_count);
    if (sent >= 0)
        return true;
    if (sent != -EAGAIN)
        log_debug("link: %s", strerror((int) -sent));
    keeper->link.full = true; /* or its end is at hand, which is told elsewhere */
    if (fdpass_is_short(sent))
        keeper->link.retry_at = keeper->now + FDPASS_PAUSE * NSEC_PER_MSEC;
    arm(keeper);
    return false;
}

/* What is to be sent cannot be had now. */
static bool send_later(struct keeper *keeper)
{
    keeper->link.full = true;
    keeper->link.retry_at = keeper->now + FDPASS_PAUSE * NSEC_PER_MSEC;
    arm(keeper);
    return false;
}

void link_answer_close(struct keeper *keeper)
{
    keeper->link.answer_size = 0;
    for (int i = 0; i < 2; i++)
        keeper->link.answer_fds[i] = close_fd(keeper->link.answer_fds[i]);
}

/* What has no descriptors left to be sent with. */
static void answer_without(struct link *link)
{
    for (int i = 0; i < 2; i++)
        link->answer_fds[i] = close_fd(link->answer_fds[i]);
    if (link->answer.head.kind == LINK_PIDFD)
        link->answer.pidfd.error = EMFILE;
    if (link->answer.head.kind == LINK_ATTACHED)
        link->answer.attached.error = EMFILE;
}

void link_answer(struct keeper *keeper, const void *message, size_t size, const int *fds, size_t count)
{
    struct link *link = &keeper->link;

    ledger_flush(keeper);
    if (link_send(keeper, message, size, fds, count))
        return;
    memcpy(&link->answer, message, size);
    link->answer_size = size;
    for (size_t i = 0; i < count; i++)
        link->answer_fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
    for (size_t i = 0; i < count; i++)
        if (link->answer_fds[i] < 0)
            answer_without(link);
    arm(keeper);
}

/* ---- the table ---- */

static bool send_hello(struct keeper *keeper)
{
    const struct keeper_config *config = keeper->config;
    struct link_hello hello = {
        .head = {.kind = LINK_HELLO, .size = sizeof hello, .number = keeper->link.executed},
        .version = LINK_VERSION,
        .restarts = keeper->restarts,
        .last_report = keeper->table.last_report,
        .started = keeper->started,
        .pid = getpid(),
        .uid = geteuid(),
        .system = config->system,
        .idle_exit = config->idle_exit,
        .log_level = config->log_level,
        .log_to_journal = config->log_to_journal,
        .fresh_state = keeper->fresh_state,
        .is_followed = keeper->store.is_open,
        .broker_uid = config->broker_uid,
        .broker_gid = config->broker_gid,
    };
    int fds[2] = {keeper->state_fd, keeper->lookup_fd};

    snprintf(hello.broker_user, sizeof hello.broker_user, "%s",
             config->broker_user ? config->broker_user : "");
    memcpy(hello.epoch, keeper->epoch, sizeof hello.epoch);
    return link_send(keeper, &hello, sizeof hello, fds, 1 + (keeper->lookup_fd >= 0));
}

static bool send_page(struct keeper *keeper, const struct kept_page *page)
{
    struct link_page message = {.head = {.kind = LINK_PAGE, .size = sizeof message}, .uid = page->uid};

    return link_send(keeper, &message, sizeof message, &page->fd, 1);
}

static bool send_client(struct keeper *keeper, const struct client *client)
{
    struct link_client message = {
        .head = {.kind = LINK_CLIENT, .size = sizeof message},
        .client = client->client,
        .process = client->process,
        .pid = client->pid,
        .uid = client->uid,
    };

    return link_send(keeper, &message, sizeof message, &client->pidfd, 1);
}

static bool send_child(struct keeper *keeper, const struct slot *slot)
{
    bool begun = slot->reports[REPORT_START].kind != 0;
    struct link_child message = {
        .head = {.kind = LINK_CHILD, .size = sizeof message},
        .process = slot->process,
        .creator = slot->creator,
        .creator_process = slot->creator_process,
        .pid = begun ? slot->pid : 0,
        .uid = slot->uid,
        .gid = slot->gid,
        .flags = slot->flags,
        .ended = begun && slot->ended,
        .mono = slot->mono,
        .wall = slot->wall,
        .end = slot->end,
    };

    /* one that failed is only a report: where that is acknowledged already, nothing would ever end it */
    if (slot->failed && (!slot->again || slot->job))
        return true;
    memcpy(message.name, slot->name, strlen(slot->name));
    return link_send(keeper, &message, sizeof message, NULL, 0);
}

static bool send_head(struct keeper *keeper, uint32_t kind, uint64_t number, int fd)
{
    struct link_head head = {.kind = kind, .size = sizeof head, .number = number};

    return link_send(keeper, &head, sizeof head, &fd, fd >= 0);
}

static bool send_hello_and_clients(struct keeper *keeper)
{
    struct link *link = &keeper->link;

    if (link->phase == PHASE_HELLO) {
        if (!send_hello(keeper))
            return false;
        keeper->lookup_fd = close_fd(keeper->lookup_fd); /* the helper ends with its broker */
        link->due &= ~(uint32_t) DUE_LOOKUP;
        link->page_cursor = LIST_FIRST(&keeper->pages);
        link->phase = PHASE_PAGES;
    }
    for (; link->page_cursor; link->page_cursor = LIST_NEXT(link->page_cursor, order))
        if (!send_page(keeper, link->page_cursor))
            return false;
    if (link->phase == PHASE_PAGES) {
        link->client_cursor = TAILQ_FIRST(&keeper->clients.all);
        link->phase = PHASE_CLIENTS;
    }
    for (; link->client_cursor; link->client_cursor = TAILQ_NEXT(link->client_cursor, order))
        if (!send_client(keeper, link->client_cursor))
            return false;
    return true;
}

/* Where there is none to be shared this broker does without: nobody can ask for lines. */
static bool send_logs(struct keeper *keeper)
{
    struct link_head head = {.kind = LINK_LOGS, .size = sizeof head};
    int fds[3], r;
    bool is_sent;

    if (!(keeper->link.due & DUE_LOGS))
        return true;
    r = capture_share(keeper, fds);
    if (tells_nothing(r))
        return send_later(keeper);
    if (r < 0)
        log_error("the broker gets no logs: %s", strerror(-r));
    is_sent = r < 0 || link_send(keeper, &head, sizeof head, fds, 3);
    for (int i = 0; i < 2 && r == 0; i++)
        close_fd(fds[i]);
    if (is_sent)
        keeper->link.due &= ~(uint32_t) DUE_LOGS;
    return is_sent;
}

/* Goes on where the link was full. True: the broker has the whole table. */
static bool send_table(struct keeper *keeper)
{
    struct link *link = &keeper->link;

    if (link->phase == PHASE_SERVING)
        return true;
    if (link->phase <= PHASE_CLIENTS) {
        if (!send_hello_and_clients(keeper))
            return false;
        link->slot_cursor = TAILQ_FIRST(&keeper->table.used);
        link->phase = PHASE_CHILDREN;
    }
    for (; link->slot_cursor; link->slot_cursor = TAILQ_NEXT(link->slot_cursor, order))
        if (!send_child(keeper, link->slot_cursor))
            return false;
    if (!send_logs(keeper) || !send_head(keeper, LINK_TABLE_END, 0, -1))
        return false;
    link->phase = PHASE_SERVING;
    link->report_cursor = TAILQ_FIRST(&keeper->table.reports);
    arm(keeper);
    return true;
}

/* ---- the rest ---- */

static bool send_kept_answer(struct keeper *keeper)
{
    struct link *link = &keeper->link;

    if (link->answer_size == 0)
        return true;
    if (!link_send(keeper, &link->answer, link->answer_size, link->answer_fds,
                   (size_t) (link->answer_fds[0] >= 0) + (link->answer_fds[1] >= 0)))
        return false;
    link_answer_close(keeper);
    arm(keeper);
    return true;
}

static const struct {
    uint32_t due, kind;
} due_kinds[] = {
    {DUE_EXECUTED, LINK_EXECUTED}, {DUE_PING, LINK_PING},     {DUE_STOP, LINK_STOP_REQUEST},
    {DUE_RESTART, LINK_RESTART_REQUEST}, {DUE_STAYS, LINK_STAYS}, {DUE_LOOKUP, LINK_LOOKUP},
};

static bool send_checked(struct keeper *keeper)
{
    struct link_checked message = keeper->upgrade.verdict;

    if (!(keeper->link.due & DUE_CHECKED))
        return true;
    message.head = (struct link_head){.kind = LINK_CHECKED, .size = sizeof message};
    if (!link_send(keeper, &message, sizeof message, NULL, 0))
        return false;
    keeper->link.due &= ~(uint32_t) DUE_CHECKED;
    return true;
}

static bool send_due(struct keeper *keeper)
{
    struct link *link = &keeper->link;

    for (size_t i = 0; link->due && i < sizeof due_kinds / sizeof *due_kinds; i++) {
        uint64_t number = due_kinds[i].due == DUE_EXECUTED ? link->executed : 0;

        if (!(link->due & due_kinds[i].due))
            continue;
        if (!send_head(keeper, due_kinds[i].kind, number,
                       due_kinds[i].due == DUE_LOOKUP ? keeper->lookup_fd : -1))
            return false;
        link->due &= ~due_kinds[i].due;
        if (due_kinds[i].due == DUE_EXECUTED) {
            link->executed_told = link->executed;
            link->executed_at = INT64_MAX;
        }
        if (due_kinds[i].due == DUE_LOOKUP)
            keeper->lookup_fd = close_fd(keeper->lookup_fd);
    }
    return send_checked(keeper);
}

void link_executed(struct keeper *keeper)
{
    struct link *link = &keeper->link;

    if (link->executed - link->executed_told >= EXECUTED_MANY)
        link->due |= DUE_EXECUTED;
    else if (link->executed_at == INT64_MAX)
        link->executed_at = keeper->now + EXECUTED_AFTER;
}

int64_t link_tick(struct keeper *keeper)
{
    struct link *link = &keeper->link;

    if (link->executed_at <= keeper->now) {
        link->due |= DUE_EXECUTED;
        link->executed_at = INT64_MAX;
    }
    if (link->retry_at <= keeper->now) {
        link->retry_at = INT64_MAX;
        link->full = false;
        arm(keeper);
    }
    return link->executed_at;
}

static bool send_reports(struct keeper *keeper)
{
    struct link *link = &keeper->link;
    _Alignas(16) unsigned char message[sizeof(struct link_exited) + sizeof(struct link_spawned)];

    while (link->report_cursor) {
        int fd;
        size_t size = report_write(keeper, link->report_cursor, message, &fd);

        if (!link_send(keeper, message, size, &fd, fd >= 0))
            return false;
        link->report_cursor = TAILQ_NEXT(link->report_cursor, order);
    }
    return true;
}

bool link_report(struct keeper *keeper)
{
    ledger_flush(keeper);
    return keeper->link.fd >= 0 && !keeper->link.full && send_table(keeper) && send_kept_answer(keeper) &&
           send_due(keeper) && send_reports(keeper);
}

void link_flush(struct keeper *keeper)
{
    if (link_report(keeper))
        connections_hand_over(keeper);
}

/* ---- up and down ---- */

static void link_ready(struct keeper *keeper, struct watch *watch, uint32_t events)
{
    (void) watch;
    if (events & EPOLLOUT) {
        keeper->link.full = false;
        arm(keeper);
    }
    if (events & (EPOLLHUP | EPOLLERR))
        orders_drain(keeper);
    else if (events & EPOLLIN)
        orders_read(keeper);
}

/* As large as we may: each message of the table that does not fit is a turn of the loop. */
static void enlarge(int fd)
{
    int size = 4 << 20;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

int link_up(struct keeper *keeper, int fd)
{
    struct link *link = &keeper->link;
    int r;

    enlarge(fd);
    link->fd = fd;
    link->phase = PHASE_HELLO;
    link->full = link->ready = link->told_malformed = false;
    link->due &= DUE_RESTART; /* asked for while there was nobody to tell */
    link->due |= keeper->stop_at != INT64_MAX ? DUE_STOP : 0;
    link->due |= DUE_LOGS;
    link->executed_told = link->executed; /* the hello says it */
    link->executed_at = link->retry_at = INT64_MAX;
    link->page_cursor = NULL;
    link->client_cursor = NULL;
    link->slot_cursor = NULL;
    link->report_cursor = NULL;
    link->answer_size = 0;
    link->answer_fds[0] = link->answer_fds[1] = -1;
    r = loop_add(&keeper->loop, &link->socket, fd, 0, link_ready);
    if (r < 0)
        link->fd = close_fd(link->fd);
    return r;
}

void link_down(struct keeper *keeper)
{
    struct link *link = &keeper->link;

    if (link->fd < 0)
        return;
    loop_remove(&keeper->loop, &link->socket);
    link->fd = close_fd(link->fd);
    link_answer_close(keeper);
    link->ready = false;
    link->report_cursor = NULL;
    connections_free(keeper);
}
