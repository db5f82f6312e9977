/* SPDX-License-Identifier: MIT */
/*
 * procctl: what every command gets, and the exit statuses.
 */
#ifndef PROCD_CTL_CTL_H
#define PROCD_CTL_CTL_H

#include "client/ctl/arguments.h"
#include "client/ctl/commands.h"

#include <stdbool.h>
#include <stdint.h>

struct connection;

/* The table of exit statuses in procctl(1). */
enum ctl_status {
    CTL_OK = 0,
    CTL_NEGATIVE = 1, /* a negative answer; some of several failed; errors that have no status of their own */
    CTL_USAGE = 2,
    CTL_NOT_RUNNING = 3,
    CTL_UNKNOWN = 4,
    CTL_DENIED = 5,
    CTL_BROKEN = 6,
    CTL_TIMEOUT = 124,
    CTL_FAILED = 125, /* procctl or procd failed */
    CTL_CANNOT_EXECUTE = 126,
    CTL_NOT_FOUND = 127,
    CTL_SIGNALLED = 128, /* plus the number of the signal */
};

struct ctl {
    const struct command *command; /* NULL until it is known */
    struct arguments arguments;
    struct connection *connection; /* NULL until the first request */
    const char *host;              /* NULL: that of $PROCD_HOST, else here; see call_host */
    const char *socket;            /* NULL: by rule */
    int64_t deadline; /* of the calls, as clock_monotonic tells; 0: none */
    bool no_autostart;
    bool is_json, is_quiet, has_color;
    bool exits_as_child; /* statuses below 124 are the child's: procctl's own failures are CTL_FAILED */
};

#endif
