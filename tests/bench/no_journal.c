/* SPDX-License-Identifier: MIT */
/*
 * In the place of the journal, for the daemon that the journal's cost is measured against: it cannot be
 * opened, and the broker goes on without one, as it does where there is no memory for it.
 */
#include "daemon/journal/journal.h"

#include <errno.h>

int journal_open(int fd, const char *epoch, const char *build, struct journal **ret_journal)
{
    (void) fd;
    (void) epoch;
    (void) build;
    (void) ret_journal;
    return -EOPNOTSUPP;
}

struct journal *journal_close(struct journal *journal)
{
    (void) journal;
    return NULL;
}

int journal_replay(struct journal *journal, struct core **ret_core)
{
    (void) journal;
    (void) ret_core;
    return -EOPNOTSUPP;
}

int journal_snapshot(struct journal *journal, const struct core *core)
{
    (void) journal;
    (void) core;
    return -EOPNOTSUPP;
}

int journal_settle(struct journal *journal, const struct core *core)
{
    (void) journal;
    (void) core;
    return -EOPNOTSUPP;
}

int journal_reserve(struct journal *journal, const struct core *core, const struct core_input *input,
                    bool has_happened)
{
    (void) journal;
    (void) core;
    (void) input;
    (void) has_happened;
    return -EOPNOTSUPP;
}

void journal_abandon(struct journal *journal)
{
    (void) journal;
}

void journal_commit(struct journal *journal, const struct core_input *input)
{
    (void) journal;
    (void) input;
}
