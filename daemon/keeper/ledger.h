/* SPDX-License-Identifier: MIT */
/*
 * The ledger: what the keeper knows, kept up to date in memory that outlives it. A front (daemon/front.h)
 * holds it and has the service manager hold it, too; a keeper that begins with a ledger takes over from the
 * one that has died (daemon/keeper/adopt.h). Without a front the memory is the keeper's alone, and ends with
 * it.
 *
 * The keeper may be killed at any instruction. So each process has two copies of what is known of it, and one
 * store says which counts; the same goes for the counters. What has changed is written before anything that
 * follows from it leaves the keeper: ledger_flush at the head of whatever sends. Two things the kernel itself
 * does at one blow with a record of them, since it writes here before it returns: a clone (the child's
 * number, CLONE_PARENT_SETTID) and a wait (what waitid fills in). A third is the child's: how far it has come
 * towards its exec.
 *
 * Why not the pidfds alone, in the descriptor store: to put one there is a message to PID 1, which looks
 * through all that it has, and takes no more than SHELF_MAX. As a process is found again by its number and by
 * having existed when the number was noted (pidfd_open_seen), a child is never forgotten for being too young
 * to be in the store, or one too many. The store is for what a number cannot give: the status of one that
 * ends while there is no keeper (daemon/keeper/store.h).
 *
 * Writing costs a spawn about 0.2 us, and no system call.
 */
#ifndef PROCD_KEEPER_LEDGER_H
#define PROCD_KEEPER_LEDGER_H

#include "daemon/keeper/state.h"

#include <signal.h>

/* Names of what a front keeps. */
#define LEDGER_NAME "ledger"
#define STATE_NAME  "state"
#define LOGS_INDEX_NAME "logs-index"
#define LOGS_DATA_NAME  "logs-data"
#define CGROUPS_NAME    "cgroups"

/* Maps the memory of fd, which stays the caller's, and open; -1: anonymous memory. *ret_written: an earlier
 * keeper has left something in it. 0; -EBUSY: that keeper lives; -EPROTONOSUPPORT: another format; -EBADMSG;
 * -errno. */
int ledger_open(struct ledger *ledger, int fd, bool *ret_written);
/* Unmaps it, and where it could not be opened, too. */
void ledger_close(struct ledger *ledger);
/* Empties it. From here on somebody can take over from this keeper, which begins with nothing. 0, or -errno.
 */
int ledger_begin(struct keeper *keeper);
/* Where socket and cgroups are, once these are known. */
void ledger_places(struct keeper *keeper);
/* Nobody is to take over from this keeper any more. */
void ledger_void(struct keeper *keeper);

/* Is there memory for another child, and for another client? May ask the kernel for some, once in a while. */
bool ledger_has_room(struct keeper *keeper);
int ledger_client_place(struct keeper *keeper, uint32_t *ret_place);
void ledger_give_back(struct keeper *keeper, uint32_t place);
/* The keeper's clients have the places that they had for an earlier one. */
void ledger_restored(struct keeper *keeper);

/* The slot has this name from now on, of LINK_NAME_MAX bytes at most: it stands in the ledger alone. Before
 * the slot is written. */
void ledger_name(struct keeper *keeper, struct slot *slot, const char *name);
/* The slot is to be written at the next flush. */
void ledger_touch(struct keeper *keeper, struct slot *slot);
/* Writes what was touched, and the counters. */
void ledger_flush(struct keeper *keeper);
/* Now, with everything else: a spawn is about to begin. From here on its order counts as executed. */
void ledger_intend(struct keeper *keeper, struct slot *slot);
/* A process that has ended is to begin again: call before the slot changes. */
void ledger_begin_again(struct keeper *keeper, const struct slot *slot);
/* Just before a clone into this cgroup, and just after it. Between them the kernel writes the child's number
 * to ledger_number. */
void ledger_clone(struct keeper *keeper, const struct slot *slot, const struct cgroup *cgroup);
void ledger_cloned(struct keeper *keeper, struct slot *slot);
int32_t *ledger_number(struct keeper *keeper, const struct slot *slot);
/* Where its child writes how far it has come. */
volatile struct spawn_progress *ledger_progress(struct keeper *keeper, const struct slot *slot);
void ledger_drop(struct keeper *keeper, struct slot *slot);
/* This process is about to be waited for: where the wait is to put what it finds. */
struct ledger_wait *ledger_wait(struct keeper *keeper, const struct slot *slot);

void ledger_client(struct keeper *keeper, const struct client *client);
void ledger_drop_client(struct keeper *keeper, const struct client *client);
/* An order that is no spawn was executed. It may be executed again by who takes over: it is noted after. */
void ledger_executed(struct keeper *keeper);
/* How often this was taken over since a broker served: counts, and starts anew. */
uint32_t ledger_attempt(struct keeper *keeper);
void ledger_served(struct keeper *keeper);

#endif
