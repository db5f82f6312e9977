/* SPDX-License-Identifier: MIT */
/*
 * A message of somebody who may mean no good. All descriptors that the kernel lets one carry have room: what
 * has none the kernel would close itself, in our thread, and that may block for as long as the sender likes.
 */
#ifndef PROCD_KEEPER_SAID_H
#define PROCD_KEEPER_SAID_H

#include "daemon/keeper/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define SAID_MAX        4096 /* bytes; a longer one is truncated */
#define SAID_RIGHTS_MAX 253  /* the kernel's own limit */

struct said {
    ssize_t size;
    bool truncated;
    struct ucred who; /* who sends, by SO_PASSCRED; uid -1: nobody has said anything */
    size_t fd_count;
    int fds[SAID_RIGHTS_MAX]; /* the caller's: drop_descriptors */
    char text[SAID_MAX];
};

/* Receives once, without blocking. False: nothing is there; said->size is then -errno. With SO_PASSCRED
 * a uid of -1 is the end of the stream: pid 0 may also be somebody of another pid namespace. */
bool said_receive(int fd, struct said *said);

/* Closes a socket with SO_PASSCRED, to which nobody can say any more from then on. What was said is taken out
 * of it before, as it may carry what blocks; where it is a lot, that goes as in drop_held. */
void said_end(struct keeper *keeper, int fd);

#endif
