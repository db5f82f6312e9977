/* SPDX-License-Identifier: MIT */
/*
 * run: a process in the foreground. run.c asks and waits; run_signals.c passes signals on.
 */
#ifndef PROCD_CTL_RUN_H
#define PROCD_CTL_RUN_H

#include "client/ctl/ctl.h"
#include "client/ctl/relay.h"
#include "client/lib/connection.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define RUN_EARLY_MAX 8 /* more than are passed on */

/* ^Z: the process is stopped first, then procctl stops itself. */
enum suspension {
    SUSPENSION_NONE,
    SUSPENSION_ASKED,  /* SIGTSTP is on its way; after suspend_at SIGSTOP follows */
    SUSPENSION_FORCED, /* SIGSTOP is on its way; after suspend_at procctl stops all the same */
};

struct run {
    struct ctl *ctl;
    int signals;     /* a signalfd: all that are passed on but SIGTSTP */
    int stop_signal; /* a signalfd, only ever polled: SIGTSTP stays pending until procctl stops itself */
    json_t *params;  /* of the spawn */
    json_t *process; /* the id; NULL until it was started */
    int64_t spawn_id, join_id, stop_id, attach_id;
    int64_t limit_at; /* --timeout; CONNECTION_FOREVER: none, or it has struck */
    bool has_timed_out;
    int early[RUN_EARLY_MAX]; /* came before the process was known to run; in this order, each once */
    size_t early_count;
    int64_t give_up_at; /* one of them asks for an end, and there is still no answer */
    enum suspension suspension;
    int64_t suspend_at;
    bool is_subscribed; /* to process.stopped */
    bool has_relay;     /* -t: */
    struct relay relay;
    json_t *end;        /* the result of join or stop: we are done */
    int status;         /* with `is_over`: ended without a result */
    bool is_over;
};

/* A request about the process. members: its params besides `process`; taken over. 0 or -errno. */
int run_ask(struct run *run, const char *method, json_t *members, int64_t *ret_id);

/* From here on no signal is lost: those that are passed on are blocked, and wait. 0 or -errno. */
int run_signals_open(struct run *run);
void run_signals_close(struct run *run);

/* The process runs: passes on what has come too early. 0 or -errno. */
int run_signals_started(struct run *run);

/* Passes on those that have come. 0 or -errno. */
int run_signals_forward(struct run *run);

/* give_up_at has come: ends without the process. */
void run_give_up(struct run *run);

/* The descriptor that tells of the next SIGTSTP; -1: it is not waited for now. */
int run_stop_signal(const struct run *run);

/* The process has stopped: procctl stops, too, until SIGCONT. */
void run_suspend(struct run *run);

/* suspend_at has come, and the process has not stopped yet. 0 or -errno. */
int run_suspend_due(struct run *run);

#endif
