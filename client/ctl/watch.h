/* SPDX-License-Identifier: MIT */
/*
 * The daemon's events, read one after another: those that are kept, or those that come.
 */
#ifndef PROCD_CTL_WATCH_H
#define PROCD_CTL_WATCH_H

#include "client/ctl/ctl.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct watch {
    struct ctl *ctl;
    int64_t since;  /* behind this number; -1: from now on, or (without follows) all that are kept */
    bool follows;   /* go on with what comes */
    json_t *kinds;  /* an array of kinds and patterns, or NULL: all; taken over */
    /* An event; it may be changed. False: that was enough. */
    bool (*take)(struct watch *watch, json_t *event);
    /* Events from..to are no longer kept; is_strange: `since` is a number of another daemon's life. */
    void (*gap)(struct watch *watch, int64_t from, int64_t to, bool is_strange);
    void *context;  /* the caller's */
    /* inside */
    int64_t first, last; /* the oldest event that is kept, and the newest when we began */
    int64_t probe;       /* id of the ping under way */
    bool is_quiet;       /* nothing has come since the ping was sent */
    bool owes_gap;       /* events behind `since` are gone, and the caller has not been told */
};

/* The status: reported. */
int watch_run(struct watch *watch);

#endif
