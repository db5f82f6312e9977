/*
 * The tree of a process: everything it has begun. With a cgroup that is its content; without, its session and the
 * descendants of either. A process that has ended may still have one.
 *
 * Without a cgroup the ended child stays a zombie until its session is empty: so long nobody else can get its number,
 * and a session of that number is surely ours.
 */
#ifndef PROCD_KEEPER_TREE_H
#define PROCD_KEEPER_TREE_H

#include "daemon/keeper/state.h"

/* Sends a signal to everything in the tree, also to what is being born meanwhile. */
void tree_signal(struct keeper *keeper, struct slot *slot, int signal);
/* SIGKILL for every tree there is. */
void tree_kill_all(struct keeper *keeper);

/* Its child has ended: looks whether something is left. */
void tree_ended(struct keeper *keeper, struct slot *slot);
/* Looks at every tree whose child has ended, and reaps strangers that ended (with `strangers`). True: look again soon. */
bool tree_sweep(struct keeper *keeper, bool strangers);
/* Report LINK_TREE_GONE once nothing is left. */
void tree_watch(struct keeper *keeper, struct slot *slot);
/* The slot is about to be given up. */
void tree_forget(struct keeper *keeper, struct slot *slot);

#endif
