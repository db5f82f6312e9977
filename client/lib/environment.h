/* SPDX-License-Identifier: MIT */
/*
 * The environment as process.spawn takes it, in `env_fd` or in `env`. Private to libprocd.
 *
 * It is the longest part of a request: as JSON it cost more than all the rest together.
 */
#ifndef PROCD_CLIENT_LIB_ENVIRONMENT_H
#define PROCD_CLIENT_LIB_ENVIRONMENT_H

#include <jansson.h>

/* A sealed memfd of the NAME=VALUE strings, each with its NUL, in their order; what has no name or no `=` is
 * left out. variables may be NULL, and are the caller's to keep still meanwhile. A CLOEXEC descriptor of its
 * own each time, of the same memory while the same is in it; or -errno (-EMSGSIZE: more than the daemon
 * takes). Thread-safe. */
int environment_write(char *const *variables);

/* The same as `env`, for a daemon that no descriptor reaches: as getenv sees them, of several of one name the
 * first counts. A new reference, or NULL: no memory. */
json_t *environment_pack(char *const *variables);

#endif
