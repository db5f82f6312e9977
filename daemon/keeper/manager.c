/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/manager.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/log.h"
#include "daemon/base/notify.h"
#include "daemon/keeper/clients.h"
#include "daemon/keeper/leave.h"

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
        notify_send("READY=1");
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
