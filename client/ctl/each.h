/*
 * One request for each process on the command line, all at once; answers are handled in the order of arrival.
 */
#ifndef PROCD_CTL_EACH_H
#define PROCD_CTL_EACH_H

#include "client/ctl/ctl.h"

#include <jansson.h>
#include <stdint.h>

struct each {
    const char *method;
    json_t *params;  /* what the requests have besides `process`; NULL: nothing. Taken over. */
    int64_t deadline; /* monotonic; the status is CTL_TIMEOUT where answers are missing by then */
    /* A result has come: what it means as a status. word: the process as it was named. NULL: CTL_OK. */
    int (*answered)(const struct ctl *ctl, const char *word, const json_t *result);
};

/* Asks, waits, reports, and prints the document of --json: {"results": [{"process", and the result's members
 * or "error"}]}, in the order of the command line. The status: of one process its own; of several CTL_OK, or
 * CTL_TIMEOUT or CTL_NEGATIVE where something failed. */
int each_process(struct ctl *ctl, struct each *each);

#endif
