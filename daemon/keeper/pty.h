/* SPDX-License-Identifier: MIT */
/*
 * Pseudo-terminals of children: made here, as the broker may open nothing. A process has one at most, for as
 * long as it may run: a restart policy's runs have the same. Its master is a pipe of its log as any other
 * (capture.h), but while somebody is attached: a client that has the master, too, and reads it itself, so
 * that neither we nor a broker are in its way. It has the read end of a pipe, the lease, and we the write
 * end: when all have closed theirs we read again, and when we close ours the terminal is at its end.
 *
 * We have the slave open as well. Otherwise each moment in which nobody else has it would be an end of file.
 */
#ifndef PROCD_KEEPER_PTY_H
#define PROCD_KEEPER_PTY_H

#include "daemon/keeper/spawn_child.h"
#include "daemon/keeper/state.h"

#define PTY_HOLDS (128 << 10) /* bytes: more than the kernel keeps of what was written to one */

/* The terminal that a plan asks for, if it does: made, or, of a process that begins again, as it was when
 * new. The child's end is put behind the *count descriptors in fds, which the plan then names. With
 * LINK_SPAWN_ATTACH it has a lease from the start. 0, or -errno: what was made ends with the spawn. */
int pty_begin(struct keeper *keeper, struct slot *slot, struct spawn_plan *plan, int *fds, size_t *count);
/* Answers a spawn that was to be attached, by LINK_ATTACHED. No-op for others. */
void pty_offer(struct keeper *keeper, struct slot *slot, uint64_t tag);
/* Once its process has ended for good it ends. No-op before, and where there is none. */
void pty_finish(struct keeper *keeper, struct slot *slot);

/* LINK_ATTACH. */
void pty_attach(struct keeper *keeper, const struct link_attach *order);
/* Nobody may have the other end of the lease any more. */
void pty_lease_ready(struct keeper *keeper, struct capture_pipe *pty);

/* Takes what is there, once. Bytes, 0 at its end, -EAGAIN when there is nothing, or another -errno. */
ssize_t pty_take(struct keeper *keeper, struct capture_pipe *pty, const struct logs_clock *now);

/* What an earlier keeper has taken and not put into its log is put there. */
void pty_recover(struct keeper *keeper);

/* It is to be closed: what it has beside its master. No-op for a pipe. */
void pty_release(struct keeper *keeper, struct capture_pipe *pipe);
/* From an earlier program of this process, or an earlier keeper: watched again. */
void pty_restored(struct keeper *keeper, struct capture_pipe *pty);
/* Is this the master of one? */
bool pty_is_master(int fd);

#endif
