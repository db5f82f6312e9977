/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/capture.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/keeper/handover_layout.h"
#include "daemon/keeper/ledger.h"
#include "daemon/keeper/pipes.h"
#include "daemon/keeper/pty.h"
#include "daemon/keeper/spawn_child.h"
#include "daemon/keeper/store.h"
#include "daemon/keeper/table.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BATCH 16
#define SHARE_SPAN (10 * NSEC_PER_MSEC)
#define SHARE_BYTES (2 << 20)     /* in that span: 200 MB a second of all children together */
#define ROUND_PAUSE NSEC_PER_MSEC /* between two rounds where one follows the other at once */
#define AGE_PATIENCE (100 * NSEC_PER_MSEC)

/* ---- the share of time ---- */

static void pause_until(struct keeper *keeper, int64_t until)
{
    keeper->capture.resume_at = until;
    loop_arm(&keeper->loop, &keeper->capture.watch, 0);
}

/* epoll_ctl(2): to forget a pipe may be refused, and it is told of as long as a child has it that has not
 * come to its exec. By then it is nobody's, or another one, of which that is no news: who looks finds
 * nothing. */
static ssize_t on_ready(struct keeper *keeper, uint64_t data)
{
    struct capture_pipe *pipe = (struct capture_pipe *) (uintptr_t) (data & ~UINT64_C(1));
    ssize_t size = 0;

    if (pipe->fd < 0)
        return 0;
    if (data & 1) /* its master is not watched, and not in this batch */
        pty_lease_ready(keeper, pipe);
    else
        (void) pipe_take(keeper, pipe, PIPE_TAKE_MOST, &size);
    return size;
}

static void pipes_ready(struct keeper *keeper, struct watch *watch, uint32_t events)
{
    struct capture *capture = &keeper->capture;
    struct epoll_event batch[BATCH];
    int count = epoll_wait(capture->epoll, batch, BATCH, 0);
    int64_t before = capture->round_at;

    (void) watch;
    (void) events;
    capture->round_at = keeper->now;
    if (keeper->now - capture->share_at > SHARE_SPAN) {
        capture->share_at = keeper->now;
        capture->share_used = 0;
    }
    for (int i = 0; i < count; i++) {
        ssize_t size = on_ready(keeper, batch[i].data.u64);

        capture->share_used += size > 0 ? (uint64_t) size : 0;
    }
    if (capture->share_used >= SHARE_BYTES)
        pause_until(keeper, capture->share_at + SHARE_SPAN);
    else if (keeper->now - before < ROUND_PAUSE && count < BATCH)
        pause_until(keeper, keeper->now + ROUND_PAUSE);
}

int64_t capture_tick(struct keeper *keeper)
{
    struct capture *capture = &keeper->capture;

    if (capture->resume_at <= keeper->now) {
        capture->resume_at = INT64_MAX;
        loop_arm(&keeper->loop, &capture->watch, EPOLLIN);
    }
    if (capture->age_at <= keeper->now) {
        capture->age_at = logs_age(&capture->logs, keeper->now);
        if (capture->age_at != INT64_MAX) /* one chunk at a time is not worth a wake */
            capture->age_at += AGE_PATIENCE;
    }
    return capture->resume_at < capture->age_at ? capture->resume_at : capture->age_at;
}

/* ---- a spawn ---- */

static int make_pipe(struct keeper *keeper, struct slot *slot, enum logs_stream stream, int *ret_end)
{
    struct capture_pipe *pipe;
    int ends[2], r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pipe = pipe_new(&keeper->capture);
    if (!pipe) {
        close_fd(ends[0]);
        close_fd(ends[1]);
        return -EMFILE;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK); /* this end's: the child's waits, as programs expect of theirs */
    pipe_begin(keeper, pipe, slot, ends[0], stream);
    r = pipe_watch(&keeper->capture, pipe);
    *ret_end = r < 0 ? close_fd(ends[1]) : ends[1];
    return r;
}

/* With very many children, one pipe for both streams: its lines count as stdout's. */
static bool is_scarce(const struct keeper *keeper)
{
    return keeper->capture.pipe_count >= keeper->base_limits[RLIMIT_NOFILE].rlim_max / 8;
}

static void name_end(struct spawn_plan *plan, int which, size_t fd)
{
    struct link_stdio *stdio = (struct link_stdio *) &plan->spec->stdio[which]; /* the spec is our own copy */

    *stdio = (struct link_stdio){.kind = LINK_STDIO_FD, .fd = (uint32_t) fd};
}

