/* SPDX-License-Identifier: MIT */
/*
 * The other roles of this binary, broker and look-up helper, as processes of their own.
 */
#ifndef PROCD_KEEPER_ROLE_H
#define PROCD_KEEPER_ROLE_H

#include "daemon/keeper/keeper.h"

#define ROLE_PROGRAM "program" /* the name under which it is kept for whoever takes over */

/* Holds this program's file open and remembers its name. 0 or -errno. */
int role_open(void);

/* keeper_config.start: the role in a session of its own, with 0 to 2 of ours, link_fd as LINK_FD, nothing
 * else, and a clean environment. fresh: the file that has the program's name now, which is held beside the
 * program's own until role_exec or role_reject. */
int role_start(const struct keeper_config *config, const char *role, bool fresh, int link_fd, int *ret_pidfd);

/* What was started as fresh last is let go. */
void role_reject(void);

/* Becomes what was started as fresh last, in the role "keeper", with this descriptor. Returns only where it
 * could not: -errno. */
int role_exec(int memory);

/* Becomes this program once more, to try again, a moment later, what has failed for that reason (-errno).
 * Returns where it could not, or has tried often enough. */
void role_again(int memory, unsigned attempts, int why);

/* The program's file, which stays held. */
int role_program(void);

/* The path that the program was started from, which an earlier program of this process knows. */
void role_rename(const char *program);
const char *role_name(void);

#endif
