/* SPDX-License-Identifier: MIT */
/*
 * terminate, kill, stop: commands that end processes.
 */
#include "client/ctl/calls.h"
#include "client/ctl/each.h"
#include "client/ctl/values.h"

#include <signal.h>

int command_terminate(struct ctl *ctl)
{
    struct each each = {.method = "process.terminate", .deadline = CONNECTION_FOREVER};

    return each_word(ctl, &each);
}

int command_kill(struct ctl *ctl)
{
    struct each each = {.method = "process.signal", .deadline = CONNECTION_FOREVER};
    int number = SIGTERM;
    int status = value_signal(ctl, OPT_SIGNAL, &number);

    if (status != 0)
        return status;
    each.params = json_pack("{s:i}", "signal", number);
    return each_word(ctl, &each);
}

int command_stop(struct ctl *ctl)
{
    struct each each = {.method = "process.stop", .deadline = CONNECTION_FOREVER};
    double grace = -1;
    int status = value_seconds(ctl, OPT_GRACE, &grace);

    if (status != 0)
        return status;
    if (grace >= 0)
        each.params = json_pack("{s:f}", "grace", grace);
    return each_word(ctl, &each);
}
