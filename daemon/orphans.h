/* SPDX-License-Identifier: MIT */
/*
 * Children of a keeper that has died: they are the front's from then on, as it is the next subreaper above.
 * It waits for each on behalf of the keeper that took over, so that their statuses are known on every kernel.
 * It tells the keeper how one ended and waits for it only after the keeper's word that this is on record;
 * should that keeper die meanwhile, the next one is told.
 */
#ifndef PROCD_ORPHANS_H
#define PROCD_ORPHANS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct orphans {
    pid_t told;     /* whose end the keeper was told; 0: of nobody */
    int64_t told_at;
};

/* From now on they come to us. */
void orphans_open(struct orphans *orphans);
/* A child of ours may have ended, stopped, or gone on: tells the keeper over link (-1: there is none).
 * keeper: its number, which is not an orphan's. */
void orphans_look(struct orphans *orphans, int link, pid_t keeper);
/* One of the keeper's words. True: it was for us. */
bool orphans_hear(struct orphans *orphans, const char *text);
/* When to look again though nothing has happened, ms; -1: never. */
int orphans_patience(const struct orphans *orphans);

#endif
