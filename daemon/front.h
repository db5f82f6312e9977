/* SPDX-License-Identifier: MIT */
/*
 * The front: what a service manager takes for the daemon. The keeper is a process beside it, because a
 * manager that restarts a service ends its main process, and a keeper's life shall not be cut short by that.
 * Their link waits in the manager's descriptor store for the next front; once nobody holds its end any more,
 * the keeper stops the children and leaves (daemon/keeper/manager.h).
 *
 * A keeper that dies is followed by another at once, which takes over from what the dead one had kept
 * (daemon/keeper/ledger.h): the front has all of it, as the manager has, and the children with their
 * statuses. Should the front die as well, the manager starts the next one with the same. A keeper that dies
 * before any has served is the manager's matter.
 */
#ifndef PROCD_FRONT_H
#define PROCD_FRONT_H

#include "daemon/base/shelf.h"
#include "daemon/orphans.h"

#include <stdbool.h>
#include <stdint.h>

/* Names of what is kept: the link and the pidfd; and a socket that the daemon has bound itself. */
#define FRONT_NAME   "keeper"
#define FRONT_LISTEN "listen"

struct front {
    int link;   /* to the keeper; -1: there is none */
    int keeper; /* its pidfd; -1: there is none */
    pid_t keeper_pid; /* where it is our child, else 0 */
    struct orphans orphans;
    struct shelf shelf; /* what the keeper has had kept */
    int64_t began;      /* when the keeper did, or we attached to it */
    unsigned deaths;    /* of keepers in a row that did not live for long */
    bool stopping;      /* the keeper has said so */
    bool served;        /* some keeper was ready */
};

/* Takes over the keeper whose link and pidfd the manager kept (-1 each: it kept none), and gives it
 * listen_fd, where there is one (else -1). False where none is left that could serve: what was kept is
 * closed. */
bool front_attach(struct front *front, int listen_fd, int64_t watchdog);

/* Makes a process that is to be the keeper: there 0, with the link in *ret_link. Here 1, or -errno. */
int front_fork(struct front *front, int *ret_link);

/* Speaks for the keeper to the manager, and passes the manager's signals on to it, until it ends: its exit
 * status. After SIGUSR1 the keeper stays for the next front: 0. *ret_again: it was killed, and another one is
 * to follow. */
int front_serve(struct front *front, bool *ret_again);

#endif
