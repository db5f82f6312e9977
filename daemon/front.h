/* SPDX-License-Identifier: MIT */
/*
 * The front: what a service manager takes for the daemon. The keeper is a process beside it, because a
 * manager that restarts a service ends its main process, and the keeper's end would be that of everything it
 * knows about its children. Their link waits in the manager's descriptor store for the next front; once
 * nobody holds its end any more, the keeper stops the children and leaves (daemon/keeper/manager.h).
 */
#ifndef PROCD_FRONT_H
#define PROCD_FRONT_H

#include <stdbool.h>
#include <stdint.h>

struct front {
    int link;   /* to the keeper; -1: there is none */
    int keeper; /* its pidfd */
};

/* Takes over the keeper whose link and pidfd the manager kept (-1 each: it kept none), and gives it
 * listen_fd, where there is one (else -1). False where none is left that could serve: what was kept is
 * closed. */
bool front_attach(struct front *front, int listen_fd, int64_t watchdog);

/* Makes a process that is to be the keeper: there 0, with the link in *ret_link. Here 1, or -errno. */
int front_fork(struct front *front, int *ret_link);

/* Speaks for the keeper to the manager, and passes the manager's signals on to it, until it ends: its exit
 * status. After SIGUSR1 the keeper stays for the next front: 0. */
int front_serve(struct front *front);

#endif
