/* SPDX-License-Identifier: MIT */
/*
 * With a daemon of another machine each connection is a link of its own, and the process at its other end is
 * the client that the daemon knows. One of them, the anchor, stands for this process: objects are opened
 * through it, and what is acquired through another is acquired in its place (owner_pid). When its link is
 * lost everything is free, as if this process had ended.
 */
#include "client/lib/library.h"

#include "proto/schema.h"

#include <errno.h>
#include <string.h>

/* The lock is held. 0 or -errno. */
static int make_anchor(struct library *here)
{
    const json_t *peer;
    int r;

    if (here->anchor)
        return 0;
    r = connection_open(NULL, &here->anchor);
    if (r < 0)
        return r;
    peer = json_object_get(connection_hello(here->anchor), "peer");
    here->anchor_pid = json_integer_value(json_object_get(peer, "pid"));
    return 0;
}

/* One request through the anchor, which waits for nothing but the daemon. */
static int call_anchor(struct library *here, const struct connection_request *request, int64_t deadline,
                       struct incoming *ret_incoming, char **ret_epoch)
{
    int r;

    pthread_mutex_lock(&here->anchor_lock);
    r = make_anchor(here);
    if (r == 0)
        r = connection_call_once(here->anchor, request, deadline, ret_incoming);
    if (r == 0 && ret_epoch) {
        *ret_epoch = strdup(connection_epoch(here->anchor));
        r = *ret_epoch ? 0 : -ENOMEM;
    }
    if (r < 0)
        here->anchor = connection_free(here->anchor);
    pthread_mutex_unlock(&here->anchor_lock);
    return r;
}

int far_call(const struct connection_request *request, int64_t deadline, struct incoming *ret_incoming,
             char **ret_epoch)
{
    struct library *here = library();

    return here ? call_anchor(here, request, deadline, ret_incoming, ret_epoch) : -ENOMEM;
}

bool far_is_anchored(const char *method)
{
    return strncmp(method, "object.", strlen("object.")) == 0;
}

int far_params(const struct connection_request *request, json_t **ret_params)
{
    enum method_id id = method_find(request->method);
    struct library *here = library();
    int r = 0;

    *ret_params = json_incref(request->params);
    if (id == METHOD_COUNT || !schema_param(&method_specs[id], "owner_pid") ||
        json_object_get(request->params, "owner_pid"))
        return 0;
    if (!here)
        return -ENOMEM;
    pthread_mutex_lock(&here->anchor_lock);
    r = make_anchor(here);
    if (r == 0) {
        json_decref(*ret_params);
        *ret_params = request->params ? json_copy(request->params) : json_object();
        if (json_object_set_new(*ret_params, "owner_pid", json_integer(here->anchor_pid)) < 0)
            r = -ENOMEM;
    }
    pthread_mutex_unlock(&here->anchor_lock);
    return r;
}
