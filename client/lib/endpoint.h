/* SPDX-License-Identifier: MIT */
/*
 * Which socket (protocol section 1), and a connection to it; starts the user's own daemon where none answers.
 */
#ifndef PROCD_CLIENT_LIB_ENDPOINT_H
#define PROCD_CLIENT_LIB_ENDPOINT_H

#include "client/lib/remote.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#define ENDPOINT_SYSTEM   "/run/procd/procd.sock"
#define ENDPOINT_PATH_MAX sizeof(((struct sockaddr_un *) NULL)->sun_path)

struct endpoint {
    char path[ENDPOINT_PATH_MAX]; /* of a socket; at a host "" is by rule */
    char host[REMOTE_HOST_MAX];   /* "": here */
    bool own; /* the user's own by rule: its folder must be the user's, and is made on demand */
};

struct endpoint_options {
    const char *host;      /* see remote_parse; NULL: $PROCD_HOST, else here */
    const char *socket;    /* NULL: $PROCD_SOCKET (not at a host), else by rule */
    const char *program;   /* the daemon to start on demand; NULL: see autostart.h */
    bool no_autostart;     /* $PROCD_AUTOSTART=0 says the same */
    struct endpoint first; /* path not "": tried first; the rules decide where no daemon is there */
};

/* A path that somebody named; made absolute where that fits. 0, or -ENAMETOOLONG, -EINVAL (empty). */
int endpoint_named(const char *path, struct endpoint *ret_endpoint);

/* The user's own daemon's: below runtime_dir ($XDG_RUNTIME_DIR, may be NULL) or run_user ("/run/user") if
 * the folder there passes the test, else below tmp ("/tmp"). 0 or -ENAMETOOLONG. */
int endpoint_own(uid_t uid, const char *runtime_dir, const char *run_user, const char *tmp,
                 struct endpoint *ret_endpoint);

/* Connects to one endpoint, once. A CLOEXEC socket, or -errno; -EPERM: its folder is not the user's. At a
 * host: see remote_connect. */
int endpoint_connect(const struct endpoint *endpoint, int64_t deadline);

/* The host that is meant, or NULL: here. */
const char *endpoint_host(const struct endpoint_options *options);

/* Chooses and connects; starts a daemon where that is allowed. A CLOEXEC socket, or -errno (-ETIMEDOUT:
 * until the deadline nobody accepted; -ENOENT, -ECONNREFUSED: there is no daemon). */
int endpoint_open(const struct endpoint_options *options, int64_t deadline, struct endpoint *ret_endpoint);

#endif
