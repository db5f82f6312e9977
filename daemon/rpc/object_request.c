#include "daemon/rpc/object_request.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/decimal.h"
#include "daemon/rpc/arguments.h"
#include "daemon/rpc/identity.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/session.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- who ---- */

struct blob holder_argument(const struct call *call, const json_t *holder, const json_t *owner_pid,
                            char room[HOLDER_DEFAULT_MAX])
{
    const struct connection *connection = core_connection(call->server->core, call->session->connection);
    char *end = room + HOLDER_DEFAULT_MAX, *at;

    if (holder)
        return (struct blob){json_string_value(holder), json_string_length(holder)};
    if (owner_pid || !connection)
        return (struct blob){"", 0};
    at = decimal_put(end, connection->data.ordinal, 1);
    *--at = '#';
    return (struct blob){at, (size_t) (end - at)};
}

/* ---- threads ---- */

/* proc(5), status: "Threads:\t2". 0: not known. */
static uint64_t read_threads(pid_t pid)
{
    CLEANUP_FD int fd = -1;
    char path[64], text[4096];
    const char *at;
    ssize_t got;

    snprintf(path, sizeof path, "/proc/%d/status", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (got < 0)
        return 0;
    text[got] = '\0';
    at = strstr(text, "\nThreads:");
    return at ? strtoull(at + strlen("\nThreads:"), NULL, 10) : 0;
}

/* The number is still the process's: it is alive now, so it was when the file was read. */
static uint64_t threads_of(struct server *server, uint64_t id)
{
    const struct process *process = core_process(server->core, id);
    const struct peer *peer = peer_of_process(server, id);
    struct pollfd alive = {.fd = peer ? peer->pidfd : -1, .events = POLLIN};
    uint64_t count;

    if (!process || alive.fd < 0 || process->data.pid <= 0)
        return 0;
    count = read_threads(process->data.pid);
    return poll(&alive, 1, 0) == 0 ? count : 0;
}

struct blob threads_gather(struct server *server, const struct core_wait *wait,
                           struct input_threads room[THREADS_WANTED_MAX])
{
    uint64_t ids[THREADS_WANTED_MAX];
    size_t count = core_threads_wanted(server->core, wait, ids, THREADS_WANTED_MAX);

    for (size_t i = 0; i < count; i++)
        room[i] = (struct input_threads){.process = ids[i], .count = threads_of(server, ids[i])};
    return (struct blob){(const char *) room, count * sizeof *room};
}

/* ---- the request ---- */

static void deadlock_arguments(struct call *call, struct object_request *request,
                               struct input_threads room[THREADS_WANTED_MAX])
{
    const struct blob *name = &request->input.blob[BLOB_NAME];
    const struct object *object = core_object(call->server->core, call->uid, name->data, name->size);
    const struct core_wait wait = {
        .client = call->creator, .holder = request->input.blob[BLOB_HOLDER], .object = object};
    uint32_t *flags = &request->input.body.request.flags;

    if (request->on_deadlock && strcmp(json_string_value(request->on_deadlock), "wait") == 0)
        *flags |= REQUEST_WAIT_ANYWAY;
    if (object && !(*flags & (REQUEST_NO_WAIT | REQUEST_DEADLINE)) && !TAILQ_EMPTY(&object->holds))
        request->input.blob[BLOB_THREADS] = threads_gather(call->server, &wait, room);
}

struct outcome object_request_submit(struct call *call, struct object_request *request)
{
    struct input_threads threads[THREADS_WANTED_MAX];
    struct core_input *input = &request->input;
    char holder[HOLDER_DEFAULT_MAX];

    if (request->owner_pid && !call->creator)
        return identity_ask(call, (int32_t) json_integer_value(request->owner_pid));
    if (!call->creator && call->session->peer)
        call->creator = call->session->peer->client;
    input->body.request.creator = call->creator;
    input->body.sync.gid = call->session->gid;
    timeout_argument(request->timeout, &input->body.request);
    if (request->name)
        input->blob[BLOB_NAME] =
            (struct blob){json_string_value(request->name), json_string_length(request->name)};
    input->blob[BLOB_HOLDER] = holder_argument(call, request->holder, request->owner_pid, holder);
    if (input->kind == INPUT_ACQUIRE && input->body.sync.kind != OBJECT_SEMAPHORE)
        deadlock_arguments(call, request, threads);
    return call_submit(call, input);
}