/* In the journal a process has its name, or that of its program: in one line, whatever is in it. */
static void name_in_journal(const struct slot *slot, struct spawn_plan *plan)
{
    const char *program = plan->argv[0] ? strrchr(plan->argv[0], '/') : NULL;
    const char *name = slot->name;
    char *at = plan->journal_name;

    if (!*name)
        name = program ? program + 1 : plan->argv[0];
    if (!name || !*name)
        name = "procd";
    snprintf(plan->journal_name, sizeof plan->journal_name, "%.*s", JOURNAL_NAME_MAX, name);
    for (; *at; at++)
        if ((unsigned char) *at < ' ' || *at == 0x7f)
            *at = '_';
}

int capture_log(struct keeper *keeper, struct slot *slot, const struct spawn_plan *plan)
{
    if (!keeper->capture.logs.index)
        return -ENOMEM;
    if (!slot->log) /* a process that begins again goes on in its log */
        slot->log = logs_begin(&keeper->capture.logs, slot->process, plan->uid);
    return slot->log ? 0 : -ENOSPC;
}

int capture_begin(struct keeper *keeper, struct slot *slot, struct spawn_plan *plan, int *fds, size_t *count)
{
    bool wants[2] = {plan->spec->stdio[1].kind == LINK_STDIO_LOG,
                     plan->spec->stdio[2].kind == LINK_STDIO_LOG};
    bool is_shared = wants[0] && wants[1] && is_scarce(keeper);
    size_t before = *count;
    int r = 0;

    if (!wants[0] && !wants[1])
        return 0;
    if (keeper->config->log_to_journal && access(JOURNAL_SOCKET, W_OK) == 0) {
        name_in_journal(slot, plan);
        return 0;
    }
    if (*count + 2 > FDPASS_MAX)
        return -EINVAL;
    r = capture_log(keeper, slot, plan);
    for (int i = 0; i < 2 && r == 0; i++) {
        if (wants[i] && !(i == 1 && is_shared))
            r = make_pipe(keeper, slot, i == 0 ? LOGS_STDOUT : LOGS_STDERR, &fds[*count]);
        if (r == 0 && wants[i])
            name_end(plan, 1 + i, i == 1 && is_shared ? *count - 1 : *count);
        *count += r == 0 && wants[i] && !(i == 1 && is_shared);
    }
    if (r == 0)
        return 0;
    while (*count > before)
        close_fd(fds[--*count]);
    capture_abandon(keeper, slot);
    return r;
}

void capture_abandon(struct keeper *keeper, struct slot *slot)
{
    struct capture_pipe *pipe, *next;

    for (pipe = LIST_FIRST(&slot->pipes); pipe; pipe = next) {
        next = LIST_NEXT(pipe, of_slot);
        if (!pipe->is_terminal || !slot->again)
            pipe_end(keeper, pipe);
    }
    if (slot->again)
        return;
    logs_forget(&keeper->capture.logs, slot->log);
    slot->log = 0;
}

void capture_ended(struct keeper *keeper, struct slot *slot)
{
    struct capture_pipe *pipe = LIST_FIRST(&slot->pipes), *next;

    for (; pipe; pipe = next) {
        next = LIST_NEXT(pipe, of_slot);
        if (pipe->lease < 0)
            pipe_drain(keeper, pipe);
    }
    pty_finish(keeper, slot);
}

void capture_forget(struct keeper *keeper, struct slot *slot)
{
    struct capture_pipe *pipe;

    while ((pipe = LIST_FIRST(&slot->pipes))) {
        if (pipe->is_terminal) {
            pipe_end(keeper, pipe);
            continue;
        }
        LIST_REMOVE(pipe, of_slot);
        pipe->slot = NULL;
    }
    logs_forget(&keeper->capture.logs, slot->log);
    slot->log = 0;
}

