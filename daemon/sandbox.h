/* SPDX-License-Identifier: MIT */
/*
 * What a broker gives up before it reads anything hostile. Not what its children get: the keeper, which makes
 * them, is not confined.
 */
#ifndef PROCD_SANDBOX_H
#define PROCD_SANDBOX_H

#include <sys/types.h>

/* For good: whatever gains privileges; system calls that a broker has no use for; and, where uid is not 0 and
 * we are root, the network, the file system and root itself. 0, or -errno where the identity could not be
 * given up; what the machine does not offer is logged. Before the first thread. */
int sandbox_enter(uid_t uid, gid_t gid);

#endif
