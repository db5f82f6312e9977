/* SPDX-License-Identifier: MIT */
#include "client/lib/pending.h"

#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"
#include "daemon/base/fdpass.h"
#include "proto/schema.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static uint64_t key_prefix;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key_prefix(void)
{
    if (getrandom(&key_prefix, sizeof key_prefix, GRND_NONBLOCK) != sizeof key_prefix)
        key_prefix = (uint64_t) clock_realtime() ^ (uint64_t) getpid() << 40;
}

/* Unique within the client process, also across its execs; the daemon tells processes apart by itself. */
static void make_key(char *ret_key, size_t size)
{
    static _Atomic uint64_t count;

    pthread_once(&key_once, make_key_prefix);
    snprintf(ret_key, size, "%016llx-%llx", (unsigned long long) key_prefix,
             (unsigned long long) atomic_fetch_add(&count, 1));
}

/* {"jsonrpc":"2.0","method":"process.spawn","id":7,"key":"...","fds":2} */
static char *encode_head(const struct pending *pending)
{
    json_t *head = json_pack("{s:s,s:s,s:o*,s:s*,s:o*}", "jsonrpc", "2.0", "method", pending->method, "id",
                             pending->id ? json_integer(pending->id) : NULL, "key",
                             pending->key[0] ? pending->key : NULL, "fds",
                             pending->fd_count ? json_integer((json_int_t) pending->fd_count) : NULL);
    char *text = head ? json_dumps(head, JSON_COMPACT) : NULL;

    json_decref(head);
    return text;
}

static int encode(struct pending *pending, json_t *params)
{
    CLEANUP_MEMORY char *head = encode_head(pending);
    CLEANUP_MEMORY char *text = params ? json_dumps(params, JSON_COMPACT) : NULL;
    char *line;
    int length, before;

    if (!head || (params && !text))
        return -EINVAL; /* the method's name is no UTF-8, a number is infinite, or there is no memory */
    before = (int) strlen(head) - (text != NULL); /* params go in front of the brace */
    length = asprintf(&line, "%.*s%s%s%s\n", before, head, text ? ",\"params\":" : "", text ? text : "",
                      text ? "}" : "");
    if (length < 0)
        return -ENOMEM;
    if (length > (int) FRAME_LINE_MAX) {
        free(line);
        return -EMSGSIZE;
    }
    free(pending->line);
    pending->line = line;
    pending->length = (size_t) length;
    pending->sent = 0;
    return 0;
}

/* When the daemon will have answered by its own clock. */
static int64_t end_of_timeout(json_t *params)
{
    json_t *timeout = json_object_get(params, "timeout");
    double seconds = json_number_value(timeout);

    if (!json_is_number(timeout) || seconds > 1e9)
        return CONNECTION_FOREVER;
    return clock_monotonic() + (seconds > 0 ? (int64_t) (seconds * (double) NSEC_PER_SEC) : 0);
}

static bool is_keyed(const char *method)
{
    enum method_id id = method_find(method);

    return id != METHOD_COUNT && method_specs[id].flags & METHOD_KEYED;
}

static int fill(struct pending *pending, const struct connection_request *request)
{
    pending->method = strdup(request->method);
    pending->epoch = request->epoch ? strdup(request->epoch) : NULL;
    if (!pending->method || (request->epoch && !pending->epoch))
        return -ENOMEM;
    pending->params = json_incref(request->params);
    pending->until = end_of_timeout(request->params);
    pending->is_single =
        strcmp(request->method, "daemon.stop") == 0 || strcmp(request->method, "daemon.restart") == 0;
    pending->fd_count = request->fd_count;
    if (request->fd_count > 0)
        memcpy(pending->fds, request->fds, request->fd_count * sizeof *request->fds);
    if (request->key)
        snprintf(pending->key, sizeof pending->key, "%s", request->key);
    else if (!request->is_notification && is_keyed(request->method))
        make_key(pending->key, sizeof pending->key);
    return encode(pending, pending->params);
}

static void append(struct pending_list *list, struct pending *pending)
{
    struct pending **end = &list->head;

    while (*end)
        end = &(*end)->next;
    *end = pending;
}

int pending_add(struct pending_list *list, const struct connection_request *request,
                struct pending **ret_pending)
{
    struct pending *pending;
    int r;

