/* SPDX-License-Identifier: MIT */
/*
 * One request that may wait for long, and what else may come meanwhile: a signal, the end of a child,
 * the end of the time.
 */
#ifndef PROCD_CTL_WAITING_H
#define PROCD_CTL_WAITING_H

#include "client/ctl/ctl.h"

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct connection;
struct pollfd;

struct waiting {
    struct ctl *ctl;
    int signals;      /* a signalfd; -1: not opened */
    sigset_t blocked; /* what was blocked before */
    bool has_child;   /* its end (SIGCHLD) or a signal ends the wait at once: who is to hold can be ended */
    pid_t child;
    int64_t id;
    bool is_cancelled;
    /* How it ended. */
    json_t *result; /* of the answer; NULL: there is none */
    int signal;     /* that has ended it, or came while it was answered; 0: none */
    bool has_timed_out;
};

/* Blocks SIGINT, SIGTERM, SIGHUP and SIGQUIT (not those that are ignored), and with a child SIGCHLD; they
 * come through ->signals from then on. 0 or -errno. */
int waiting_open(struct waiting *waiting);

/* As before, in a child, or before an exec. */
void waiting_restore(const struct waiting *waiting);

/* Asks and waits. params is taken over. seconds: its own timeout, or below 0: none; a daemon that does
 * not answer gets a second more. Without a child a signal cancels the request, which is answered once all
 * the same: there may be a result and a signal; a second signal ends the wait at once. 0: see above; or
 * the status of an error: reported. */
int waiting_ask(struct waiting *waiting, const char *method, json_t *params, double seconds);

/* What came of it, without a child: 0 and ret_result (taken over); CTL_TIMEOUT, or the status of a
 * signal, with the document of --json. A result in spite of them (ret_result) is for the caller to undo.
 * Closes the signalfd. */
int waiting_outcome(struct waiting *waiting, json_t **ret_result);

/* All of that in one: opens, asks, and tells the outcome. */
int waiting_call(struct ctl *ctl, const char *method, json_t *params, double seconds, json_t **ret_result);

/* Polls until something comes from `signals`, `other` (-1: none) or the connection, or until the time. */
void waiting_poll(int signals, int other, const struct connection *connection, int64_t until);
/* The same with up to WAITING_MORE further entries. */
#define WAITING_MORE 8
void waiting_poll_more(int signals, int other, const struct connection *connection, int64_t until,
                       const struct pollfd *more, size_t count);

/* The next signal, or 0. ret_is_kernels: of a terminal, say, which sends it to the whole group. */
int waiting_signal(int signals, bool *ret_is_kernels);

#endif
