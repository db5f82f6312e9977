/* SPDX-License-Identifier: MIT */
/*
 * NOTIFY_SOCKET of sd_notify(3), by which a process says when it is ready: one datagram socket for each, so
 * that its address says who is meant, whoever sends and however soon the sender ends. It is a name beside the
 * daemon's own socket, of the user that the process runs as and for nobody else (abstract names have no mode:
 * anybody could keep us busy); it lives as long as one run, so that nobody speaks for the next one.
 *
 * Heard is READY=1, of a sender that lives in the process's tree, or is gone. All else is taken and
 * forgotten, so that no sender waits; descriptors are closed, which is what BARRIER=1 waits for.
 */
#ifndef PROCD_KEEPER_NOTIFIED_H
#define PROCD_KEEPER_NOTIFIED_H

#include "daemon/keeper/job.h"
#include "daemon/keeper/state.h"

/* Makes the socket of a slot for the user of the job's plan, and puts its address into the plan. 0 or
 * -errno. */
int notified_open(struct keeper *keeper, struct slot *slot, struct job *job);
/* Hears what was said before now, as far as it is heard at all. */
void notified_drain(struct keeper *keeper, struct slot *slot);
/* It and its name go. No-op without. */
void notified_close(struct keeper *keeper, struct slot *slot);
/* As an earlier program of this process had it. 0 or -errno: nobody hears it from now on. */
int notified_restore(struct keeper *keeper, struct slot *slot);
/* After the table was restored from a dead keeper's ledger: what that has had kept, or another one of the
 * same name. */
void notified_adopt(struct keeper *keeper, struct shelf *shelf, struct slot *slot);
/* Names that an earlier keeper has left beside its socket. */
void notified_clean(const char *socket_path);

/* Hears again those that had said too much. Returns when the next ones are due, INT64_MAX without. */
int64_t notified_tick(struct keeper *keeper);

#endif
