/* SPDX-License-Identifier: MIT */
/*
 * One request for each word of the command line, a process or an object, all at once; answers are
 * handled in the order of arrival.
 */
#ifndef PROCD_CTL_EACH_H
#define PROCD_CTL_EACH_H

#include "client/ctl/ctl.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct each {
    const char *method;
    bool is_object;  /* the words are names of objects, not processes */
    json_t *params;  /* what the requests have besides the word; NULL: nothing. Taken over. */
    int64_t deadline; /* monotonic; the status is CTL_TIMEOUT where answers are missing by then */
    /* A result has come: what it means as a status. word: as it was named. NULL: CTL_OK. */
    int (*answered)(const struct ctl *ctl, const char *word, const json_t *result);
};

/* Asks, waits, reports, and prints the document of --json: {"results": [{"process" or "name", and the
 * result's members or "error"}]}, in the order of the command line. The status: of one word its own; of
 * several CTL_OK, or CTL_TIMEOUT or CTL_NEGATIVE where something failed. */
int each_word(struct ctl *ctl, struct each *each);

#endif
