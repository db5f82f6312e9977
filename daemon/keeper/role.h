/*
 * The other roles of this binary, broker and look-up helper, as processes of their own.
 */
#ifndef PROCD_KEEPER_ROLE_H
#define PROCD_KEEPER_ROLE_H

#include "daemon/keeper/keeper.h"

/* Holds this program's file open and remembers its name. 0 or -errno. */
int role_open(void);

/* keeper_config.start: the role in a session of its own, with 0 to 2 of ours, link_fd as LINK_FD, nothing
 * else, and a clean environment. fresh: the file that has the program's name now is tried, and held from then
 * on. */
int role_start(const struct keeper_config *config, const char *role, bool fresh, int link_fd, int *ret_pidfd);

#endif
