/* SPDX-License-Identifier: MIT */
#include "client/ctl/progress.h"
#include "client/ctl/text.h"
#include "daemon/base/cleanup.h"
#include "daemon/base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char erase_line[] = "\r\033[K";
static volatile sig_atomic_t is_shown;

struct progress progress_begin(const struct ctl *ctl)
{
    const char *terminal = getenv("TERM");
    bool is_seen = !ctl->is_quiet && isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0;

    return (struct progress){ctl, is_seen ? clock_monotonic() : 0};
}

int64_t progress_due(const struct progress *progress, int64_t until)
{
    int64_t waited = clock_monotonic() - progress->begun;
    int64_t due = progress->begun + (waited / NSEC_PER_SEC + 1) * NSEC_PER_SEC;

    return progress->begun > 0 && due < until ? due : until;
}

void progress_show(const struct progress *progress, const char *what)
{
    int64_t seconds = (clock_monotonic() - progress->begun) / NSEC_PER_SEC;
    CLEANUP_MEMORY char *escaped = NULL, *span = NULL;

    if (progress->begun == 0 || seconds < 1 || !what)
        return;
    escaped = text_escaped(what, strlen(what));
    span = text_of_span((double) seconds);
    is_shown = 1;
    fprintf(stderr, "%sprocctl: %s: %.60s: waiting %s", erase_line, progress->ctl->command->name, escaped,
            span);
    fflush(stderr);
}

void progress_erase(void)
{
    if (!is_shown)
        return;
    is_shown = 0;
    if (write(STDERR_FILENO, erase_line, sizeof erase_line - 1) < 0)
        return; /* nobody is there to see it */
}
