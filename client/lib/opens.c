/* SPDX-License-Identifier: MIT */
/* The daemon knows whether this process has an object open; how many handles it has is counted here. */
#include "client/lib/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct opened {
    struct opened *next;
    size_t handles;  /* that exist, or are being made */
    char *epoch;     /* of the daemon that has opened it last; NULL: none has */
    bool is_closing; /* who wants it open waits: what is asked then would be overtaken by the close */
    char name[];
};

static struct opened **find(struct library *here, const char *name)
{
    size_t hash = 5381;
    struct opened **link;

    for (const char *at = name; *at; at++)
        hash = hash * 33 + (unsigned char)*at;
    link = &here->opened[hash % OPENED_BUCKETS];
    while (*link && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    return link;
}

static struct opened *add(struct opened **link, const char *name)
{
    struct opened *opened = calloc(1, sizeof *opened + strlen(name) + 1);

    if (opened) {
        memcpy(opened->name, name, strlen(name) + 1);
        *link = opened; /* the end of its list */
    }
    return opened;
}

int opens_begin(const char *name)
{
    struct library *here = library();
    struct opened **link, *opened;
    int state;

    if (!here)
        return failure_note(-ENOMEM, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_mutex_lock(&here->lock);
    while (*(link = find(here, name)) && (*link)->is_closing)
        pthread_cond_wait(&here->closed, &here->lock);
    opened = *link ? *link : add(link, name);
    if (opened)
        opened->handles++;
    pthread_mutex_unlock(&here->lock);
    pthread_setcancelstate(state, NULL);
    return opened ? 0 : failure_note(-ENOMEM, NULL);
}

int opens_keep(const char *name, const char *epoch)
{
    struct library *here = library();
    char *copy = strdup(epoch), *old;
    struct opened *opened;

    if (!copy)
        return failure_note(-ENOMEM, NULL);
    pthread_mutex_lock(&here->lock);
    opened = *find(here, name);
    old = opened->epoch;
    opened->epoch = copy;
    pthread_mutex_unlock(&here->lock);
    free(old);
    return 0;
}

static void close_object(const struct opened *opened)
{
    json_t *params = json_pack("{s:s}", "name", opened->name);
    struct connection_request request = {.method = "object.close", .params = params, .epoch = opened->epoch};
    struct call_options options = {.no_autostart = true};
    struct incoming answer = {0};

    json_decref(library_timeout(0, &options.deadline)); /* a daemon that hangs must not hold us up for ever */
    if (params)
        library_call(&request, &options, &answer, NULL);
    json_decref(params);
    incoming_done(&answer);
}

void opens_end(const char *name)
{
    struct library *here = library();
    struct opened *opened;

    pthread_mutex_lock(&here->lock);
    opened = *find(here, name);
    if (--opened->handles > 0) {
        pthread_mutex_unlock(&here->lock);
        return;
    }
    opened->is_closing = true;
    pthread_mutex_unlock(&here->lock);
    if (opened->epoch)
        close_object(opened);
    pthread_mutex_lock(&here->lock);
    *find(here, name) = opened->next;
    pthread_cond_broadcast(&here->closed);
    pthread_mutex_unlock(&here->lock);
    free(opened->epoch);
    free(opened);
}
