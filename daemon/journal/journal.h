/* SPDX-License-Identifier: MIT */
/*
 * The core's inputs on record, in memory that the keeper also holds: what a new broker replays to be where
 * the old one was. An input is committed by one store after its step has succeeded and before its outputs
 * leave.
 *
 * The memory is a memfd with two areas. The active one begins with a snapshot of the core; committed inputs
 * follow. When they have grown past the snapshot's size (and JOURNAL_LOG_MIN) a new snapshot goes to the
 * other area, over what it held before, and one store makes that the active one. A kill at any instruction
 * leaves a valid area.
 *
 * A snapshot is read by every build that knows its format (daemon/core/save.h); what follows it only by the
 * build that wrote it. So whoever is to be followed by another build takes a last snapshot.
 */
#ifndef PROCD_JOURNAL_JOURNAL_H
#define PROCD_JOURNAL_JOURNAL_H

#include "daemon/core/core.h"

#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_LOG_MIN  (2u << 20)         /* bytes of inputs before a snapshot pays */
#define JOURNAL_AREA_MAX ((size_t) 1 << 30) /* of address space; only pages that were written take memory */
#define JOURNAL_SPARE    (256u << 10)       /* bytes that are kept for what cannot be refused */
/* Bytes of the area that is not active whose memory stays for the next snapshot, which need not ask for it,
 * have it emptied and map it again: enough for all the events that are kept, and the inputs behind them. */
#define JOURNAL_KEPT (4u << 20)

struct journal;

/* Maps the memory. What it holds of another epoch goes; build is any text that changes with the binary. 0 or
 * -errno. The descriptor stays the caller's. */
int journal_open(int fd, const char *epoch, const char *build, struct journal **ret_journal);
struct journal *journal_close(struct journal *journal);

/* The core as it was when the last input was committed: 0; 1: the memory holds none (ret_core untouched).
 * -ESTALE: another build's inputs; -EBADMSG, -EPROTONOSUPPORT or -ENOMEM as of core_load. */
int journal_replay(struct journal *journal, struct core **ret_core);

/* Begins anew with a snapshot of core. 0 or -errno. */
int journal_snapshot(struct journal *journal, const struct core *core);

/* Nothing follows the snapshot from now on: takes one, where something did. 0 or -errno. */
int journal_settle(struct journal *journal, const struct core *core);

/* Makes sure that the input can be written, with a snapshot of core where it is due. 0 or -errno: do not
 * step. has_happened: it cannot be refused, and may take what is spared. */
int journal_reserve(struct journal *journal, const struct core *core, const struct core_input *input,
                    bool has_happened);

/* What the memory holds is no longer the state: a new broker must not begin from it. */
void journal_abandon(struct journal *journal);

/* Writes and commits the input. Cannot fail after journal_reserve. */
void journal_commit(struct journal *journal, const struct core_input *input);

#endif
