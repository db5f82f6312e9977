/* SPDX-License-Identifier: MIT */
/*
 * What a target is told: JSON. Private to libprocd.
 *
 * {"target": name, "args": [...], "kwargs": {...}, "name": of the process, if it was given one, "parent":
 * pid}
 *
 * An environment variable makes a program run a target. It holds that text; a long one is in a sealed memfd
 * that its creator sends along, and the variable is the number of its descriptor.
 */
#ifndef PROCD_CLIENT_LIB_ARGUMENTS_H
#define PROCD_CLIENT_LIB_ARGUMENTS_H

#include <jansson.h>

#define ARGUMENTS_MARKER     "PROCD_CHILD"
#define ARGUMENTS_INLINE_MAX 2048 /* bytes: a longer text costs more than a descriptor */

/* The text in a memfd: a CLOEXEC descriptor, or -errno. */
int arguments_write(const char *text);

/* What the variable tells; closes the descriptor it may name. 0, -errno; -EBADMSG: it is no JSON object;
 * -EINVAL: it is neither text nor number. */
int arguments_read(const char *marker, json_t **ret_arguments);

#endif
