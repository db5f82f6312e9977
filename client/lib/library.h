/* SPDX-License-Identifier: MIT */
/*
 * What libprocd keeps for the whole process. It lies in the area that a fork wipes: a child begins with an
 * unlocked lock and nothing of its parent's.
 */
#ifndef PROCD_CLIENT_LIB_LIBRARY_H
#define PROCD_CLIENT_LIB_LIBRARY_H

#include "client/lib/connection.h"
#include "client/lib/procd.h"

#include <pthread.h>
#include <stdbool.h>

#define POOL_MAX       8  /* idle connections that are kept */
#define POOL_OWED_MAX  64 /* the same, with those that answers are to come for */
#define OPENED_BUCKETS 64

struct library {
    pthread_mutex_t lock; /* over everything here; never held while waiting. May begin as zero */
    struct connection *idle[POOL_OWED_MAX];
    size_t idle_count;
    struct endpoint endpoint; /* of the last connection: the next one goes to the same daemon */
    struct procd_process *children, *last_child; /* children.c */
    size_t child_count, started_since_sweep;
    struct procd_process *zygote; /* zygote.c, under zygote_lock, which is held while one is begun */
    int64_t zygote_at;            /* when that was tried last */
    pthread_mutex_t zygote_lock;
    struct procd_process *current; /* current.c */
    pid_t parent_pid;              /* told by the creator; 0: it was not */
    struct shared_page *pages;     /* shared.c */
    struct opened *opened[OPENED_BUCKETS]; /* opens.c */
    pthread_mutex_t anchor_lock;           /* far.c; held while the anchor is spoken to */
    struct connection *anchor;
    json_int_t anchor_pid; /* at the host */
    pthread_cond_t closed;                 /* one of those has been closed. May begin as zero */
};

/* NULL: no memory. */
struct library *library(void);

struct call_options {
    int64_t deadline;  /* CONNECTION_FOREVER, or when the daemon must have answered */
    bool no_autostart;
    int stale;         /* the error where the request's epoch is over; 0: PROCD_E_NO_SUCH_PROCESS */
    const struct bell *bell; /* not NULL: how the answer may come otherwise; library_call then says 1 */
    char **ret_epoch;  /* not NULL: a copy of the epoch that answered, on success */
};

/* Asks on a connection of its own for as long as it takes. 1: see bell; 0 and the answer, whose result is
 * ret_result (borrowed, may be NULL); else the error, which procd_last_error() then tells in full. */
int library_call(const struct connection_request *request, const struct call_options *options,
                 struct incoming *ret_incoming, json_t **ret_result);

/* A connection to speak on; give it back, or free it. 0 or -errno (told by procd_last_error()). */
int library_take(bool no_autostart, struct connection **ret_connection);
void library_give(struct connection *connection);

/* $PROCD_HOST names another machine. */
bool library_is_remote(void);

/* ---- far.c: what is different there ---- */

/* Must this method go through the anchor? */
bool far_is_anchored(const char *method);

/* Asks through the anchor. As connection_call_once; ret_epoch may be NULL. */
int far_call(const struct connection_request *request, int64_t deadline, struct incoming *ret_incoming,
             char **ret_epoch);

/* The params for another link: in the anchor's place, where the method knows that. 0 and a new reference, or
 * -errno. */
int far_params(const struct connection_request *request, json_t **ret_params);

/* ---- all machines ---- */

/* The name of the calling thread for the daemon (`holder`): never used twice in this process. */
const char *library_holder(char *buffer, size_t size);

/* A time-out as params carry it: seconds, or JSON null for ever; and when the daemon must have answered at
 * the latest. NULL: it is no number. */
json_t *library_timeout(double timeout, int64_t *ret_deadline);

/* ---- error.c ---- */

/* Keeps it for procd_last_error(). message NULL: procd_strerror(code). Returns code. */
int failure_note(int code, const char *message);

/* The same for an error of the daemon (may be NULL). */
int failure_note_daemon(int code, const json_t *error);

#endif