int capture_keep(struct keeper *keeper, struct slot *slot)
{
    struct capture_pipe *pipe;

    LIST_FOREACH(pipe, &slot->pipes, of_slot)
    {
        int r = pipe->kept ? 0 : store_pipe(keeper, pipe);

        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- a broker ---- */

void capture_follow(struct keeper *keeper, const struct link_log_follow *order)
{
    const struct slot *slot = slot_find(keeper, order->process);

    if (!slot || !slot->log)
        return;
    keeper->capture.logs.index->logs[slot->log].followed = order->on ? keeper->starts : 0;
    if (order->on) /* something may have come before this did */
        eventfd_write(keeper->capture.bell, 1);
}

static int open_to_read(int fd)
{
    char path[32];
    int r;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    r = open(path, O_RDONLY | O_CLOEXEC);
    return r < 0 ? -errno : r;
}

int capture_share(const struct keeper *keeper, int ret_fds[3])
{
    const struct capture *capture = &keeper->capture;

    if (!capture->logs.index)
        return -ENOENT;
    ret_fds[0] = open_to_read(capture->logs.index_fd);
    if (ret_fds[0] < 0)
        return ret_fds[0];
    ret_fds[1] = open_to_read(capture->logs.data_fd);
    if (ret_fds[1] < 0) {
        close_fd(ret_fds[0]);
        return ret_fds[1];
    }
    ret_fds[2] = capture->bell;
    return 0;
}

/* ---- open and close ---- */

static struct logs_limits limits_of(const struct keeper_config *config)
{
    struct logs_limits limits = {.log = LOGS_SIZE_DEFAULT,
                                 .uid = LOGS_QUOTA_DEFAULT,
                                 .total = (uint64_t) sysconf(_SC_PHYS_PAGES) / 8 * 4096,
                                 .age = LOGS_AGE_DEFAULT * NSEC_PER_SEC};

    if (config->log_size > 0)
        limits.log = config->log_size;
    if (config->log_quota > 0)
        limits.uid = config->log_quota;
    if (config->log_age > 0)
        limits.age = (int64_t) config->log_age * NSEC_PER_SEC;
    if (limits.log < LOGS_LIMIT_MIN)
        limits.log = LOGS_LIMIT_MIN;
    return limits;
}

int capture_begin_rooms(struct capture *capture)
{
    *capture = (struct capture){.epoll = -1, .bell = -1, .resume_at = INT64_MAX, .age_at = INT64_MAX};
    capture->logs.index_fd = capture->logs.data_fd = -1;
    TAILQ_INIT(&capture->all);
    LIST_INIT(&capture->unused);
    capture->pipes = memory_reserve(sizeof *capture->pipes * PIPES_MAX);
    return capture->pipes ? 0 : -ENOMEM;
}

int capture_open(struct keeper *keeper)
{
    struct capture *capture = &keeper->capture;
    int r = capture_begin_rooms(capture);

    if (r < 0)
        return r;
    capture->epoll = epoll_create1(EPOLL_CLOEXEC);
    capture->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (capture->epoll < 0 || capture->bell < 0)
        return -errno;
    return loop_add(&keeper->loop, &capture->watch, capture->epoll, EPOLLIN, pipes_ready);
}

void capture_fill(struct keeper *keeper, int index_fd, int data_fd)
{
    struct capture *capture = &keeper->capture;
    struct logs_limits limits = limits_of(keeper->config);
    struct capture_pipe *pipe, *next;
    int r = index_fd >= 0 ? logs_resume(&capture->logs, &limits, index_fd, data_fd)
                          : logs_open(&capture->logs, &limits);

    if (r < 0) {
        log_error("no memory for logs, and no process whose output is to be kept: %s", strerror(-r));
        logs_close(&capture->logs);
        return;
    }
    if (index_fd < 0) {
        store_memory(keeper, LOGS_INDEX_NAME, capture->logs.index_fd);
        store_memory(keeper, LOGS_DATA_NAME, capture->logs.data_fd);
    }
    capture->age_at = keeper->now;
    pty_recover(keeper);
    for (pipe = TAILQ_FIRST(&capture->all); pipe; pipe = next) {
        next = TAILQ_NEXT(pipe, order);
        if (pipe->slot && !logs_is(&capture->logs, pipe->slot->log, pipe->slot->process))
            pipe->slot->log = 0;
        if (pipe->is_terminal)
            pty_restored(keeper, pipe);
        else
            (void) pipe_watch(capture, pipe);
    }
}

void capture_close(struct keeper *keeper)
{
    struct capture *capture = &keeper->capture;

    logs_close(&capture->logs);
    capture->epoll = close_fd(capture->epoll);
    capture->bell = close_fd(capture->bell);
}

int capture_restore(struct keeper *keeper, struct slot *slot, const struct handover_pipe *from)
{
    struct capture_pipe *pipe = pipe_new(&keeper->capture);

    if (!pipe)
        return -ENOMEM;
    pipe_begin(keeper, pipe, slot, from->fd, (enum logs_stream) from->stream);
    pipe->is_open_line = from->is_open_line;
    pipe->is_terminal = from->is_terminal;
    pipe->was_shared = from->was_shared;
    pipe->lease = from->lease;
    pipe->kept = from->kept;
    return 0;
}
