/*
 * The other roles of this binary, broker and look-up helper, as processes of their own.
 */
#ifndef PROCD_KEEPER_ROLE_H
#define PROCD_KEEPER_ROLE_H

#include "daemon/keeper/keeper.h"

/* Holds this program's file open and remembers its name. 0 or -errno. */
int role_open(void);

/* keeper_config.start: the role in a session of its own, with 0 to 2 of ours, link_fd as LINK_FD, nothing
 * else, and a clean environment. fresh: the file that has the program's name now, which is
 * held beside the program's own until role_accept, or until the next one. */
int role_start(const struct keeper_config *config, const char *role, bool fresh, int link_fd, int *ret_pidfd);

/* What was started as fresh last is the program from now on, or is let go. */
void role_accept(void);
void role_reject(void);

/* The path that the program was started from. */
const char *role_name(void);

#endif
