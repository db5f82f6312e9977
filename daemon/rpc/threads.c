/* SPDX-License-Identifier: MIT */
#include "daemon/rpc/threads.h"

#include "daemon/rpc/keeper_link.h"
#include "daemon/rpc/pages.h"
#include "daemon/rpc/session.h"

#include <stdlib.h>
#include <string.h>

/* What the keeper was asked last, and its answer. */
struct thread_counts {
    uint64_t asked; /* the ticket that the question was given: what waits by an older one did so before it */
    size_t count;
    struct input_threads of[LINK_THREADS_MAX];
};

/*
 * Does the answer tell what is true now? A thread that waits makes no other. So if all that wait have done so
 * since before the question, there are as many threads as were counted; else one may have made another, after
 * the count, and only then begun to wait.
 */
static bool is_fresh(const struct call *call, uint64_t process)
{
    const struct thread_counts *counts = call->threads;

    for (size_t i = 0; counts && i < counts->count; i++)
        if (counts->of[i].process == process)
            return core_newest_wait(call->server->core, process) < counts->asked;
    return false;
}

static bool all_fresh(const struct call *call, const uint64_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_fresh(call, ids[i]))
            return false;
    return true;
}

static struct outcome ask(struct call *call, const uint64_t *ids, size_t count)
{
    struct link_threads message = {.count = (uint32_t) count};

    if (!call->threads)
        call->threads = calloc(1, sizeof *call->threads);
    if (!call->threads || call_hold(call) < 0)
        return call_fail_limit(call, "memory", 0);
    call->threads->asked = message.tag = call->ticket;
    call->threads->count = 0;
    for (size_t i = 0; i < count; i++)
        message.of[i].process = ids[i];
    keeper_link_send(call->server->link, LINK_COUNT_THREADS, 0, &message, sizeof message, NULL, 0);
    return call_park(call);
}

/* Asked again as long as the wait would be a deadlock, and what was counted is not all or not fresh: somebody
 * else's wait has begun meanwhile. Who holds what, the words say: a lock may have gone on unseen. */
struct outcome threads_submit(struct call *call, struct core_input *input, const struct core_wait *wait)
{
    uint64_t ids[LINK_THREADS_MAX];
    size_t count;

    call_address(call, input);
    server_set_time(input);
    pages_look(call->server, input);
    count = core_threads_wanted(call->server->core, wait, ids, LINK_THREADS_MAX);
    if (!all_fresh(call, ids, count))
        return ask(call, ids, count);
    if (count > 0)
        input->blob[BLOB_THREADS] =
            (struct blob){(const char *) call->threads->of, call->threads->count * sizeof *call->threads->of};
    return call_submit(call, input);
}

void threads_answered(struct server *server, const struct link_threads *message)
{
    struct call *call = call_find(server, message->tag);
    struct thread_counts *counts = call ? call->threads : NULL;
    struct session *session;

    if (!counts || message->count > LINK_THREADS_MAX)
        return;
    for (counts->count = 0; counts->count < message->count; counts->count++)
        counts->of[counts->count] = (struct input_threads){.process = message->of[counts->count].process,
                                                           .count = message->of[counts->count].threads};
    session = call_go_on(call);
    (void) dispatch(call);
    session_resume(session);
}
