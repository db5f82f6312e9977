/* SPDX-License-Identifier: MIT */
/*
 * Cgroups that nobody else removes: of keepers that were killed, and had no other to take over from them, and
 * those that children have made in their own.
 */
#ifndef PROCD_KEEPER_CGROUP_LEFT_H
#define PROCD_KEEPER_CGROUP_LEFT_H

/* Removes those beside our own `folder`, where nobody is in them: some of them, if they are many. Which have
 * a keeper is told by a lock on the directory: see cgroup_find. */
void cgroup_left_remove(const char *folder);
/* Those below parent's `name`, where nobody is in them: a bounded number. */
void cgroup_left_below(int parent, const char *name);

#endif
