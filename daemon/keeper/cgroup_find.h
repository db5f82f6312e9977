/* SPDX-License-Identifier: MIT */
/*
 * Where cgroups can be made, if anywhere.
 */
#ifndef PROCD_KEEPER_CGROUP_FIND_H
#define PROCD_KEEPER_CGROUP_FIND_H

#include <stdbool.h>
#include <stddef.h>

/* Makes our directory below the cgroup we run in, and tries with a process whether clone3 and cgroup.kill
 * work there. The open directory, its path as /proc/PID/cgroup names it, and whether a memory controller
 * counts in it; or -errno. */
int cgroup_find(char *ret_path, size_t size, bool *ret_memory_events);
/* The directory that cgroup_find has made, opened; made again where it is gone. Or -errno. */
int cgroup_find_again(void);
/* Its name in the file system; and that of one that an earlier program of this process has made. */
const char *cgroup_folder(void);
void cgroup_found(const char *name);
/* One that an earlier keeper has made, opened, where it is there. kept: what it has had kept of that, or -1;
 * it is taken. Or -errno. */
int cgroup_find_left(const char *name, int kept);
/* Removes the directory. */
void cgroup_unfind(void);

#endif
