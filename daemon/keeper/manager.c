/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/manager.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/base/notify.h"
#include "daemon/keeper/adopted.h"
#include "daemon/keeper/clients.h"
#include "daemon/keeper/leave.h"
#include "daemon/keeper/ledger.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static void new_socket(struct keeper *keeper, int fd)
{
    int r;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    r = clients_listen(keeper, fd);
    if (r < 0) {
        log_error("the new socket: %s", strerror(-r));
        close_fd(fd);
    }
}

/* A restart of the service is also one of the broker, as `daemon.restart` is. */
static void attached(struct keeper *keeper, int64_t watchdog, struct fdpass *fds)
{
    if (keeper->state != STATE_RUNNING || keeper->stop_at != INT64_MAX) {
        notify_send(MANAGER_STOPPING);
        return;
    }
    if (fds->count > 0)
        new_socket(keeper, take_fd(&fds->fd[0]));
    notify_send(MANAGER_ATTACHED);
    keeper->watchdog = watchdog;
    keeper->ping_at = watchdog > 0 ? keeper->now + watchdog / 4 : INT64_MAX;
    keeper->told_ready = keeper->link.ready;
    if (keeper->told_ready)
        notify_send(MANAGER_READY);
    keeper->link.due |= DUE_RESTART;
    log_info("the service was restarted: %u processes go on", keeper->table.live);
}

/* No front, and nobody who keeps the link for another: the service has ended. */
static void left_alone(struct keeper *keeper)
{
    manager_close(keeper);
    if (keeper->state != STATE_RUNNING || keeper->stop_at != INT64_MAX)
        return;
    log_warning("the service has ended without us: stopping");
    leave_signalled(keeper);
}

/* Whoever it was, the front need not keep it. */
static bool orphan_ended(struct keeper *keeper, const char *text)
{
    siginfo_t info = {.si_pid = 0};
    struct rusage usage = {.ru_maxrss = 0};
    long long utime, stime;
    char answer[MANAGER_TEXT_MAX];
    int pid;

    if (sscanf(text, MANAGER_ENDED, &pid, &info.si_code, &info.si_status, &utime, &stime, &usage.ru_maxrss,
               &usage.ru_minflt, &usage.ru_majflt, &usage.ru_inblock, &usage.ru_oublock, &usage.ru_nvcsw,
               &usage.ru_nivcsw) != 12)
        return false;
    usage.ru_utime = (struct timeval){.tv_sec = utime / 1000000, .tv_usec = utime % 1000000};
    usage.ru_stime = (struct timeval){.tv_sec = stime / 1000000, .tv_usec = stime % 1000000};
    adopted_told(keeper, pid, &info, &usage);
    ledger_flush(keeper);
    snprintf(answer, sizeof answer, MANAGER_RECORDED, pid);
    notify_send(answer);
    return true;
}

static void orphan_stopped(struct keeper *keeper, const char *text)
{
    int pid, code;

    if (sscanf(text, MANAGER_STOPPED, &pid, &code) == 2)
        adopted_stopped(keeper, pid, code);
}

static void front_spoke(struct keeper *keeper, struct watch *watch, uint32_t events)
{
    CLEANUP(fdpass_close) struct fdpass fds = {.count = 0};
    char text[MANAGER_TEXT_MAX];
    ssize_t length = fdpass_receive(watch->fd, text, sizeof text - 1, &fds);
    long long watchdog;

    (void) events;
    if (length == -EAGAIN)
        return;
    if (length <= 0) {
        left_alone(keeper);
        return;
    }
    text[length] = '\0';
    if (sscanf(text, MANAGER_ATTACH, &watchdog) == 1)
        attached(keeper, watchdog, &fds);
    else if (!orphan_ended(keeper, text))
        orphan_stopped(keeper, text);
}

int manager_open(struct keeper *keeper)
{
    int fd = keeper->config->front_fd, r;

    if (fd <= 0)
        return 0;
    r = loop_add(&keeper->loop, &keeper->front, fd, EPOLLIN, front_spoke);
    if (r == 0)
        notify_through(fd);
    return r;
}

void manager_close(struct keeper *keeper)
{
    if (!keeper->front.ready)
        return;
    notify_through(-1);
    loop_remove(&keeper->loop, &keeper->front);
    close_fd(keeper->front.fd);
}
