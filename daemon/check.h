/* SPDX-License-Identifier: MIT */
/*
 * The role "check": can this program go on from another one's state? It is asked before it takes over, in a
 * process that has nothing to lose.
 */
#ifndef PROCD_CHECK_H
#define PROCD_CHECK_H

#include <sys/types.h>

/* Reads what LINK_CHECK brings, as a broker would, and answers LINK_CHECKED. The exit status: 0 where it
 * can. */
int check_run(int link_fd, uid_t uid, gid_t gid);

#endif