    if (request->fd_count > FRAME_FDS_MAX || (request->key && strlen(request->key) > PROTO_KEY_MAX))
        return -EINVAL;
    pending = calloc(1, sizeof *pending + request->fd_count * sizeof pending->fds[0]);
    if (!pending)
        return -ENOMEM;
    pending->id = request->is_notification ? 0 : ++list->last_id;
    r = fill(pending, request);
    if (r < 0) {
        pending_free(pending);
        return r;
    }
    append(list, pending);
    *ret_pending = pending;
    return 0;
}

struct pending *pending_find(const struct pending_list *list, int64_t id)
{
    struct pending *pending = list->head;

    while (pending && (pending->id != id || id == 0))
        pending = pending->next;
    return pending;
}

void pending_remove(struct pending_list *list, struct pending *pending)
{
    struct pending **link = &list->head;

    while (*link != pending)
        link = &(*link)->next;
    *link = pending->next;
    pending->next = NULL;
}

void pending_drop(struct pending *pending)
{
    pending->is_dropped = true;
    json_decref(pending->params);
    pending->params = NULL;
}

/* With a key it is only ever sent again as it was: renew() makes no other line. */
void pending_lighten(struct pending *pending, json_t **own_params)
{
    if (own_params) {
        json_decref(*own_params);
        *own_params = NULL;
    }
    if (pending->key[0] && pending->sent == pending->length) {
        json_decref(pending->params);
        pending->params = NULL;
    }
}

struct pending *pending_free(struct pending *pending)
{
    if (!pending)
        return NULL;
    json_decref(pending->params);
    free(pending->method);
    free(pending->epoch);
    free(pending->line);
    free(pending);
    return NULL;
}

void pending_clear(struct pending_list *list)
{
    while (list->head) {
        struct pending *pending = list->head;

        pending_remove(list, pending);
        pending_free(pending);
    }
}

/* The descriptors leave with the first byte. They stay open here: a later broker may have to be asked
 * again. */
static int flush_one(struct pending *pending, int socket)
{
    while (pending->sent < pending->length) {
        struct iovec iov = {.iov_base = pending->line + pending->sent,
                            .iov_len = pending->length - pending->sent};
        ssize_t sent = fdpass_send(socket, &iov, 1, pending->fds, pending->sent == 0 ? pending->fd_count : 0);

        if (sent < 0)
            return sent == -EAGAIN ? 1 : (int) sent;
        pending->sent += (size_t) sent;
    }
    return 0;
}

int pending_flush(struct pending_list *list, int socket)
{
    struct pending *next;

    for (struct pending *pending = list->head; pending; pending = next) {
        int r = flush_one(pending, socket);

        if (r != 0)
            return r;
        next = pending->next;
        if (pending->id == 0) {
            pending_remove(list, pending);
            pending_free(pending);
        }
    }
    return 0;
}

bool pending_is_bound(const struct pending_list *list)
{
    for (const struct pending *pending = list->head; pending; pending = pending->next)
        if (pending->id != 0 && pending->sent > 0 && !pending->is_dropped)
            return true;
    return false;
}

/* With a key the words must be the same, and the wait has kept its place and its clock; without one it
 * begins anew. */
static int renew(struct pending *pending)
{
    int64_t rest = pending->until - clock_monotonic();
    json_t *params;
    int r;

    pending->sent = 0;
    if (pending->until == CONNECTION_FOREVER || pending->key[0])
        return 0;
    params = json_copy(pending->params);
    if (!params)
        return -ENOMEM;
    json_object_set_new(params, "timeout", json_real(rest > 0 ? (double) rest / (double) NSEC_PER_SEC : 0));
    r = encode(pending, params);
    json_decref(params);
    return r;
}

/* `cancel` went to the old broker with everything else. */
static int repeat_cancel(struct pending_list *list, const struct pending *pending)
{
    json_t *params = json_pack("{s:I}", "id", (json_int_t) pending->id);
    struct connection_request request = {.method = "cancel", .params = params, .is_notification = true};
    struct pending *cancel;
    int r = params ? pending_add(list, &request, &cancel) : -ENOMEM;

    json_decref(params);
    return r;
}

int pending_rewind(struct pending_list *list)
{
    struct pending *next;
    int r = 0;

    for (struct pending *pending = list->head; pending && r == 0; pending = next) {
        next = pending->next;
        if (pending->is_dropped || (pending->id == 0 && pending->sent > 0) || pending->subscription != 0) {
            pending_remove(list, pending);
            pending_free(pending);
            continue;
        }
        if (pending->sent == 0)
            continue;
        r = renew(pending);
        if (r == 0 && pending->is_cancelled)
            r = repeat_cancel(list, pending);
    }
    return r;
}
