/* SPDX-License-Identifier: MIT */
/* The end of a program waits for its children, as multiprocessing's does. */
#include "client/lib/forks.h"
#include "client/lib/process.h"

#include <errno.h>
#include <stdlib.h>

#define WINDOW 32 /* requests that are under way at once */

/* Whose exit it is: a forked child that calls exit(3) has no children of ours. */
static uint64_t registered;

/* Waits for one answer. False: no daemon is there any more. */
static bool take_answer(struct connection *connection)
{
    struct incoming answer;

    if (connection_receive(connection, CONNECTION_FOREVER, &answer) < 0)
        return false;
    incoming_done(&answer);
    return true;
}

static bool send_stop(struct connection *connection, const struct procd_process *child)
{
    json_t *params = json_pack("{s:I}", "process", (json_int_t) child->id);
    struct connection_request request = {.method = "process.stop", .params = params, .epoch = child->epoch};
    int r = params ? connection_send(connection, &request, NULL) : -ENOMEM;

    json_decref(params);
    return r == 0;
}

/* SIGTERM to all with the daemon flag, SIGKILL where it does not help; side by side, so that the slowest
 * counts, not their sum. */
static bool stop_daemons(struct connection *connection, struct procd_process **children, size_t count)
{
    size_t pending = 0;

    for (size_t i = 0; i < count; i++) {
        if (children[i]->daemon != PROCD_DAEMON)
            continue;
        if (pending == WINDOW && !take_answer(connection))
            return false;
        pending -= pending == WINDOW;
        pending += (size_t) send_stop(connection, children[i]);
    }
    while (pending > 0) {
        if (!take_answer(connection))
            return false;
        pending--;
    }
    return true;
}

/* False: whoever waits further waits in vain. */
static bool join(struct procd_process *child)
{
    int r = process_ask_join(child, PROCD_FOREVER);

    return r >= 0 || r == PROCD_E_NO_SUCH_PROCESS;
}

static void wait_for(struct procd_process **children, size_t count)
{
    struct connection *connection;
    bool goes_on;

    if (library_take(true, &connection) < 0)
        return;
    goes_on = stop_daemons(connection, children, count);
    library_give(connection); /* one that has failed is not kept */
    for (size_t i = 0; i < count && goes_on; i++)
        goes_on = join(children[i]);
}

static void wait_for_children(void)
{
    struct procd_process **children;
    size_t count = 0;

    if (!forks_is(registered))
        return;
    children = children_copy(&count);
    if (count > 0)
        wait_for(children, count);
    for (size_t i = 0; i < count; i++)
        process_release(children[i]);
    free(children);
}

void exit_prepare(void)
{
    if (registered == 0)
        atexit(wait_for_children); /* forked children inherit it */
    registered = forks_generation();
}
