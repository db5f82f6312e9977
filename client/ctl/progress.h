/* SPDX-License-Identifier: MIT */
/*
 * A line on standard error for a wait that takes longer than a second, where that is a terminal: what is
 * waited for, and how long already. It is gone when the wait is over, and before anything else is said.
 */
#ifndef PROCD_CTL_PROGRESS_H
#define PROCD_CTL_PROGRESS_H

#include "client/ctl/ctl.h"

#include <stdint.h>

struct progress {
    const struct ctl *ctl;
    int64_t begun; /* 0: nobody is to see it */
};

/* The wait begins now. */
struct progress progress_begin(const struct ctl *ctl);

/* The time at which the line is to be shown, or shown anew; not beyond `until`. */
int64_t progress_due(const struct progress *progress, int64_t until);

/* Shows it, if it is time. what: "deploy". */
void progress_show(const struct progress *progress, const char *what);

/* Takes it away. Also for a signal handler. */
void progress_erase(void);

#endif
