/* SPDX-License-Identifier: MIT */
/*
 * Cgroups of keepers that were killed, and had no other to take over from them.
 */
#ifndef PROCD_KEEPER_CGROUP_LEFT_H
#define PROCD_KEEPER_CGROUP_LEFT_H

/* Removes those beside our own `folder`, where nobody is in them: some of them, if they are many. Which have
 * a keeper is told by a lock on the directory: see cgroup_find. */
void cgroup_left_remove(const char *folder);

#endif
