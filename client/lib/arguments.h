/* SPDX-License-Identifier: MIT */
/*
 * What a target is told: JSON in a sealed memfd that its creator sends along. Private to libprocd.
 *
 * {"target": name, "args": [...], "kwargs": {...}, "name": of the process, if it was given one, "parent":
 * pid}
 */
#ifndef PROCD_CLIENT_LIB_ARGUMENTS_H
#define PROCD_CLIENT_LIB_ARGUMENTS_H

#include <jansson.h>

/* The environment variable that makes a program run a target: the number of that memfd's descriptor. */
#define ARGUMENTS_MARKER "PROCD_CHILD"

/* A CLOEXEC descriptor, or -errno. */
int arguments_write(const json_t *arguments);

/* Whole again; reads from the front, whoever read before. 0, -errno; -EBADMSG: it is no JSON object. */
int arguments_read(int fd, json_t **ret_arguments);

#endif
