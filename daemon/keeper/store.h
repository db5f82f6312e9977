/* SPDX-License-Identifier: MIT */
/*
 * What the service manager keeps for a keeper that comes after this one has died (sd_pid_notify_with_fds(3),
 * FDSTORE=1), by way of the front. A pidfd there lets the next keeper ask how a process ended that nobody saw
 * end; everything else is in the ledger.
 *
 * A message for each child would make PID 1 a part of every spawn. So a child is stored once it is a second
 * old, and no more of them than the store has room for; the others wait for room, the oldest first. One that
 * ends before costs nothing, and while nobody waits there is no timer. What a process can be started again
 * from (ticket_kept.h) and its NOTIFY_SOCKET are stored before it begins, and have some room of their own. A
 * client is stored where it has no number here (it is in a pid namespace beside ours), by which the ledger
 * would find it again. The pipes that a child writes its log into are stored with it, its terminal before it
 * begins, and stay for as long as somebody may write: without a reader whoever does dies by SIGPIPE.
 *
 * Names are "child-P-T", "log-L-T", "client-C-T", "ticket-P-T", "notify-P-T", "page-U-T": the number
 * of the process, pipe or client, or the uid and 1, and the ledger's tag, so that what an earlier
 * ledger has left is not taken for one of ours.
 */
#ifndef PROCD_KEEPER_STORE_H
#define PROCD_KEEPER_STORE_H

#include "daemon/keeper/state.h"

#define STORE_AGE (1 * NSEC_PER_SEC)

/* Is there a front? Then what begins from now on is stored. */
void store_open(struct keeper *keeper);

/* Has this kept, which stays the caller's, in the place of an earlier one of this name. */
void store_memory(struct keeper *keeper, const char *name, int fd);

/* A child has begun. */
void store_begin(struct keeper *keeper, struct slot *slot);
/* It has ended, or its slot is given up: it is taken out. No-op where it is not in it. */
void store_leave(struct keeper *keeper, struct slot *slot);

/* It is not to be stored any more, if it is not yet. */
void store_leave_young(struct keeper *keeper, struct slot *slot);

/* Has this kept, which stays the caller's: 0, or -errno (-ENOSPC: the store is full). */
int store_put(struct keeper *keeper, enum store_kind kind, uint64_t number, int fd);
/* It is not to be kept any more. No-op where it is not. */
void store_take_out(struct keeper *keeper, enum store_kind kind, uint64_t number);

void store_client(struct keeper *keeper, struct client *client);
void store_leave_client(struct keeper *keeper, struct client *client);

/* A pipe of a process that is not forgotten. 0 or -errno. */
int store_pipe(struct keeper *keeper, struct capture_pipe *pipe);

/* A uid's page, in the place of an earlier one. 0, also where no keeper can follow, or as store_put. */
int store_page(struct keeper *keeper, uint32_t uid, int fd);
void store_drop_page(struct keeper *keeper, uint32_t uid);

struct store_page {
    uint32_t uid;
    int fd;
    bool stored; /* it counts as that; otherwise it was an earlier ledger's, and is no longer to be kept */
};

struct store_pipe {
    uint64_t number, process;
    enum logs_stream stream;
    int fd;
};

/* Stores what is old enough. Returns when to call again. */
int64_t store_tick(struct keeper *keeper);
/* Has the front been told of all that is to leave? Before an exec, since nobody would know of it after that.
 */
bool store_settled(const struct keeper *keeper);

/* Nobody is to take over from this keeper: nothing is kept any more, and nothing will be. */
void store_close(struct keeper *keeper);

/* After slots and clients were restored: what is stored counts, what is not is to be. */
void store_restored(struct keeper *keeper);

/* What an earlier keeper has had kept, for the taking; it then counts as stored. -1: there is none. */
int store_take_child(struct keeper *keeper, struct shelf *shelf, uint64_t process);
int store_take_client(struct keeper *keeper, struct shelf *shelf, uint64_t client);
/* The next pipe, of any process, known or not: 1, or 0 where there is none. It counts with store_restored. */
int store_take_pipe(struct keeper *keeper, struct shelf *shelf, struct store_pipe *ret_pipe);
/* The same for pages, of any ledger: whoever has one mapped must be told what became of it. */
int store_take_page(struct keeper *keeper, struct shelf *shelf, struct store_page *ret_page);
/* After store_restored: the same for what belongs to a process. */
int store_take(struct keeper *keeper, struct shelf *shelf, enum store_kind kind, uint64_t process);
/* What is left there, but for pages, is of no use to anybody: it is no longer to be kept. */
void store_clean(struct shelf *shelf);

#endif
