/* SPDX-License-Identifier: MIT */
/*
 * The look-up helper: answers questions about users (lookup_question in link.h) by NSS, which may block or
 * run foreign code; so it is a process of its own.
 */
#ifndef PROCD_LOOKUP_H
#define PROCD_LOOKUP_H

#include <sys/types.h>

/* Becomes uid and gid if it is root and they are not, serves the socket until its other end is closed. Exit
 * status. */
int lookup_run(int socket, uid_t uid, gid_t gid);

#endif
