/* SPDX-License-Identifier: MIT */
/*
 * The tree of a process: everything it has begun. With a cgroup that is its content; without, its session and
 * the descendants of either. A process that has ended may still have one.
 *
 * Without a cgroup the ended child stays a zombie until its session is empty: so long nobody else can get its
 * number, and a session of that number is surely ours.
 *
 * A child of an earlier keeper without a cgroup is nobody's zombie to hold: whoever inherited it has waited
 * for it, and its number may be anybody's. Its tree is given up with its end.
 *
 * Nobody tells us of the end of a tree. The last member may be somebody else's child, by a subreaper in
 * between or from outside; and the kernel takes a dead task out of its cgroup after it has told its parent.
 * So a tree for which somebody waits is looked at every 50 ms until it is gone: cgroup.events could be
 * polled, but takes a descriptor for each, and a session has nothing of the kind. One for which nobody waits
 * costs nothing while nothing happens, as there may be thousands: it is looked at when a child has ended, and
 * may keep its cgroup or its number until then.
 */
#ifndef PROCD_KEEPER_TREE_H
#define PROCD_KEEPER_TREE_H

#include "daemon/keeper/state.h"

/* Sends a signal to everything in the tree, also to what is being born meanwhile. */
void tree_signal(struct keeper *keeper, struct slot *slot, int signal);
/* To a session a signal is a look at all of /proc. Put off until tree_signal_due, which must come before
 * anything else is done to any slot, it shares that look with others. False: it cannot be, or not with those
 * that were; then it is tree_signal's. An adopted one's never is: its number is the less surely its own the
 * longer that takes. */
bool tree_signal_joins(struct slot *slot, int signal);
/* How many were put off: once it is a thousand, none joins them. */
unsigned tree_signals_due(void);
/* Sends what was put off. True: there was something. */
bool tree_signal_due(struct keeper *keeper);
/* The same at one blow, where SIGKILL might else wait for the end of the process (killing.h). */
void tree_signal_all(struct keeper *keeper, struct slot *slot, int signal);
/* SIGKILL for every tree there is, those of forgotten processes included. */
void tree_kill_all(struct keeper *keeper);

/* Its child has ended: is nothing left? To be asked before anybody is told of the end: what is done to those
 * that are left may then be seen by its effect only. */
bool tree_empty(struct keeper *keeper, struct slot *slot);
/* Its child has ended, and that was the answer. */
void tree_ended(struct keeper *keeper, struct slot *slot, bool is_empty);
/* Looks at the trees whose child has ended: at all of them if something has ended meanwhile, else at those
 * for which somebody waits. Reaps strangers that ended (with `strangers`). True: look again soon. */
bool tree_sweep(struct keeper *keeper, bool strangers);
/* Report LINK_TREE_GONE once nothing is left. */
void tree_watch(struct keeper *keeper, struct slot *slot);
/* It has ended, and something of its tree may be left: to be looked at from now on. */
void tree_linger(struct keeper *keeper, struct slot *slot);
/* It has ended, and nothing is looked for any more. */
void tree_give_up(struct keeper *keeper, struct slot *slot);
/* The slot is about to be given up. gone: nothing is left of its tree, as far as is known. */
void tree_forget(struct keeper *keeper, struct slot *slot, bool gone);

/* Whoever waits for it has changed: those that are waited for are looked at first. */
void tree_rank(struct keeper *keeper, struct slot *slot);
/* Is that process one of the tree of a slot that was not waited for? One that is gone could have been. */
bool tree_holds(struct keeper *keeper, const struct slot *slot, pid_t pid);

#endif
