/* SPDX-License-Identifier: MIT */
/*
 * The requests of one connection that are not answered yet, in the order asked. Private to connection.c.
 */
#ifndef PROCD_CLIENT_LIB_PENDING_H
#define PROCD_CLIENT_LIB_PENDING_H

#include "client/lib/connection.h"
#include "proto/ids.h"

struct pending {
    struct pending *next;
    int64_t id; /* 0: a notification */
    char *method;
    json_t *params;
    char key[PROTO_KEY_MAX + 1]; /* "": none */
    char *epoch;                 /* NULL: asked of whatever daemon there is */
    int64_t until;               /* when its own time-out ends; CONNECTION_FOREVER: it has none */
    int64_t subscription;        /* not 0: takes up that subscription again */
    bool is_dropped;             /* nobody waits for the answer any more */
    bool is_cancelled;
    bool is_single;              /* ends or replaces the daemon: never asked twice */
    char *line;
    size_t length, sent;
    size_t fd_count;
    int fds[];
};

struct pending_list {
    struct pending *head;
    int64_t last_id;
};

/* Makes the request's line and puts it at the end. 0 and the request, which the list owns; -EMSGSIZE,
 * -EINVAL, -ENOMEM. */
int pending_add(struct pending_list *list, const struct connection_request *request,
                struct pending **ret_pending);

struct pending *pending_find(const struct pending_list *list, int64_t id);

/* Out of the list. The caller owns it. */
void pending_remove(struct pending_list *list, struct pending *pending);

/* Nobody waits for the answer any more. What is left refers to nothing of its asker's, as another thread may
 * read the answer. */
void pending_drop(struct pending *pending);
/* What is not needed any more once it has left is freed; own_params: see struct connection_request. */
void pending_lighten(struct pending *pending, json_t **own_params);
struct pending *pending_free(struct pending *pending);
void pending_clear(struct pending_list *list);

/* Sends what the socket takes; notifications that are sent are forgotten. 0: all is sent; 1: some is left;
 * -errno. */
int pending_flush(struct pending_list *list, int socket);

/* True when the daemon may have begun something whose answer we await. */
bool pending_is_bound(const struct pending_list *list);

/* The connection is a new one: everything is to be sent again, waits without a key with what is left of
 * their time. Notifications that had been sent, and what nobody waits for, are forgotten. 0, -ENOMEM. */
int pending_rewind(struct pending_list *list);

#endif
