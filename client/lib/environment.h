/* SPDX-License-Identifier: MIT */
/*
 * The environment as process.spawn wants it. Private to libprocd.
 *
 * It is the longest part of a request and seldom another than last time, so the text is kept for the next
 * start.
 */
#ifndef PROCD_CLIENT_LIB_ENVIRONMENT_H
#define PROCD_CLIENT_LIB_ENVIRONMENT_H

/* `"env":{...}` of NAME=VALUE strings, as getenv sees them: of several of one name the first counts, and what
 * has no name or no `=` is none. The caller frees it. NULL: no memory. */
char *environment_encode(char *const *variables);

#endif
