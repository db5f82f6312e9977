/* SPDX-License-Identifier: MIT */
/*
 * close(2) of a descriptor that a client sent may block (SO_LINGER, FUSE, NFS): measured at 4 s for a
 * lingering socket. So no loop of ours closes one. The closer does, in a thread of its own; while one close
 * is stuck others go on in further threads, up to CLOSER_THREADS_MAX. When all of them are stuck and more is
 * to be closed, signals end what a signal can end, such as lingering: of that nobody can keep us long. A
 * file server that does not answer keeps its thread (fuse: a flush is forced).
 */
#ifndef PROCD_BASE_CLOSER_H
#define PROCD_BASE_CLOSER_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#define CLOSER_THREADS_MAX 32
/* Handled, by doing nothing, once there is a thread: a child begins with that. Ignored where nobody handles
 * it, so one that comes late does no harm. */
#define CLOSER_SIGNAL SIGURG

/* Closes it where that cannot block: pipes, memfds that are not large, descriptors of mere paths, /dev/null
 * and its like, and pseudo-terminals. False: it is still open, or was none. Asks no file server about it. */
bool closer_close_now(int fd);
/* Would it? */
bool closer_may_close_now(int fd);

/* Takes the descriptors over, and closes at once what closer_close_now would. Never blocks, never fails:
 * without memory or a thread it closes them itself. Call from one thread only. Descriptors below 0 are
 * passed over. */
void closer_close(const int *fds, size_t count);

/* Descriptors that were handed over and are not closed yet. */
size_t closer_pending(void);

/* Signals every close that is going on: for somebody who waits for closer_pending() to be 0, and may have to
 * do so again. Never blocks. */
void closer_hurry(void);

#endif
