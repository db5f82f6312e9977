/* SPDX-License-Identifier: MIT */
/*
 * daemon info, stop, restart; ping. None of them starts a daemon only to ask or end it.
 */
#include "client/ctl/calls.h"
#include "client/ctl/output.h"
#include "daemon/base/clock.h"

#include <poll.h>
#include <stdio.h>

#define PING_PATIENCE (10 * NSEC_PER_SEC)
#define RESTART_PATIENCE 10000 /* milliseconds; a new daemon is checked before it may serve */

int command_daemon_info(struct ctl *ctl)
{
    json_t *info = NULL;
    int status;

    ctl->no_autostart = true;
    status = call(ctl, "daemon.info", NULL, &info);
    if (status != 0)
        return status;
    if (ctl->is_json) {
        print_document(info);
        return CTL_OK;
    }
    print_record(info);
    json_decref(info);
    return CTL_OK;
}

/* The broker that we talk to closes our connection when it ends. False: not in time. */
static bool wait_for_hang_up(const struct ctl *ctl, int milliseconds)
{
    struct pollfd entry = {.fd = connection_fd(ctl->connection), .events = POLLRDHUP};

    return entry.fd < 0 || poll(&entry, 1, milliseconds) > 0;
}

/* Who stops a daemon wants to know that it is gone. */
int command_daemon_stop(struct ctl *ctl)
{
    json_t *result = NULL;
    int status;

    ctl->no_autostart = true;
    status = call(ctl, "daemon.stop", NULL, &result);
    if (status != 0)
        return status;
    wait_for_hang_up(ctl, -1);
    if (ctl->is_json)
        print_document(json_incref(result));
    json_decref(result);
    return CTL_OK;
}

/* Answered by the new broker: the connection finds it. */
static int report_restart(struct ctl *ctl, json_int_t broker_before)
{
    json_t *info = NULL;
    int status = call(ctl, "daemon.info", NULL, &info);

    if (status != 0)
        return status;
    if (json_integer_value(json_object_get(info, "broker_pid")) == broker_before) {
        complain(ctl, "procd goes on as it was; its log tells why");
        print_failure(ctl, "NotRestarted", "procd goes on as it was");
        status = CTL_FAILED;
    } else if (ctl->is_json) {
        print_document(json_incref(info));
    }
    json_decref(info);
    return status;
}

int command_daemon_restart(struct ctl *ctl)
{
    json_t *info = NULL, *result = NULL;
    json_int_t broker;
    int status;

    ctl->no_autostart = true;
    status = call(ctl, "daemon.info", NULL, &info);
    if (status != 0)
        return status;
    broker = json_integer_value(json_object_get(info, "broker_pid"));
    json_decref(info);
    status = call(ctl, "daemon.restart", NULL, &result);
    if (status != 0)
        return status;
    json_decref(result);
    wait_for_hang_up(ctl, RESTART_PATIENCE);
    return report_restart(ctl, broker);
}

int command_ping(struct ctl *ctl)
{
    json_t *result = NULL;
    int64_t began;
    double seconds;
    int status;

    ctl->no_autostart = true;
    ctl->deadline = clock_monotonic() + PING_PATIENCE;
    status = call_open(ctl);
    began = clock_monotonic();
    if (status == 0)
        status = call(ctl, "daemon.ping", NULL, &result);
    if (status != 0)
        return status;
    seconds = (double) (clock_monotonic() - began) / NSEC_PER_SEC;
    if (ctl->is_json)
        print_document(json_pack("{s:f}", "seconds", seconds));
    else
        printf("procd answers after %.3f ms\n", seconds * 1000);
    json_decref(result);
    return CTL_OK;
}
